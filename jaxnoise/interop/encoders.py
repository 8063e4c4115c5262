"""VGG16 and ResNet50 from a file with torchvision's names of tensors; encoders by name or path."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnoise.errors import DataError, UsageError
from jaxnoise.interop.denoisers import batch_norm, kernel_of
from jaxnoise.interop.state_dict import State
from jaxnoise.io.tensor_file import read_tensors
from jaxnoise.nets.encoders import Pyramid, ResNet50, Vgg16, resnet50, vgg16
from jaxnoise.protocols import Encoder

PYRAMID = "pyramid"
"""The name of the encoder that needs no file."""
PYRAMID_SEED = 0
"""Its weights are those of `jax.random.key(PYRAMID_SEED)`."""

_ONLY = "only the VGG16 (without batch normalisation) and the ResNet50 of torchvision can be read"
_FEATURES = re.compile(r"features\.(?:1?\d|2[0-2])\..+|(?:conv1|bn1|layer\d+)\..+")
"""What is read: not the classifiers, and of VGG16 not what comes after relu4_3."""
_COUNTER = "num_batches_tracked"


def open_encoder(
    source: str | os.PathLike, *, layers: Sequence[str] | None = None
) -> tuple[Encoder, dict[str, Any]]:
    """An encoder and its weights, which belong into `Task.fixed` of a training.

    Args:
        source: "pyramid", the fixed random encoder that needs no file; or a safetensors file with
            the weights of torchvision's VGG16 or ResNet50. Which of the two it is, is seen by the
            names of its tensors; those of a classifier are not read.
        layers: whose outputs are the features, as for `jaxnoise.nets.encoders.Vgg16` or `ResNet50`;
            None: their default. The pyramid has no choice.

    Returns:
        The encoder, and its variables as from its `init`.

    Raises:
        UsageError: the encoder has no such layers.
        DataError: there is no such file, it is damaged, or a tensor is missing, too many, of
            another shape or type, or holds impossible values.
    """
    if source == PYRAMID:
        if layers is not None:
            raise UsageError("The pyramid has no choice of layers: leave them out.")
        encoder = Pyramid()
        return encoder, encoder.init(jax.random.key(PYRAMID_SEED))
    path = Path(source)
    if not path.exists():
        raise DataError(
            f'{path} is no file, and no encoder is called so: give "{PYRAMID}", or a safetensors '
            "file with the weights of torchvision's VGG16 or ResNet50."
        )
    state = State(path, read_tensors(path, _is_read), _ONLY)
    chosen = {} if layers is None else {"layers": tuple(layers)}
    if state.names(r"features\..*"):
        encoder, variables = Vgg16(**chosen), _vgg16(state)
    elif state.names(r"layer1\..*"):
        encoder, variables = ResNet50(**chosen), _resnet50(state)
    else:
        raise state.refusal("has no features.0.weight and no layer1.0.conv1.weight")
    state.finish()
    return encoder, jax.tree.map(jnp.asarray, variables)


def _is_read(name: str) -> bool:
    return bool(_FEATURES.fullmatch(name)) and not name.endswith(_COUNTER)


def _vgg16(state: State) -> dict[str, Any]:
    params, number, group = {}, 0, "1"
    for name, shape in vgg16.convolutions().items():
        own = name.removeprefix("conv").split("_")[0]
        number, group = number + (own != group), own  # the pooling between groups has a number
        params[name] = {
            "kernel": _kernel(state, f"features.{number}", shape),
            "bias": state.take(f"features.{number}.bias", shape[3:]),
        }
        number += 2  # this convolution and its ReLU
    return {"params": params, "batch_stats": {}}


def _resnet50(state: State) -> dict[str, Any]:
    params: dict[str, Any] = {}
    statistics: dict[str, Any] = {}
    for name, shape in resnet50.convolutions().items():
        if name.endswith("downsample"):
            theirs, norm = f"{name}.0", f"{name}.1"
        else:
            theirs, norm = name, re.sub(r"conv(?=\d$)", "bn", name)
        own, statistics[name] = batch_norm(state, norm, shape[3])
        params[name] = {"kernel": _kernel(state, theirs, shape), **own}
    return {"params": params, "batch_stats": statistics}


def _kernel(state: State, name: str, shape: tuple[int, int, int, int]) -> np.ndarray:
    rows, columns, inputs, outputs = shape
    return kernel_of(state.take(f"{name}.weight", (outputs, inputs, rows, columns)))
