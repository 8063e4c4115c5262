"""`jaxnoise sample`: puts noise on images."""

import argparse
from functools import partial
from pathlib import Path

from jaxnoise.cli._image_options import (
    IMAGES,
    OUTPUTS,
    add_image_arguments,
    add_level_arguments,
    check_finite,
    check_image_arguments,
)
from jaxnoise.errors import UsageError

NAME = "sample"
SUMMARY = "Put the noise of a camera on images of any size: PNG, TIFF, NPZ, JPEG, raw."

MAX_SEED = 2**31 - 1
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
    add_level_arguments(parser)
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of the noise [0]")
    parser.add_argument(
        "--noise",
        action="store_true",
        help="also write the noise alone, before rounding and clipping, as float32 fraction of "
        "full scale (white - black level): NAME_noise.tiff, for NPZ files .npz",
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
    from jaxnoise.cli._sample_sources import ModelNoise, ShotReadNoise
    from jaxnoise.cli._say import say

    # Before outputs are looked for: who has to choose another one should not find this out later.
    learned = NOT_KNOWN if arguments.model is None else learned_from(arguments.model)
    jobs, left_alone = plan(
        arguments.inputs,
        arguments.output,
        with_noise=arguments.noise,
        force=arguments.force,
        format=arguments.format,
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
    layout = Layout(arguments.bayer, black_level, arguments.white_level)
    do_all(
        jobs,
        partial(put_noise, source=source),
        layout=layout,
        channels=source.channels,
        max_pixels=arguments.max_pixels,
        linear=arguments.model is None,
        learned=learned,
    )
    say(
        f"{len(jobs)} image(s) with {source.description}, seed {arguments.seed}, are in "
        f"{arguments.output}.{others(left_alone)}"
    )
    return 0


def _check(arguments: argparse.Namespace) -> tuple[float, ...] | None:
    """Refuses options that do not go together; the black levels, where they are given."""
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
    check_finite("--iso", arguments.iso)
    if not 0 <= arguments.seed <= MAX_SEED:
        raise UsageError(f"--seed must be from 0 to {MAX_SEED}, not {arguments.seed}.")
    return check_image_arguments(arguments)
