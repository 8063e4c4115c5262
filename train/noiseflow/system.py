"""Noise Flow: a normalizing flow of camera noise, compared with simpler models."""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import Any

import jax

from jaxnoise import models
from jaxnoise.bijectors.chain import parse
from jaxnoise.protocols import DataStarted, TrainedDensity
from train.densities import to_noise_batch
from train.engine.system import Fitted, Phase, Run, System, Task
from train.noiseflow.config import NONE, Config
from train.report.above_truth import above_truth
from train.report.candidates import Candidate, fitted_baselines, test_result
from train.report.noise_section import noise_section
from train.report.report import Report, report_of_patches
from train.report.test_set import test_set
from train.steps import checks, likelihood
from train.steps.option_groups import noise_model_fields
from train.steps.start import first_patches, learned_from, variance_floor

MODEL = "noiseflow"


def architectures(config: Config) -> list[str]:
    """The architectures of a run, its own first."""
    return [arch for arch in dict.fromkeys((config.arch, config.compare)) if arch != NONE]


def settings_of(config: Config, data: Any, *, arch: str) -> Any:
    """The model's configuration for a data set.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.
        arch: the architecture; one that is only compared takes none of the run's other options.

    Returns:
        A `Config` of `jaxnoise.models.noiseflow`.
    """
    own = noise_model_fields(config) if arch == config.arch else {}
    return models.get(MODEL).Config(
        arch=arch,
        channels=data.channels,
        cameras=tuple(data.cameras),
        isos=tuple(data.isos),
        **own,
    )


def check(config: Config) -> None:
    """Refuses architectures that nobody can build: those should not wait for the data."""
    for arch in architectures(config):
        parse(arch, channels=2)


def check_data(run: Run) -> str:
    """Refuses data without clean images or noise, and patches that cannot be squeezed."""
    config, data = run.config, run.data["data"]
    checks.require_shots(data)
    checks.require_clean(data, ("train", "validation", "test"))
    for arch in architectures(config):
        settings_of(config, data, arch=arch)
        checks.check_patch_size(data, arch=arch)
    first = first_patches(data, patches=config.start_patches, seed=config.seed)
    checks.check_noise(first, name=data.name)
    return ""


def task(run: Run, arch: str, before: Mapping[str, Fitted]) -> Task:
    """A flow that already fits the data's moments: a pure function of the seed.

    Args:
        run: the run.
        arch: the architecture.
        before: not used; no architecture builds on another.
    """
    del before
    config, data, model = run.config, run.data["data"], models.require(MODEL, TrainedDensity)
    settings = settings_of(config, data, arch=arch)
    first = first_patches(data, patches=config.start_patches, seed=config.seed)
    fresh = model.init(jax.random.key(config.seed), settings)
    started = models.require(MODEL, DataStarted)
    floor = variance_floor(data)
    variables = started.init_from_data(fresh, settings, to_noise_batch(first), variance_floor=floor)
    return likelihood.task(run, title=arch, model=model, settings=settings, variables=variables)


def folder_name(arch: str) -> str:
    """The name of a folder for an architecture, whose own may be too long for one."""
    return arch if len(arch) <= 100 else f"{arch[:80]}-{sha256(arch.encode()).hexdigest()[:16]}"


def phases(run: Run) -> list[Phase]:
    """One training for each architecture; those that are compared have folders of their own."""
    config = run.config
    return [
        Phase(
            name=arch,
            task=partial(task, run, arch),
            model=MODEL,
            settings=settings_of(config, run.data["data"], arch=arch),
            folder="" if arch == config.arch else f"compare/{folder_name(arch)}",
            compared=arch != config.arch,
            learned_from=learned_from(run.data["data"]),
        )
        for arch in architectures(config)
    ]


def report(run: Run, fitted: Mapping[str, Fitted]) -> Report:
    """Compares what was trained with the baselines on the test patches."""
    config, data = run.config, run.data["data"]
    first = first_patches(data, patches=config.start_patches, seed=config.seed)
    model = models.require(MODEL, TrainedDensity)
    candidates = fitted_baselines(data, to_noise_batch(first), variance_floor=variance_floor(data))
    fitted = dict(reversed(list(fitted.items())))  # in tables, what was trained comes last
    for arch, found in fitted.items():
        settings = settings_of(config, data, arch=arch)
        own = arch == config.arch
        candidates.append(Candidate(arch, model, settings, found.kept, is_trained=own))
    limits: Any = {"batch_size": config.batch_size, "limit": config.test_patches}
    options = {"mesh": run.mesh, "seed": config.seed, "temperature": config.temperature, **limits}
    test = test_set(data, **limits)
    section = noise_section(
        test,
        [test_result(candidate, data, **options) for candidate in candidates],
        history={arch: above_truth(run, found.rows()) for arch, found in fitted.items()},
        show_images=config.images,
    )
    notes = [*data.notes, *(found.described(arch) for arch, found in fitted.items())]
    if config.temperature != 1:
        notes.append(f"Samples were drawn at temperature {config.temperature}.")
    title = f"Noise Flow on {data.name}"
    return report_of_patches(title, test, [section], notes=notes, show_images=config.images)


SYSTEMS = {"": System(check=check, check_data=check_data, phases=phases, report=report)}
