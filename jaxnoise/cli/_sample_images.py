"""From a clean image file to a noisy one, one image at a time."""

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jaxnoise.cli._sample_files import Job
from jaxnoise.cli._sample_sources import Progress, Source
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.image_writer import write_image
from jaxnoise.io.images import read_stored
from jaxnoise.raw.levels import add_noise, full_scale, to_fraction
from jaxnoise.raw.mosaic import by_channel, mosaic_to_packed, packed_to_mosaic

BAR = "{l_bar}{bar}| {n:.1f}/{total} images [{elapsed}<{remaining}]"
DARK = 0.25
"""A 16-bit raw image whose brightest pixel is below this fraction may have a lower full scale."""


class Layout(NamedTuple):
    """How numbers of a file stand for light.

    Attributes:
        phase: the pattern of mosaics; None for images whose channels are colours.
        black_level: in the file's units, one number or one for each channel or place.
        white_level: in the file's units; None for the full scale of the type.
    """

    phase: str | None
    black_level: tuple[float, ...]
    white_level: float | None


def put_noise(jobs: Sequence[Job], source: Source, layout: Layout) -> None:
    """Reads, puts noise on and writes every image; damaged ones are named and left out.

    Args:
        jobs: the images and where they go.
        source: of the noise.
        layout: of all images.

    Raises:
        UsageError: an image is not of the kind that the options or the model speak of.
        DataError: after all others are done, if images were left out.
    """
    from tqdm import tqdm

    damaged: list[DataError] = []
    noted = False
    with tqdm(total=len(jobs), disable=None, bar_format=BAR) as bar:
        for number, job in enumerate(jobs):

            def advance(fraction: float, done: int = number) -> None:
                bar.update(done + fraction - bar.n)

            try:
                note = put_noise_on_one(job, source, layout, advance)
            except UsageError as error:
                if number == len(damaged):
                    raise
                done = number - len(damaged)
                raise UsageError(f"{error} {done} image(s) before it are done.") from error
            except DataError as error:
                if len(jobs) == 1:
                    raise
                damaged.append(error)
                bar.write(f"jaxnoise: {error}", file=sys.stderr)
                continue
            if note and not noted:
                bar.write(f"jaxnoise: {note}", file=sys.stderr)
                noted = True
    if damaged:
        raise DataError(
            f"{len(damaged)} of {len(jobs)} images were left out, all others are done; the first "
            f"left out: {damaged[0]}"
        )


def put_noise_on_one(job: Job, source: Source, layout: Layout, progress: Progress) -> str:
    """Reads, puts noise on and writes one image.

    Args:
        job: the image and where it goes.
        source: of the noise.
        layout: of the image.
        progress: called with the fraction done.

    Returns:
        A sentence that the user should read, or nothing.

    Raises:
        UsageError: the image is not of the kind that the options or the model speak of.
        DataError: the file is damaged or its numbers are out of range.
    """
    stored = read_stored(job.source)
    _check_channels(stored.pixels.shape[2], str(job.source), source, layout)
    noisy, noise = noisy_image(
        stored.pixels,
        layout,
        lambda clean: source.draw(job.name, clean, progress),
        name=str(job.source),
    )
    job.output.parent.mkdir(parents=True, exist_ok=True)
    if job.noise_output is not None:
        format = "NPZ" if job.noise_output.suffix == ".npz" else "TIFF"
        noise = np.ascontiguousarray(noise).reshape(stored.shape)
        write_image(job.noise_output, noise, format=format, array_name="noise")
    noisy = np.ascontiguousarray(noisy).reshape(stored.shape).astype(stored.dtype, copy=False)
    write_image(job.output, noisy, format=stored.format, array_name=stored.array_name)
    progress(1.0)
    return _doubt(stored.pixels, str(job.source), layout)


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
    packed = pixels if layout.phase is None else mosaic_to_packed(pixels[..., 0], layout.phase)
    white = full_scale(pixels.dtype) if layout.white_level is None else layout.white_level
    black = layout.black_level
    if layout.phase is not None and len(black) > 1:
        black = by_channel(black, layout.phase)
    levels = {"black_level": np.asarray(black), "white_level": white}
    if layout.white_level is None and pixels.dtype.kind == "f":
        low, high = pixels.min(), pixels.max()
        if low < 0 or high > 1:
            raise DataError(
                f"{name} has values from {low:.4g} to {high:.4g}: scale floats to lie in [0, 1], "
                "or give --white-level."
            )
    clean = to_fraction(packed, **levels)
    # What lies beyond black and white has the noise of black and white.
    np.clip(clean, 0.0, 1.0, out=clean)
    noise = draw(clean)
    if not np.isfinite(noise).all():
        raise DataError(
            f"the noise for {name} is not finite: use a smaller --temperature or another model."
        )
    noisy = add_noise(packed, noise, **levels)
    if layout.phase is None:
        return noisy, noise
    size = pixels.shape[:2]
    noisy = packed_to_mosaic(noisy, layout.phase, size)
    return noisy[..., None], packed_to_mosaic(noise, layout.phase, size)[..., None]


def _check_channels(channels: int, name: str, source: Source, layout: Layout) -> None:
    if layout.phase is not None:
        if channels != 1:
            raise UsageError(
                f"{name} has {channels} channels and is no mosaic: leave out --bayer, or give "
                "images of one channel."
            )
        channels = 4
    if source.channels in (None, channels):
        return
    wanted = {
        3: "RGB images",
        4: "packed raw (4 channels: R, Gr, Gb, B), or mosaics with --bayer",
    }.get(source.channels, f"images of {source.channels} channels")
    given = f"a mosaic by --bayer {layout.phase}" if layout.phase else f"{channels} channel(s)"
    raise UsageError(f"{name} has {given}, the model was trained on others: give it {wanted}.")


def _doubt(pixels: np.ndarray, name: str, layout: Layout) -> str:
    """A sentence where raw numbers fill so little of their type that full scale may be lower."""
    raw = layout.phase is not None or pixels.shape[2] in (1, 4)
    if not raw or layout.white_level is not None or pixels.dtype != np.uint16:
        return ""
    high, full = pixels.max(), full_scale(pixels.dtype)
    if high >= DARK * full:
        return ""
    return (
        f"the brightest pixel of {name} is {high} of {full:g}: if full scale is lower, give "
        "--white-level."
    )
