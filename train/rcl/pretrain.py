"""Pre-training: a network that learns from noisy images alone."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import optax

from jaxnoise.errors import DataError, UsageError
from jaxnoise.interop import open_encoder
from train.engine.system import Fitted, Phase, Run, System, Task
from train.rcl.config import PretrainConfig
from train.rcl.held_out import residual_results
from train.rcl.images import FULL_SCALE, noisy_crops
from train.rcl.judge import Judge
from train.rcl.networks import network_of
from train.rcl.step import (
    FIELDS,
    TERMS,
    Contrast,
    Loss,
    contrast_loss,
    mosaic2mosaic_loss,
    noise2noise_loss,
    noise2self_loss,
    training_step,
)
from train.report.report import LEFT_OUT, Report
from train.report.residual_section import residual_section
from train.steps.optimisers import ADAM_EPSILON, adam

WITHOUT_UNIT = 0.07
"""Temperature of distances that have no unit."""
BEFORE = "before training"
NAMES = {
    "rcl": "RCL",
    "noise2noise": "Noise2Noise",
    "noise2self": "Noise2Self",
    "mosaic2mosaic": "mosaic-to-mosaic",
}
COMPARED = {
    "noise2noise": noise2noise_loss,
    "noise2self": noise2self_loss,
    "mosaic2mosaic": mosaic2mosaic_loss,
}
"""Losses of the methods that RCL is compared with."""
INPUT_OF = {"noise2noise": "rgb", "noise2self": "rgb", "mosaic2mosaic": "raw"}
"""What the methods take that do not take both."""


def title(config: PretrainConfig) -> str:
    """Name of the trained network in tables."""
    return NAMES[config.method]


def check(config: PretrainConfig) -> None:
    """Refuses options that contradict each other."""
    if config.method == "rcl" and config.batch_size < 2:
        raise UsageError("--batch-size 1 has no other images to contrast with: give 2 or more.")
    if config.method == "mosaic2mosaic" and config.levels == "none":
        raise UsageError(
            "--method mosaic2mosaic compares mosaics of a sensor that was moved by known steps, "
            "which --levels none has not: leave out --levels, or give --method rcl."
        )
    wanted = INPUT_OF.get(config.method, config.input)
    if wanted != config.input:
        raise UsageError(
            f"--method {config.method} takes {wanted}, not --input {config.input}: give --input "
            f"{wanted}, or --method rcl, which takes both."
        )


def data(config: PretrainConfig) -> dict[str, Callable[[], Any]]:
    """The noisy images, as pairs of crops."""
    return {"noisy": partial(noisy_crops, config, config.input)}


def check_data(run: Run) -> str:
    """Refuses images that the method cannot use."""
    config, noisy = run.config, run.data["noisy"]
    for split in ("train", "validation", "test"):
        if "noisy" not in noisy.images.fields.get(split, ()):
            raise DataError(
                f"{noisy.name} has no noisy images in its {split} split: give more images, or "
                "folders train, validation, test."
            )
        noisy.views(split)
        if "first_noisy2" in FIELDS[config.method] and "noisy2" not in noisy.kinds(split):
            raise DataError(
                f"{noisy.name} has no second noisy image of each in its {split} split, which "
                f"--method {config.method} compares with: use another method, or other images."
            )
        if config.method == "rcl" and split != "test" and not noisy.has_several_images(split):
            raise DataError(
                f"{noisy.name} has one image that is large enough in its {split} split, and RCL "
                "tells images apart: give 2 or more."
            )
    return ""


def loss_of(config: PretrainConfig, network: Any) -> tuple[Loss, Any]:
    """The loss that options state, and the weights that it reads.

    Args:
        config: the run's options.
        network: that is trained.

    Raises:
        UsageError: the encoder cannot be read.
        DataError: likewise.
    """
    if config.method in COMPARED:
        return partial(COMPARED[config.method], network=network), ()
    encoder, weights = (None, ()) if network.raw else open_encoder(config.encoder)
    options = Contrast(
        distance=config.distance,
        alpha=config.alpha,
        temperature=temperature_of(config),
        reduction=config.reduction,
        scale=config.residual_scale,
        form=config.consistency,
    )
    return partial(contrast_loss, network=network, options=options, encoder=encoder), weights


def temperature_of(config: PretrainConfig) -> float:
    """The temperature that options state, or one at which the distances of true noise count.

    Residuals that are much weaker than the noise would tell images apart as surely where the
    temperature is small beside the distances of noise, as 0.07 of 255 is.

    Args:
        config: the run's options.
    """
    if config.temperature is not None:
        return config.temperature
    return config.residual_scale / FULL_SCALE if config.distance == "emd" else WITHOUT_UNIT


def optimiser_of(config: PretrainConfig) -> optax.GradientTransformation:
    """Adam at a fixed rate, or one that rises and falls to zero.

    Args:
        config: the run's options.
    """
    rate = config.learning_rate
    if config.decay:
        return adam(rate, steps=config.steps, warm_up=config.warm_up)
    return optax.adam(rate, eps=ADAM_EPSILON)


def task(run: Run, before: Mapping[str, Fitted]) -> Task:
    """The one training; its score is the loss over validation crops."""
    del before
    config, noisy = run.config, run.data["noisy"]
    network, optimiser = network_of(config), optimiser_of(config)
    loss, weights = loss_of(config, network)
    variables = network.init(config.seed)

    def batch(number: int) -> dict[str, np.ndarray]:
        sizes = {"seed": config.seed, "step": number, "batch_size": config.batch_size}
        made = noisy.batch("train", **sizes)
        return {name: made[name] for name in FIELDS[config.method]}

    return Task(
        title=title(config),
        state={"variables": dict(variables), "optimiser": optimiser.init(variables["params"])},
        fixed=weights,
        batch=batch,
        step=partial(training_step, loss=loss, optimiser=optimiser),
        evaluate=Judge(run, network, loss),
        export=lambda state: state["variables"],
        shown="loss",
        keep="last" if config.decay else "best",
    )


def phases(run: Run) -> list[Phase]:
    """The one training."""
    network = network_of(run.config)
    return [
        Phase(
            name=network.model,
            task=partial(task, run),
            model=network.model,
            settings=network.settings,
        )
    ]


def report(run: Run, fitted: Mapping[str, Fitted]) -> Report:
    """Residuals of held-out crops before and after training, beside the true noise."""
    config, noisy, network = run.config, run.data["noisy"], network_of(run.config)
    found, name = fitted[network.model], title(config)
    variables = {BEFORE: network.init(config.seed), name: found.kept}
    results, shown = residual_results(run, network, variables)
    section = residual_section(
        results,
        shown,
        trained=name,
        history=found.rows(),
        terms=TERMS[config.method],
        show_images=config.images,
    )
    crops = shown.images["noisy"].shape
    count = len(shown.noise_shown)
    return Report(
        title=f"Pre-training by {name} on {noisy.name}",
        subject=f"{count} held-out crops of {crops[1]} × {crops[2]} × {crops[3]}.",
        sections=[section],
        notes=[
            *noisy.notes,
            *(note for split in ("train", "test") for note in noisy.views(split).notes),
            found.described(name),
            *([] if config.images else [LEFT_OUT]),
        ],
        facts={"patches": count, "patch_shape": list(crops[1:])},
    )


SYSTEM = System(check=check, data=data, check_data=check_data, phases=phases, report=report)
