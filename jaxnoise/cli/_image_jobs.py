"""One image after the other: damaged ones are named and left out."""

import sys
from collections.abc import Callable, Sequence

import numpy as np

from jaxnoise.cli._image_files import Job
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.image_writer import write_image
from jaxnoise.io.images import StoredImage

BAR = "{l_bar}{bar}| {n:.1f}/{total} images [{elapsed}<{remaining}]"

Progress = Callable[[float], None]
"""Called with the part of an image that is done, from 0 to 1."""
Work = Callable[[Job, Progress], str]
"""Reads an image and writes its result; returns a sentence that the user should read, or ""."""


def do_all(jobs: Sequence[Job], work: Work) -> None:
    """Works on every image, with a bar; the first sentence that work returns is shown.

    Args:
        jobs: the images and where they go.
        work: for one image; raises a DataError for a damaged one.

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
                note = work(job, advance)
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
            if note and not noted:
                bar.write(f"jaxnoise: {note}", file=sys.stderr)
                noted = True
    if damaged:
        raise DataError(
            f"{len(damaged)} of {len(jobs)} images were left out, all others are done; the first "
            f"left out: {damaged[0]}"
        )


def write_result(job: Job, stored: StoredImage, pixels: np.ndarray) -> None:
    """Writes the result of a job in the format, type and shape of the image that was read.

    Args:
        job: the image and where it goes.
        stored: the image that was read.
        pixels: of the result, shape (H, W, C) as `stored.pixels`.
    """
    job.output.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.ascontiguousarray(pixels).reshape(stored.shape).astype(stored.dtype, copy=False)
    write_image(job.output, pixels, format=stored.format, array_name=stored.array_name)
