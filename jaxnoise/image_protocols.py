"""What works on one image of any size in parts: `jaxnoise.protocols` of samplers and denoisers.

Each has a function that takes and gives the whole image, and one that takes rows and gives bands.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise import tiles
from jaxnoise.protocols import BySigma


@runtime_checkable
class ImageSampler(Protocol, metaclass=BySigma):
    """Makes noise for one image of any size, worked on in parts."""

    def sample_image(
        self,
        key: Array,
        variables: Any,
        config: Any,
        clean: Float[np.ndarray, "h w c"],
        camera: int,
        iso: float,
        *,
        temperature: float = 1.0,
        rows: int | None = None,
        progress: tiles.Progress | None = None,
    ) -> Float[np.ndarray, "h w c"]:
        """Noise (H, W, C), float32; `rows` of the image are worked on at a time."""
        ...

    def sample_bands(
        self,
        key: Array,
        variables: Any,
        config: Any,
        clean: tiles.RowSource,
        camera: int,
        iso: float,
        *,
        temperature: float = 1.0,
        rows: int | None = None,
        progress: tiles.Progress | None = None,
    ) -> Iterator[tiles.Band]:
        """The same noise, rows by rows from the top; rows of the clean image are asked for once,
        before noise for them is given.
        """
        ...


@runtime_checkable
class SigmaImageSampler(Protocol, metaclass=BySigma):
    """Makes noise of a given level, for one image of any size, worked on in parts."""

    def sample_image(
        self,
        key: Array,
        variables: Any,
        config: Any,
        clean: Float[np.ndarray, "h w c"],
        sigma: float | Num[np.ndarray, ""] | Num[np.ndarray, "h w c"],
        *,
        temperature: float = 1.0,
        rows: int | None = None,
        progress: tiles.Progress | None = None,
    ) -> Float[np.ndarray, "h w c"]:
        """Noise (H, W, C), float32; `sigma` is one number, or one a pixel; `rows` of the image are
        worked on at a time.
        """
        ...

    def sample_bands(
        self,
        key: Array,
        variables: Any,
        config: Any,
        clean: tiles.RowSource,
        sigma: float | Num[np.ndarray, ""] | tiles.RowSource,
        *,
        temperature: float = 1.0,
        rows: int | None = None,
        progress: tiles.Progress | None = None,
    ) -> Iterator[tiles.Band]:
        """The same noise, rows by rows from the top; rows of the clean image and of `sigma` are
        asked for once, before noise for them is given.
        """
        ...


@runtime_checkable
class ImageDenoiser(Protocol):
    """Estimates one clean image of any size, worked on in parts."""

    def denoise_image(
        self,
        variables: Any,
        config: Any,
        noisy: Float[np.ndarray, "h w c"],
        *,
        rows: int | None = None,
        progress: tiles.Progress | None = None,
        devices: Sequence[jax.Device] | None = None,
    ) -> Float[np.ndarray, "h w c"]:
        """The estimate (H, W, C), float32, not clipped; `rows` are worked on at a time.

        Where `devices` are named, each of them works on a part of its own.
        """
        ...

    def denoise_bands(
        self,
        variables: Any,
        config: Any,
        noisy: tiles.RowSource,
        *,
        rows: int | None = None,
        progress: tiles.Progress | None = None,
        devices: Sequence[jax.Device] | None = None,
    ) -> Iterator[tiles.Band]:
        """The same estimate, rows by rows from the top; rows of the noisy image are asked for
        before the estimate of them is given.
        """
        ...
