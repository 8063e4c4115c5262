"""Noise Flow as its authors' TensorFlow code stores it."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num

from jaxnoise.bijectors.chain import SHARED, Layer, layers_of
from jaxnoise.bijectors.coupling import kept_channels
from jaxnoise.errors import DataError
from jaxnoise.interop.tensor_bundle import (
    Index,
    find_checkpoint,
    read_index,
    read_note,
    read_tensors,
)
from jaxnoise.models.noiseflow import Config

CAMERAS = ("IP", "GP", "S6", "N6", "G4")
ISOS = (100, 400, 800, 1600, 3200)
"""What the rows of the published tables stand for, in their order."""

OF_TRAINING = {"Adam", "Adam_1", "beta1_power", "beta2_power", "global_step"}
"""Last parts of the names of what the optimiser keeps."""

MAX_STEPS = 99
MAX_WIDTH = 1024
MAX_CHANNELS = 64
_FLOATS = (1, 2)
_ONLY = "only models of Noise Flow's layers sdn4, sdn5, gain4 and unc can be read"

Spelling = dict[str, tuple[tuple[str, ...], tuple[int, ...]]]
"""By a tensor's name: where it goes among our variables, and its shape."""


def noise_flow_tf(path: str | os.PathLike) -> tuple[Config, dict[str, Any]]:
    """A noise flow from a checkpoint of the authors' TensorFlow code.

    The architecture is found out from the tensors' names. Names tell which places hold a
    signal-dependent or gain layer, not which of the two; the first is taken to be the
    signal-dependent one, as in all published architectures, and where the code's `hps.txt` lies
    beside the checkpoint, it must say the same.

    Args:
        path: the checkpoint's folder, one of its files, or their path without ending, for example
            `model.ckpt.best`.

    Returns:
        The model's `Config`, and its variables as from `jaxnoise.models.noiseflow.init`. Nothing is
        rounded: tensors keep their type, float32 as published (64-bit numbers need JAX to have
        them enabled).

    Raises:
        DataError: there is no checkpoint, it is damaged, or it is not of Noise Flow's layers
            `sdn4`, `sdn5`, `gain4` and `unc`.
    """
    prefix = find_checkpoint(path)
    if prefix is None:
        raise DataError(
            f"{path} is no TensorFlow checkpoint: give the folder that holds its .index and .data "
            "files."
        )
    index = read_index(prefix)
    names = {name for name in index.entries if name.split("/")[-1] not in OF_TRAINING}
    steps = _steps(names, prefix)
    with_cameras = "model/sdn_gain/cam_params" in names
    _check_notes(prefix, steps, with_cameras)
    channels, width = _sizes(index, steps)
    config = Config(
        arch=_architecture(steps, with_cameras),
        parameterisation="reference",
        channels=channels,
        cameras=CAMERAS,
        isos=ISOS,
        width=width,
        normalisation="batch",
    )
    spelling = dict(_spelling(config, steps))
    _check_spelling(index, names, spelling)
    variables: dict[str, Any] = {"params": {}, "batch_stats": {}, "constants": {}}
    for name, tensor in read_tensors(index, list(spelling)).items():
        place = spelling[name][0]
        _check_values(place, tensor, f"{name} in {prefix}")
        *parents, last = place
        node = variables
        for key in parents:
            node = node.setdefault(key, {})
        node[last] = _as_stored_here(last, tensor)
    return config, variables


def _steps(names: Iterable[str], prefix: Path) -> list[str]:
    """Kinds of the architecture's steps, the data side first: signal, gain or block."""
    kinds: dict[int, str] = {}
    for name in names:
        if match := re.match(r"level0/bijector(\d{1,3})/(\w+)", name):
            place = int(match[1])
            if match[2] == f"Conv2d_1x1_{place}":
                kinds[place] = "block"
            else:
                kinds.setdefault(place, "conditional")
    steps = [kinds.get(place, "") for place in range(len(kinds))]
    if not steps or "" in steps or len(steps) > MAX_STEPS:
        raise DataError(
            f"{prefix} does not hold the variables of Noise Flow: give a checkpoint of its "
            "published TensorFlow code."
        )
    conditional = [place for place, kind in enumerate(steps) if kind == "conditional"]
    if len(conditional) not in (0, 2):
        raise DataError(
            f"{prefix} has {len(conditional)} signal-dependent or gain layers: only the "
            "architectures with one of each, or with none, can be read."
        )
    for place, kind in zip(conditional, ("signal", "gain"), strict=False):
        steps[place] = kind
    return steps


def _check_notes(prefix: Path, steps: list[str], with_cameras: bool) -> None:
    """Compares the architecture with the one in hps.txt, if that is there."""
    notes = prefix.with_name("hps.txt")
    stated = re.search(r"^arch,(.*)$", read_note(notes), re.MULTILINE)
    tokens = {"signal": "sdn5" if with_cameras else "sdn4", "gain": "gain4", "block": "unc"}
    found = "|".join(tokens[kind] for kind in steps)
    if stated and stated[1].strip() != found:
        raise DataError(
            f"{notes} calls the architecture {stated[1].strip()[:200]!r}, while the variables look "
            f"like {found!r}: such a model cannot be read."
        )


def _sizes(index: Index, steps: list[str]) -> tuple[int, int]:
    """Channels of images and hidden channels of couplings; the published ones without couplings."""
    if "block" not in steps:
        return 4, 4
    shapes = []
    for name in (_conv1x1("P", steps.index("block")), f"{_coupling(0)}/l_1/W"):
        if name not in index.entries:
            raise DataError(f"{index.prefix} lacks {name}: {_ONLY}.")
        shapes.append(index.entries[name].shape)
    channels, width = shapes[0][-1:], shapes[1][-1:]
    if not channels or not width or not 2 <= channels[0] <= MAX_CHANNELS or width[0] > MAX_WIDTH:
        raise DataError(f"{index.prefix} has layers of shape {shapes}: {_ONLY}.")
    return channels[0], max(width[0], 1)


def _architecture(steps: list[str], with_cameras: bool) -> str:
    tokens = []
    for kind, run in groupby(steps):
        letter = {"signal": "S", "gain": "G"}.get(kind)
        tokens.append(letter or f"Ax{len(list(run))}")
    if "gain" in steps and with_cameras:
        tokens.append("CAM")
    return "-".join(tokens)


def _spelling(
    config: Config, steps: list[str]
) -> Iterator[tuple[str, tuple[tuple[str, ...], tuple[int, ...]]]]:
    """Every tensor of an architecture: its name, where it goes, its shape."""
    layers = iter(layers_of(config))
    couplings = 0
    for place, kind in enumerate(steps):
        layer = next(layers)
        scale = f"level0/bijector{place}/rescaling_scale0"
        if kind != "block":
            yield scale, (("params", SHARED, f"unused_{kind}"), ())
            continue
        yield from _conv1x1_spelling(layer, place)
        layer = next(layers)
        yield scale, (("params", layer.name, "scale"), ())
        yield from _coupling_spelling(layer, _coupling(couplings), config.width)
        couplings += 1
    if "signal" in steps:
        scalars = {"b1": "beta1", "b2": "beta2", "gain_val": "gain_val"}
        for ours, theirs in scalars.items():
            yield f"model/sdn_gain/{theirs}", (("params", SHARED, ours), (1,))
        yield "model/sdn_gain/gain_params", (("params", SHARED, "v"), (len(ISOS),))
        if "CAM" in config.arch:
            yield "model/sdn_gain/cam_params", (("params", SHARED, "camera"), (3, len(CAMERAS)))


def _conv1x1_spelling(layer: Layer, place: int):
    triangle = layer.channels * (layer.channels - 1) // 2
    for kind, ours, theirs, shape in (
        ("params", "lower", "L_vec", (triangle,)),
        ("params", "upper", "U_vec", (triangle,)),
        ("params", "log_diagonal", "log_S", (layer.channels,)),
        ("constants", "permutation", "P", (layer.channels, layer.channels)),
        ("constants", "sign", "sign_S", (layer.channels,)),
    ):
        yield _conv1x1(theirs, place), ((kind, layer.name, ours), shape)


def _coupling_spelling(layer: Layer, scope: str, width: int):
    kept = kept_channels(layer.channels)
    outputs = 2 * (layer.channels - kept)
    for ours, theirs, shape in (
        ("first", "l_1", (3, 3, kept, width)),
        ("second", "l_2", (1, 1, width, width)),
        ("last", "l_last", (3, 3, width + 1, outputs)),
    ):
        yield f"{scope}/{theirs}/W", (("params", layer.name, ours, "kernel"), shape)
        bias = (1, 1, 1, shape[-1])
        yield f"{scope}/{theirs}/b", (("params", layer.name, ours, "bias"), bias)
    yield f"{scope}/l_last/logs", (("params", layer.name, "log_factor"), (1, outputs))
    for ours, theirs in (("first_norm", "bn_nvp_conv_1"), ("second_norm", "bn_nvp_conv_2")):
        for moment in ("mean", "var"):
            yield (
                f"{scope}/{theirs}/{moment}",
                (("batch_stats", layer.name, ours, moment), (width,)),
            )


def _conv1x1(part: str, place: int) -> str:
    return f"level0/bijector{place}/Conv2d_1x1_{place}/{part}_matpar_lu_conv2d_1x1_{place}_0"


def _coupling(number: int) -> str:
    return "model/real_nvp_conv_template" + (f"_{number}" if number else "")


def _check_spelling(index: Index, names: set[str], spelling: Mapping) -> None:
    """Raises unless the checkpoint has these tensors, and no others that could matter."""
    for name in sorted(names ^ set(spelling)):
        verb = "has" if name in names else "lacks"
        raise DataError(f"{index.prefix} {verb} {name}: {_ONLY}.")
    for name, (_, shape) in spelling.items():
        entry = index.entries[name]
        if entry.shape != shape or entry.dtype not in _FLOATS:
            raise DataError(
                f"{name} in {index.prefix} has shape {entry.shape} and type {entry.dtype}, not "
                f"{shape} and 1 or 2 (float): {_ONLY}."
            )


def _check_values(place: tuple[str, ...], tensor: Num[np.ndarray, "..."], described: str) -> None:
    """Raises for numbers that no training can have left there."""
    right = bool(np.isfinite(tensor).all())
    if place[-1] == "permutation":
        ones = [(tensor != 0).sum(axis).tolist() for axis in (0, 1)]
        right &= ones == [[1] * len(tensor)] * 2 and set(tensor[tensor != 0]) == {1}
    elif place[-1] == "sign":
        right &= set(np.abs(tensor).tolist()) == {1}
    elif place[-1] == "var":
        right &= bool((tensor >= 0).all())
    elif place[-1] == "gain_val":
        right &= bool((tensor > 0).all())
    if not right:
        raise DataError(
            f"{described} holds values that it cannot have as {place[-1]}: use an earlier "
            "checkpoint of the training, which may have diverged."
        )


def _as_stored_here(last: str, tensor: Num[np.ndarray, "..."]) -> Array:
    """A tensor in our layout."""
    if last in ("lower", "upper"):
        tensor = _row_major(tensor, upper=last == "upper")
    elif last in ("bias", "log_factor"):
        tensor = tensor.ravel()
    elif last in ("b1", "b2", "gain_val"):
        tensor = tensor.reshape(())
    return jnp.asarray(tensor)


def _row_major(packed: Num[np.ndarray, " t"], *, upper: bool) -> Num[np.ndarray, " t"]:
    """A triangle row by row from TensorFlow Probability's packing, which fills a square.

    Source: documentation of `tfp.math.fill_triangular`.
    """
    size = round(((8 * len(packed) + 1) ** 0.5 - 1) / 2)
    tail, reverse = packed[size:], packed[::-1]
    square = np.concatenate([packed, tail[::-1]] if upper else [tail, reverse])
    square = square.reshape(size, size)
    return square[np.triu_indices(size) if upper else np.tril_indices(size)]
