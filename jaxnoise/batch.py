"""The unit of data that every model of jaxnoise takes."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Float, Num


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NoiseBatch:
    """A batch of clean images and noisy shots of them.

    Attributes:
        clean: shape (N, H, W, C), fraction of full scale (0 is black, 1 is white). Packed raw
            images have C = 4 in the order R, Gr, Gb, B.
        noisy: shape (N, H, W, C), same unit. Not clipped unless the sensor did.
        camera: shape (N,), index into the model's `config.cameras`.
        iso: shape (N,), the ISO number itself; 0 means "not stated".
    """

    clean: Float[Array, "n h w c"]
    noisy: Float[Array, "n h w c"]
    camera: Num[Array, " n"]
    iso: Num[Array, " n"]

    @property
    def noise(self) -> Float[Array, "n h w c"]:
        """The noise `noisy - clean`, same shape and unit."""
        return self.noisy - self.clean
