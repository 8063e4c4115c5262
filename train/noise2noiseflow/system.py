"""Noise2NoiseFlow: a noise model and a denoiser, trained together on pairs of noisy shots."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax

from jaxnoise import models
from jaxnoise.bijectors.chain import parse
from jaxnoise.errors import UsageError
from jaxnoise.protocols import TrainedDensity
from train.densities import to_noise_batch
from train.engine.system import Fitted, Phase, Run, System, Task
from train.noise2noiseflow import step
from train.noise2noiseflow.config import Config
from train.report import denoiser_numbers
from train.report.above_truth import above_truth
from train.report.candidates import Candidate, fitted_baselines, test_result
from train.report.denoiser_section import denoiser_section
from train.report.noise_section import noise_section
from train.report.report import Report, report_of_patches
from train.report.test_set import TestSet, test_set
from train.steps import checks, denoising, model_folders, shot_pairs
from train.steps.option_groups import denoiser_config, noise_model_fields
from train.steps.start import first_patches, learned_from, variance_floor

MODEL = "noise2noiseflow"
PRETRAINING = "pretraining"
"""Name and folder of the denoiser's training before the joint one."""
JOINT = "joint"


def settings_of(config: Config, data: Any) -> Any:
    """The configuration of both models for a data set.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.

    Returns:
        A `Config` of `jaxnoise.models.noise2noiseflow`.
    """
    noise_model = models.get("noiseflow").Config(
        arch=config.arch,
        channels=data.channels,
        cameras=tuple(data.cameras),
        isos=tuple(data.isos),
        **noise_model_fields(config),
    )
    denoiser = denoiser_config(config, channels=data.channels)
    return models.get(MODEL).Config(noise_model=noise_model, denoiser=denoiser)


def check(config: Config) -> None:
    """Refuses options that contradict each other, and architectures that nobody can build."""
    if not (config.train_denoiser or config.pretraining_steps or config.start_from):
        raise UsageError(
            "--no-train-denoiser leaves the denoiser as the pretraining made it: give "
            "--pretraining-steps, or a trained one by --start-from."
        )
    parse(config.arch, channels=2)


def check_data(run: Run) -> str:
    """Refuses data without pairs, and patches that cannot be squeezed."""
    config, data = run.config, run.data["data"]
    checks.require_shots(data)
    settings = settings_of(config, data)
    start = model_folders.digest_of_start(config.start_from, settings.denoiser, data=data)
    checks.check_patch_size(data, arch=config.arch)
    first = first_patches(data, patches=config.start_patches, seed=config.seed)
    shot_pairs.check_pairs(data, first)
    return start


def pretraining_task(run: Run, before: Mapping[str, Fitted]) -> Task:
    """The denoiser alone, by the Noise2Noise loss."""
    del before
    config, data = run.config, run.data["data"]
    settings = settings_of(config, data)
    return denoising.task(
        run,
        loss="noise2noise",
        settings=settings.denoiser,
        start=model_folders.start_of(config.start_from, settings.denoiser, data=data),
        steps=config.pretraining_steps,
        title="denoiser alone",
        learning_rate=config.pretraining_learning_rate,
    )


def joint_task(run: Run, before: Mapping[str, Fitted]) -> Task:
    """Both models; the noise model may start at the moments of the shots' differences."""
    config, data = run.config, run.data["data"]
    settings = settings_of(config, data)
    variables = models.get(MODEL).init(jax.random.key(config.seed), settings)
    if PRETRAINING in before:
        variables["denoiser"] = before[PRETRAINING].kept
    elif start := model_folders.start_of(config.start_from, settings.denoiser, data=data):
        variables["denoiser"] = start
    if config.start == "moments":
        first = first_patches(data, patches=config.start_patches, seed=config.seed)
        variables["noise_model"] = models.get(settings.noise_model_name).init_from_data(
            variables["noise_model"],
            settings.noise_model,
            shot_pairs.halved_difference(first),
            variance_floor=variance_floor(data),
        )
    return step.task(run, settings=settings, variables=variables)


def phases(run: Run) -> list[Phase]:
    """The denoiser alone, if asked for, then both models."""
    config, data = run.config, run.data["data"]
    settings, kept = settings_of(config, data), learned_from(data)
    joint = Phase(
        name=JOINT,
        task=partial(joint_task, run),
        model=MODEL,
        settings=settings,
        learned_from=kept,
    )
    if not config.pretraining_steps:
        return [joint]
    alone = Phase(
        name=PRETRAINING,
        task=partial(pretraining_task, run),
        model="denoiser",
        settings=settings.denoiser,
        folder=PRETRAINING,
        steps=config.pretraining_steps,
        learned_from=kept,
    )
    return [alone, joint]


def report(run: Run, fitted: Mapping[str, Fitted]) -> Report:
    """Compares both models with simpler ones on the test patches."""
    config, data = run.config, run.data["data"]
    settings = settings_of(config, data)
    limits: Any = {"batch_size": config.batch_size, "limit": config.test_patches}
    adapt = None
    if "test" not in data.clean_splits:
        denoise = jax.jit(models.get(MODEL).denoise, static_argnums=1)
        adapt = shot_pairs.on_estimates(partial(denoise, fitted[JOINT].kept, settings))
    test = test_set(data, **limits, adapt=adapt)
    noise = noise_section(
        test,
        _noise_results(run, fitted, adapt=adapt, **limits),
        history={config.arch: above_truth(run, fitted[JOINT].rows())},
        show_images=config.images,
    )
    denoisers = denoiser_section(
        test,
        _denoiser_results(run, fitted, test, **limits),
        history=_denoiser_histories(fitted),
        show_images=config.images,
    )
    return report_of_patches(
        f"Noise2NoiseFlow on {data.name}",
        test,
        [noise, denoisers],
        notes=[*data.notes, *_notes(config, data, fitted)],
        show_images=config.images,
    )


def _noise_results(run: Run, fitted: Mapping[str, Fitted], **options: Any) -> list:
    config, data = run.config, run.data["data"]
    settings = settings_of(config, data)
    first = first_patches(data, patches=config.start_patches, seed=config.seed)
    # Without clean images the difference of two shots has the moments of the noise.
    with_clean = "clean" in first
    batch = to_noise_batch(first) if with_clean else shot_pairs.halved_difference(first)
    noise_model = Candidate(
        config.arch,
        models.require(settings.noise_model_name, TrainedDensity),
        settings.noise_model,
        fitted[JOINT].kept["noise_model"],
    )
    options |= {"mesh": run.mesh, "seed": config.seed, "temperature": config.temperature}
    candidates = [*fitted_baselines(data, batch, variance_floor=variance_floor(data)), noise_model]
    return [test_result(candidate, data, **options) for candidate in candidates]


def _denoiser_results(
    run: Run, fitted: Mapping[str, Fitted], test: TestSet, **limits: int
) -> list[denoiser_numbers.DenoiserResult]:
    settings = settings_of(run.config, run.data["data"]).denoiser
    variables = {JOINT: fitted[JOINT].kept["denoiser"]}
    if PRETRAINING in fitted:
        variables = {"Noise2Noise": fitted[PRETRAINING].kept, **variables}
    estimates = [
        denoiser_numbers.test_result(name, settings, own, test, mesh=run.mesh, **limits)
        for name, own in variables.items()
    ]
    return [denoiser_numbers.noisy_result(test), *estimates]


def _denoiser_histories(fitted: Mapping[str, Fitted]) -> dict[str, list[dict[str, Any]]]:
    histories = {JOINT: fitted[JOINT].rows()}
    if PRETRAINING in fitted:
        histories["Noise2Noise, before"] = fitted[PRETRAINING].rows()
    return histories


def _notes(config: Config, data: Any, fitted: Mapping[str, Fitted]) -> list[str]:
    sentences = [found.described(name) for name, found in fitted.items()]
    sentences.append(
        "The training curve is the likelihood of what the objective has the noise model explain, "
        "which may hold the denoiser's error beside the noise."
    )
    if config.temperature != 1:
        sentences.append(f"Samples were drawn at temperature {config.temperature}.")
    pairs = "Training and the choice of the best step looked at pairs of noisy shots only"
    if data.has_truth:
        pairs += ", and at the true likelihood as the lowest possible one"
    if "test" in data.clean_splits:
        sentences.append(
            f"{pairs}; clean images serve these tables and, if training has them, the baselines."
        )
    else:
        sentences.append(
            f"{pairs}, and there are no clean test images: noise is the difference of two shots "
            "over the root of 2, on the mean of their estimates, and a denoiser's error is that "
            "against the other shot, less that shot's noise."
        )
    return sentences


SYSTEMS = {"": System(check=check, check_data=check_data, phases=phases, report=report)}
