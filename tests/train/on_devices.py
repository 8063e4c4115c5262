"""Trains a system on several numbers of CPU devices.

The command line is its package and subcommand, options beside those of its preset as JSON, a folder
for the runs, and the numbers.
"""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import jax

from train.engine.devices import start_jax
from train.engine.loop import fit
from train.engine.run import schedule_of
from train.engine.system import Run, Validation


def main(package: str, name: str, options: str, folder: str, *counts: str) -> None:
    command = importlib.import_module(f"{package}.config").COMMANDS[name]
    config = command.options(**{**command.presets["cpu"], **json.loads(options)})
    system = importlib.import_module(f"{package}.system").SYSTEMS[name]
    data = {role: opened() for role, opened in system.data(config).items()}
    every = start_jax("cpu")
    for count in map(int, counts):
        mesh = every
        if count < every.size:
            devices = jax.devices()[:count]
            mesh = jax.make_mesh((count,), ("data",), axis_types=every.axis_types, devices=devices)
        assert mesh.size == count
        run = Run(config=config, data=data, mesh=mesh, workdir=Path(folder, f"{count}-devices"))
        fitted = {}
        for phase in system.phases(run):
            task = dataclasses.replace(phase.task(fitted), evaluate=lambda *_: Validation(0.0, {}))
            schedule = schedule_of(config, steps=phase.steps)
            place = run.workdir / phase.folder
            fitted[phase.name] = fit(task, schedule, workdir=place, seed=config.seed, mesh=mesh)


if __name__ == "__main__":
    main(*sys.argv[1:])
