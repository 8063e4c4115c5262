"""One run of a system: devices, data, folder, phases, report."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from jaxnoise.io import save_model
from train.engine import folder, lock
from train.engine.devices import (
    check_batch_bytes,
    check_batch_size,
    start_jax,
    usual_cpu_devices,
)
from train.engine.devices import usual_steps_per_call as usual_steps
from train.engine.errors import Diverged
from train.engine.loop import fit
from train.engine.manifest import runs_of
from train.engine.output import say
from train.engine.schedule import Schedule
from train.engine.signals import StopSignals
from train.engine.system import Fitted, Phase, Run, System


def run(system: System, config: Any, *, name: str, stop: StopSignals) -> None:
    """Trains, compares and reports: the whole of a trainer's program.

    Args:
        system: what to run.
        config: its options.
        name: of the system and subcommand, below the folder of all runs.
        stop: signals that may ask to stop.

    Raises:
        UsageError: the options, the folder or the devices cannot be used.
        DataError: the data are missing or damaged, or do not serve.
        Diverged: training failed; where it came to its end, the report is written and says so.
        NoCheckpoint: the run must be resumed and no checkpoint is usable.
        Stopped: a signal came; in a training the state is saved.
    """
    workdir = config.workdir or Path("runs") / name
    folder.check_workdir(workdir, config, system=name)
    mesh = devices_of_run(config, folder.devices_of(workdir))
    if jax.process_count() == 1:
        stop.listen()  # what joins processes takes the signals too
    system.check(config)
    data = {role: opened() for role, opened in system.data(config).items()}
    check_batch_bytes(config.batch_size, data, seed=config.seed)
    this = Run(config=config, data=data, mesh=mesh, workdir=workdir)
    also = system.check_data(this)
    phases = system.phases(this)
    first_process = jax.process_index() == 0
    for opened in data.values() if first_process else ():
        for doubt in getattr(opened, "doubts", ()):
            say(f"jaxnoise: {doubt}")  # before the hours of training, and not in the report alone
    runs = _open_folder(this, also, name)
    fitted = fit_phases(phases, this, stop=stop, runs=runs)
    report = system.report(this, fitted)
    lock.look_again()
    told = [found.failed for found in fitted.values() if found.failed is not None]
    compared = {phase.name for phase in phases if phase.compared}
    failed = [
        found.failed
        for name, found in fitted.items()
        if found.failed is not None and name not in compared
    ]
    failed += report.failed
    if first_process:
        told += report.failed
        remarks = [
            f"{name}: none of {found.steps} steps was better by validation than the start, which "
            "is kept."
            for name, found in fitted.items()
            if found.is_start
        ]
        text = report.write(workdir, failed=told, remarks=remarks)
        if told:
            say("FAILED: " + " ".join(told) + "\n", to_error=False)
        say("\n".join([text, *remarks]), to_error=False)
        say(f"report: {(workdir / 'report.html').resolve()}", to_error=False)
    if failed:
        raise Diverged(failed[0])


def devices_of_run(config: Any, before: Mapping[str, Any] | None) -> Mesh:
    """The devices of a run; says where they are fewer than they could be, or not those of before.

    Args:
        config: its options.
        before: devices that it was begun with, as its manifest has them; None for a new run.
    """
    begun_with = before["number"] if before and before["kind"] == "cpu" else None
    usual, remark = usual_cpu_devices(
        config.batch_size, begun_with=begun_with, distributed=config.distributed
    )
    mesh = start_jax(
        config.accelerator,
        distributed=config.distributed,
        cpu_devices=config.cpu_devices,
        usual_cpu_devices=usual,
    )
    check_batch_size(config.batch_size, mesh.size)
    now = folder.described_devices(mesh)
    remarks = [remark] if now == {"kind": "cpu", "number": usual} and not config.cpu_devices else []
    if before and before != now:
        remarks.append(
            f"this run was begun on {before['number']} x {before['kind']} and goes on on "
            f"{now['number']} x {now['kind']}: its bits may differ from those of a run that "
            "stays on the same devices."
        )
    if jax.process_index() == 0:
        for sentence in filter(None, remarks):
            say(f"jaxnoise: {sentence}")
    return mesh


def fit_phases(
    phases: Sequence[Phase], run: Run, *, stop: StopSignals, runs: Sequence[str] = ("",)
) -> dict[str, Fitted]:
    """Trains the phases of a run one after the other, as `fit_phase` does.

    Args:
        phases: what to train.
        run: the run that they belong to.
        stop: signals that may ask to stop.
        runs: from `train.engine.manifest.runs_of`.

    Returns:
        What the trainings found, by the phases' names; without those that are only compared and
        were not finite, which is said.

    Raises:
        ValueError: two phases have one name or one folder.
    """
    for names in ([phase.name for phase in phases], [phase.folder for phase in phases]):
        if len(set(names)) < len(names):
            raise ValueError(f"every phase needs a name and a folder of its own, not {names}.")
    fitted: dict[str, Fitted] = {}
    for phase in phases:
        try:
            fitted[phase.name] = fit_phase(phase, run, fitted, stop=stop, runs=runs)
        except Diverged as error:
            if not phase.compared:
                raise
            say(f"{phase.name} is left out: {error}")
    return fitted


def fit_phase(
    phase: Phase,
    run: Run,
    before: Mapping[str, Fitted],
    *,
    stop: StopSignals,
    runs: Sequence[str] = ("",),
) -> Fitted:
    """Trains one phase in its folder and exports its model.

    Args:
        phase: what to train.
        run: the run that it belongs to.
        before: what the phases before it found, by name.
        stop: signals that may ask to stop.
        runs: from `train.engine.manifest.runs_of`.

    Returns:
        What the training found.
    """
    task, place = phase.task(before), run.workdir / phase.folder
    if jax.process_index() == 0:
        folder.check_fixed(run.workdir, phase.name, task.fixed)
    fitted = fit(
        task,
        schedule_of(run.config, steps=phase.steps),
        workdir=place,
        seed=run.config.seed,
        mesh=run.mesh,
        stop=stop,
        runs=[f"{phase.name}, {one}" for one in runs],
    )
    if jax.process_index() == 0:
        lock.look_again()
        save_model(
            place / "model",
            phase.model,
            phase.settings,
            fitted.kept,
            learned_from=phase.learned_from,
        )
    return fitted


def schedule_of(config: Any, *, steps: int | None = None) -> Schedule:
    """The schedule that options state.

    Args:
        config: the options.
        steps: how many; None for those of the options.
    """
    names = {field.name for field in fields(Schedule)} - {"steps_per_call"}
    values = {name: getattr(config, name) for name in names}
    if steps is not None:
        values["steps"] = steps
    return Schedule(**values, steps_per_call=config.steps_per_call or usual_steps())


def _open_folder(run: Run, also: str, name: str) -> list[str]:
    """Opens the folder, in the first process, and says what tells the run from others."""
    if set(run.data) == {"data"}:
        (only,) = run.data.values()
        facts, fingerprint = {"dataset": only.name}, only.fingerprint
    else:
        facts = {"datasets": {role: data.name for role, data in run.data.items()}}
        fingerprint = "+".join(f"{role}:{data.fingerprint}" for role, data in run.data.items())
    known: Any = {"fingerprint": fingerprint}
    known["facts"] = {**facts, "other_input": also} if also else facts
    runs = runs_of(run.workdir, run.config, **known)
    if jax.process_index() == 0:
        folder.open_workdir(run.workdir, run.config, mesh=run.mesh, system=name, **known)
    return runs
