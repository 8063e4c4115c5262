"""The distances as one writes them first in JAX: every kernel, every sort, autodiff."""

import jax
import jax.numpy as jnp


def dense_mmd2(x: jax.Array, y: jax.Array, width: jax.Array) -> jax.Array:
    """Squared MMD, biased, of two sets of scalars: the means of three whole kernel matrices."""

    def mean_kernel(u: jax.Array, v: jax.Array) -> jax.Array:
        return jnp.exp(-(((u[:, None] - v) / width) ** 2)).mean()

    return mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)


def sorted_emd(xs: jax.Array, ys: jax.Array) -> jax.Array:
    """Earth mover's distances of all pairs of sets of one size, shape (a, b)."""
    xs, ys = jnp.sort(xs, axis=1), jnp.sort(ys, axis=1)
    return jax.vmap(lambda x: jnp.abs(x - ys).mean(1))(xs)


def moments_bhattacharyya(xs: jax.Array, ys: jax.Array) -> jax.Array:
    """Bhattacharyya distances of all pairs as RCL's Eq. 6 has them, shape (a, b)."""
    p, q = xs.var(1, ddof=1)[:, None], ys.var(1, ddof=1)
    apart = (xs.mean(1)[:, None] - ys.mean(1)) ** 2
    return 0.25 * jnp.log(0.25 * (p / q + q / p + 2)) + 0.25 * apart / (p + q)
