"""Noise2NoiseFlow: `python -m train.noise2noiseflow` trains it and reports how close it comes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxnoise.errors import UsageError
from train import run, session, start
from train.options import option
from train.signals import StopSignals
from train.training_options import (
    DenoiserOptions,
    NoiseModelOptions,
    denoiser_config,
    noise_model_fields,
)

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from train.loop import Fitted, Task

SYSTEM = "noise2noiseflow"
PRETRAINING = "pretraining"
"""Name and folder of the denoiser's training before the joint one."""


@dataclass(frozen=True, kw_only=True)
class Config(NoiseModelOptions, DenoiserOptions):
    """Trains a noise model and a denoiser together, from pairs of noisy shots alone."""

    objective: str = option(
        "cross",
        "what the noise model explains: each shot by the estimate from the other (cross), by its "
        "own (self), single recorrupted shots (r2r), or the difference of both (difference)",
        choices=("cross", "self", "r2r", "difference"),
    )
    weight: float = option(2.0**18, "lambda, of the Noise2Noise loss", minimum=0)
    pretraining_steps: int = option(
        0, "steps of the denoiser alone, by the Noise2Noise loss, before the joint ones", minimum=0
    )
    pretraining_learning_rate: float | None = option(
        None, "highest one of these steps (default: --denoiser-learning-rate)", above=0
    )
    start: str = option(
        "moments",
        "of the noise model: the moments of the shots' difference, or the published fresh values",
        choices=("moments", "fresh"),
    )
    train_denoiser: bool = option(True, "the joint steps train the denoiser too (off: N2N+NF)")
    recorruption_scale: float = option(4.0, "alpha of the objective r2r", above=0)
    recorruption_std: float = option(1 / 256, "standard deviation of its z", above=0)


PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {
        "steps": 1000,
        "batch_size": 16,
        "features": 24,
        "depth": 7,
        "denoiser_learning_rate": 4e-3,
        "objective": "difference",
        "evaluate_every": 100,
        "validation_patches": 512,
        "test_patches": 1500,
    },
    "paper": {
        "steps": 100_000,
        "pretraining_steps": 100_000,
        "pretraining_learning_rate": 1e-3,
        "batch_size": 138,
        "objective": "cross",
        "weight": 2.0**18,
        "arch": "S-Ax4-G-Ax4-CAM",
        "parameterisation": "reference",
        "normalisation": "batch_affine",
        "denoiser_learning_rate": 1e-4,
        "learning_rate": 1e-4,
        "moments_learning_rate": 1e-4,
        "evaluate_every": 1000,
        "save_every": 1000,
        "report_every": 100,
    },
}


def model_config(config: Config, data: Any) -> Any:
    """The configuration of both models for a data set.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.

    Returns:
        A `Config` of `jaxnoise.models.noise2noiseflow`.
    """
    from jaxnoise import models

    noise_model = models.get("noiseflow").Config(
        arch=config.arch,
        channels=data.channels,
        cameras=tuple(data.cameras),
        isos=tuple(data.isos),
        **noise_model_fields(config),
    )
    denoiser = denoiser_config(config, channels=data.channels)
    return models.get(SYSTEM).Config(noise_model=noise_model, denoiser=denoiser)


def init(config: Config, data: Any, denoiser: Any = None) -> dict[str, Any]:
    """Variables to start from; the noise model may fit the moments of the shots' differences.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.
        denoiser: variables of a denoiser that was trained before; None for a fresh one.

    Returns:
        The variables of both models.
    """
    import jax

    from jaxnoise import models
    from train.noisy_pairs import halved_difference

    settings = model_config(config, data)
    variables = models.get(SYSTEM).init(jax.random.key(config.seed), settings)
    if denoiser is not None:
        variables["denoiser"] = denoiser
    if config.start == "moments":
        first = start.first_patches(data, patches=config.start_patches, seed=config.seed)
        variables["noise_model"] = models.get(settings.noise_model_name).init_from_data(
            variables["noise_model"], settings.noise_model, halved_difference(first)
        )
    return variables


def task(config: Config, data: Any, *, mesh: "Mesh", denoiser: Any = None) -> "Task":
    """What the training loop needs to know about a noise model with a denoiser.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline` with pairs.
        mesh: from `train.devices.start_jax`.
        denoiser: variables of a denoiser that was trained before; None for a fresh one.

    Returns:
        The task: its score is the loss of the validation pairs in evaluation mode; where the
        denoiser is trained, a likelihood below the lowest possible one counts against it.
    """
    from train import joint

    return joint.task(
        config,
        data,
        settings=model_config(config, data),
        variables=init(config, data, denoiser),
        mesh=mesh,
    )


def train(
    config: Config, data: Any, *, workdir: Path, mesh: "Mesh", stop: StopSignals
) -> dict[str, "Fitted"]:
    """Trains the denoiser alone, if asked for, then both models, and exports what is best.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline` with pairs.
        workdir: gets `metrics.jsonl`, `checkpoints/`, `model/`, and `pretraining/` with the same.
        mesh: from `train.devices.start_jax`.
        stop: signals that may ask to stop.

    Returns:
        What each training found: "pretraining", if there was one, and "joint".
    """
    from train import denoising

    settings = model_config(config, data)
    exported: Any = {"mesh": mesh, "stop": stop}
    fitted, denoiser = {}, None
    if config.pretraining_steps:
        alone = denoising.task(
            config,
            data,
            loss="noise2noise",
            mesh=mesh,
            steps=config.pretraining_steps,
            title="denoiser alone",
            learning_rate=config.pretraining_learning_rate,
        )
        fitted[PRETRAINING] = session.train_and_export(
            alone,
            config,
            workdir=workdir / PRETRAINING,
            name="denoiser",
            model_config=settings.denoiser,
            steps=config.pretraining_steps,
            **exported,
        )
        denoiser = fitted[PRETRAINING].best
    fitted["joint"] = session.train_and_export(
        task(config, data, mesh=mesh, denoiser=denoiser),
        config,
        workdir=workdir,
        name=SYSTEM,
        model_config=settings,
        **exported,
    )
    return fitted


def evaluate(
    config: Config, data: Any, fitted: dict[str, "Fitted"], *, workdir: Path, mesh: "Mesh"
) -> str:
    """Compares both models with simpler ones on the test patches and writes the report.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline` with pairs.
        fitted: from `train`.
        workdir: gets `evaluation.json`, `figures/` and `report.html`.
        mesh: from `train.devices.start_jax`.

    Returns:
        The tables for the terminal; empty in all processes but the first.
    """
    import jax

    from jaxnoise import models
    from train import comparison, denoised, joint, noisy_pairs, report
    from train.writer import read_metrics

    settings = model_config(config, data)
    variables = fitted["joint"].best
    limits: dict[str, Any] = {"batch_size": config.batch_size, "limit": config.test_patches}
    candidates = comparison.fitted_baselines(data, patches=config.start_patches, seed=config.seed)
    noise_model = comparison.Candidate(
        config.arch,
        models.get(settings.noise_model_name),
        settings.noise_model,
        variables["noise_model"],
    )
    measured: dict[str, Any] = {**limits, "adapt": None}
    if "test" not in data.clean_splits:
        denoise = jax.jit(models.get(SYSTEM).denoise, static_argnums=1)
        measured["adapt"] = noisy_pairs.on_estimates(partial(denoise, variables, settings))
    test = comparison.test_set(data, **measured)
    results = [
        comparison.test_result(
            candidate, data, mesh=mesh, seed=config.seed, temperature=config.temperature, **measured
        )
        for candidate in (*candidates, noise_model)
    ]
    denoisers = {"joint": variables["denoiser"]}
    if PRETRAINING in fitted:
        denoisers = {"Noise2Noise": fitted[PRETRAINING].best, **denoisers}
    estimates = [
        denoised.test_result(name, settings.denoiser, own, test, mesh=mesh, **limits)
        for name, own in denoisers.items()
    ]
    if jax.process_index() != 0:
        return ""
    history, alone = read_metrics(workdir / "metrics.jsonl"), {}
    if PRETRAINING in fitted:
        alone["Noise2Noise, before"] = read_metrics(workdir / PRETRAINING / "metrics.jsonl")
    written = report.write_report(
        workdir,
        title=f"Noise2NoiseFlow on {data.name}",
        test=test,
        results=results,
        denoised=[denoised.noisy_result(test), *estimates],
        history={config.arch: history},
        denoising_history={"joint": history, **alone},
        notes=[*data.notes, *joint.notes(config, data, fitted)],
        show_images=config.images,
    )
    return report.format_tables(written)


def program(config: Config, stop: StopSignals) -> None:
    """Trains, compares and reports: the whole of `python -m train.noise2noiseflow`.

    Args:
        config: the run's options.
        stop: signals that may ask to stop.
    """
    if not (config.train_denoiser or config.pretraining_steps):
        raise UsageError(
            "--no-train-denoiser leaves the denoiser as the pretraining made it: give "
            "--pretraining-steps."
        )
    workdir, mesh = session.start(config, system=SYSTEM)

    import jax

    from jaxnoise.bijectors.chain import parse
    from train import noisy_pairs

    parse(config.arch, channels=2)  # a mistyped architecture should not wait for the data
    data = session.open_data(config)
    model_config(config, data)  # refuses what cannot be built before writing
    start.check_patch_size(data, arch=config.arch)
    first = start.first_patches(data, patches=config.start_patches, seed=config.seed)
    noisy_pairs.check_pairs(data, first)
    session.open_folder(workdir, config, data, mesh)
    fitted = train(config, data, workdir=workdir, mesh=mesh, stop=stop)
    table = evaluate(config, data, fitted, workdir=workdir, mesh=mesh)
    if jax.process_index() == 0:
        print(table)
        print(f"report: {(workdir / 'report.html').resolve()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code.

    Args:
        arguments: by default those of the process.
    """
    return run.main(Config, program, system=SYSTEM, presets=PRESETS, arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
