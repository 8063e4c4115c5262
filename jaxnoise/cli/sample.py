"""`jaxnoise sample`: puts noise on images."""

import argparse
import math
from pathlib import Path

from jaxnoise.errors import UsageError

NAME = "sample"
SUMMARY = "Put the noise of a camera on images of any size: PNG, TIFF, NPZ, raw mosaics."

MAX_SEED = 2**31 - 1
LOUDEST = 1e6
"""Far beyond any use, and far below where numbers overflow."""
PHASES = ("RGGB", "GRBG", "GBRG", "BGGR")
DETAILS = """\
Images are PNG (8 or 16 bit), TIFF or NPZ (8 or 16 bit, or float in [0, 1]) with the channels that
the model was trained on: 3 for RGB, 4 for packed raw in the order R, Gr, Gb, B. A mosaic of one
channel is packed and put back when --bayer names its pattern; its sides may be odd.

Each output has its input's name, format, type, shape and levels. Integers are rounded and clipped
to [0, white level], or to the image's own largest value where that is above; floats are neither
rounded nor clipped, and have the precision of 32 bits. Metadata (EXIF, colour profiles, other
arrays of an NPZ file) are not carried over. The same seed, file name and options give the same
noise on the same versions of the software, whatever other files there are.

Poisson-Gaussian noise is that of raw: numbers must be linear in light, which those of sRGB
photographs are not. Realistic values are small: --shot 2e-4 --read 1e-6 is a phone at a low ISO,
--shot 2e-2 --read 1e-4 one at a very high ISO.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command.

    Args:
        parser: of the command.
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    parser.add_argument(
        "inputs",
        metavar="IMAGE_OR_FOLDER",
        nargs="+",
        type=Path,
        help="clean images, or folders of them (with their subfolders)",
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        type=Path,
        required=True,
        help="where noisy images go; folders keep their structure",
    )
    model = parser.add_argument_group("noise of a trained model")
    model.add_argument(
        "--model", metavar="FOLDER", type=Path, help="folder with config.json and model.safetensors"
    )
    model.add_argument("--camera", metavar="NAME", help="needed if the model knows several")
    model.add_argument("--iso", metavar="N", type=float, help="needed if the model knows several")
    model.add_argument(
        "--temperature", metavar="T", type=float, help="factor on the model's latent [1]"
    )
    simple = parser.add_argument_group("or Poisson-Gaussian noise: variance = A * clean + B")
    simple.add_argument(
        "--shot",
        metavar="A",
        type=float,
        help="shot noise: variance per unit of clean, the value of one photon, as a fraction of "
        "full scale",
    )
    simple.add_argument(
        "--read", metavar="B", type=float, help="read noise: variance in (fraction of full scale)^2"
    )
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
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of the noise [0]")
    parser.add_argument(
        "--noise",
        action="store_true",
        help="also write the noise alone, before rounding and clipping, as float32 fraction of "
        "full scale (white - black level): NAME_noise.tiff, for NPZ files .npz",
    )
    parser.add_argument("--force", action="store_true", help="replace outputs that exist")
    parser.add_argument(
        "--rows",
        metavar="N",
        type=int,
        help="image rows (packed ones of raw) at a time, which bounds what layers need [chosen]",
    )


def run(arguments: argparse.Namespace) -> int:
    """Puts noise on the images.

    Args:
        arguments: the options of `add_arguments`.

    Returns:
        0.

    Raises:
        UsageError: the options contradict each other, the model or the images.
        DataError: images or the model are missing or damaged; all other images are done.
    """
    black_level = _check(arguments)
    from jaxnoise.cli._sample_files import plan
    from jaxnoise.cli._sample_images import Layout, put_noise
    from jaxnoise.cli._sample_sources import ModelNoise, ShotReadNoise

    jobs, left_alone = plan(
        arguments.inputs, arguments.output, with_noise=arguments.noise, force=arguments.force
    )
    if arguments.model is None:
        source = ShotReadNoise(
            shot=arguments.shot, read=arguments.read, seed=arguments.seed, rows=arguments.rows
        )
    else:
        source = ModelNoise(
            arguments.model,
            camera=arguments.camera,
            iso=arguments.iso,
            temperature=1.0 if arguments.temperature is None else arguments.temperature,
            seed=arguments.seed,
            rows=arguments.rows,
        )
    put_noise(jobs, source, Layout(arguments.bayer, black_level, arguments.white_level))
    others = f" {left_alone} other file(s) were left alone." if left_alone else ""
    print(
        f"{len(jobs)} image(s) with {source.description}, seed {arguments.seed}, are in "
        f"{arguments.output}.{others}"
    )
    return 0


def _check(arguments: argparse.Namespace) -> tuple[float, ...]:
    """Refuses options that do not go together; the black levels."""
    simple = {"--shot": arguments.shot, "--read": arguments.read}
    of_model = {
        "--camera": arguments.camera,
        "--iso": arguments.iso,
        "--temperature": arguments.temperature,
    }
    if (arguments.model is None) == (simple == {"--shot": None, "--read": None}):
        raise UsageError("say which noise: give either --model, or --shot and --read.")
    if arguments.model is None and None in simple.values():
        raise UsageError(
            "Poisson-Gaussian noise has two parts: give both --shot and --read (or 0)."
        )
    if arguments.model is None and any(value is not None for value in of_model.values()):
        given = next(name for name, value in of_model.items() if value is not None)
        raise UsageError(f"{given} belongs to a model: give it with --model.")
    for name, value in (*simple.items(), ("--temperature", arguments.temperature)):
        if value is not None and not 0 <= value <= LOUDEST:
            raise UsageError(f"{name} must be from 0 to {LOUDEST:g}, not {value:g}.")
    for name in ("iso", "white_level"):
        value = getattr(arguments, name)
        if value is not None and not math.isfinite(value):
            raise UsageError(f"--{name.replace('_', '-')} must be a finite number, not {value}.")
    if not 0 <= arguments.seed <= MAX_SEED:
        raise UsageError(f"--seed must be from 0 to {MAX_SEED}, not {arguments.seed}.")
    if arguments.rows is not None and arguments.rows < 1:
        raise UsageError(f"--rows must be at least 1, not {arguments.rows}.")
    return _levels(arguments.black_level or "0")


def _levels(text: str) -> tuple[float, ...]:
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
