"""How coarse the numbers of stored images are."""

import numpy as np

FEWEST = 6
"""Levels between the ends of the scale from which on they tell the step between them."""
BITS = range(2, 16)
STEPS = {"noisy": "noisy_step", "noisy2": "noisy2_step"}
"""Fields of records with the steps of their images, by image."""


def step_of(values: np.ndarray) -> float:
    """The step between the numbers of a stored image.

    Few bits lie in a wide type either shifted, so that all numbers are multiples of a step, or
    spread over the full scale and rounded, so that the step is no whole number. The ends of the
    scale are left out: what is clipped to them need not lie on a step.

    Args:
        values: unsigned integers of any shape, or float32, whose step is not looked for.

    Returns:
        In stored units, 1 where all numbers occur or too few to tell; 0 for float32.
    """
    if values.dtype == np.float32:
        return 0.0
    last = int(np.iinfo(values.dtype).max)
    levels = np.flatnonzero(np.bincount(values.reshape(-1), minlength=last + 1))
    levels = levels[(levels > 0) & (levels < last)]
    if len(levels) < FEWEST:
        return 1.0
    if (shared := int(np.gcd.reduce(levels))) > 1:
        return float(shared)
    if int(np.diff(levels).min()) > 1:
        for bits in BITS:
            step = last / (2**bits - 1)
            if step > 1 and (np.abs(levels - np.rint(levels / step) * step) <= 0.5 + 1e-6).all():
                return step
    return 1.0


def dequantisation_step(values: np.ndarray) -> float:
    """The width of the noise that fills the gaps between the numbers of a stored image.

    Args:
        values: as for `step_of`.

    Returns:
        In stored units; 0 where 16 bits are used in full, whose gaps are far below any noise.
    """
    step = step_of(values)
    return 0.0 if values.dtype == np.uint16 and step <= 1 else step


def fraction_of_scale(step: float, dtype: np.dtype) -> float:
    """A step as a fraction of full scale.

    Args:
        step: in stored units.
        dtype: of the stored numbers.
    """
    return 0.0 if dtype == np.float32 else step / float(np.iinfo(dtype).max)
