"""A denoiser: trained on clean images, on pairs of noisy shots, or on noise that is made."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax

from jaxnoise import models
from jaxnoise.errors import UsageError
from train.denoiser.config import Config
from train.engine.system import Fitted, Phase, Run, System, Task
from train.report import denoiser_numbers
from train.report.denoiser_section import denoiser_section
from train.report.report import Report, report_of_patches
from train.report.test_set import test_set
from train.steps import checks, denoising, model_folders, noise_sources, shot_pairs
from train.steps.option_groups import SIMPLE_NOISE, denoiser_config
from train.steps.start import first_patches, learned_from

MODEL = "denoiser"


def title(config: Config) -> str:
    """Name of the denoiser in tables: how it was trained."""
    if config.loss != "synthetic":
        return {"supervised": "supervised", "noise2noise": "Noise2Noise"}[config.loss]
    noise = config.noise or ""
    if noise in SIMPLE_NOISE:
        return f"on {noise.upper()}"
    folder = Path(noise)
    return f"on {folder.parent.name if folder.name == 'model' else folder.name}"


def check(config: Config) -> None:
    """Refuses options that contradict each other."""
    if (config.loss == "synthetic") != (config.noise is not None):
        raise UsageError(
            "--loss synthetic and --noise belong together: give both, such as --loss synthetic "
            "--noise nlf, or neither."
        )
    if config.error == "absolute" and config.loss == "noise2noise":
        raise UsageError(
            "--error absolute would make the denoiser learn the median of noisy shots, and only "
            "their mean is the clean image: give --error squared with --loss noise2noise, or "
            "another --loss."
        )


def check_data(run: Run) -> str:
    """Refuses data that the loss cannot use, and a source of noise that does not fit them."""
    config, data = run.config, run.data["data"]
    checks.require_shots(data)
    settings = denoiser_config(config, channels=data.channels)
    start = model_folders.digest_of_start(config.start_from, settings, data=data)
    first = first_patches(data, patches=config.start_patches, seed=config.seed)
    if config.loss == "noise2noise":
        shot_pairs.check_pairs(data, first)
    else:
        advice = "--loss noise2noise learns from noisy pairs"
        checks.require_clean(data, ("train", "validation", "test"), instead=advice)
        checks.check_noise(first, name=data.name)
    if config.noise is None:
        return start
    noise_sources.noise_source(config.noise, data, patches=1, seed=0)
    noise = noise_sources.digest(config.noise)
    return f"{start}, noise {noise}" if start else noise


def task(run: Run, before: Mapping[str, Fitted]) -> Task:
    """The denoiser; its score is the negative PSNR of the validation patches."""
    del before
    config, data = run.config, run.data["data"]
    settings = denoiser_config(config, channels=data.channels)
    made: dict[str, Any] = {}
    if config.loss == "synthetic":
        options: Any = {"patches": config.start_patches, "seed": config.seed}
        made["source"] = noise_sources.noise_source(config.noise, data, **options)
        made["clip_noisy"] = noise_sources.is_clipped(data, seed=config.seed)
    return denoising.task(
        run,
        loss=config.loss,
        settings=settings,
        steps=config.steps,
        title=title(config),
        error=config.error,
        start=model_folders.start_of(config.start_from, settings, data=data),
        **made,
    )


def phases(run: Run) -> list[Phase]:
    """The one training."""
    data = run.data["data"]
    return [
        Phase(
            name=MODEL,
            task=partial(task, run),
            model=MODEL,
            settings=denoiser_config(run.config, channels=data.channels),
            learned_from=learned_from(data),
        )
    ]


def report(run: Run, fitted: Mapping[str, Fitted]) -> Report:
    """Measures the denoiser on the test patches."""
    config, data, found = run.config, run.data["data"], fitted[MODEL]
    limits: Any = {"batch_size": config.batch_size, "limit": config.test_patches}
    settings = denoiser_config(config, channels=data.channels)
    adapt = None
    if "test" not in data.clean_splits:
        denoise = jax.jit(models.get(MODEL).denoise, static_argnums=1)
        adapt = shot_pairs.on_estimates(partial(denoise, found.kept, settings))
    test = test_set(data, **limits, adapt=adapt)
    name = title(config)
    result = denoiser_numbers.test_result(name, settings, found.kept, test, mesh=run.mesh, **limits)
    section = denoiser_section(
        test,
        [denoiser_numbers.noisy_result(test), result],
        history={name: found.rows()},
        show_images=config.images,
    )
    notes = [*data.notes, found.described(name)]
    heading = f"Denoiser on {data.name}"
    return report_of_patches(heading, test, [section], notes=notes, show_images=config.images)


SYSTEMS = {"": System(check=check, check_data=check_data, phases=phases, report=report)}
