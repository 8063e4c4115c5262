"""What the signal-dependent and the gain layer share: parameters, and two ways to store them."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jaxnoise.conditions import camera_weights, iso_weights, log_iso

SHARED = "signal_gain"
"""Where the parameters that the signal and the gain layer share are stored."""
VARIANCE_FLOOR = 1e-20
"""Smallest variance under the root of the signal layer, in squared units of the image."""


def unused(kind: str) -> dict[str, Array]:
    """The scalar that each published layer carries and nothing reads; it counts among the "2433
    parameters".
    """
    return {f"unused_{kind}": jnp.full((), 1e-4)}


class SignalAndGain(NamedTuple):
    """What the signal-dependent and the gain layer of each image need, all logarithms, shape () or
    (N,).

    Attributes:
        log_beta1: of the signal layer.
        log_beta2: of the signal layer.
        log_signal_gain: the gain by which the signal layer divides the clean image.
        log_gain: the factor of the gain layer.
    """

    log_beta1: Float[Array, "*n"]
    log_beta2: Float[Array, "*n"]
    log_signal_gain: Float[Array, "*n"]
    log_gain: Float[Array, "*n"]


def paper_gain(
    params: dict,
    camera: Num[Array, "*n"],
    iso: Num[Array, "*n"],
    *,
    cameras: tuple[str, ...],
    isos: tuple[int, ...],
) -> SignalAndGain:
    """The paper's parameterisation: `gain = psi_camera * u_ISO * ISO` divides the signal and
    multiplies the noise.

    Args:
        params: any of `b1` and `b2` (scalars: beta = exp(b)), `v` (K,), with u = exp(v) per ISO,
            and `log_psi` (M,) per camera. What is absent counts as a factor of 1.
        camera: shape () or (N,), index into `cameras`.
        iso: shape () or (N,), ISO numbers.
        cameras: the M known cameras.
        isos: the K known ISO numbers.

    Returns:
        The layers' parameters per image; NaN for unknown conditions.

    Source: Noise Flow, Eqs. 12, 14 and 16.
    """
    b1, b2 = (params.get(name, jnp.zeros(())) for name in ("b1", "b2"))
    log_gain = jnp.zeros_like(b1)
    if "v" in params:
        log_gain = _contract(iso_weights(iso, isos), params["v"]) + log_iso(iso).astype(
            params["v"].dtype
        )
    if "log_psi" in params:
        log_gain = log_gain + _contract(camera_weights(camera, cameras), params["log_psi"])
    return SignalAndGain(b1, b2, log_gain, log_gain)


def reference_gain(
    params: dict,
    camera: Num[Array, "*n"],
    iso: Num[Array, "*n"],
    *,
    cameras: tuple[str, ...],
    isos: tuple[int, ...],
) -> SignalAndGain:
    """The parameterisation of the published code: cameras scale exponents, one scalar multiplies
    the noise.

    Args:
        params: any of `b1` and `b2` (scalars), `v` (K,) per ISO, `camera` (3, M), logarithms of
            what multiplies b1, b2 and v for each camera, and `gain_val` (scalar > 0).
        camera: shape () or (N,), index into `cameras`.
        iso: shape () or (N,), ISO numbers.
        cameras: the M known cameras.
        isos: the K known ISO numbers.

    Returns:
        The layers' parameters per image; NaN for unknown conditions.

    Source: the published implementation of Noise Flow (layers `sdn4`, `sdn5` and `gain4`).
    """
    b1, b2 = (params.get(name, jnp.zeros(())) for name in ("b1", "b2"))
    exponent = jnp.ones_like(b1)
    log_signal_gain = jnp.zeros_like(b1)
    if "camera" in params:
        weights = camera_weights(camera, cameras)
        scale1, scale2, exponent = (jnp.exp(_contract(weights, row)) for row in params["camera"])
        b1, b2 = b1 * scale1, b2 * scale2
    if "v" in params:
        value = _contract(iso_weights(iso, isos), params["v"])
        log_signal_gain = value * exponent + log_iso(iso).astype(value.dtype)
    log_gain = jnp.log(params["gain_val"]) if "gain_val" in params else jnp.zeros_like(b1)
    return SignalAndGain(b1, b2, log_signal_gain, log_gain)


PARAMETERISATIONS = {"paper": paper_gain, "reference": reference_gain}


def _contract(weights, table):
    return jnp.tensordot(weights.astype(table.dtype), table, axes=1, precision="highest")
