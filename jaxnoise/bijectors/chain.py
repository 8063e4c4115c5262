"""From an architecture string such as `S-Ax4-G-Ax4-CAM` to bijectors, the data side first."""

import re
from dataclasses import dataclass

from jaxtyping import Array, Float, Num

from jaxnoise.bijectors.causal_conv import CausalConv
from jaxnoise.bijectors.conv1x1 import Conv1x1
from jaxnoise.bijectors.coupling import AffineCoupling, Conditioner
from jaxnoise.bijectors.gain import PARAMETERISATIONS, Gain
from jaxnoise.bijectors.noise_curve import NoiseCurve
from jaxnoise.bijectors.signal_dependent import SignalDependent
from jaxnoise.bijectors.squeeze import Squeeze
from jaxnoise.conditions import table_rows
from jaxnoise.curve import Curve
from jaxnoise.errors import UsageError

TOKENS = {
    "S": "signal-dependent layer",
    "G": "gain per ISO",
    "CAM": "a factor per camera in the gain",
    "AxN": "N affine couplings, each after a 1x1 convolution",
    "W": "1x1 convolution",
    "Q": "2x2 squeeze",
    "KR": "causal convolution of radius R",
    "N": "learned noise curve",
}
SHARED = "signal_gain"
"""Where the parameters that the signal and the gain layer share are stored."""


@dataclass(frozen=True)
class Layer:
    """One layer of a chain.

    Attributes:
        kind: signal, gain, conv1x1, coupling, squeeze, causal or curve.
        name: its key among the parameters, the place in the chain and the kind.
        channels: channels on its data side.
        radius: of a causal convolution, else 0.
    """

    kind: str
    name: str
    channels: int
    radius: int = 0


def parse(arch: str, channels: int) -> tuple[Layer, ...]:
    """The layers that an architecture string names, the data side first.

    Args:
        arch: tokens of `TOKENS` joined by "-", the layer that touches the data first; CAM, a
            property of the gain, stands anywhere.
        channels: channels C >= 2 of the images.

    Returns:
        The layers in the order in which noise passes through them on its way to the latent.

    Raises:
        UsageError: for an unknown token, a repeated S, G or CAM, CAM without G, or fewer than 2
            channels.

    Source: Noise Flow, Table 2.
    """
    tokens = arch.split("-")
    for token in ("S", "G", "CAM"):
        if tokens.count(token) > 1:
            raise UsageError(f"Architecture {arch!r} names {token} twice: once is all it takes.")
    if "CAM" in tokens and "G" not in tokens:
        raise UsageError(f"Architecture {arch!r} has CAM, a factor of the gain, but no G: add G.")
    if channels < 2:
        raise UsageError(f"A noise flow needs at least 2 channels, not {channels}.")
    layers: list[Layer] = []
    for token in tokens:
        for kind, radius in _kinds(token, arch):
            layers.append(Layer(kind, f"{len(layers):02d}_{kind}", channels, radius))
            channels = channels * 4 if kind == "squeeze" else channels
    if not layers:
        raise UsageError(f"Architecture {arch!r} has no layer: name at least one.")
    return tuple(layers)


def _kinds(token: str, arch: str) -> list[tuple[str, int]]:
    simple = {"S": "signal", "G": "gain", "W": "conv1x1", "Q": "squeeze", "N": "curve"}
    if token in simple:
        return [(simple[token], 0)]
    if token == "CAM":
        return []
    if match := re.fullmatch(r"Ax([1-9]\d?)", token):
        return [("conv1x1", 0), ("coupling", 0)] * int(match[1])
    if match := re.fullmatch(r"K([1-9]|1\d)", token):
        return [("causal", int(match[1]))]
    known = ", ".join(f"{name} ({meaning})" for name, meaning in TOKENS.items())
    raise UsageError(f"Architecture {arch!r} has the unknown token {token!r}: known are {known}.")


def build_layer(
    layer: Layer,
    params: dict,
    constants: dict,
    *,
    clean: Float[Array, "n h w c"],
    camera: Num[Array, " n"],
    iso: Num[Array, " n"],
    cameras: tuple[str, ...],
    isos: tuple[int, ...],
    parameterisation: str,
    conditioner: Conditioner | None = None,
):
    """One bijector of a chain, from the parameters and what it is conditioned on.

    Args:
        layer: from `parse`.
        params: parameters of the whole chain by layer name.
        constants: what is stored but not trained, by layer name.
        clean: clean images at the layer's resolution, shape (N, H, W, C).
        camera: shape (N,), index into `cameras`.
        iso: shape (N,), ISO numbers.
        cameras: the known cameras.
        isos: the known ISO numbers.
        parameterisation: of signal and gain, "paper" or "reference".
        conditioner: the network of a coupling, a function of the kept channels.

    Returns:
        A `distrax.Bijector` over events (H, W, C), forward from latent to noise.
    """
    known = {"cameras": cameras, "isos": isos}
    own = params.get(layer.name, {})
    if layer.kind in ("signal", "gain"):
        shared = PARAMETERISATIONS[parameterisation](params[SHARED], camera, iso, **known)
        if layer.kind == "gain":
            return Gain(shared.log_gain)
        return SignalDependent(clean, shared.log_beta1, shared.log_beta2, shared.log_signal_gain)
    if layer.kind == "conv1x1":
        return Conv1x1(**constants[layer.name], **own)
    if layer.kind == "coupling":
        assert conditioner is not None
        return AffineCoupling(conditioner)
    if layer.kind == "squeeze":
        return Squeeze()
    if layer.kind == "causal" and not is_table(own):
        return CausalConv(**own)
    rows = {name: table_rows(camera, iso, table, **known) for name, table in own.items()}
    return NoiseCurve(clean, Curve(**rows)) if layer.kind == "curve" else CausalConv(**rows)


def is_table(causal_parameters: dict) -> bool:
    """Whether a causal convolution's parameters are a table over cameras and ISO numbers."""
    return causal_parameters["log_scale"].ndim == 3
