"""Maximum-likelihood start of the signal and gain layers, from binned moments of the noise."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxnoise.bijectors.layer_kind import Left, Own, Settings
from jaxnoise.bijectors.signal_and_gain import PARAMETERISATIONS
from jaxnoise.bijectors.signal_and_gain import VARIANCE_FLOOR as SIGNAL_FLOOR
from jaxnoise.curve import intensity_moments

MAX_STEPS = 200
DAMPING = 1e-3
RIDGE = 1e-4
"""Pull towards the initial values, which fixes what the data leave free."""
TINY = 1e-6
"""Smallest slope of a log variance that is divided by."""


class _Bins(NamedTuple):
    """Bins of intensity of each camera and ISO: rows of a flattened table by bins, float64.

    Attributes:
        weight: half the part of all pixels that lie in the bin.
        intensity: mean clean intensity.
        square: mean square of the noise.
    """

    weight: np.ndarray
    intensity: np.ndarray
    square: np.ndarray


def fit_signal_and_gain(own: Own, left: Left, settings: Settings) -> Own:
    """Parameters of the signal and gain layers that maximise the likelihood of independent
    Gaussian noise.

    Damped Fisher scoring on the log variance of each bin; cameras and ISO numbers without data
    keep the values that the others imply.

    Args:
        own: initial `params`.
        left: the noise and the clean images, the pixels that count, and the floor of the variance.
        settings: the model's configuration.

    Returns:
        Fitted parameters of the same structure.

    Source: Noise Flow, Eqs. 12 to 16, for the variance model; the scoring is textbook.
    """
    keys = len(settings.cameras) * len(settings.isos)
    moments = intensity_moments(left.noise, left.clean, left.row, keys=keys, valid=left.valid)
    count = moments.number.sum(1)
    filled = np.maximum(count, 1.0)
    bins = _Bins(
        weight=0.5 * count / max(count.sum(), 1.0),
        intensity=moments.intensity.sum(1) / filled,
        square=np.maximum(moments.second.sum(1) / filled, left.variance_floor),
    )
    start, unravel = ravel_pytree(own["params"])
    log_variance = _log_variance(own["params"], settings, bins.intensity)
    value = jax.jit(lambda theta: log_variance(unravel(theta)))
    jacobian = jax.jit(jax.jacfwd(lambda theta: log_variance(unravel(theta))))

    def host(function: Callable, theta: np.ndarray) -> np.ndarray:
        return np.asarray(function(jnp.asarray(theta, start.dtype))).astype(np.float64)

    theta = _score(
        np.asarray(start).astype(np.float64),
        bins,
        lambda theta: host(value, theta),
        lambda theta: host(jacobian, theta),
    )
    fitted = unravel(jnp.asarray(theta, start.dtype))
    seen = count.sum(1).reshape(len(settings.cameras), len(settings.isos)) > 0
    complete = _complete(fitted, settings, seen)
    return {**own, "params": _held_up(complete, settings, left.variance_floor)}


def _log_variance(shared: dict, settings: Settings, intensity: np.ndarray) -> Callable:
    """From the parameters to the log variance of the noise in each bin."""
    key = np.arange(len(intensity))
    isos = settings.isos
    camera, iso = key // len(isos), np.asarray(isos)[key % len(isos)]
    level = jnp.asarray(intensity, ravel_pytree(shared)[0].dtype)

    def log_variance(params: dict) -> jax.Array:
        layers = PARAMETERISATIONS[settings.parameterisation](
            params, jnp.asarray(camera), jnp.asarray(iso), cameras=settings.cameras, isos=isos
        )
        column = lambda value: jnp.broadcast_to(value, key.shape)[:, None]  # noqa: E731
        log_signal = jnp.zeros_like(level)
        if "b1" in shared:
            slope = jnp.exp(layers.log_beta1 - layers.log_signal_gain)
            variance = column(slope) * level + column(jnp.exp(layers.log_beta2))
            log_signal = jnp.log(jnp.maximum(variance, SIGNAL_FLOOR))
        return log_signal + 2.0 * column(layers.log_gain)

    return log_variance


def _score(
    initial: np.ndarray,
    bins: _Bins,
    value: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Damped Fisher scoring from initial values; `value` gives the log variances."""
    weight, _, square = bins

    def loss(theta: np.ndarray) -> float:
        logs = value(theta)
        with np.errstate(over="ignore"):
            fit = (weight * (logs + square * np.exp(-logs))).sum()
        return fit + 0.5 * RIDGE * ((theta - initial) ** 2).sum() / initial.size

    theta, damping = initial, DAMPING
    best = loss(theta)
    for _ in range(MAX_STEPS):
        logs, slopes = value(theta), jacobian(theta)
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
    return theta


def _complete(fitted: dict, settings: Settings, seen: np.ndarray) -> dict:
    """Parameters of ISO numbers and cameras without data from those with data.

    An ISO's parameter, its gain but for the factor ISO, is interpolated in log ISO; a camera takes
    the mean camera's.
    """
    isos, cameras = seen.any(0), seen.any(1)
    log_isos = np.log(np.maximum(np.asarray(settings.isos, float), 1.0))
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


def _held_up(params: dict, settings: Settings, variance_floor: float) -> dict:
    """The parameters with no camera's and ISO's variance at zero intensity below the floor.

    It falls below where the data are bright and the line through them meets zero first.
    """
    if "b2" not in params:
        return params
    dark = np.zeros((len(settings.cameras) * len(settings.isos), 1))
    at_zero = _log_variance(params, settings, dark)

    def of_read(b2: jax.Array) -> jax.Array:
        return at_zero({**params, "b2": b2})

    value, slope = jax.jvp(of_read, (params["b2"],), (jnp.ones_like(params["b2"]),))
    missing = np.log(variance_floor) - np.asarray(value).astype(np.float64)
    step = float(np.max(missing / np.maximum(np.asarray(slope), TINY), initial=0.0))
    return {**params, "b2": params["b2"] + step} if step > 0 else params
