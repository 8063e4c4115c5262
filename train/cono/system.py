"""CoNo: a generator of noise that is learnt from clean images, at a stated level."""

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any

import jax

from datasets.crops import open_images
from datasets.raw_crops import RawCrops
from datasets.source_files import Reading
from jaxnoise import models
from jaxnoise.errors import UsageError
from train.cono import step
from train.cono.config import Config
from train.cono.held_out import held_out_results
from train.cono.levels import levels_of
from train.engine.system import Fitted, Phase, Run, System, Task
from train.report.level_section import level_section
from train.report.report import LEFT_OUT, Report

MODEL = "cono"
NAME = "CoNo"
START = "CoNo, untrained"
PATCH_SIZE = 64
"""Side of a crop in packed pixels, as in the paper."""


def settings_of(config: Config) -> Any:
    """The model's configuration.

    Args:
        config: the run's options.

    Returns:
        A `Config` of `jaxnoise.models.cono`.
    """
    kernels = tuple(int(side) for side in config.kernels)
    return models.get(MODEL).Config(blocks=config.blocks, kernels=kernels, units=config.units)


def fresh(config: Config) -> Any:
    """The variables that training starts from.

    Args:
        config: the run's options.
    """
    return models.get(MODEL).init(jax.random.key(config.seed), settings_of(config))


def check(config: Config) -> None:
    """Refuses options that contradict each other."""
    levels_of(config)
    if config.batch_size < 2:
        raise UsageError("--batch-size 1 has no other images to contrast with: give 2 or more.")
    if (config.contrastive_weight, config.perceptual_weight, config.alignment_weight) == (0, 0, 0):
        raise UsageError(
            "all weights are 0, so that there is nothing to learn: give one that is above 0, such "
            "as --alignment-weight 1."
        )


def data(config: Config) -> dict[str, Callable[[], Any]]:
    """The clean images, as crops of packed raw."""

    def opened() -> RawCrops:
        images = open_images(
            config.dataset,
            source=config.source,
            data_dir=config.data_dir,
            seed=config.data_seed,
            reading=Reading(config.follow_links, config.max_pixels),
        )
        return RawCrops(images, config.patch_size or PATCH_SIZE, (config.overlap, 1.0), config.raw)

    return {"clean": opened}


def check_data(run: Run) -> str:
    """Refuses images without room for two crops; says which profile and encoder there are."""
    config, clean = run.config, run.data["clean"]
    for split in ("train", "validation", "test"):
        if "clean" not in clean.images.fields.get(split, ()):
            raise UsageError(
                f"{clean.name} has no clean images in its {split} split, and noise is learnt here "
                "from clean images alone: give more of them, or folders train, validation, test."
            )
        clean.views(split)
    parts = []
    if (profile := levels_of(config).profile) is not None:
        parts.append(f"profile {sha256(repr(profile).encode()).hexdigest()}")
    return " ".join(parts)


def task(run: Run, before: Mapping[str, Fitted]) -> Task:
    """The one training."""
    del before
    return step.task(run, settings=settings_of(run.config), variables=fresh(run.config))


def phases(run: Run) -> list[Phase]:
    """The one training."""
    settings = settings_of(run.config)
    return [Phase(name=MODEL, task=partial(task, run), model=MODEL, settings=settings)]


def report(run: Run, fitted: Mapping[str, Fitted]) -> Report:
    """Measures noise of several levels on held-out images, beside that of statistical models."""
    config, clean, found = run.config, run.data["clean"], fitted[MODEL]
    settings = settings_of(config)
    generators = {START: fresh(config), NAME: found.kept}
    results = held_out_results(run, settings, generators, trained=NAME)
    section = level_section(
        results,
        trained=NAME,
        history=found.rows(),
        terms=step.TERMS,
        show_images=config.images,
    )
    shown = results[0].clean.shape
    return Report(
        title=f"{NAME} on {clean.name}",
        subject=f"{shown[0]} held-out crops of {shown[1]} × {shown[2]} × {shown[3]}.",
        sections=[section],
        notes=[
            *clean.notes,
            *(note for split in ("train", "test") for note in clean.views(split).notes),
            found.described(NAME),
            *([] if config.images else [LEFT_OUT]),
        ],
        facts={"patches": shown[0], "patch_shape": list(shown[1:])},
    )


SYSTEMS = {"": System(check=check, data=data, check_data=check_data, phases=phases, report=report)}
