"""Perceptual loss: how far the features of images are apart."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.checks import check_batch
from jaxnoise.errors import UsageError
from jaxnoise.protocols import Encoder

FORMS = ("squared", "norm")


def perceptual(
    encoder: Encoder,
    variables: Any,
    images: Float[Array, "n h w 3"],
    targets: Float[Array, "n h w 3"],
    *,
    form: str = "squared",
) -> Float[Array, ""]:
    """How far the features of images are from those of others, averaged over the encoder's maps.

    Gradients reach the images, the targets and the weights; a training that differentiates with
    respect to other parameters leaves the weights as they are. Raw images go through
    `jaxnoise.raw.rendering.packed_to_rgb` first.

    Args:
        encoder: such as `jaxnoise.interop.open_encoder` returns; static under jit.
        variables: its weights, an argument: what a function closes over is compiled into it.
        images: R, G, B, shape (N, H, W, 3), where photographs lie in [0, 1]; noise may lead beyond.
        targets: of the same shape and unit, for instance the clean images.
        form: "squared": for each map the mean of the squared differences, over images, pixels and
            features. "norm": for each map the Euclidean norm of the differences of an image,
            `|| f(x) - f(y) ||_2`, its mean over images: a sum over pixels and features under the
            root, and so larger by the root of their number.

    Returns:
        Scalar >= 0, 0 with gradient 0 where all features agree; squared unit of the features for
        "squared", their unit for "norm". Features have no unit of their own: images are in units of
        the spread of photographs, 0.23 of full scale.

    Raises:
        UsageError: for shapes or types that do not fit, no images, or an unknown form.

    Source: CoNo Eq. 12 and Dong et al., Residual Contrastive Learning, Eq. 9, print the norm of one
        unnamed feature; the mean of squares over several layers is that of Johnson et al.,
        "Perceptual Losses", 2016, Eq. 2.
    """
    check_batch(3, least=1, images=images, targets=targets)
    if form not in FORMS:
        raise UsageError(f'form is "{form}": give "squared" or "norm".')
    return _loss(encoder, variables, images, targets, form)


@partial(jax.jit, static_argnames=("encoder", "form"))
def _loss(encoder, variables, images, targets, form):
    maps, others = encoder.encode(variables, images), encoder.encode(variables, targets)
    squares = [(one - other) ** 2 for one, other in zip(maps, others, strict=True)]
    if form == "squared":
        return jnp.stack([square.mean() for square in squares]).mean()
    sums = jnp.stack([square.sum((1, 2, 3)) for square in squares])
    # The root has no slope at 0, where both branches of a `where` would still be differentiated.
    differ = sums > 0
    return jnp.where(differ, jnp.sqrt(jnp.where(differ, sums, 1)), 0).mean()
