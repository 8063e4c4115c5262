"""`jaxnoise sample`: puts noise on images."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jaxnoise.cli._image_options import (
    IMAGES,
    OUTPUTS,
    add_image_arguments,
    add_level_arguments,
    add_model_limit,
    check_finite,
    check_image_arguments,
)
from jaxnoise.errors import UsageError

if TYPE_CHECKING:
    from jaxnoise.cli._sample_sources import Source

NAME = "sample"
SUMMARY = "Put the noise of a camera on images of any size: PNG, TIFF, NPZ, JPEG, raw."

MAX_SEED = 2**31 - 1
LOUDEST_SIGMA = 255.0
LOUDEST = 1e6
"""Far beyond any use, and far below where numbers overflow."""
DETAILS = f"""\
{IMAGES}
{OUTPUTS}
Integers are rounded and clipped to [0, white level], or to the image's own largest value where that
is above. Floats must lie in [0, 1] unless --white-level is given. The same seed, file name and
options give the same noise on the same versions of the software, whatever other files there are.

Poisson-Gaussian noise is that of raw: numbers must be linear in light, which those of sRGB
photographs are not. Realistic values are small: --shot 2e-4 --read 1e-6 is a phone at a low ISO,
--shot 2e-2 --read 1e-4 one at a very high ISO.

A model that takes --sigma or --profile, and a profile without a model, are of packed raw. RGB
images are turned into an RGGB mosaic for them, get the noise there and are demosaiced (Menon and
others 2007, by the package colour-demosaicing); nothing is rounded or clipped on the way. --noise
is then what the noise has become. --clean-output writes the clean images that went the same way,
which noisy ones have to be compared with; of raw, or without a mosaic, they are the inputs.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command.

    Args:
        parser: of the command.
    """
    parser.epilog = DETAILS
    add_image_arguments(parser, "clean", "noisy")
    model = parser.add_argument_group("noise of a trained model")
    model.add_argument(
        "--model", metavar="FOLDER", type=Path, help="folder with config.json and model.safetensors"
    )
    model.add_argument("--camera", metavar="NAME", help="needed if the model knows several")
    model.add_argument(
        "--iso", metavar="N", type=float, help="needed if the model or the --profile knows several"
    )
    model.add_argument(
        "--temperature", metavar="T", type=float, help="factor on the model's latent [1]"
    )
    add_model_limit(model)
    level = parser.add_argument_group("level of the noise, for models that take one, or alone")
    level.add_argument(
        "--sigma",
        metavar="S",
        type=float,
        help="standard deviation on the scale from 0 to 255, whatever the file's own scale: 20 is "
        "20/255 of full scale (white - black level); without --model white noise on the stored "
        "numbers",
    )
    level.add_argument(
        "--profile",
        metavar="FILE",
        type=Path,
        help="noise profile of a camera (camera.json), for the level at each intensity and channel "
        "at --iso; without --model Poisson-Gaussian noise",
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
    add_level_arguments(parser)
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of the noise [0]")
    parser.add_argument(
        "--noise",
        action="store_true",
        help="also write the noise alone, before rounding and clipping, as float32 fraction of "
        "full scale (white - black level): NAME_noise.tiff, for NPZ files .npz",
    )
    parser.add_argument(
        "--clean-output",
        metavar="FOLDER",
        type=Path,
        help="also write the clean image of each noisy one, under its name: of RGB images whose "
        "noise is put on a mosaic, the clean one that was demosaiced too",
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
    from jaxnoise.cli._image_files import others, plan
    from jaxnoise.cli._image_jobs import do_all
    from jaxnoise.cli._layouts import Layout
    from jaxnoise.cli._models import NOT_KNOWN, learned_from
    from jaxnoise.cli._sample_images import put_noise
    from jaxnoise.cli._say import say

    # Before outputs are looked for: who has to choose another one should not find this out later.
    learned = NOT_KNOWN
    if arguments.model is not None:
        learned = learned_from(arguments.model, max_bytes=arguments.max_model_bytes)
    jobs, left_alone = plan(
        arguments.inputs,
        arguments.output,
        with_noise=arguments.noise,
        force=arguments.force,
        format=arguments.format,
        clean_output=arguments.clean_output,
    )
    source = _source(arguments)
    layout = Layout(arguments.bayer, black_level, arguments.white_level)
    do_all(
        jobs,
        partial(put_noise, source=source, rows=arguments.rows),
        layout=layout,
        channels=source.channels,
        max_pixels=arguments.max_pixels,
        linear=source.linear,
        photographs=source.photographs,
        learned=learned,
    )
    say(
        f"{len(jobs)} image(s) with {source.description}, seed {arguments.seed}, are in "
        f"{arguments.output}.{others(left_alone)}"
    )
    return 0


def _source(arguments: argparse.Namespace) -> "Source":
    """Where the noise comes from."""
    from jaxnoise.cli import _sample_sources as sources

    common = {"seed": arguments.seed, "rows": arguments.rows}
    profile = None
    if arguments.profile is not None:
        from jaxnoise.io.noise_profile import read_profile

        profile = read_profile(arguments.profile)
    if arguments.model is not None:
        from jaxnoise.cli._sample_models import Wanted, open_noise

        temperature = 1.0 if arguments.temperature is None else arguments.temperature
        wanted = Wanted(
            arguments.camera, arguments.iso, arguments.sigma, profile, temperature, **common
        )
        return open_noise(arguments.model, wanted, max_bytes=arguments.max_model_bytes)
    if profile is not None:
        return sources.ProfileNoise(profile, arguments.iso, **common)
    if arguments.sigma is not None:
        return sources.WhiteNoise(arguments.sigma, **common)
    return sources.ShotReadNoise(shot=arguments.shot, read=arguments.read, **common)


def _check(arguments: argparse.Namespace) -> tuple[float, ...] | None:
    """Refuses options that do not go together; the black levels, where they are given."""
    simple = {"--shot": arguments.shot, "--read": arguments.read}
    _check_which(arguments, any(value is not None for value in simple.values()))
    if None in simple.values() and simple != {"--shot": None, "--read": None}:
        raise UsageError(
            "Poisson-Gaussian noise has two parts: give both --shot and --read (or 0)."
        )
    for name, value in (*simple.items(), ("--temperature", arguments.temperature)):
        if value is not None and not 0 <= value <= LOUDEST:
            raise UsageError(f"{name} must be from 0 to {LOUDEST:g}, not {value:g}.")
    if arguments.sigma is not None and not 0 < arguments.sigma <= LOUDEST_SIGMA:
        raise UsageError(
            f"--sigma must be above 0 and at most {LOUDEST_SIGMA:g}, the scale of 8 bits, not "
            f"{arguments.sigma:g}."
        )
    check_finite("--iso", arguments.iso)
    if not 0 <= arguments.seed <= MAX_SEED:
        raise UsageError(f"--seed must be from 0 to {MAX_SEED}, not {arguments.seed}.")
    return check_image_arguments(arguments)


def _check_which(arguments: argparse.Namespace, simple: bool) -> None:
    """Refuses options that speak of no noise, or of several."""
    model, level = arguments.model, arguments.sigma
    kinds = [simple, level is not None, arguments.profile is not None]
    if sum(kinds) > 1 or simple and model is not None or not any(kinds) and model is None:
        raise UsageError(
            "say which noise: give either --model, or --shot and --read, or --sigma, or --profile; "
            "only --model goes with one of the last two."
        )
    of_model = {"--camera": arguments.camera, "--temperature": arguments.temperature}
    if arguments.profile is None:
        of_model["--iso"] = arguments.iso
    given = [name for name, value in of_model.items() if value is not None]
    if model is None and given:
        also = " or a --profile" if given[0] == "--iso" else ""
        raise UsageError(f"{given[0]} belongs to a model{also}: give it with --model{also}.")
