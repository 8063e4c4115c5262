"""Noise Flow: `python -m train.noiseflow` trains it and reports how close it comes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train import run, session, start
from train.options import option
from train.signals import StopSignals
from train.training_options import NoiseModelOptions, noise_model_fields

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from train.loop import Fitted, Task

SYSTEM = "noiseflow"
NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Config(NoiseModelOptions):
    """Trains a normalizing flow of camera noise and compares it with simpler models."""

    compare: str = option("S-Ax4-G-Ax4-CAM", "architecture trained beside it, or none")


PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {"steps": 300, "batch_size": 64, "arch": "N-W-K3"},
    "paper": {
        "steps": 100_000,
        "batch_size": 138,
        "arch": "S-Ax4-G-Ax4-CAM",
        "normalisation": "batch",
        "compare": NONE,
        "evaluate_every": 1000,
        "save_every": 1000,
        "report_every": 100,
    },
}


def model_config(config: Config, data: Any, *, arch: str) -> Any:
    """The model's configuration for a data set.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.
        arch: the architecture; one that is only compared takes none of the run's other options.

    Returns:
        A `Config` of `jaxnoise.models.noiseflow`.
    """
    from jaxnoise import models

    own = noise_model_fields(config) if arch == config.arch else {}
    return models.get(SYSTEM).Config(
        arch=arch,
        channels=data.channels,
        cameras=tuple(data.cameras),
        isos=tuple(data.isos),
        **own,
    )


def init(config: Config, data: Any, *, arch: str) -> dict[str, Any]:
    """Variables that already fit the data's moments: a pure function of the seed.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.
        arch: the architecture.

    Returns:
        The model's variables.
    """
    import jax

    from jaxnoise import models
    from train.likelihood import to_noise_batch

    model, settings = models.get(SYSTEM), model_config(config, data, arch=arch)
    first = start.first_patches(data, patches=config.start_patches, seed=config.seed)
    batch = to_noise_batch(first)
    variables = model.init(jax.random.key(config.seed), settings)
    return model.init_from_data(variables, settings, batch)


def task(config: Config, data: Any, *, arch: str, mesh: "Mesh") -> "Task":
    """What the training loop needs to know about a noise flow.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.
        arch: the architecture.
        mesh: from `train.devices.start_jax`.

    Returns:
        The task: its score is the mean negative log-likelihood of the validation patches in nats
        per dimension.
    """
    from jaxnoise import models
    from train import likelihood
    from train.loop import Task

    model, settings = models.get(SYSTEM), model_config(config, data, arch=arch)
    optimiser = likelihood.adam(
        steps=config.steps,
        learning_rate=config.learning_rate,
        moments_learning_rate=config.moments_learning_rate,
        warm_up=config.warm_up,
        clip=config.clip,
    )
    nll = likelihood.nll_per_dimension(model, settings, mesh)

    def batch(step: int) -> Any:
        made = data.batch("train", seed=config.seed, step=step, batch_size=config.batch_size)
        return likelihood.columns(made)

    def evaluate(state: Any) -> tuple[float, dict[str, Any]]:
        batches = data.batches(
            "validation", batch_size=config.batch_size, limit=config.validation_patches
        )
        score = float(nll(state["variables"], batches).mean(dtype="float64"))
        described = model.describe(state["variables"], settings)
        return score, {"validation_nll": score, "parameters": described}

    return Task(
        title=arch,
        state=likelihood.initial_state(init(config, data, arch=arch), optimiser),
        batch=batch,
        step=likelihood.likelihood_step(model, settings, optimiser),
        evaluate=evaluate,
        keep=lambda state: state["variables"],
    )


def train(
    config: Config, data: Any, *, arch: str, workdir: Path, mesh: "Mesh", stop: StopSignals
) -> "Fitted":
    """Trains one architecture in a folder and exports the best model by validation.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.
        arch: the architecture.
        workdir: gets `metrics.jsonl`, `checkpoints/` and `model/`.
        mesh: from `train.devices.start_jax`.
        stop: signals that may ask to stop.

    Returns:
        What the training found.
    """
    return session.train_and_export(
        task(config, data, arch=arch, mesh=mesh),
        config,
        workdir=workdir,
        name=SYSTEM,
        model_config=model_config(config, data, arch=arch),
        mesh=mesh,
        stop=stop,
    )


def evaluate(
    config: Config, data: Any, fitted: dict[str, "Fitted"], *, workdir: Path, mesh: "Mesh"
) -> str:
    """Compares what was trained with the baselines on the test patches and writes the report.

    Args:
        config: the run's options.
        data: a data set of `datasets.pipeline`.
        fitted: by architecture, the run's own last.
        workdir: gets `evaluation.json`, `figures/` and `report.html`.
        mesh: from `train.devices.start_jax`.

    Returns:
        The table for the terminal; empty in all processes but the first.
    """
    import jax

    from jaxnoise import models
    from train import comparison, report
    from train.writer import read_metrics

    candidates = comparison.fitted_baselines(data, patches=config.start_patches, seed=config.seed)
    history = {}
    for arch, found in fitted.items():
        settings = model_config(config, data, arch=arch)
        candidates.append(comparison.Candidate(arch, models.get(SYSTEM), settings, found.best))
        folder = workdir if arch == config.arch else comparison.run_folder_of(workdir, arch)
        history[arch] = read_metrics(folder / "metrics.jsonl")
    limits: dict[str, Any] = {"batch_size": config.batch_size, "limit": config.test_patches}
    results = [
        comparison.test_result(
            candidate, data, mesh=mesh, seed=config.seed, temperature=config.temperature, **limits
        )
        for candidate in candidates
    ]
    if jax.process_index() != 0:
        return ""
    table = report.write_report(
        workdir,
        title=f"Noise Flow on {data.name}",
        test=comparison.test_set(data, **limits),
        results=results,
        history=history,
        notes=[*data.notes, *_notes(config, fitted)],
        show_images=config.images,
    )
    return report.format_table(table)


def program(config: Config, stop: StopSignals) -> None:
    """Trains, compares and reports: the whole of `python -m train.noiseflow`.

    Args:
        config: the run's options.
        stop: signals that may ask to stop.
    """
    workdir, mesh = session.start(config, system=SYSTEM)

    import jax

    from jaxnoise.bijectors.chain import parse
    from train.comparison import run_folder_of

    archs = [arch for arch in dict.fromkeys((config.compare, config.arch)) if arch != NONE]
    for arch in archs:
        parse(arch, channels=2)  # a mistyped architecture should not wait for the data

    data = session.open_data(config)
    start.require_clean(data, ("train", "validation", "test"))
    for arch in archs:
        model_config(config, data, arch=arch)  # refuses what cannot be built before writing
        start.check_patch_size(data, arch=arch)
    first = start.first_patches(data, patches=config.start_patches, seed=config.seed)
    start.check_noise(first, name=data.name)
    session.open_folder(workdir, config, data, mesh)
    fitted = {}
    for arch in archs:
        folder = workdir if arch == config.arch else run_folder_of(workdir, arch)
        fitted[arch] = train(config, data, arch=arch, workdir=folder, mesh=mesh, stop=stop)
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


def _notes(config: Config, fitted: dict[str, "Fitted"]) -> list[str]:
    sentences = [
        f"{arch}: best of {config.steps} steps at step {found.step} by validation"
        + (f"; {found.skipped} non-finite steps were skipped." if found.skipped else ".")
        for arch, found in fitted.items()
    ]
    if config.temperature != 1:
        sentences.append(f"Samples were drawn at temperature {config.temperature}.")
    return sentences


if __name__ == "__main__":
    sys.exit(main())
