"""Maximum-likelihood start of the signal and gain layers, from binned moments of the noise."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxnoise.bijectors.gain import PARAMETERISATIONS
from jaxnoise.bijectors.signal_dependent import VARIANCE_FLOOR as SIGNAL_FLOOR
from jaxnoise.curve import VARIANCE_FLOOR, IntensityMoments
from jaxnoise.models.noiseflow.config import Config

MAX_STEPS = 200
DAMPING = 1e-3
RIDGE = 1e-4
"""Pull towards the initial values, which fixes what the data leave free."""


def fit_signal_and_gain(shared: dict, config: Config, moments: IntensityMoments) -> dict:
    """Parameters of the signal and gain layers that maximise the likelihood of independent
    Gaussian noise.

    Damped Fisher scoring on the log variance of each bin; cameras and ISO numbers without data
    keep the values that the others imply.

    Args:
        shared: initial parameters, from `init`.
        config: the model's configuration.
        moments: of the noise, shape (cameras * isos, C, bins).

    Returns:
        Fitted parameters of the same structure.

    Source: Noise Flow, Eqs. 12 to 16, for the variance model; the scoring is textbook.
    """
    count = moments.number.sum(1)
    filled = np.maximum(count, 1.0)
    intensity = moments.intensity.sum(1) / filled
    square = moments.second.sum(1) / filled
    key = np.arange(len(count))
    camera, iso = key // len(config.isos), np.asarray(config.isos)[key % len(config.isos)]
    weight = 0.5 * count / max(count.sum(), 1.0)
    start, unravel = ravel_pytree(shared)
    level = jnp.asarray(intensity, start.dtype)

    def log_variance(theta):
        layers = PARAMETERISATIONS[config.parameterisation](
            unravel(theta),
            jnp.asarray(camera),
            jnp.asarray(iso),
            cameras=config.cameras,
            isos=config.isos,
        )
        column = lambda value: jnp.broadcast_to(value, key.shape)[:, None]  # noqa: E731
        log_signal = jnp.zeros_like(level)
        if "b1" in shared:
            slope = jnp.exp(layers.log_beta1 - layers.log_signal_gain)
            variance = column(slope) * level + column(jnp.exp(layers.log_beta2))
            log_signal = jnp.log(jnp.maximum(variance, SIGNAL_FLOOR))
        return log_signal + 2.0 * column(layers.log_gain)

    value = jax.jit(log_variance)
    jacobian = jax.jit(jax.jacfwd(log_variance))
    square = np.maximum(square, VARIANCE_FLOOR)
    initial = np.asarray(start).astype(np.float64)

    def loss(theta):
        logs = np.asarray(value(jnp.asarray(theta, start.dtype))).astype(np.float64)
        with np.errstate(over="ignore"):
            fit = (weight * (logs + square * np.exp(-logs))).sum()
        return fit + 0.5 * RIDGE * ((theta - initial) ** 2).sum() / initial.size

    theta, damping = initial, DAMPING
    best = loss(theta)
    for _ in range(MAX_STEPS):
        at = jnp.asarray(theta, start.dtype)
        logs = np.asarray(value(at)).astype(np.float64)
        slopes = np.asarray(jacobian(at)).astype(np.float64)
        with np.errstate(over="ignore"):
            pull = weight * np.clip(square * np.exp(-logs) - 1.0, -1.0, 1e6)
        gradient = np.einsum("kb,kbp->p", pull, slopes) - RIDGE * (theta - initial) / initial.size
        fisher = np.einsum("kbp,kb,kbq->pq", slopes, weight, slopes)
        fisher += (RIDGE / initial.size) * np.eye(initial.size)
        step = np.linalg.solve(fisher + damping * np.diag(np.diag(fisher)), gradient)
        step = np.clip(step, -2.0, 2.0)
        proposed = loss(theta + step)
        if np.isfinite(proposed) and proposed < best:
            converged = best - proposed < 1e-9
            theta, best, damping = theta + step, proposed, max(damping / 5.0, 1e-9)
            if converged:
                break
        elif damping > 1e9:
            break
        else:
            damping *= 4.0
    fitted = unravel(jnp.asarray(theta, start.dtype))
    seen = count.sum(1).reshape(len(config.cameras), len(config.isos)) > 0
    return _complete(fitted, config, seen)


def _complete(fitted: dict, config: Config, seen: np.ndarray) -> dict:
    """Parameters of ISO numbers and cameras without data from those with data.

    An ISO's parameter, its gain but for the factor ISO, is interpolated in log ISO; a camera takes
    the mean camera's.
    """
    isos, cameras = seen.any(0), seen.any(1)
    log_isos = np.log(np.maximum(np.asarray(config.isos, float), 1.0))
    complete = dict(fitted)
    if "v" in fitted:
        v = np.asarray(fitted["v"])
        complete["v"] = jnp.asarray(np.interp(log_isos, log_isos[isos], v[isos]), v.dtype)
    for name in ("log_psi", "camera"):
        if name in fitted:
            rows = np.asarray(fitted[name])
            mean = rows[..., cameras].mean(-1, keepdims=True)
            complete[name] = jnp.asarray(np.where(cameras, rows, mean))
    return complete
