"""What needs no network: the noisy image itself, interpolation, and demosaicing."""

from functools import partial

import jax
import numpy as np

from jaxnoise.errors import UsageError
from jaxnoise.raw import demosaic, unpack

CHUNK = 64
"""Crops that are interpolated at a time."""


def of_inputs(inputs: np.ndarray, *, task: str, side: int) -> tuple[str, np.ndarray]:
    """Full-size colour images of the inputs of a task, without any network.

    Args:
        inputs: of the task, (N, h, w, 3) in colour or (N, h, w, 4) packed raw, fractions of full
            scale.
        task: "denoise" leaves its inputs as they are; the others make them larger.
        side: rows of an image that is wanted.

    Returns:
        A name for a table, and the images, (N, H, W, 3) float32, clipped to [0, 1].

    Raises:
        UsageError: the inputs are packed raw, and the package that demosaics is not installed.
    """
    if task == "denoise":
        return "noisy", inputs.clip(0, 1)
    name, images = "bicubic", inputs
    if inputs.shape[-1] == 4:
        images = np.stack([demosaic(unpack(image)) for image in inputs])
        name = "Menon"
    factor, rest = divmod(side, images.shape[1])
    if rest:
        raise UsageError(
            f"images of {images.shape[1]} rows do not become {side} by a whole factor: give a side "
            "that the task divides."
        )
    if factor > 1:
        name = name if name == "bicubic" else f"{name}, bicubic"
        images = bicubic(images, factor=factor)
    return name, images.clip(0, 1)


def bicubic(images: np.ndarray, *, factor: int) -> np.ndarray:
    """Images that are interpolated to several times their size, by Keys' cubic with a = -1/2.

    The middle of the first pixel stays where it is in the scene, so that averages over blocks of
    pixels go back to where these were.

    Args:
        images: (N, h, w, c), any unit.
        factor: by which both sides grow.

    Returns:
        (N, factor h, factor w, c) float32, not clipped.
    """
    number, height, width, channels = images.shape
    made = []
    for start in range(0, number, CHUNK):
        chunk = images[start : start + CHUNK]
        shape = (len(chunk), factor * height, factor * width, channels)
        made.append(np.asarray(_resized(chunk, shape=shape)))
    return np.concatenate(made)


@partial(jax.jit, static_argnames="shape")
def _resized(images: jax.Array, *, shape: tuple[int, ...]) -> jax.Array:
    return jax.image.resize(images, shape, "cubic")
