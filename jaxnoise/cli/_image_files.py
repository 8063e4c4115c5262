"""Which images a command reads, and where each result goes."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jaxnoise.errors import DataError, UsageError

SUFFIXES = (".png", ".tif", ".tiff", ".npz", ".jpg", ".jpeg", ".webp")
"""Of the images that are looked for in folders; a file named by the user may have any name."""
PHOTOGRAPHS = (".jpg", ".jpeg", ".webp")
FORMATS = {"png": ".png", "tiff": ".tiff", "npz": ".npz"}
"""What --format may say, and how the files are called then."""
MAX_NAME_BYTES = 255
_RAW = ".dng .nef .nrw .cr2 .cr3 .crw .arw .srf .sr2 .raf .orf .rw2 .pef .srw .3fr .iiq".split()
_IMAGES = ".bmp .gif .exr .hdr .heic .heif .avif .jp2 .jxl .ppm .pgm .pnm .tga .psd".split()
ADVICE = {
    **dict.fromkeys(_RAW, "convert raw files to 16-bit TIFF of their raw numbers"),
    **dict.fromkeys(_IMAGES, "save it as PNG or TIFF"),
    ".npy": "save it with numpy.savez",
    ".mat": "save it with numpy.savez",
}
"""What to do with images of kinds that are not read."""


@dataclass(frozen=True)
class Job:
    """One image.

    Attributes:
        source: the image to read.
        name: its path below the input, with slashes: what noise depends on beside the seed.
        output: where its result goes.
        noise_output: where the noise alone goes, if it is asked for.
        format: of the result, where it is not that of the image.
        clean_output: where the clean image goes of which the result is the noisy one, if it is
            asked for.
    """

    source: Path
    name: str
    output: Path
    noise_output: Path | None
    format: str | None = None
    clean_output: Path | None = None


def plan(
    inputs: Sequence[Path],
    output: Path,
    *,
    with_noise: bool = False,
    force: bool,
    format: str | None = None,
    clean_output: Path | None = None,
) -> tuple[list[Job], Counter[str]]:
    """Every image of the inputs with its outputs, checked before any work.

    Args:
        inputs: images, or folders that are searched with their subfolders, linked ones too; what
            begins with a dot is passed over.
        output: the folder of the results.
        with_noise: whether the noise alone is written too.
        force: whether outputs that exist are replaced.
        format: of all results, a key of `FORMATS`; None for those of the images, and PNG for
            photographs.
        clean_output: the folder of the clean images that results are the noisy ones of; None where
            they are not asked for.

    Returns:
        The jobs in the order of the inputs, within a folder by name; the number of files in folders
        that are no images by name, by suffix.

    Raises:
        UsageError: an output exists, is an input, or belongs to two inputs.
        DataError: an input is missing, or there are no images.
    """
    jobs, left_alone = [], Counter()
    outputs = {"--output": output}
    if clean_output is not None:
        outputs["--clean-output"] = clean_output
        if clean_output.resolve() == output.resolve():
            raise UsageError("--clean-output must be another folder than --output.")
    for option, folder in outputs.items():
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{option} {folder} is a file: give a folder.")
    for given in inputs:
        if not given.exists():
            raise DataError(f"{given} does not exist: give an image or a folder of images.")
        if given.is_dir():
            for option, folder in outputs.items():
                if folder.resolve().is_relative_to(given.resolve()):
                    raise UsageError(
                        f"{option} {folder} lies in the input {given}, whose images it would join: "
                        "choose a folder outside."
                    )
            files = list(_files(given, outputs))
            images = [file for file in files if file.suffix.lower() in SUFFIXES]
            left_alone.update(
                file.suffix.lower() for file in files if file.suffix.lower() not in SUFFIXES
            )
            found = [(file, file.relative_to(given).as_posix()) for file in images]
        else:
            found = [(given, given.name)]
        made = [_job(file, name, output, with_noise, format) for file, name in found]
        if clean_output is not None:
            made = [
                replace(job, clean_output=clean_output / job.output.relative_to(output))
                for job in made
            ]
        jobs += made
    if not jobs:
        raise DataError(
            f"there are no images in {inputs[0]}: give a folder with {', '.join(SUFFIXES)} files."
            f"{others(left_alone)}"
        )
    _check_outputs(jobs, force)
    return jobs, left_alone


def others(left_alone: Counter[str]) -> str:
    """What is said at the end of the files that are no images, or images that are not read.

    Args:
        left_alone: their number by suffix, from `plan`.

    Returns:
        Sentences after a space, or nothing.
    """
    kinds: dict[str, list[str]] = {}
    for suffix, count in sorted(left_alone.items()):
        if suffix in ADVICE:
            kinds.setdefault(ADVICE[suffix], []).append(f"{count} {suffix}")
    said = ""
    if kinds:
        each = "; ".join(f"{', '.join(found)} ({advice})" for advice, found in kinds.items())
        said = f" Images of kinds that are not read were left out: {each}."
    rest = sum(count for suffix, count in left_alone.items() if suffix not in ADVICE)
    return said + (f" {rest} other file(s) were left alone." if rest else "")


def _files(folder: Path, outputs: Mapping[str, Path]) -> Iterator[Path]:
    """Files below a folder by name, without hidden ones and what hidden folders hold."""

    def fail(error: OSError) -> None:
        raise DataError(f"cannot read {error.filename} ({error.strerror}): check the folder.")

    seen = {_identity(folder)}
    for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        kept = []
        for name in sorted(name for name in folders if not name.startswith(".")):
            path = Path(place, name)
            # A link may lead back to a folder above, or to one that another link leads to.
            above = path.is_symlink() and folder.resolve().is_relative_to(path.resolve())
            if above or _identity(path) in seen:
                continue
            for option, output in outputs.items():
                if path.is_symlink() and output.resolve().is_relative_to(path.resolve()):
                    raise UsageError(
                        f"{option} {output} lies in {path}, a linked folder of the input, whose "
                        "images it would join: choose a folder outside."
                    )
            seen.add(_identity(path))
            kept.append(name)
        folders[:] = kept
        yield from (Path(place, name) for name in sorted(files) if not name.startswith("."))


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _job(source: Path, name: str, output: Path, with_noise: bool, format: str | None) -> Job:
    made = output / name
    if format is not None:
        made = made.with_suffix(FORMATS[format])
    elif made.suffix.lower() in PHOTOGRAPHS:
        made = made.with_suffix(".png")
    suffix = ".npz" if made.suffix.lower() == ".npz" else ".tiff"  # PNG has no floats
    noise_output = made.with_name(f"{made.stem}_noise{suffix}") if with_noise else None
    for path in (made, noise_output):
        if path is not None and len(os.fsencode(path.name)) > MAX_NAME_BYTES:
            raise UsageError(
                f"the result of {source} would have a name of more than {MAX_NAME_BYTES} bytes: "
                "rename it."
            )
    return Job(source, name, made, noise_output, format.upper() if format else None)


def _check_outputs(jobs: Sequence[Job], force: bool) -> None:
    inputs = {job.source.resolve() for job in jobs}
    owners: dict[Path, Path] = {}
    existing = []
    for job in jobs:
        for path in (job.output, job.noise_output, job.clean_output):
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
