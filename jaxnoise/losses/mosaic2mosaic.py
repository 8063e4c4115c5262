"""Mosaic-to-mosaic: what one mosaic of a scene lacks, another one of it has seen."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxnoise.checks import check_batch, shape_of
from jaxnoise.errors import UsageError

PLACES = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))
"""Row, column and colour that each channel of packed RGGB sees of a 2x2 square."""


def packed_mosaic(image: Float[Array, "n h w 3"]) -> Float[Array, "n h//2 w//2 4"]:
    """What an RGGB mosaic sees of colour images, packed.

    Args:
        image: shape (N, H, W, 3), even H and W; any unit.

    Returns:
        Shape (N, H/2, W/2, 4) in R, Gr, Gb, B order, same unit.

    Raises:
        UsageError: for another shape or type.
    """
    check_batch(3, image=image)
    if shape_of(image)[1] % 2 or shape_of(image)[2] % 2:
        raise UsageError(f"image has shape {shape_of(image)}: give even sides, as a mosaic has.")
    seen = [image[:, row::2, column::2, colour] for row, column, colour in PLACES]
    return jnp.stack(seen, -1)


def check_mosaic_of(mosaic, image, *, mosaic_name: str, image_name: str) -> None:
    """Raises when packed raw and a colour image are not of one size.

    Args:
        mosaic: packed raw, shape (N, H, W, 4), floats.
        image: shape (N, 2 H, 2 W, 3), floats.
        mosaic_name: what the mosaic is called in a sentence.
        image_name: what the image is called in a sentence.

    Raises:
        UsageError: says which shape or type does not fit.
    """
    check_batch(4, least=1, **{mosaic_name: mosaic})
    check_batch(3, **{image_name: image})
    number, height, width, _ = shape_of(mosaic)
    wanted = (number, 2 * height, 2 * width, 3)
    if shape_of(image) != wanted:
        raise UsageError(
            f"{image_name} has shape {shape_of(image)} and {mosaic_name} {shape_of(mosaic)}: give "
            f"the colour image of twice the sides, shape {wanted}."
        )


def mosaic2mosaic_error(
    estimate: Float[Array, "n h w 3"],
    other: Float[Array, "n h//2 w//2 4"],
    *,
    shift: tuple[int, int],
) -> Float[Array, ""]:
    """The mean squared error of an estimate against another noisy mosaic of the same scene.

    At a shift of (0, 0) both mosaics see the same colour of a pixel, and nothing says what the
    others are; over the shifts (0, 0), (0, 1), (1, 0) and (1, 1) each colour of each pixel is seen.

    Args:
        estimate: of the colour images, from the first mosaic, shape (N, H, W, 3), fraction of full
            scale, not clipped.
        other: another noisy RGGB mosaic, packed, shape (N, H/2, W/2, 4), same unit, whose noise
            does not depend on that of the first.
        shift: whole rows and columns by which the sensor was moved: pixel (r, c) of the other
            mosaic sees what lies at (r, c) + shift in the estimate.

    Returns:
        Scalar, squared unit, over the packed pixels that the estimate covers, a border as wide as
        the shift left out on all sides. In expectation it is the error against the clean image
        where the mosaic sees it, plus the variance of the other mosaic's noise.

    Raises:
        UsageError: for shapes or types that do not fit, or images no larger than the shift.

    Source: Ehret et al., "Joint demosaicking and denoising by fine-tuning of bursts of raw images",
        2019, Section 3, for a known movement of whole pixels.
    """
    check_mosaic_of(other, estimate, mosaic_name="other", image_name="estimate")
    down, right = shift
    border = (max(abs(down), abs(right)) + 1) // 2
    height, width = shape_of(other)[1:3]
    if min(height, width) <= 2 * border:
        raise UsageError(
            f"other has shape {shape_of(other)} and shift is {shift}: give larger images, or a "
            "smaller shift."
        )
    moved = jnp.roll(estimate, (-down, -right), (1, 2))
    inner = (slice(None), slice(border, height - border), slice(border, width - border))
    return ((packed_mosaic(moved) - other)[inner] ** 2).mean()
