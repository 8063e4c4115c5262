"""A task small enough to train in a second: Gaussian noise whose mean and scale are learned."""

from dataclasses import dataclass
from functools import partial
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


def nll_and_update(variables, config, noise, clean, camera, iso, *, valid=None):
    mean = variables["batch_stats"]["mean"]
    updated = {**variables, "batch_stats": {"mean": 0.9 * mean + 0.1 * noise.mean((0, 1, 2))}}
    return -log_prob(variables, config, noise, clean, camera, iso), updated


MODEL = SimpleNamespace(log_prob=log_prob, nll_and_update=nll_and_update)


def toy_task(*, steps, batch_size=8, seed=0, poison=()):
    from train.engine.system import Task, Validation
    from train.steps.likelihood import likelihood_step
    from train.steps.optimisers import noise_model_adam

    config = Config()
    optimiser = noise_model_adam(
        steps=steps, learning_rate=0.05, moments_learning_rate=0.05, warm_up=0.05, clip=1.0
    )
    zeros = np.zeros(CHANNELS, np.float32)
    variables = {
        "params": {"layer": {"mean": zeros, "log_scale": zeros - 1}},
        "batch_stats": {"mean": zeros},
    }

    def evaluate(state, fixed):
        held_out = make_batch(10**6, 64, seed)
        noise = held_out["noisy"] - held_out["clean"]
        log_density = log_prob(state["variables"], config, noise, None, None, None)
        score = float(-np.mean(log_density) / noise[0].size)
        scale = float(np.mean(state["variables"]["params"]["layer"]["log_scale"]))
        return Validation(score, {"validation_nll": score, "parameters": {"log_scale": scale}})

    return Task(
        title="toy",
        state={"variables": variables, "optimiser": optimiser.init(variables["params"])},
        batch=lambda step: make_batch(step, batch_size, seed, poison),
        step=partial(likelihood_step, model=MODEL, settings=config, optimiser=optimiser),
        evaluate=evaluate,
        export=lambda state: state["variables"],
        shown="nll",
    )
