"""Which images a command reads, and where each result goes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxnoise.errors import DataError, UsageError

SUFFIXES = (".png", ".tif", ".tiff", ".npz")
"""Of the images that are looked for in folders; a file named by the user may have any name."""


@dataclass(frozen=True)
class Job:
    """One image.

    Attributes:
        source: the image to read.
        name: its path below the input, with slashes: what noise depends on beside the seed.
        output: where its result goes.
        noise_output: where the noise alone goes, if it is asked for.
    """

    source: Path
    name: str
    output: Path
    noise_output: Path | None


def plan(
    inputs: Sequence[Path], output: Path, *, with_noise: bool = False, force: bool
) -> tuple[list[Job], int]:
    """Every image of the inputs with its outputs, checked before any work.

    Args:
        inputs: images, or folders that are searched with their subfolders; what begins with a dot
            is passed over.
        output: the folder of the results.
        with_noise: whether the noise alone is written too.
        force: whether outputs that exist are replaced.

    Returns:
        The jobs in the order of the inputs, within a folder by name; the number of files in folders
        that are no images by name.

    Raises:
        UsageError: an output exists, is an input, or belongs to two inputs.
        DataError: an input is missing, or there are no images.
    """
    jobs, left_alone = [], 0
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file: give a folder.")
    for given in inputs:
        if not given.exists():
            raise DataError(f"{given} does not exist: give an image or a folder of images.")
        if given.is_dir():
            if output.resolve().is_relative_to(given.resolve()):
                raise UsageError(
                    f"--output {output} lies in the input {given}, whose images it would join: "
                    "choose a folder outside."
                )
            files = list(_files(given))
            images = [file for file in files if file.suffix.lower() in SUFFIXES]
            left_alone += len(files) - len(images)
            found = [(file, file.relative_to(given).as_posix()) for file in images]
        else:
            found = [(given, given.name)]
        jobs += [_job(file, name, output, with_noise) for file, name in found]
    if not jobs:
        raise DataError(
            f"there are no images in {inputs[0]}: give a folder with {', '.join(SUFFIXES)} files."
        )
    _check_outputs(jobs, force)
    return jobs, left_alone


def others(left_alone: int) -> str:
    """What is said at the end of the files that are no images.

    Args:
        left_alone: their number, from `plan`.

    Returns:
        A sentence after a space, or nothing.
    """
    return f" {left_alone} other file(s) were left alone." if left_alone else ""


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder by name, without hidden ones and what hidden folders hold."""

    def fail(error: OSError) -> None:
        raise DataError(f"cannot read {error.filename} ({error.strerror}): check the folder.")

    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if not name.startswith("."))


def _job(source: Path, name: str, output: Path, with_noise: bool) -> Job:
    made = output / name
    suffix = ".npz" if source.suffix.lower() == ".npz" else ".tiff"  # PNG has no floats
    noise_output = made.with_name(f"{made.stem}_noise{suffix}") if with_noise else None
    return Job(source, name, made, noise_output)


def _check_outputs(jobs: Sequence[Job], force: bool) -> None:
    inputs = {job.source.resolve() for job in jobs}
    owners: dict[Path, Path] = {}
    existing = []
    for job in jobs:
        for path in (job.output, job.noise_output):
            if path is None:
                continue
            if path.resolve() in inputs:
                raise UsageError(f"{path} is one of the inputs: choose another --output.")
            if path in owners:
                raise UsageError(
                    f"{owners[path]} and {job.source} would both write {path}: give them in "
                    "commands of their own."
                )
            owners[path] = job.source
            if path.exists():
                existing.append(path)
    if existing and not force:
        raise UsageError(
            f"{existing[0]} exists ({len(existing)} of {len(owners)} outputs do): choose another "
            "--output, or replace them with --force."
        )
