"""How strong the noise of an image is, as far as the image itself shows it."""

import numpy as np

TO_DEVIATION = 1.4826
"""A normal variable's standard deviation over its median absolute value."""
GAIN = 6.0
"""Root of the sum of squares of the weights of second differences in both directions."""


def noise_shown(images: np.ndarray) -> np.ndarray:
    """A robust estimate of the standard deviation of white noise, by second differences.

    A texture as fine as the pixels counts as noise, so that the estimate is rather too high; noise
    that is smooth from pixel to pixel makes it too low.

    Args:
        images: (N, H, W, C), any unit; sides of 3 or more.

    Returns:
        (N,), same unit: the root mean square of that of the channels.

    Source: Immerkaer, "Fast Noise Variance Estimation", 1996, for the differences; their median
        absolute value rather than their mean leaves edges out.
    """
    values = np.asarray(images, np.float64)
    for axis in (1, 2):
        values = np.moveaxis(values, axis, 0)
        values = np.moveaxis(values[:-2] - 2 * values[1:-1] + values[2:], 0, axis)
    deviation = TO_DEVIATION / GAIN * np.median(abs(values), axis=(1, 2))
    return np.sqrt((deviation**2).mean(axis=-1))
