"""One image after the other, from file to file: damaged ones are named and left out."""

import sys
from collections.abc import Callable, Sequence

import numpy as np

from jaxnoise.cli._image_files import Job
from jaxnoise.cli._layouts import Layout
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.image_writer import write_image
from jaxnoise.io.images import StoredImage, read_stored
from jaxnoise.tiles import Progress

BAR = "{l_bar}{bar}| {n:.1f}/{total} images [{elapsed}<{remaining}]"

Change = Callable[[Job, StoredImage, Progress], np.ndarray]
"""From an image to the pixels of its result, in the unit, type and shape of `StoredImage.pixels`; a
DataError says that the image is damaged."""


def do_all(jobs: Sequence[Job], change: Change, *, layout: Layout, channels: int | None) -> None:
    """Reads, changes and writes every image; damaged ones are named and left out.

    Args:
        jobs: the images and where they go.
        change: what is done to an image.
        layout: of all images.
        channels: that `change` takes, of packed raw for mosaics; None for any.

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
                stored = read_stored(job.source)
                layout.check_channels(stored.pixels, str(job.source), channels)
                _write(job, stored, change(job, stored, advance))
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
                bar.write(f"jaxnoise: {error}", file=sys.stderr)
                continue
            note = layout.doubt(stored.pixels, str(job.source))
            if note and not noted:
                bar.write(f"jaxnoise: {note}", file=sys.stderr)
                noted = True
    if damaged:
        raise DataError(
            f"{len(damaged)} of {len(jobs)} images were left out, all others are done; the first "
            f"left out: {damaged[0]}"
        )


def _write(job: Job, stored: StoredImage, pixels: np.ndarray) -> None:
    """Writes a result in the format, type and shape of the image that was read."""
    job.output.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.ascontiguousarray(pixels).reshape(stored.shape).astype(stored.dtype, copy=False)
    write_image(job.output, pixels, format=stored.format, array_name=stored.array_name)
