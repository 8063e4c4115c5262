"""From a noisy image to a denoised one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxnoise.cli._layouts import Layout
from jaxnoise.cli._models import open_model
from jaxnoise.errors import DataError
from jaxnoise.process import make_cpu_devices
from jaxnoise.raw.levels import from_fraction, to_fraction
from jaxnoise.tiles import Progress

FLOAT_MARGIN = 1.0
"""How far noise may take floats beyond [0, 1] before they look like those of another full scale."""


class Denoiser:
    """A trained model that denoises, on all devices of this process.

    Args:
        folder: of the model.
        rows: of an image that a device works on at a time; None leaves it open.
        cpu_devices: devices to make of the CPU; None leaves it open.

    Attributes:
        channels: of the images that it takes.
    """

    def __init__(self, folder: Path, *, rows: int | None, cpu_devices: int | None):
        make_cpu_devices(cpu_devices)
        from jaxnoise.protocols import ImageDenoiser

        self._opened, self._rows = open_model(folder, ImageDenoiser), rows
        self.channels: int = self._opened.config.channels

    def denoise(self, noisy: np.ndarray, progress: Progress) -> np.ndarray:
        """The estimate of a clean image.

        Args:
            noisy: shape (H, W, C), fraction of full scale.
            progress: called with the fraction done.

        Returns:
            Same shape and unit.
        """
        import jax

        opened = self._opened
        return opened.model.denoise_image(
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
    denoise: Callable[[np.ndarray], np.ndarray],
    *,
    name: str,
) -> np.ndarray:
    """An image without its noise.

    Args:
        pixels: the noisy image as stored, shape (H, W, C); C = 1 for a mosaic.
        layout: what its numbers mean.
        denoise: from the noisy image, packed if it is a mosaic, as a fraction of full scale, to the
            estimate of the clean one. Noise goes beyond black and white, so nothing is clipped.
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
    estimate = denoise(to_fraction(packed, **levels))
    if not np.isfinite(estimate).all():
        raise DataError(f"the estimate for {name} is not finite: use another model.")
    height, width, _ = pixels.shape
    return layout.unpacked(from_fraction(estimate, pixels.dtype, **levels), (height, width))
