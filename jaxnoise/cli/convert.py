"""`jaxnoise convert`: a published model's checkpoint becomes one of our model folders."""

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

from jaxnoise.errors import DataError, UsageError

NAME = "convert"
SUMMARY = "turn a checkpoint of a paper's published code into a model folder"

NOISE_FLOW_TF = "noise_flow_tf"
NOISE2NOISEFLOW_TORCH, DENOISER_TORCH = "noise2noiseflow_torch", "denoiser_torch"
MODELS = {
    NOISE_FLOW_TF: "noiseflow",
    NOISE2NOISEFLOW_TORCH: "noise2noiseflow",
    DENOISER_TORCH: "denoiser",
}
"""Which model a reader of `jaxnoise.interop` gives."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `jaxnoise convert`.

    Args:
        parser: of this subcommand.
    """
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        help="its folder, one of its files (.pth), or their path without ending (model.ckpt.best)",
    )
    parser.add_argument(
        "--output", metavar="FOLDER", type=Path, required=True, help="the model folder to write"
    )
    parser.add_argument(
        "--from",
        dest="source",
        choices=tuple(MODELS),
        help="what the checkpoint is; found out from its files by default. noise_flow_tf: Noise "
        "Flow, TensorFlow code of the paper's authors; noise2noiseflow_torch: Noise2NoiseFlow, "
        "PyTorch code of its authors; denoiser_torch: a DnCNN or U-Net of that code",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a model that --output already holds"
    )


def run(arguments: argparse.Namespace) -> int:
    """Converts, and prints what it was and what to do next.

    Args:
        arguments: of the command line.

    Returns:
        0.

    Raises:
        UsageError: the output folder is in use.
        DataError: the checkpoint is missing, damaged or not known.
    """
    # First, so that who has to choose another output does not find this out later.
    checkpoint, source = _recognise(arguments.checkpoint, arguments.source)
    output = arguments.output
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file: choose a folder.")
    if output.is_dir() and any(output.iterdir()) and not arguments.force:
        raise UsageError(
            f"--output {output} is not empty: choose another folder, or replace the model there "
            "with --force."
        )
    print(f"{checkpoint} ({source})", flush=True)

    from jaxnoise import interop, models
    from jaxnoise.image_protocols import ImageDenoiser, ImageSampler
    from jaxnoise.io import save_model
    from jaxnoise.protocols import TrainedModel

    config, variables = getattr(interop, source)(checkpoint)
    name = MODELS[source]
    save_model(output, name, config, variables)
    model = models.require(name, TrainedModel)
    count = model.parameter_count(variables)
    print(f"{name} {_summary(name, config)}, {count:,} parameters")
    raw = " (packed raw R, Gr, Gb, B, or mosaics with --bayer)" if config.channels == 4 else ""
    print(f"channels: {config.channels}{raw}")
    commands = []
    if isinstance(model, ImageSampler):
        print(f"cameras: {', '.join(config.cameras)}\nISO: {', '.join(map(str, config.isos))}")
        conditions = f"--camera {shlex.quote(config.cameras[0])} --iso {config.isos[0]}"
        commands.append(("sample", "NOISY", f" {conditions}"))
    if isinstance(model, ImageDenoiser):
        commands.append(("denoise", "DENOISED", ""))
    print(f"wrote {output}; next, for example:")
    for command, images, options in commands:
        folder = shlex.quote(str(output))
        print(f"  jaxnoise {command} IMAGES --output {images} --model {folder}{options}")
    return 0


def _summary(name: str, config: Any) -> str:
    """What the model is made of, in a few words."""
    if name == "noiseflow":
        return config.arch
    if name == "noise2noiseflow":
        denoiser = _summary("denoiser", config.denoiser)
        return f"{config.noise_model.arch} with {denoiser}"
    depth = f"{config.depth} layers, " if config.net == "dncnn" else ""
    return f"{config.net} ({depth}{config.features} features)"


def _recognise(path: Path, source: str | None) -> tuple[Path, str]:
    """The checkpoint that a path means, and what kind it is."""
    from jaxnoise.interop.state_dict import find_state_file
    from jaxnoise.interop.tensor_bundle import find_checkpoint

    if not path.exists() and not path.parent.is_dir():
        raise DataError(f"{path} does not exist: check the path.")
    prefix = find_checkpoint(path) if source in (None, NOISE_FLOW_TF) else None
    file = find_state_file(path) if source != NOISE_FLOW_TF else None
    if prefix is not None and file is not None:
        raise DataError(f"{path} holds {prefix.name} and {file.name}: give one of them.")
    if prefix is not None:
        return prefix, NOISE_FLOW_TF
    if file is not None:
        return file, source or _source_of(file)
    raise DataError(
        f"{path} is no checkpoint that jaxnoise reads: known are TensorFlow's .index and .data "
        "files (noise_flow_tf) and PyTorch's .pth files (noise2noiseflow_torch, denoiser_torch); "
        "give them or the folder that holds them."
    )


def _source_of(file: Path) -> str:
    """Which reader a file of PyTorch is for, by the names of its tensors."""
    from jaxnoise.interop.denoisers import DNCNN, UNET
    from jaxnoise.interop.noise2noiseflow import FLOW
    from jaxnoise.interop.state_dict import read_state

    starts = {NOISE2NOISEFLOW_TORCH: [FLOW], DENOISER_TORCH: [DNCNN, UNET]}
    state = read_state(file, "known are those of Noise2NoiseFlow's code")
    for source, known in starts.items():
        if any(state.names(re.escape(start) + ".*") for start in known):
            return source
    raise state.refusal("is of another network")
