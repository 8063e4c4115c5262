"""From a noisy image to a denoised one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from jaxnoise.cli._layouts import Fractions, Layout
from jaxnoise.cli._models import open_model
from jaxnoise.errors import DataError
from jaxnoise.process import make_cpu_devices
from jaxnoise.raw.levels import from_fraction
from jaxnoise.tiles import Band, Progress, RowSource

FLOAT_MARGIN = 1.0
"""How far noise may take floats beyond [0, 1] before they look like those of another full scale."""


class Denoiser:
    """A trained model that denoises, on all devices of this process.

    Args:
        folder: of the model.
        rows: of an image that a device works on at a time; None leaves it open.
        cpu_devices: devices to make of the CPU; None leaves it open.
        max_bytes: that the model's tensors may take.

    Attributes:
        channels: of the images that it takes.
    """

    def __init__(self, folder: Path, *, rows: int | None, cpu_devices: int | None, max_bytes: int):
        make_cpu_devices(cpu_devices)
        from jaxnoise.image_protocols import ImageDenoiser

        self._opened, self._rows = open_model(folder, ImageDenoiser, max_bytes=max_bytes), rows
        self.channels: int = self._opened.config.channels

    def bands(self, noisy: RowSource, progress: Progress) -> Iterator[Band]:
        """The estimate of a clean image, rows by rows from the top.

        Args:
            noisy: the image (H, W, C), fraction of full scale; rows of which the estimate was given
                may be overwritten.
            progress: called with the fraction done.

        Returns:
            An iterator over rows and the estimate of them in the same unit.
        """
        import jax

        opened = self._opened
        return opened.model.denoise_bands(
            opened.variables,
            opened.config,
            noisy,
            rows=self._rows,
            progress=progress,
            devices=jax.local_devices(),
        )


def denoised_image(
    pixels: np.ndarray,
    layout: Layout,
    denoise: Callable[[RowSource], Iterator[Band]],
    *,
    name: str,
) -> np.ndarray:
    """An image without its noise; no copy of the whole image is made in floats.

    Args:
        pixels: the noisy image as stored, shape (H, W, C); C = 1 for a mosaic. Overwritten unless
            it is one.
        layout: what its numbers mean.
        denoise: from the noisy image, packed if it is a mosaic, as a fraction of full scale, to the
            estimate of the clean one, rows by rows from the top. Noise goes beyond black and
            white, so nothing is clipped.
        name: what to call the image in errors.

    Returns:
        The estimate in the units, type and shape of `pixels`.

    Raises:
        UsageError: the levels do not fit the image.
        DataError: floats are far beyond [0, 1] without a stated white level, or the estimate is not
            finite.
    """
    packed, levels = layout.packed(pixels), layout.levels(pixels.dtype)
    layout.check_floats(pixels, name, margin=FLOAT_MARGIN)
    if not packed.flags.writeable:
        packed = packed.copy()
    for rows, estimate in denoise(Fractions(packed, levels, clip=False)):
        if not np.isfinite(estimate).all():
            raise DataError(f"the estimate for {name} is not finite: use another model.")
        packed[rows] = from_fraction(estimate, pixels.dtype, **levels)
    height, width, _ = pixels.shape
    return layout.unpacked(packed, (height, width))
