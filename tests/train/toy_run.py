"""A system small enough to train in a second: Gaussian noise whose mean and scale are learned.

As a program it does what a trainer does, through the same loop, so that it can be killed.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

SIDE, CHANNELS, TRUE_SCALE = 4, 2, 0.05


@dataclass(frozen=True)
class Config:
    channels: int = CHANNELS


def make_batch(step, size, seed=0, poison=()):
    generator = np.random.default_rng([seed, step])
    shape = (size, SIDE, SIDE, CHANNELS)
    clean = generator.random(shape, np.float32)
    noise = generator.normal(0.01, TRUE_SCALE, shape).astype(np.float32)
    if step in poison:
        noise[0, 0, 0, 0] = np.nan
    zeros = np.zeros(size, np.int32)
    iso = zeros.astype(np.float32)
    return {"clean": clean, "noisy": clean + noise, "camera": zeros, "iso": iso}


def log_prob(variables, config, noise, clean, camera, iso):
    import jax.numpy as jnp

    parameters = variables["params"]["layer"]
    standard = (noise - parameters["mean"]) * jnp.exp(-parameters["log_scale"])
    density = -0.5 * standard**2 - parameters["log_scale"] - 0.5 * np.log(2 * np.pi)
    return density.sum((1, 2, 3))


def nll_and_update(variables, config, noise, clean, camera, iso):
    mean = variables["batch_stats"]["mean"]
    updated = {**variables, "batch_stats": {"mean": 0.9 * mean + 0.1 * noise.mean((0, 1, 2))}}
    return -log_prob(variables, config, noise, clean, camera, iso), updated


MODEL = SimpleNamespace(log_prob=log_prob, nll_and_update=nll_and_update)


def toy_task(*, steps, batch_size=8, seed=0, poison=(), pause=0.0):
    from train import likelihood
    from train.loop import Task

    config = Config()
    optimiser = likelihood.adam(
        steps=steps, learning_rate=0.05, moments_learning_rate=0.05, warm_up=0.05, clip=1.0
    )
    zeros = np.zeros(CHANNELS, np.float32)
    variables = {
        "params": {"layer": {"mean": zeros, "log_scale": zeros - 1}},
        "batch_stats": {"mean": zeros},
    }

    def batch(step):
        time.sleep(pause)
        return make_batch(step, batch_size, seed, poison)

    def evaluate(state):
        held_out = make_batch(10**6, 64, seed)
        noise = held_out["noisy"] - held_out["clean"]
        log_density = log_prob(state["variables"], config, noise, None, None, None)
        score = float(-np.mean(log_density) / noise[0].size)
        scale = float(np.mean(state["variables"]["params"]["layer"]["log_scale"]))
        return score, {"validation_nll": score, "parameters": {"log_scale": scale}}

    return Task(
        title="toy",
        state=likelihood.initial_state(variables, optimiser),
        batch=batch,
        step=likelihood.likelihood_step(MODEL, config, optimiser),
        evaluate=evaluate,
        keep=lambda state: state["variables"],
    )


def train(workdir, *, mesh, steps, save_every, pause=0.0, stop=None):
    from jaxnoise.io import save_model
    from train.loop import fit
    from train.schedule import Schedule

    schedule = Schedule(steps=steps, evaluate_every=5, save_every=save_every)
    task = toy_task(steps=steps, batch_size=8, pause=pause)
    fitted = fit(task, schedule, workdir=workdir, seed=0, mesh=mesh, stop=stop)
    save_model(workdir / "model", "toy", Config(), fitted.best)
    return fitted


if __name__ == "__main__":
    from train import run
    from train.options import Options

    parser = argparse.ArgumentParser()
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--save-every", type=int, default=7)
    parser.add_argument("--pause", type=float, default=0.0)
    asked = parser.parse_args()

    def program(_, stop):
        from train.devices import start_jax

        train(
            asked.workdir,
            mesh=start_jax("cpu"),
            steps=asked.steps,
            save_every=asked.save_every,
            pause=asked.pause,
            stop=stop,
        )

    sys.exit(run.main(Options, program, system="toy", presets={"cpu": {}}, arguments=[]))
