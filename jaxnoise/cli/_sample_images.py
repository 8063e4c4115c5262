"""From a clean image to a noisy one."""

from collections.abc import Callable

import numpy as np

from jaxnoise.cli._image_files import Job
from jaxnoise.cli._layouts import Layout
from jaxnoise.cli._sample_sources import Source
from jaxnoise.errors import DataError
from jaxnoise.io.image_writer import write_image
from jaxnoise.io.images import StoredImage
from jaxnoise.raw.levels import add_noise, to_fraction
from jaxnoise.tiles import Progress


def put_noise(
    job: Job, stored: StoredImage, layout: Layout, progress: Progress, *, source: Source
) -> np.ndarray:
    """Puts noise on an image, and writes the noise alone where it is asked for.

    Args:
        job: the image and where it goes.
        stored: the image.
        layout: of the image.
        progress: called with the fraction done.
        source: of the noise.

    Returns:
        The noisy pixels, in the unit, type and shape of the stored ones.

    Raises:
        UsageError: the levels do not fit the image.
        DataError: its numbers are out of range.
    """
    noisy, noise = noisy_image(
        stored.pixels,
        layout,
        lambda clean: source.draw(job.name, clean, progress),
        name=str(job.source),
    )
    if job.noise_output is not None:
        job.noise_output.parent.mkdir(parents=True, exist_ok=True)
        format = "NPZ" if job.noise_output.suffix == ".npz" else "TIFF"
        noise = np.ascontiguousarray(noise).reshape(stored.shape)
        write_image(job.noise_output, noise, format=format, array_name="noise")
    return noisy


def noisy_image(
    pixels: np.ndarray,
    layout: Layout,
    draw: Callable[[np.ndarray], np.ndarray],
    *,
    name: str,
) -> tuple[np.ndarray, np.ndarray]:
    """An image with noise, and the noise alone.

    Args:
        pixels: the clean image as stored, shape (H, W, C); C = 1 for a mosaic.
        layout: what its numbers mean.
        draw: from the clean image, packed if it is a mosaic, as a fraction of full scale in [0, 1],
            to noise of the same shape and unit.
        name: what to call the image in errors.

    Returns:
        The noisy image in the units and type of `pixels`, and the noise as a fraction of full
        scale, both of the shape of `pixels`.

    Raises:
        UsageError: the levels do not fit the image.
        DataError: floats are beyond [0, 1] without a stated white level, or the noise is not
            finite.
    """
    packed, levels = layout.packed(pixels), layout.levels(pixels.dtype)
    layout.check_floats(pixels, name)
    clean = to_fraction(packed, **levels)
    # What lies beyond black and white has the noise of black and white.
    np.clip(clean, 0.0, 1.0, out=clean)
    noise = draw(clean)
    if not np.isfinite(noise).all():
        raise DataError(
            f"the noise for {name} is not finite: use a smaller --temperature or another model."
        )
    noisy = add_noise(packed, noise, **levels)
    height, width, _ = pixels.shape
    return layout.unpacked(noisy, (height, width)), layout.unpacked(noise, (height, width))
