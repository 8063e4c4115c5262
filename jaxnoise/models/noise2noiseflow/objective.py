"""What is minimised: the noise model's likelihood of residuals, and the denoiser's errors.

Any noise model with a density and any denoiser will do: both come in as functions that carry their
state along.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxnoise.checks import check_batch, check_key, check_numbers
from jaxnoise.errors import UsageError
from jaxnoise.losses import two_shot_mse
from jaxnoise.metrics import mean_nll_per_dim

OBJECTIVES = {
    "cross": "noise of each shot given the estimate from the other one (Eq. 4)",
    "self": "noise of each shot given its own estimate (Eq. 6), which may collapse",
    "r2r": "single shots, recorrupted (Eq. 7)",
    "difference": "difference of the two shots over sqrt 2, given the mean of the estimates; the "
    "denoiser by the likelihood of Eq. 4",
}
WEIGHT = 2.0**18
"""Of the denoising loss in the published runs, lambda."""
RECORRUPTION_SCALE = 4.0
RECORRUPTION_STD = 1.0 / 256.0

NoiseNll = Callable[[Any, Array, Array], tuple[Array, Any]]
"""From (state, noise, clean), both (N, H, W, C), to (nats per image (N,), state)."""
Denoise = Callable[[Any, Array], tuple[Array, Any]]
"""From (state, noisy) to (estimate, not clipped, and state)."""


class Terms(NamedTuple):
    """The loss and its parts, each of shape ().

    Attributes:
        total: nll + weight * mse, and what the objective adds for the denoiser.
        nll: negative log-likelihood of what the noise model explains, nats per dimension.
        mse: mean squared error of the denoising loss, squared units of full scale.
    """

    total: Float[Array, ""]
    nll: Float[Array, ""]
    mse: Float[Array, ""]


class State(NamedTuple):
    """The states of the two models, as their functions take and return them."""

    noise_model: Any
    denoiser: Any


def recorrupt(
    key: Array,
    noisy: Float[Array, "n h w c"],
    *,
    scale: float = RECORRUPTION_SCALE,
    std: float = RECORRUPTION_STD,
) -> tuple[Float[Array, "n h w c"], Float[Array, "n h w c"]]:
    """Two noisier images made of one, whose noises are uncorrelated if `std` is that of the noise.

    Args:
        key: a `jax.random.key`.
        noisy: shape (N, H, W, C), fraction of full scale.
        scale: alpha, of the matrix alpha I; above 0.
        std: standard deviation of z, same unit.

    Returns:
        noisy + alpha z, the denoiser's input, and noisy - z / alpha, its target.

    Raises:
        UsageError: for another shape or type.

    Source: Noise2NoiseFlow, Eq. 7; scale and std are the defaults of its code.
    """
    check_key(key)
    check_batch(noisy=noisy)
    check_numbers(scale=scale, std=std)
    noise = std * jax.random.normal(key, noisy.shape, noisy.dtype)
    return noisy + scale * noise, noisy - noise / scale


def joint_terms(
    noise_nll: NoiseNll,
    denoise: Denoise,
    state: State,
    noisy1: Float[Array, "n h w c"],
    noisy2: Float[Array, "n h w c"],
    *,
    objective: str = "cross",
    weight: float | Array = WEIGHT,
    key: Array | None = None,
    recorruption_scale: float = RECORRUPTION_SCALE,
    recorruption_std: float = RECORRUPTION_STD,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> tuple[Terms, State]:
    """The joint loss of a noise model and a denoiser on pairs of noisy shots.

    Estimates are clipped to [0, 1] where the noise model is conditioned on them and subtracts them,
    and not clipped in the denoising loss, as in the published code.

    Args:
        noise_nll: the noise model; its nats are those of the pixels that count.
        denoise: the denoiser.
        state: of both; a model that is not to be trained ignores gradients by `stop_gradient`.
        noisy1: shape (N, H, W, C), fraction of full scale.
        noisy2: a second, independent shot of the same scenes, same shape and unit.
        objective: one of `OBJECTIVES`. "difference" is not in the paper. The noise that it explains
            does not hold the denoiser's error, so that the noise model is not widened by it; and
            the total has the likelihood of "cross" beside it, whose gradient reaches the denoiser
            alone.
        weight: lambda >= 0, of the denoising loss.
        key: a `jax.random.key`; only "r2r" needs it.
        recorruption_scale: alpha of "r2r".
        recorruption_std: standard deviation of its z.
        valid: shape (N, H, W, 1), True where a pixel counts in both shots; None: all do. The noise
            model states the density at these pixels. The denoiser sees the shots as they are, so
            that clipped pixels must hold numbers.

    Returns:
        The terms, and the new states.

    Raises:
        UsageError: for shapes or types that do not fit, an unknown objective, or "r2r" without a
            key.

    Source: Noise2NoiseFlow, Eqs. 4 to 7, in the normalisation of its code: nats per dimension, and
        means instead of sums.
    """
    if objective not in OBJECTIVES:
        raise UsageError(f"objective is {objective!r}: use {', '.join(OBJECTIVES)}.")
    check_batch(valid=valid, least=1, noisy1=noisy1, noisy2=noisy2)
    check_numbers(weight=weight)
    shots = noisy1, noisy2
    inputs = shots
    targets = noisy2, noisy1
    if objective == "r2r":
        if key is None:
            raise UsageError("the objective r2r draws noise: give a key.")
        settings = {"scale": recorruption_scale, "std": recorruption_std}
        made = [
            recorrupt(own, shot, **settings)
            for own, shot in zip(jax.random.split(key), shots, strict=True)
        ]
        inputs, targets = zip(*made, strict=True)
    first, denoiser = denoise(state.denoiser, inputs[0])
    second, denoiser = denoise(denoiser, inputs[1])
    mse = two_shot_mse(first, second, *targets, valid=valid)
    clean1, clean2 = (jnp.clip(estimate, 0.0, 1.0) for estimate in (first, second))
    across = [(noisy1 - clean2, clean2), (noisy2 - clean1, clean1)]
    added = jnp.zeros((), noisy1.dtype)
    if objective == "difference":
        clean = jax.lax.stop_gradient(0.5 * (clean1 + clean2))
        explained = [((noisy1 - noisy2) * 0.5**0.5, clean)]
        added, _ = _mean_nll(noise_nll, jax.lax.stop_gradient(state.noise_model), across, valid)
    elif objective == "cross":
        explained = across
    else:
        explained = [(noisy1 - clean1, clean1), (noisy2 - clean2, clean2)]
    nll, noise_model = _mean_nll(noise_nll, state.noise_model, explained, valid)
    return Terms(nll + added + weight * mse, nll, mse), State(noise_model, denoiser)


def _mean_nll(
    noise_nll: NoiseNll, state: Any, pairs: list[tuple[Array, Array]], valid: Array | None
) -> tuple[Float[Array, ""], Any]:
    """Mean over pairs of noise and clean image, nats per dimension, and the state behind them."""
    total = jnp.zeros((), pairs[0][0].dtype)
    for noise, clean in pairs:
        nats, state = noise_nll(state, noise, clean)
        if valid is None:
            total = total + jnp.mean(nats) / (noise[0].size * len(pairs))
        else:
            total = total + mean_nll_per_dim(-nats, noise.shape[1:], valid) / len(pairs)
    return total, state
