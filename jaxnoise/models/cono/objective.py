"""What is minimised: noise of one image resembles itself, and has the mean and level asked for."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from jaxnoise.checks import check_batch, check_numbers, check_same
from jaxnoise.distances import median_bandwidth, pairwise_mmd2
from jaxnoise.distances.quadrature import widths_spanned
from jaxnoise.errors import UsageError
from jaxnoise.losses import alignment, contrastive
from jaxnoise.losses.alignment import FLOOR
from jaxnoise.sigma import Level, checked_level

TEMPERATURE = 0.07
NODES = 32
"""Frequencies of the kernel: enough for values up to 13 levels from 0."""
MOST_NODES = 64
"""More would be worked on in turns, which devices that share a batch cannot do."""
BANDWIDTHS = ("sigma", "median")
MEDIAN_STEP = 97
"""Every 97th value goes into the median distance: a prime, so that no column is preferred."""


class Terms(NamedTuple):
    """The loss and its parts, each of shape ().

    Attributes:
        total: the weighted sum.
        contrastive: cross-entropy of finding the second patch of the same image, nats; log(N) for N
            images whose noise cannot be told apart.
        alignment: of mean and level; its unit is that of the form.
        perceptual: as it was given, 0 if it was not.
    """

    total: Float[Array, ""]
    contrastive: Float[Array, ""]
    alignment: Float[Array, ""]
    perceptual: Float[Array, ""]


class Weights(NamedTuple):
    """Factors of the three terms; the paper has 1 for each."""

    contrastive: float = 1.0
    alignment: float = 1.0
    perceptual: float = 1.0


EQUAL = Weights()


def objective(
    noise_queries: Float[Array, "n h w c"],
    noise_candidates: Float[Array, "n h w c"],
    sigma_queries: Level,
    sigma_candidates: Level,
    *,
    clean: tuple[Float[Array, "n h w c"], Float[Array, "n h w c"]] | None = None,
    negatives: Bool[Array | np.ndarray, "n n"] | None = None,
    perceptual: float | Num[Array, ""] = 0.0,
    weights: Weights = EQUAL,
    temperature: float | Num[Array, ""] = TEMPERATURE,
    bandwidth: str | float | Num[Array, ""] = "sigma",
    nodes: int = NODES,
    reduction: str = "mean",
    form: str = "relative",
    scope: str = "patch",
    bins: int = 10,
    floor: float | Num[Array, ""] = FLOOR,
) -> Terms:
    """The loss of a batch of pairs of patches, each pair of one image.

    Args:
        noise_queries: of the first patch of each pair, shape (N, H, W, C), fraction of full scale.
        noise_candidates: of the second patch, same shape and unit: the positive of its own pair and
            a negative of the others.
        sigma_queries: level asked for in the first patches: shape (N,) or (N, H, W, C), same unit.
        sigma_candidates: in the second ones.
        clean: the first and the second patches without noise, fraction of full scale: moments are
            then aligned in bins of intensity (see `jaxnoise.losses.alignment`).
        negatives: shape (N, N), True where the second patch of a column is a negative of the first
            patch of a row: False where the two overlap. None: all others are.
        perceptual: the perceptual term, shape ().
        weights: factors of the terms; a term of weight 0 is not worked out, and counts as 0.
        temperature: above 0, of the contrastive term, unit of the squared MMD.
        bandwidth: as for `noise_mmd2`.
        nodes: as for `noise_mmd2`.
        reduction: of the contrastive term over the queries, "mean", or "sum" as in the paper.
        form: of the alignment.
        scope: of the alignment.
        bins: of the alignment.
        floor: of the alignment.

    Returns:
        The terms.

    Raises:
        UsageError: for shapes or types that do not fit, and unknown words; outside jit also for a
            level, a temperature or a bandwidth that is not positive.

    Source: CoNo, Eqs. 6, 13 to 15 and Algorithm 1.
    """
    check_batch(least=1, noise_queries=noise_queries, noise_candidates=noise_candidates)
    check_same(sigma_queries=sigma_queries, sigma_candidates=sigma_candidates)
    check_numbers(perceptual=perceptual)
    kind = jnp.asarray(noise_queries).dtype
    told = aligned = jnp.zeros((), kind)
    if weights.contrastive:
        distances = noise_mmd2(
            noise_queries,
            noise_candidates,
            sigma_queries,
            sigma_candidates,
            bandwidth=bandwidth,
            nodes=nodes,
        )
        told = contrastive(
            distances, temperature=temperature, negatives=negatives, reduction=reduction
        )
    if weights.alignment:
        aligned = alignment(
            _beside(noise_queries, noise_candidates),
            _beside(sigma_queries, sigma_candidates),
            intensity=None if clean is None else _beside(*clean),
            form=form,
            scope=scope,
            bins=bins,
            floor=floor,
        )
    seen = jnp.asarray(perceptual if weights.perceptual else 0.0, kind)
    total = weights.contrastive * told + weights.alignment * aligned + weights.perceptual * seen
    return Terms(total, told, aligned, seen)


def noise_mmd2(
    noise_queries: Float[Array, "n h w c"],
    noise_candidates: Float[Array, "m h w c"],
    sigma_queries: Level,
    sigma_candidates: Level,
    *,
    bandwidth: str | float | Num[Array, ""] = "sigma",
    nodes: int = NODES,
) -> Float[Array, "n m"]:
    """Squared MMD between the noise values of all pairs of patches.

    Args:
        noise_queries: shape (N, H, W, C), any unit.
        noise_candidates: shape (M, H, W, C), same unit.
        sigma_queries: their levels, shape (N,) or (N, H, W, C), same unit.
        sigma_candidates: likewise, shape (M,) or (M, H, W, C).
        bandwidth: delta of the kernel exp(-(u - v)^2 / delta^2): "sigma" for sqrt(2) times the root
            mean square of all levels; "median" for the median heuristic over every 97th value; or a
            number above 0, same unit.
        nodes: frequencies of the kernel, 12 to 64. Values further from 0 than half of the range
            that they carry count as if they lay there: 9.5 bandwidths of 32 nodes, so by "sigma" 13
            levels, which only noise of a model gone astray comes to.

    Returns:
        Shape (N, M), between 0 and 2; NaN where noise is NaN.

    Raises:
        UsageError: for shapes or types that do not fit, another word or number of nodes; outside
            jit also for a level or a bandwidth that is not positive, or noise that is not finite.

    Source: CoNo, Eqs. 9 and 10; delta is not stated there.
    """
    check_batch(noise_queries=noise_queries)
    check_batch(noise_candidates=noise_candidates)
    if not 12 <= nodes <= MOST_NODES:
        raise UsageError(f"nodes is {nodes}: use 12 to {MOST_NODES} frequencies.")
    queries, candidates = jnp.asarray(noise_queries), jnp.asarray(noise_candidates)
    levels = checked_level(sigma_queries, queries), checked_level(sigma_candidates, candidates)
    left, right = (noise.reshape(len(noise), -1) for noise in (queries, candidates))
    if isinstance(bandwidth, str):
        width = _bandwidth(bandwidth, levels, (left, right))
    else:
        check_numbers(bandwidth=bandwidth)
        width = jnp.asarray(bandwidth, left.dtype)
    width = jax.lax.stop_gradient(width)
    # A little less, so that rounding does not lead beyond what the nodes carry.
    reach = (0.5 - 1e-5) * widths_spanned(nodes, left.dtype.name) * width
    left, right = (jnp.clip(values, -reach, reach) for values in (left, right))
    return pairwise_mmd2(left, right, bandwidth=width, nodes=nodes)


def _bandwidth(
    word: str, levels: tuple[Array, Array], noises: tuple[Array, Array]
) -> Float[Array, ""]:
    if word not in BANDWIDTHS:
        raise UsageError(
            f"bandwidth is {word!r}: use {' or '.join(BANDWIDTHS)}, or a number above 0."
        )
    if word == "median":
        return median_bandwidth(*(noise.ravel()[::MEDIAN_STEP] for noise in noises))
    first, second = ((level**2).mean() for level in levels)
    return jnp.sqrt(first + second)  # of 2 * the mean of the two


def _beside(first: Level, second: Level) -> Float[Array, "m ..."]:
    """Two batches as one, each pair side by side: on several devices it stays where it is."""
    return jnp.stack([jnp.asarray(first), jnp.asarray(second)], 1).reshape(-1, *first.shape[1:])
