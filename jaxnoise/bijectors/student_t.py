"""A heavy-tailed base distribution: Student's t scaled to unit variance."""

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

from jaxnoise.bijectors import _distrax


class StudentT(_distrax.Distribution):
    """Student's t distribution with zero mean and unit variance, one value per event.

    Stored: the logarithm of how far the degrees of freedom exceed 2, so that the variance is
    finite.
    """

    def __init__(self, log_excess: Float[Array, "*n"]):
        """Builds the distribution.

        Args:
            log_excess: log(degrees of freedom - 2), any shape: the batch shape.

        Source: Student 1908; the scaling divides by sqrt(df / (df - 2)).
        """
        super().__init__()
        self._degrees = 2.0 + jnp.exp(jnp.asarray(log_excess))
        self._scale = jnp.sqrt((self._degrees - 2.0) / self._degrees)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Scalar events."""
        return ()

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the parameter."""
        return self._degrees.shape

    def _sample_n(self, key: Array, n: int) -> Array:
        shape = (n, *self.batch_shape)
        return self._scale * jax.random.t(key, self._degrees, shape, self._degrees.dtype)

    def log_prob(self, value: Float[Array, "*n"]) -> Array:
        """Log density.

        Args:
            value: any shape that broadcasts with the batch shape.

        Returns:
            Nats, the broadcast shape.

        Source: Student 1908.
        """
        degrees, half = self._degrees, 0.5 * (self._degrees + 1.0)
        normaliser = (
            gammaln(half) - gammaln(0.5 * degrees) - 0.5 * jnp.log(jnp.pi * (degrees - 2.0))
        )
        return normaliser - half * jnp.log1p(value**2 / (degrees - 2.0))
