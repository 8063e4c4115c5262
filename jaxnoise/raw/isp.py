"""From sRGB photographs back to linear raw, step by step."""

import numpy as np
from jaxtyping import Float

# Linear sRGB of camera colour; rows sum to 1 so that grey stays grey.
COLOUR_MATRIX = np.array([[1.6, -0.5, -0.1], [-0.2, 1.5, -0.3], [0.0, -0.6, 1.6]])
COLOUR_MATRIX.setflags(write=False)


def inverse_smoothstep(image: Float[np.ndarray, "*S"]) -> Float[np.ndarray, "*S"]:
    """Values before the tone curve y = 3 x^2 - 2 x^3.

    Args:
        image: tone-mapped values in [0, 1] (clipped to it), any shape.

    Returns:
        float64 in [0, 1], same shape.

    Source: Brooks et al. 2019, Unprocessing Images, Section 3.1; the root in [0, 1] of the cubic.
    """
    return 0.5 - np.sin(
        np.arcsin(1.0 - 2.0 * np.clip(np.asarray(image, np.float64), 0.0, 1.0)) / 3.0
    )


def inverse_gamma(image: Float[np.ndarray, "*S"]) -> Float[np.ndarray, "*S"]:
    """Linear values before the sRGB transfer curve.

    Args:
        image: sRGB values in [0, 1], any shape.

    Returns:
        float64 in [0, 1], same shape.

    Source: IEC 61966-2-1; Brooks et al. 2019 use the plain power 2.2.
    """
    image = np.asarray(image, np.float64)
    return np.where(
        image <= 0.04045, image / 12.92, ((np.maximum(image, 0.0) + 0.055) / 1.055) ** 2.4
    )


def inverse_colour_matrix(
    image: Float[np.ndarray, "*S 3"], matrix: Float[np.ndarray, "3 3"] = COLOUR_MATRIX
) -> Float[np.ndarray, "*S 3"]:
    """Camera colour before the correction to linear sRGB, clipped to [0, 1].

    Args:
        image: linear sRGB in [0, 1], shape (..., 3).
        matrix: 3x3, camera colour to linear sRGB.

    Returns:
        float64, shape (..., 3), in [0, 1].
    """
    return np.clip(np.asarray(image, np.float64) @ np.linalg.inv(matrix).T, 0.0, 1.0)


def inverse_white_balance(
    image: Float[np.ndarray, "*S 3"], *, red_gain: float, blue_gain: float, rgb_gain: float = 1.0
) -> Float[np.ndarray, "*S 3"]:
    """Camera colour before white balance and digital gain, with highlights kept at full scale.

    Args:
        image: balanced camera colour in [0, 1], shape (..., 3).
        red_gain: gain that white balance had given to red, > 0 (about 2).
        blue_gain: gain that white balance had given to blue, > 0 (about 1.7).
        rgb_gain: digital gain of all channels, > 0.

    Returns:
        float64, shape (..., 3), in [0, 1]; white stays white, because saturated pixels were so
        before the gains.

    Source: Brooks et al. 2019, Section 3.2, the highlight-preserving inverse of the gains.
    """
    image = np.asarray(image, np.float64)
    factors = 1.0 / (np.array([red_gain, 1.0, blue_gain]) * rgb_gain)
    threshold = 0.9
    grey = image.mean(axis=-1, keepdims=True)
    weight = (np.maximum(grey - threshold, 0.0) / (1.0 - threshold)) ** 2
    return image * np.maximum(weight + (1.0 - weight) * factors, factors)


def unprocess(
    image: Float[np.ndarray, "H W 3"], *, red_gain: float, blue_gain: float, rgb_gain: float = 1.0
) -> Float[np.ndarray, "H W 3"]:
    """Linear camera colour, before the mosaic, of an sRGB photograph.

    Args:
        image: sRGB in [0, 1], shape (H, W, 3).
        red_gain: white-balance gain of red to undo, > 0.
        blue_gain: white-balance gain of blue to undo, > 0.
        rgb_gain: digital gain of all channels to undo, > 0.

    Returns:
        float64, shape (H, W, 3), in [0, 1] of full scale.

    Source: Brooks et al. 2019, Section 3: tone curve, gamma, colour matrix and gains, undone in
    this order.
    """
    linear = inverse_colour_matrix(inverse_gamma(inverse_smoothstep(image)))
    return inverse_white_balance(linear, red_gain=red_gain, blue_gain=blue_gain, rgb_gain=rgb_gain)
