"""From a clean image to a noisy one."""

from collections.abc import Iterator

import numpy as np

from jaxnoise.cli._image_files import Job
from jaxnoise.cli._image_jobs import write_like
from jaxnoise.cli._layouts import Fractions, Layout
from jaxnoise.cli._sample_photographs import Draw, check_finite_noise, noisy_photograph
from jaxnoise.cli._sample_sources import Source
from jaxnoise.io.image_writer import write_image
from jaxnoise.io.images import StoredImage
from jaxnoise.raw.levels import add_noise
from jaxnoise.tiles import Band, Progress, RowSource


def put_noise(
    job: Job,
    stored: StoredImage,
    layout: Layout,
    progress: Progress,
    *,
    source: Source,
    rows: int | None = None,
) -> np.ndarray:
    """Puts noise on an image, and writes the noise alone and the clean image where it is asked for.

    Args:
        job: the image and where it goes.
        stored: the image.
        layout: of the image.
        progress: called with the fraction done.
        source: of the noise.
        rows: of the image that are demosaiced at a time; None leaves it open.

    Returns:
        The noisy pixels, in the unit, type and shape of the stored ones.

    Raises:
        UsageError: the levels do not fit the image.
        DataError: its numbers are out of range.
    """
    photograph = source.photographs and layout.phase is None and stored.pixels.shape[2] == 3

    def draw(clean: RowSource) -> Iterator[Band]:
        return source.bands(job.name, clean, progress)

    wanted = {"name": str(job.source), "keep_noise": job.noise_output is not None}
    if photograph:
        keep_clean = job.clean_output is not None
        noisy, noise, clean = noisy_photograph(
            stored.pixels, layout, draw, keep_clean=keep_clean, rows=rows, **wanted
        )
    else:
        clean = stored.pixels.copy() if job.clean_output is not None else None
        noisy, noise = noisy_image(stored.pixels, layout, draw, **wanted)
    if job.noise_output is not None:
        assert noise is not None
        job.noise_output.parent.mkdir(parents=True, exist_ok=True)
        format = "NPZ" if job.noise_output.suffix == ".npz" else "TIFF"
        noise = np.ascontiguousarray(noise).reshape(stored.shape)
        write_image(job.noise_output, noise, format=format, array_name="noise")
    if job.clean_output is not None:
        assert clean is not None
        write_like(job.clean_output, job, stored, clean)
    return noisy


def noisy_image(
    pixels: np.ndarray,
    layout: Layout,
    draw: Draw,
    *,
    name: str,
    keep_noise: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """An image with noise, and the noise alone; beside them no copy of the image is made in floats.

    Args:
        pixels: the clean image as stored, shape (H, W, C); C = 1 for a mosaic. Overwritten unless
            it is one.
        layout: what its numbers mean.
        draw: from the clean image, packed if it is a mosaic, as a fraction of full scale in
            [0, 1], to noise of the same unit, rows by rows from the top.
        name: what to call the image in errors.
        keep_noise: whether the noise alone is wanted.

    Returns:
        The noisy image in the units and type of `pixels`, and the noise as a fraction of full
        scale or None, both of the shape of `pixels`.

    Raises:
        UsageError: the levels do not fit the image.
        DataError: floats are beyond [0, 1] without a stated white level, or the noise is not
            finite.
    """
    layout.check_floats(pixels, name)
    packed, levels = layout.packed(pixels), layout.levels(pixels.dtype)
    if not packed.flags.writeable:
        packed = packed.copy()
    highest = max(float(levels["white_level"]), float(packed.max()))
    kept = np.empty(packed.shape, np.float32) if keep_noise else None
    # What lies beyond black and white has the noise of black and white.
    for rows, noise in draw(Fractions(packed, levels, clip=True)):
        check_finite_noise(noise, name)
        if kept is not None:
            kept[rows] = noise
        packed[rows] = add_noise(packed[rows], noise, highest=highest, **levels)
    size = pixels.shape[0], pixels.shape[1]
    return layout.unpacked(packed, size), None if kept is None else layout.unpacked(kept, size)
