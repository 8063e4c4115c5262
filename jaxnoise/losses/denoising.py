"""Errors of denoisers: against clean images, and against a second noisy shot."""

from jaxtyping import Array, Bool, Float

from jaxnoise.batch import mean_valid, only_valid
from jaxnoise.checks import check_batch


def squared_error(
    estimate: Float[Array, "n h w c"],
    target: Float[Array, "n h w c"],
    *,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> Float[Array, "n h w c"]:
    """The squared error of each pixel, as for supervised training.

    Args:
        estimate: of the clean images, shape (N, H, W, C), fraction of full scale, not clipped.
        target: clean images, or other noisy shots of the same scenes, same shape and unit.
        valid: shape (N, H, W, 1), True where a pixel counts; None: all do.

    Returns:
        Shape (N, H, W, C), squared unit, at least 0, and 0 at pixels that do not count. In
        expectation the error against another shot is that against the clean image plus the variance
        of that shot's noise.

    Raises:
        UsageError: for shapes or types that do not fit.

    Source: DnCNN (Zhang et al. 2017), Eq. 1, for clean targets; Noise2Noise (Lehtinen et al.
        2018), Eq. 6, for noisy ones.
    """
    check_batch(valid=valid, estimate=estimate, target=target)
    return only_valid(estimate - target, valid) ** 2


def absolute_error(
    estimate: Float[Array, "n h w c"],
    target: Float[Array, "n h w c"],
    *,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> Float[Array, "n h w c"]:
    """The absolute error of each pixel, as for supervised training.

    Not for noisy targets: what minimises it is the median of the targets, and only the mean of
    noisy shots is the clean image, whatever the shape of their noise.

    Args:
        estimate: of the clean images, shape (N, H, W, C), fraction of full scale, not clipped.
        target: clean images, same shape and unit.
        valid: shape (N, H, W, 1), True where a pixel counts; None: all do.

    Returns:
        Shape (N, H, W, C), same unit, at least 0, and 0 at pixels that do not count.

    Raises:
        UsageError: for shapes or types that do not fit.

    Source: Lehtinen et al., "Noise2Noise", 2018, Section 2, on what means and medians minimise.
    """
    check_batch(valid=valid, estimate=estimate, target=target)
    return abs(only_valid(estimate - target, valid))


def noise2noise_error(
    estimate1: Float[Array, "n h w c"],
    estimate2: Float[Array, "n h w c"],
    noisy1: Float[Array, "n h w c"],
    noisy2: Float[Array, "n h w c"],
    *,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> Float[Array, "n h w c"]:
    """The symmetric squared error of each pixel of two shots, each estimate against the other shot.

    Args:
        estimate1: from the first shot, shape (N, H, W, C), fraction of full scale, not clipped.
        estimate2: from the second shot, same shape and unit.
        noisy1: the first shot, same shape and unit.
        noisy2: a second, independent shot of the same scenes, same shape and unit.
        valid: shape (N, H, W, 1), True where a pixel counts in both shots; None: all do.

    Returns:
        `0.5 (estimate1 - noisy2)^2 + 0.5 (estimate2 - noisy1)^2`, shape (N, H, W, C), squared unit.

    Raises:
        UsageError: for shapes or types that do not fit.

    Source: Noise2Noise (Lehtinen et al. 2018), Eq. 6; both directions as in Noise2NoiseFlow, Eq. 5.
    """
    check_batch(estimate1=estimate1, estimate2=estimate2, noisy1=noisy1, noisy2=noisy2, valid=valid)
    first = squared_error(estimate1, noisy2, valid=valid)
    return 0.5 * first + 0.5 * squared_error(estimate2, noisy1, valid=valid)


def two_shot_mse(
    estimate1: Float[Array, "n h w c"],
    estimate2: Float[Array, "n h w c"],
    target1: Float[Array, "n h w c"],
    target2: Float[Array, "n h w c"],
    *,
    valid: Bool[Array, "n h w 1"] | None = None,
) -> Float[Array, ""]:
    """The mean squared error of two estimates, each against a target of its own.

    With the shots as each other's targets it is the mean of `noise2noise_error`, up to rounding.

    Args:
        estimate1: shape (N, H, W, C), fraction of full scale, not clipped.
        estimate2: same shape and unit.
        target1: of the first estimate, same shape and unit.
        target2: of the second estimate, same shape and unit.
        valid: shape (N, H, W, 1), True where a pixel counts in both shots; None: all do.

    Returns:
        Scalar, squared unit: half the sum of the two means, over the pixels that count; 0 when none
        does.

    Raises:
        UsageError: for shapes or types that do not fit.

    Source: Noise2NoiseFlow, Eqs. 5 and 7, in the normalisation of its code.
    """
    check_batch(estimate1=estimate1, estimate2=estimate2, target1=target1, target2=target2, least=1)
    first = squared_error(estimate1, target1, valid=valid)
    second = squared_error(estimate2, target2, valid=valid)
    return 0.5 * (mean_valid(first, valid) + mean_valid(second, valid))


def half_sum_per_image(
    error: Float[Array, "n h w c"], *, valid: Bool[Array, "n h w 1"] | None = None
) -> Float[Array, ""]:
    """Half the summed error of an image, averaged over the batch: what optimisers minimise.

    A sum, and no mean, over pixels keeps gradients large next to the epsilon of Adam. Beyond that
    Adam's steps do not depend on the scale of the loss, so the same learning rates serve squared
    and absolute errors.

    Args:
        error: of each pixel, shape (N, H, W, C), such as `squared_error` or `absolute_error`.
        valid: shape (N, H, W, 1), True where a pixel counts; None: all do.

    Returns:
        Scalar, unit of the error: `0.5 H W C mean(error)`, the mean over the pixels that count.

    Raises:
        UsageError: for shapes or types that do not fit.

    Source: DnCNN (Zhang et al. 2017), Eq. 1.
    """
    check_batch(valid=valid, least=1, error=error)
    return 0.5 * mean_valid(error, valid) * error[0].size
