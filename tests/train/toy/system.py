"""The toy: two optimisers, a queue, a frozen weight, two data sets, two phases."""

import time
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from train.engine.system import Phase, System, Task, Validation
from train.report.report import Report
from train.report.section import Section


@dataclass(frozen=True)
class Numbers:  # a data set of four numbers an example
    name: str
    mean: float
    fingerprint: str = "0"

    def batch(self, split, step):
        return np.random.default_rng([step, ord(split[0])]).normal(self.mean, 0.1, (8, 4))


def nll(params, fixed, batch):
    noise = batch["noisy"] - batch["clean"] - fixed["offset"] - params["mean"]
    return jnp.mean(params["scale"] + 0.5 * (noise * jnp.exp(-params["scale"])) ** 2)


def step(state, fixed, batch, key, *, optimisers):
    shake = 1e-3 * jax.random.normal(key, (8, 4)) + 1e-3 * state["queue"].mean()
    shaken = {**batch, "noisy": batch["noisy"] + shake}
    loss, gradient = jax.value_and_grad(nll)(state["params"], fixed, shaken)
    params, states = {}, {}
    for name, optimiser in optimisers.items():
        update, states[name] = optimiser.update(gradient[name], state["optimisers"][name])
        params[name] = optax.apply_updates(state["params"][name], update)
    queue = jnp.concatenate([batch["noisy"].mean(1), state["queue"]])[:12]
    return {"params": params, "optimisers": states, "queue": queue}, {"nll": loss}


def task(run, scale_too, before):
    def batch(number, split="train"):
        time.sleep(run.config.pause)
        return {role: np.float32(data.batch(split, number)) for role, data in run.data.items()}

    def evaluate(state, fixed):
        score = float(nll(state["params"], fixed, batch(0, "validation")))
        return Validation(score, {"validation_nll": score})

    rates = {"mean": run.config.rate, "scale": run.config.rate * scale_too}
    optimisers = {name: optax.adam(rate) for name, rate in rates.items()}
    start = {"mean": np.zeros(4, np.float32), "scale": np.float32(0)}
    params = before["mean"].kept if before else start
    states = {name: optimisers[name].init(params[name]) for name in params}
    state = {"params": params, "optimisers": states, "queue": np.zeros(12, np.float32)}
    return Task(title="toy", state=state, fixed={"offset": np.float32(0.5)}, batch=batch,
                step=partial(step, optimisers=optimisers), evaluate=evaluate, shown="nll",
                export=lambda state: state["params"], tolerance=1.0)  # fmt: skip


def phases(run):
    first = partial(Phase, model="toy", settings=run.data["clean"])
    steps = run.config.mean_steps
    mean = first(name="mean", task=partial(task, run, False), folder="mean", steps=steps)
    return [mean] * (steps > 0) + [first(name="both", task=partial(task, run, True))]


def report(run, fitted):
    scale = float(np.exp(fitted["both"].kept["scale"]))
    section = Section(verdict=f"Its scale is {scale:.2f}.", numbers={"scale": scale}, text="done")
    return Report(title="Toy", subject="Noise.", sections=[section])


DATA = {"clean": lambda: Numbers("clean", 0.3), "noisy": lambda: Numbers("noisy", 0.9)}
SYSTEMS = {"fit": System(data=lambda config: DATA, phases=phases, report=report)}
