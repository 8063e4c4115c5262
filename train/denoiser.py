"""Denoisers: `python -m train.denoiser` trains one and reports how much of the noise it removes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train import run, session, start
from train.options import option
from train.signals import StopSignals
from train.training_options import SIMPLE_NOISE, DenoiserOptions, denoiser_config

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from train.loop import Fitted, Task

SYSTEM = "denoiser"


@dataclass(frozen=True, kw_only=True)
class Config(DenoiserOptions):
    """Trains a denoiser: on clean images, on pairs of noisy shots, or on noise that is made."""

    loss: str = option(
        "supervised",
        "against the clean image, against another noisy shot, or on clean images with made noise",
        choices=("supervised", "noise2noise", "synthetic"),
    )
    noise: str | None = option(
        None, "made noise: awgn or nlf (fitted to the training patches), or a model folder"
    )


PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {
        "steps": 1000,
        "batch_size": 16,
        "features": 24,
        "depth": 7,
        "denoiser_learning_rate": 4e-3,
        "evaluate_every": 100,
        "validation_patches": 512,
        "test_patches": 1500,
    },
    "paper": {
        "steps": 100_000,
        "batch_size": 128,
        "evaluate_every": 1000,
        "save_every": 1000,
        "report_every": 100,
    },
}


def task(config: Config, data: Any, *, mesh: "Mesh") -> "Task":
    """What the training loop needs to know about a denoiser.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.
        mesh: from `train.devices.start_jax`.

    Returns:
        The task; see `train.denoising.task`.
    """
    from train import denoising, made_noise

    made: dict[str, Any] = {}
    if config.loss == "synthetic":
        made["sampler"] = made_noise.sampler(
            config.noise, data, patches=config.start_patches, seed=config.seed
        )
        made["clip_noisy"] = made_noise.is_clipped(data, seed=config.seed)
    return denoising.task(
        config, data, loss=config.loss, mesh=mesh, steps=config.steps, title=title(config), **made
    )


def title(config: Config) -> str:
    """Name of the denoiser in tables: how it was trained."""
    if config.loss != "synthetic":
        return {"supervised": "supervised", "noise2noise": "Noise2Noise"}[config.loss]
    noise = config.noise or ""
    if noise in SIMPLE_NOISE:
        return f"on {noise.upper()}"
    folder = Path(noise)
    return f"on {folder.parent.name if folder.name == 'model' else folder.name}"


def train(config: Config, data: Any, *, workdir: Path, mesh: "Mesh", stop: StopSignals) -> "Fitted":
    """Trains the denoiser and exports the best one by validation.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.
        workdir: gets `metrics.jsonl`, `checkpoints/` and `model/`.
        mesh: from `train.devices.start_jax`.
        stop: signals that may ask to stop.

    Returns:
        What the training found.
    """
    return session.train_and_export(
        task(config, data, mesh=mesh),
        config,
        workdir=workdir,
        name=SYSTEM,
        model_config=denoiser_config(config, channels=data.channels),
        mesh=mesh,
        stop=stop,
    )


def evaluate(config: Config, data: Any, fitted: "Fitted", *, workdir: Path, mesh: "Mesh") -> str:
    """Measures the denoiser on the test patches and writes the report.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.
        fitted: from `train`.
        workdir: gets `evaluation.json`, `figures/` and `report.html`.
        mesh: from `train.devices.start_jax`.

    Returns:
        The table for the terminal; empty in all processes but the first.
    """
    import jax

    from jaxnoise import models
    from train import comparison, denoised, noisy_pairs, report
    from train.writer import read_metrics

    limits: dict[str, Any] = {"batch_size": config.batch_size, "limit": config.test_patches}
    settings = denoiser_config(config, channels=data.channels)
    adapt = None
    if "test" not in data.clean_splits:
        denoise = jax.jit(models.get(SYSTEM).denoise, static_argnums=1)
        adapt = noisy_pairs.on_estimates(partial(denoise, fitted.best, settings))
    test = comparison.test_set(data, **limits, adapt=adapt)
    result = denoised.test_result(title(config), settings, fitted.best, test, mesh=mesh, **limits)
    if jax.process_index() != 0:
        return ""
    skipped = f"; {fitted.skipped} non-finite steps were skipped" if fitted.skipped else ""
    chosen = f"best of {config.steps} steps at step {fitted.step} by validation{skipped}"
    written = report.write_report(
        workdir,
        title=f"Denoiser on {data.name}",
        test=test,
        denoised=[denoised.noisy_result(test), result],
        history={},
        denoising_history={title(config): read_metrics(workdir / "metrics.jsonl")},
        notes=[*data.notes, f"{title(config)}: {chosen}."],
        show_images=config.images,
    )
    return report.format_tables(written)


def program(config: Config, stop: StopSignals) -> None:
    """Trains, measures and reports: the whole of `python -m train.denoiser`.

    Args:
        config: the run's options.
        stop: signals that may ask to stop.
    """
    from jaxnoise.errors import UsageError

    if (config.loss == "synthetic") != (config.noise is not None):
        raise UsageError(
            "--loss synthetic and --noise belong together: give both, such as --loss synthetic "
            "--noise nlf, or neither."
        )
    workdir, mesh = session.start(config, system=SYSTEM)

    import jax

    from train import noisy_pairs

    data = session.open_data(config)
    denoiser_config(config, channels=data.channels)  # refuses what cannot be built before writing
    first = start.first_patches(data, patches=config.start_patches, seed=config.seed)
    if config.loss == "noise2noise":
        noisy_pairs.check_pairs(data, first)
    else:
        advice = "--loss noise2noise learns from noisy pairs"
        start.require_clean(data, ("train", "validation", "test"), instead=advice)
        start.check_noise(first, name=data.name)
    made_by = ""
    if config.noise is not None:
        from train import made_noise

        made_noise.sampler(config.noise, data, patches=1, seed=0)  # a wrong folder ends here
        made_by = made_noise.digest(config.noise)
    session.open_folder(workdir, config, data, mesh, also=made_by)
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
