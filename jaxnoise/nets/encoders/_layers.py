"""What the encoders share: their input, their convolutions, and which outputs are asked for."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxnoise.checks import check_batch
from jaxnoise.errors import UsageError
from jaxnoise.nets.convolution import LAYOUT, convolve

MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)
"""Of the photographs of ImageNet, by channel: what torchvision's weights were trained with."""


def normalised(images: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    """Images less the mean of photographs, in units of their spread.

    Args:
        images: R, G, B, shape (N, H, W, 3), where photographs lie in [0, 1].

    Returns:
        Same shape.

    Raises:
        UsageError: for another shape or type.
    """
    check_batch(3, images=images)
    mean, spread = np.array(MEAN, np.float32), np.array(SPREAD, np.float32)
    return (images - mean) / spread


def convolved(
    images: Float[Array, "n h w c"],
    kernel: Float[Array, "i j c d"],
    *,
    stride: int = 1,
) -> Float[Array, "n h2 w2 d"]:
    """A convolution with zeros around the images, half a kernel on each side.

    Args:
        images: shape (N, H, W, C).
        kernel: shape (I, J, C, D), I and J odd.
        stride: pixels from one output to the next.

    Returns:
        Shape (N, ceil(H / stride), ceil(W / stride), D).
    """
    dtype = jnp.result_type(images, kernel)
    images, kernel = images.astype(dtype), kernel.astype(dtype)
    around = [(side // 2, side // 2) for side in kernel.shape[:2]]
    padding = "SAME" if stride == 1 else around
    return convolve(images, kernel, (stride, stride), padding, dimension_numbers=LAYOUT)


def fresh_kernel(key: Array, shape: Sequence[int]) -> Float[Array, "i j c d"]:
    """A random kernel that keeps the spread of its input, given a ReLU behind it.

    Args:
        key: a `jax.random.key`.
        shape: (I, J, C, D).

    Returns:
        float32, normal with variance 2 / (I J C).

    Source: He et al., "Delving Deep into Rectifiers", 2015, Eq. 10.
    """
    return (2 / np.prod(shape[:-1])) ** 0.5 * jax.random.normal(key, shape, jnp.float32)


def check_layers(kind: str, layers: Sequence[str], known: Sequence[str]) -> None:
    """Raises unless an encoder has all outputs that are asked for, and each is asked for once.

    Args:
        kind: the encoder's name.
        layers: asked for.
        known: that it has.

    Raises:
        UsageError: none is asked for, one twice, or one that there is not.
    """
    if not layers or len(set(layers)) < len(layers) or not set(layers) <= set(known):
        raise UsageError(
            f"{kind} has no such layers as {tuple(layers)}: choose one or more of "
            f"{', '.join(known)}, each once."
        )


def chosen(outputs: Iterable[tuple[str, Any]], layers: Sequence[str]) -> tuple[Any, ...]:
    """The outputs that are asked for; those behind the last of them are not computed.

    Args:
        outputs: by name, in the order of the network, made as they are looked at.
        layers: names of some of them.

    Returns:
        The outputs in the order of `layers`.
    """
    found: dict[str, Any] = {}
    for name, output in outputs:
        if name in layers:
            found[name] = output
        if len(found) == len(layers):
            break
    return tuple(found[name] for name in layers)
