"""One image after the other, from file to file: damaged ones are named and left out."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from jaxnoise.cli._image_files import Job
from jaxnoise.cli._layouts import Layout
from jaxnoise.cli._models import NOT_KNOWN, LearnedFrom
from jaxnoise.cli._say import libraries_are_silent, say
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.image_writer import write_image
from jaxnoise.io.images import PHOTOGRAPHS, StoredImage, read_stored
from jaxnoise.io.stored_image import Levels
from jaxnoise.tiles import Progress

BY_SUFFIX = {".tif": "TIFF", ".tiff": "TIFF", ".npz": "NPZ"}
BAR = "{l_bar}{bar}| {n:.1f}/{total} images [{elapsed}<{remaining}]"

Change = Callable[[Job, StoredImage, Layout, Progress], np.ndarray]
"""From an image and its layout to the pixels of its result, in the unit, type and shape of
`StoredImage.pixels`, which it may overwrite; a DataError says that the image is damaged."""


def do_all(
    jobs: Sequence[Job],
    change: Change,
    *,
    layout: Layout,
    channels: int | None,
    max_pixels: int,
    linear: bool = False,
    photographs: bool = False,
    learned: LearnedFrom = NOT_KNOWN,
) -> None:
    """Reads, changes and writes every image; damaged ones are named and left out.

    Args:
        jobs: the images and where they go.
        change: what is done to an image.
        layout: of all images, as far as the options say it.
        channels: that `change` takes, of packed raw for mosaics; None for any.
        max_pixels: of an image.
        linear: whether numbers must be linear in light.
        photographs: whether `change` takes RGB images whatever its channels.
        learned: what the model was trained on.

    Raises:
        UsageError: an image is not of the kind that the options or the model speak of.
        DataError: after all others are done, if images were left out.
    """
    from tqdm import tqdm

    damaged: list[DataError] = []
    noted: set[str] = set()
    with tqdm(total=len(jobs), disable=None, bar_format=BAR) as bar:
        for number, job in enumerate(jobs):

            def advance(fraction: float, done: int = number) -> None:
                bar.update(done + fraction - bar.n)

            try:
                with libraries_are_silent():
                    stored = read_stored(job.source, max_pixels=max_pixels)
                own, name = layout.of(stored, str(job.source)), str(job.source)
                own.check_channels(stored.pixels, name, channels, photographs=photographs)
                doubts = own.doubts(stored, name, linear=linear, learned=learned)
                write_like(job.output, job, stored, change(job, stored, own, advance))
                advance(1.0)
            except UsageError as error:
                if number == len(damaged):
                    raise
                done = number - len(damaged)
                raise UsageError(f"{error} {done} image(s) before it are done.") from error
            except DataError as error:
                if len(jobs) == 1:
                    raise
                damaged.append(error)
                with bar.external_write_mode(file=sys.stderr):
                    say(f"jaxnoise: {error}", error=True)
                continue
            for kind, note in doubts.items():
                if kind not in noted:
                    with bar.external_write_mode(file=sys.stderr):
                        say(f"jaxnoise: {note}", error=True)
                noted.add(kind)
    if damaged:
        raise DataError(
            f"{len(damaged)} of {len(jobs)} images were left out, all others are done; the first "
            f"left out: {damaged[0]}"
        )


def write_like(path: Path, job: Job, stored: StoredImage, pixels: np.ndarray) -> None:
    """Writes an image in the type and shape of the one that was read.

    Args:
        path: where it goes.
        job: of the image that was read.
        stored: the image that was read.
        pixels: in its unit, type and shape.

    Raises:
        DataError: the type cannot hold the numbers.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with np.errstate(over="ignore"):
        made = np.ascontiguousarray(pixels).reshape(stored.shape).astype(stored.dtype, copy=False)
    if stored.dtype == np.float16 and not np.isfinite(made).all():
        raise DataError(
            f"the result for {job.source} has numbers that float16 cannot hold: save it as float32."
        )
    format = job.format or stored.format
    if format in PHOTOGRAPHS:
        format = BY_SUFFIX.get(path.suffix.lower(), "PNG")
    beside = _levels(stored.levels) if format == "NPZ" else None
    write_image(path, made, format=format, array_name=stored.array_name, beside=beside)


def _levels(levels: Levels) -> dict[str, np.ndarray]:
    """What an NPZ file said of its numbers, for one that holds numbers of the same meaning."""
    stated = {
        "cfa": levels.phase,
        "black_level": levels.black_level,
        "white_level": levels.white_level,
    }
    return {name: np.array(value) for name, value in stated.items() if value is not None}
