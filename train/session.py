"""What every trainer's program does with its options: devices, data, folder, training, export."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train import run
from train.devices import check_batch_size, start_jax, usual_steps_per_call
from train.schedule import Schedule
from train.signals import StopSignals
from train.training_options import TrainingOptions

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from train.loop import Fitted, Task


def start(config: TrainingOptions, *, system: str) -> tuple[Path, "Mesh"]:
    """The folder of the run, checked, and the devices.

    Args:
        config: the run's options.
        system: the trainer's name.

    Returns:
        The folder, which may not exist yet, and the mesh.

    Raises:
        UsageError: the folder or the devices cannot be used.
    """
    workdir = config.workdir or Path("runs") / system
    run.check_workdir(workdir, config)
    mesh = start_jax(config.accelerator, distributed=config.distributed)
    check_batch_size(config.batch_size, mesh.size)
    return workdir, mesh


def open_data(config: TrainingOptions) -> Any:
    """The data set that the options name.

    Args:
        config: the run's options.

    Returns:
        A data set of `datasets.pipeline`.

    Raises:
        UsageError: the options are wrong.
        DataError: the data are missing or damaged.
    """
    from datasets.pipeline import open_dataset

    return open_dataset(
        config.dataset,
        source=config.source,
        data_dir=config.data_dir,
        patch_size=config.patch_size,
        seed=config.data_seed,
    )


def open_folder(
    workdir: Path, config: TrainingOptions, data: Any, mesh: "Mesh", *, also: str = ""
) -> None:
    """Locks the run's folder and describes the run in it, by the first process only.

    Args:
        workdir: from `start`.
        config: the run's options.
        data: from `open_data`.
        mesh: from `start`.
        also: digest of other input than the data, which must be the same when the run goes on.

    Raises:
        UsageError: the folder is in use, holds another run, or cannot be written.
    """
    import jax

    if jax.process_index() == 0:
        facts = {"dataset": data.name}
        fingerprint = f"{data.fingerprint}+{also}" if also else data.fingerprint
        run.open_workdir(workdir, config, mesh=mesh, fingerprint=fingerprint, facts=facts)


def train_and_export(
    task: "Task",
    config: TrainingOptions,
    *,
    workdir: Path,
    name: str,
    model_config: Any,
    mesh: "Mesh",
    stop: StopSignals,
    steps: int | None = None,
) -> "Fitted":
    """Trains in a folder and exports the best model by validation.

    Args:
        task: what to train.
        config: the run's options.
        workdir: gets `metrics.jsonl`, `checkpoints/` and `model/`.
        name: of the model in the registry.
        model_config: its configuration.
        mesh: from `start`.
        stop: signals that may ask to stop.
        steps: how many; None for those of the options.

    Returns:
        What the training found.

    Raises:
        Diverged: too many steps were not finite.
        NoCheckpoint: the run must be resumed and no checkpoint is usable.
        Stopped: a signal came; the state is saved.
    """
    import jax

    from jaxnoise.io import save_model
    from train.loop import fit

    names = {field.name for field in fields(Schedule)} - {"steps_per_call"}
    values = {name: getattr(config, name) for name in names}
    if steps is not None:
        values["steps"] = steps
    schedule = Schedule(**values, steps_per_call=config.steps_per_call or usual_steps_per_call())
    fitted = fit(task, schedule, workdir=workdir, seed=config.seed, mesh=mesh, stop=stop)
    if jax.process_index() == 0:
        save_model(workdir / "model", name, model_config, fitted.best)
    return fitted
