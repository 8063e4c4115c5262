"""`jaxnoise denoise`: takes the noise off images."""

import argparse
from pathlib import Path

from jaxnoise.cli._image_options import (
    IMAGES,
    OUTPUTS,
    add_cpu_devices,
    add_image_arguments,
    add_level_arguments,
    add_model_limit,
    check_cpu_devices,
    check_image_arguments,
)

NAME = "denoise"
SUMMARY = "Take the noise off images of any size: PNG, TIFF, NPZ, JPEG, raw."

DETAILS = f"""\
{IMAGES}
{OUTPUTS}
Integers are rounded and clipped to [0, white level]. Noise may take floats beyond [0, 1].

The model is a denoiser or a Noise2NoiseFlow. It expects numbers of the kind that it was trained on,
for raw linear ones from black to white level, so state both levels where the file's type does not.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command.

    Args:
        parser: of the command.
    """
    parser.epilog = DETAILS
    add_image_arguments(parser, "noisy", "denoised")
    parser.add_argument(
        "--model",
        metavar="FOLDER",
        type=Path,
        required=True,
        help="folder with config.json and model.safetensors",
    )
    add_model_limit(parser)
    add_cpu_devices(parser)
    add_level_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Denoises the images.

    Args:
        arguments: the options of `add_arguments`.

    Returns:
        0.

    Raises:
        UsageError: the options contradict each other, the model or the images.
        DataError: images or the model are missing or damaged; all other images are done.
    """
    black_level = check_image_arguments(arguments)
    check_cpu_devices(arguments.cpu_devices)
    from jaxnoise.cli._denoise_images import Denoiser, denoised_image
    from jaxnoise.cli._image_files import others, plan
    from jaxnoise.cli._image_jobs import do_all
    from jaxnoise.cli._layouts import Layout
    from jaxnoise.cli._models import learned_from
    from jaxnoise.cli._say import say

    # Before outputs are looked for: who has to choose another one should not find this out later.
    learned = learned_from(arguments.model, max_bytes=arguments.max_model_bytes)
    jobs, left_alone = plan(
        arguments.inputs, arguments.output, force=arguments.force, format=arguments.format
    )
    denoiser = Denoiser(
        arguments.model,
        rows=arguments.rows,
        cpu_devices=arguments.cpu_devices,
        max_bytes=arguments.max_model_bytes,
    )
    layout = Layout(arguments.bayer, black_level, arguments.white_level)

    def change(job, stored, own_layout, progress):
        return denoised_image(
            stored.pixels,
            own_layout,
            lambda noisy: denoiser.bands(noisy, progress),
            name=str(job.source),
        )

    do_all(
        jobs,
        change,
        layout=layout,
        channels=denoiser.channels,
        max_pixels=arguments.max_pixels,
        learned=learned,
    )
    say(f"{len(jobs)} denoised image(s) are in {arguments.output}.{others(left_alone)}")
    return 0
