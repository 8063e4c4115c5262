"""`jaxnoise convert`: a published model's checkpoint becomes one of our model folders."""

import argparse
import shlex
from pathlib import Path

from jaxnoise.errors import DataError, UsageError

NAME = "convert"
SUMMARY = "turn a checkpoint of a paper's published code into a model folder"

NOISE_FLOW_TF = "noise_flow_tf"
MODELS = {NOISE_FLOW_TF: "noiseflow"}
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
        help="its folder, one of its files, or their path without ending (model.ckpt.best)",
    )
    parser.add_argument(
        "--output", metavar="FOLDER", type=Path, required=True, help="the model folder to write"
    )
    parser.add_argument(
        "--from",
        dest="source",
        choices=tuple(MODELS),
        help="what the checkpoint is; found out from its files by default. noise_flow_tf: Noise "
        "Flow, TensorFlow code of the paper's authors",
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
    output = arguments.output
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file: choose a folder.")
    if output.is_dir() and any(output.iterdir()) and not arguments.force:
        raise UsageError(
            f"--output {output} is not empty: choose another folder, or replace the model there "
            "with --force."
        )
    checkpoint, source = _recognise(arguments.checkpoint, arguments.source)
    print(f"{checkpoint} ({source})", flush=True)

    from jaxnoise import interop, models
    from jaxnoise.io import save_model

    config, variables = getattr(interop, source)(checkpoint)
    name = MODELS[source]
    save_model(output, name, config, variables)
    print(
        f"{name} {config.arch}, {models.get(name).parameter_count(variables):,} parameters\n"
        f"channels: {config.channels} (packed raw R, Gr, Gb, B, or mosaics with --bayer)\n"
        f"cameras: {', '.join(config.cameras)}\n"
        f"ISO: {', '.join(map(str, config.isos))}\n"
        f"wrote {output}; next, for example:\n"
        f"  jaxnoise sample IMAGES --output NOISY --model {shlex.quote(str(output))} "
        f"--camera {shlex.quote(config.cameras[0])} --iso {config.isos[0]}"
    )
    return 0


def _recognise(path: Path, source: str | None) -> tuple[Path, str]:
    """The checkpoint that a path means, and what kind it is."""
    from jaxnoise.interop.tensor_bundle import find_checkpoint

    if not path.exists() and not path.parent.is_dir():
        raise DataError(f"{path} does not exist: check the path.")
    prefix = find_checkpoint(path)
    if prefix is None:
        raise DataError(
            f"{path} is no checkpoint that jaxnoise reads: known are TensorFlow's .index and .data "
            "files (noise_flow_tf); give them or the folder that holds them."
        )
    return prefix, source or NOISE_FLOW_TF
