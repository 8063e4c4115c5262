"""Noise2NoiseFlow as its authors' PyTorch code stores it."""

import os
import re
from itertools import groupby
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnoise.bijectors.chain import SHARED, layers_of
from jaxnoise.bijectors.conv1x1 import decompose
from jaxnoise.bijectors.coupling import kept_channels
from jaxnoise.errors import UsageError
from jaxnoise.interop.denoisers import batch_norm, kernel_of, read_denoiser
from jaxnoise.interop.noise_flow import CAMERAS, ISOS
from jaxnoise.interop.state_dict import State, read_state
from jaxnoise.models import noiseflow
from jaxnoise.models.noise2noiseflow import Config

FLOW, DENOISER = "noise_flow.model.", "denoiser."
"""How the names of the two parts' tensors begin."""

MAX_STEPS = 99
_ONLY = "only Noise2NoiseFlow's layers sdn, gain and unc and its denoisers can be read"
_UNUSED = np.float32(1e-4)
_PARTS = {"_scale": "signal", "_shift_and_log_scale": "coupling", "scale": "gain"}


def noise2noiseflow_torch(path: str | os.PathLike) -> tuple[Config, dict[str, Any]]:
    """A noise flow and a denoiser from a checkpoint of the authors' PyTorch code.

    Architecture and sizes are found out from the tensors' names and shapes. Matrices of 1x1
    convolutions are factored anew, in float64, because that code applies the transposed matrix.

    Args:
        path: the checkpoint's file, or the folder that holds `best_model.pth` or a single `.pth`
            file.

    Returns:
        The `Config` of both models, and their variables as from
        `jaxnoise.models.noise2noiseflow.init`. Tensors keep their type: float32, and float64 for
        camera and ISO tables and for the matrices' factors, if JAX has 64-bit numbers enabled.

    Raises:
        DataError: there is no checkpoint, it is damaged, it holds what is no plain data, or it is
            not of these networks.
    """
    state = read_state(path, _ONLY)
    kinds = _kinds(state)
    denoiser, denoiser_variables = read_denoiser(state, DENOISER)
    if denoiser.channels < 2:
        raise state.refusal("is for images of a single channel")
    flow = noiseflow.Config(
        arch=_architecture(state, kinds),
        parameterisation="reference",
        channels=denoiser.channels,
        cameras=CAMERAS,
        isos=ISOS,
        width=_width(state, kinds),
        normalisation="batch_affine",
    )
    variables = {"noise_model": _flow(state, flow), "denoiser": denoiser_variables}
    state.finish()
    return Config(noise_model=flow, denoiser=denoiser), jax.tree.map(jnp.asarray, variables)


def _kinds(state: State) -> list[str]:
    """Kinds of the flow's layers, the data side first, as `jaxnoise.bijectors.chain` calls them."""
    found: dict[int, str] = {}
    for match in state.names(re.escape(FLOW) + r"(\d{1,3})\.(\w+)(?:\..+)?"):
        kind = _PARTS.get(match[2], "conv1x1")
        if found.setdefault(int(match[1]), kind) != kind:
            raise state.refusal(f"has {match[0]} in a layer of another kind")
    kinds = [found.get(place, "") for place in range(len(found))]
    if not kinds or "" in kinds or len(kinds) > MAX_STEPS:
        raise state.refusal(f"has no row of layers {FLOW}0, {FLOW}1 and so on")
    return kinds


def _architecture(state: State, kinds: list[str]) -> str:
    conditional = [kind for kind in kinds if kind in ("signal", "gain")]
    if sorted(conditional) not in ([], ["gain", "signal"]):
        raise state.refusal(
            f"has {conditional.count('signal')} signal-dependent and {conditional.count('gain')} "
            "gain layers, not one of each or none"
        )
    tokens = []
    for kind, run in groupby(kinds, lambda kind: {"signal": "S", "gain": "G"}.get(kind, "A")):
        mixed = list(run)
        if kind == "A" and mixed != ["conv1x1", "coupling"] * (len(mixed) // 2):
            raise state.refusal("has 1x1 convolutions and couplings that do not take turns")
        tokens.append(f"Ax{len(mixed) // 2}" if kind == "A" else kind)
    return "-".join([*tokens, "CAM"] if conditional else tokens)


def _width(state: State, kinds: list[str]) -> int:
    """Hidden channels of the couplings; the published ones without couplings."""
    if "coupling" not in kinds:
        return 4
    name = f"{_coupling(kinds.index('coupling'))}.conv2d_1.bias"
    shape = state.shape(name)
    if len(shape) != 1 or shape[0] < 1:
        raise state.refusal(f"has {name} of shape {shape}")
    return shape[0]


def _flow(state: State, config: noiseflow.Config) -> dict[str, Any]:
    variables: dict[str, Any] = {"params": {}, "batch_stats": {}, "constants": {}}
    params = variables["params"]
    for place, layer in enumerate(layers_of(config)):
        scope = f"{FLOW}{place}"
        if layer.kind == "conv1x1":
            factors = _factors(state, scope, layer.channels)
            constants = {name: factors.pop(name) for name in ("permutation", "sign")}
            params[layer.name], variables["constants"][layer.name] = factors, constants
        elif layer.kind == "coupling":
            own = _conditioner(state, _coupling(place), layer.channels, config.width)
            params[layer.name], variables["batch_stats"][layer.name] = own
        elif layer.kind == "gain":
            gain = state.take(f"{scope}.scale", (), lambda value: value > 0)
            params.setdefault(SHARED, {}).update(gain_val=gain, unused_gain=_UNUSED)
        else:
            params.setdefault(SHARED, {}).update(
                b1=state.take(f"{scope}._scale.beta1", ()),
                b2=state.take(f"{scope}._scale.beta2", ()),
                v=state.take(f"{scope}._scale.gain_params", (len(ISOS),)),
                camera=state.take(f"{scope}._scale.cam_params", (3, len(CAMERAS))),
                unused_signal=_UNUSED,
            )
    return variables


def _factors(state: State, scope: str, channels: int) -> dict[str, np.ndarray]:
    """The factors of a 1x1 convolution's matrix in our order."""
    square, row = (channels, channels), (channels,)
    permutation = state.take(f"{scope}.p", square, _is_permutation).astype(np.float64)
    sign = state.take(f"{scope}.sign_s", row, lambda signs: (np.abs(signs) == 1).all())
    lower = np.tril(state.take(f"{scope}.l", square).astype(np.float64), -1)
    upper = np.triu(state.take(f"{scope}.u", square).astype(np.float64), 1)
    log_diagonal = state.take(f"{scope}.log_s", row).astype(np.float64)
    with np.errstate(all="ignore"):
        matrix = permutation @ (lower + np.eye(channels))
        matrix = matrix @ (upper + np.diag(sign * np.exp(log_diagonal)))
        try:
            factors = decompose(matrix.T)
        except UsageError as error:
            raise state.refusal(f"has a matrix without inverse, {scope}") from error
    # Rounding makes a singular matrix a regular one, of another determinant.
    if not np.isclose(factors["log_diagonal"].sum(), log_diagonal.sum(), rtol=0, atol=1e-6):
        raise state.refusal(f"has a matrix without inverse, {scope}")
    return factors


def _conditioner(
    state: State, scope: str, channels: int, width: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and statistics of a coupling's network."""
    kept = kept_channels(channels)
    outputs = 2 * (channels - kept)
    params: dict[str, Any] = {
        "scale": state.take(f"{scope}.scale", (1,)).reshape(()),
        "log_factor": state.take(f"{scope}.logs", (1, outputs, 1, 1)).ravel(),
    }
    statistics = {}
    for ours, theirs, shape in (
        ("first", "conv2d_1", (width, kept, 3, 3)),
        ("second", "conv2d_2", (width, width, 1, 1)),
        # The last input is the channel that tells the border, as in ours.
        ("last", "conv2d_3", (outputs, width + 1, 3, 3)),
    ):
        weight = state.take(f"{scope}.{theirs}.weight", shape)
        bias = state.take(f"{scope}.{theirs}.bias", shape[:1])
        params[ours] = {"kernel": kernel_of(weight), "bias": bias}
        if ours == "last":
            continue
        number = {"first": 0, "second": 3}[ours]
        for name, tensor in (("weight", weight), ("bias", bias)):
            # The same module is stored twice.
            again = state.take(f"{scope}.net.{number}.{name}", tensor.shape)
            if not np.array_equal(again, tensor):
                raise state.refusal(
                    f"has one {name} as {scope}.{theirs} and another as {scope}.net.{number}"
                )
        norm = batch_norm(state, f"{scope}.net.{number + 1}", width)
        params[f"{ours}_norm"], statistics[f"{ours}_norm"] = norm
    return params, statistics


def _coupling(place: int) -> str:
    return f"{FLOW}{place}._shift_and_log_scale"


def _is_permutation(matrix: np.ndarray) -> bool:
    ones = [(matrix != 0).sum(axis).tolist() for axis in (0, 1)]
    return ones == [[1] * len(matrix)] * 2 and set(matrix[matrix != 0].tolist()) == {1}
