"""Residual and consistency where noisy packed raw goes in and a colour image comes out."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.checks import check_key
from jaxnoise.errors import UsageError
from jaxnoise.losses.mosaic2mosaic import check_mosaic_of, packed_mosaic

FORMS = ("neighbours", "smooth", "identity")
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""From a pixel to one of the two neighbours that it is interpolated from, in rows and columns; the
other lies opposite."""
BORDER = 1
"""Packed pixels of the border, which have not all neighbours and do not count."""


def raw_residual(
    noisy: Float[Array, "n h w 4"], image: Float[Array, "n 2*h 2*w 3"]
) -> Float[Array, "n h w 4"]:
    """What is noise if the image is right.

    Args:
        noisy: packed raw in R, Gr, Gb, B order, shape (N, H, W, 4), fraction of full scale.
        image: the estimate of the colour image, shape (N, 2 H, 2 W, 3), same unit.

    Returns:
        `noisy` less the packed mosaic of the image, same shape and unit.

    Raises:
        UsageError: for shapes or types that do not fit.

    Source: Dong et al., "Residual Contrastive Learning", 2022, Eq. 11.
    """
    check_mosaic_of(noisy, image, mosaic_name="noisy", image_name="image")
    return noisy - packed_mosaic(image)


def raw_consistency(
    noisy: Float[Array, "n h w 4"],
    image: Float[Array, "n 2*h 2*w 3"],
    *,
    form: str = "neighbours",
    key: Array | None = None,
    direction: tuple[int, int] | None = None,
) -> Float[Array, ""]:
    """How far noisy raw is from the mosaic of an image whose pixels were interpolated from others.

    An image that repeats the raw pixels where the mosaic sees them fits it perfectly and its noise
    as well. So each pixel is replaced by one that knows less of itself:

    - "neighbours": the mean of the two neighbours that lie opposite each other in a direction,
      which is a linear interpolation between them, drawn anew for each image and call;
    - "smooth": the bilinear mean of its 3x3 pixels, of weights 1, 2, 1 in rows and columns;
    - "identity": itself, for comparison.

    Args:
        noisy: packed raw in R, Gr, Gb, B order, shape (N, H, W, 4), fraction of full scale; H and W
            at least 3.
        image: the estimate of the colour image, shape (N, 2 H, 2 W, 3), same unit.
        form: one of these words.
        key: a `jax.random.key`, from which "neighbours" draws the direction of each image.
        direction: one of `DIRECTIONS` for all images instead.

    Returns:
        Scalar >= 0, same unit: the mean absolute difference, a border of one packed pixel left out.

    Raises:
        UsageError: for shapes or types that do not fit, an unknown form, or "neighbours" without
            either a key or a direction.

    Source: Dong et al., "Residual Contrastive Learning", 2022, Eq. 11, where the interpolation is
        not described further.
    """
    check_mosaic_of(noisy, image, mosaic_name="noisy", image_name="image")
    if form not in FORMS:
        raise UsageError(f"form is {form!r}: use {', '.join(FORMS)}.")
    if min(noisy.shape[1:3]) < 2 * BORDER + 1:
        raise UsageError(f"noisy has shape {noisy.shape}: give sides of at least 3 packed pixels.")
    if form == "neighbours":
        image = _from_neighbours(image, key, direction)
    elif form == "smooth":
        image = _smooth(image)
    inner = slice(BORDER, -BORDER)
    return abs(noisy - packed_mosaic(image))[:, inner, inner].mean()


def _from_neighbours(image: Array, key: Array | None, direction: tuple[int, int] | None) -> Array:
    if key is not None and direction is None:
        check_key(key)
        drawn = jax.random.randint(key, (len(image), 1, 1, 1), 0, len(DIRECTIONS))
        made = jnp.zeros_like(image)
        for number, each in enumerate(DIRECTIONS):
            made = jnp.where(drawn == number, _opposite_mean(image, each), made)
        return made
    if key is not None or direction is None:
        raise UsageError(
            "pixels are interpolated in one direction: give either a key, such as "
            "jax.random.key(0), to draw it, or a direction."
        )
    if tuple(direction) not in DIRECTIONS:
        raise UsageError(f"direction is {direction}: use {', '.join(map(str, DIRECTIONS))}.")
    return _opposite_mean(image, direction)


def _opposite_mean(image: Array, direction: tuple[int, int]) -> Array:
    """Of the two neighbours; around the border, which does not count, those of the other side."""
    back = (-direction[0], -direction[1])
    return (jnp.roll(image, direction, (1, 2)) + jnp.roll(image, back, (1, 2))) / 2


def _smooth(image: Array) -> Array:
    for axis in (1, 2):
        image = image / 2 + (jnp.roll(image, 1, axis) + jnp.roll(image, -1, axis)) / 4
    return image
