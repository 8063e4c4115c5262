"""Options of the commands that turn images into other images, and what their help says of them."""

import argparse
import math
from pathlib import Path
from typing import Any

from jaxnoise.errors import UsageError

MAX_PIXELS = 150_000_000
MAX_MODEL_BYTES = 2**31
PHASES = ("RGGB", "GRBG", "GBRG", "BGGR")
MOST_CPU_DEVICES = 1024
IMAGES = """\
Images are PNG (8 or 16 bit), TIFF or NPZ (8 or 16 bit, or float), JPEG or WebP, with the channels
that the model was trained on: 3 for RGB, 4 for packed raw in the order R, Gr, Gb, B. A mosaic of
one channel is packed and put back when --bayer names its pattern; its sides may be odd. An NPZ file
may carry cfa, black_level and white_level beside its array, which count where no option says it.
"""
OUTPUTS = """\
Each output has its input's name, format, type, shape and levels; photographs (JPEG, WebP) become
PNG, and --format chooses another. Images are turned as their orientation tag says, and an opaque
alpha channel is left out. Floats are neither rounded nor clipped, and have the precision of 32
bits. Metadata (EXIF, colour profiles, other arrays of an NPZ file) are not carried over.
"""


def add_image_arguments(parser: argparse.ArgumentParser, given: str, made: str) -> None:
    """Adds which images are read and where the results go.

    Args:
        parser: of the command.
        given: what the images are, for example "clean".
        made: what the results are.
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "inputs",
        metavar="IMAGE_OR_FOLDER",
        nargs="+",
        type=Path,
        help=f"{given} images, or folders of them (with their subfolders)",
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        type=Path,
        required=True,
        help=f"where {made} images go; folders keep their structure",
    )
    parser.add_argument(
        "--format",
        choices=("png", "tiff", "npz"),
        help=f"of {made} images [that of each image, png for JPEG and WebP]",
    )
    parser.add_argument(
        "--max-pixels",
        metavar="N",
        type=int,
        default=MAX_PIXELS,
        help=f"refuse images of more; limits of their bytes grow with it [{MAX_PIXELS:,}]",
    )
    parser.add_argument("--force", action="store_true", help="replace outputs that exist")
    parser.add_argument(
        "--rows",
        metavar="N",
        type=int,
        help="image rows (packed ones of raw) at a time, which bounds what layers need [chosen]",
    )


def add_model_limit(group: Any) -> None:
    """Adds how large a model may be.

    Args:
        group: of the command's parser, or the parser itself.
    """
    group.add_argument(
        "--max-model-bytes",
        metavar="N",
        type=int,
        default=MAX_MODEL_BYTES,
        help="refuse models whose tensors take more; limits of their number and of layers grow "
        f"with it [{MAX_MODEL_BYTES:,}]",
    )


def add_cpu_devices(parser: argparse.ArgumentParser) -> None:
    """Adds how many devices the CPU is.

    Args:
        parser: of the command.
    """
    parser.add_argument(
        "--cpu-devices",
        metavar="N",
        type=int,
        help="devices to make of the CPU, each busy on one core with its own part of an image [one "
        "for each core that this process may use]",
    )


def add_level_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the numbers of a file mean.

    Args:
        parser: of the command.
    """
    raw = parser.add_argument_group("levels, and raw mosaics")
    raw.add_argument("--bayer", choices=PHASES, help="colours of a mosaic's first 2x2 pixels")
    raw.add_argument(
        "--black-level",
        metavar="N[,N,N,N]",
        help="in the file's units: one number, or one for each channel; for mosaics one for each "
        "of the first 2x2 pixels in reading order; negative ones as --black-level=-5 [0]",
    )
    raw.add_argument(
        "--white-level",
        metavar="N",
        type=float,
        help="full scale in the file's units [255 or 65535 for integers, 1 for floats]",
    )


def check_cpu_devices(number: int | None) -> None:
    """Refuses a number of CPU devices that cannot be.

    Args:
        number: of `--cpu-devices`, None where it is not given.

    Raises:
        UsageError: it is below 1 or beyond any machine.
    """
    if number is not None and not 1 <= number <= MOST_CPU_DEVICES:
        raise UsageError(f"--cpu-devices must be from 1 to {MOST_CPU_DEVICES}, not {number}.")


def check_image_arguments(arguments: argparse.Namespace) -> tuple[float, ...] | None:
    """Refuses what the options of this file cannot mean; the black levels.

    Args:
        arguments: of the command line.

    Returns:
        The black levels in the file's units, one or several; None where the option is not given.

    Raises:
        UsageError: names the option and what it may be.
    """
    if arguments.rows is not None and arguments.rows < 1:
        raise UsageError(f"--rows must be at least 1, not {arguments.rows}.")
    if arguments.max_pixels < 1:
        raise UsageError(f"--max-pixels must be at least 1, not {arguments.max_pixels}.")
    if arguments.max_model_bytes < 1:
        raise UsageError(f"--max-model-bytes must be at least 1, not {arguments.max_model_bytes}.")
    check_finite("--white-level", arguments.white_level)
    if arguments.black_level is None:
        return None
    text = arguments.black_level
    try:
        levels = tuple(float(part) for part in text.split(","))
    except ValueError:
        levels = (math.nan,)
    if not all(math.isfinite(level) for level in levels):
        raise UsageError(
            f"--black-level {text} cannot be read: give one number, or one for each channel joined "
            "by commas."
        )
    return levels


def check_finite(name: str, value: float | None) -> None:
    """Refuses what is no number.

    Args:
        name: of the option.
        value: of the option, None where it is not given.

    Raises:
        UsageError: the value is infinite or no number.
    """
    if value is not None and not math.isfinite(value):
        raise UsageError(f"{name} must be a finite number, not {value}.")
