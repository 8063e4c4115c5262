"""How close to the truth a model can come that does not see all of a simulated camera's filter."""

from collections.abc import Mapping

import numpy as np

Taps = Mapping[tuple[int, int], float]


def stationary_floor(taps: Taps, *, patch_size: int | None = None) -> float:
    """Nats per dimension above the truth that no pixelwise linear flow can avoid for a filter's
    spectrum.

    A flow of channel mixings and couplings sees the noise as white: it pays half the log of the
    mean of |H|^2 over frequencies, which is half the log of the sum of squared taps.

    Args:
        taps: the filter, leading tap 1.
        patch_size: side of a square patch outside which the filter sees zeros; None for an endless
            image.

    Returns:
        The floor in nats per dimension.
    """
    size = patch_size or 1
    kept = {
        offset: max(size - offset[0], 0) * max(size - abs(offset[1]), 0) / size**2
        if patch_size
        else 1.0
        for offset in taps
    }
    return 0.5 * float(np.log(sum(kept[offset] * weight**2 for offset, weight in taps.items())))


def predictor_excess(taps: Taps, radius: int) -> float:
    """Nats per dimension above the truth of the best linear predictor that sees a half-plane of a
    radius.

    Args:
        taps: the filter of the noise, leading tap 1, on an endless image.
        radius: rows above, and columns to either side, that the predictor sees.

    Returns:
        Half the log of the prediction error's variance; 0 for a predictor that sees everything.

    Source: the normal (Yule-Walker) equations of the filter's autocovariance.
    """

    def covariance(down: int, right: int) -> float:
        return sum(w * taps.get((up + down, left + right), 0.0) for (up, left), w in taps.items())

    past = [(u, c) for u in range(radius + 1) for c in range(-radius, radius + 1) if u > 0 or c > 0]
    if not past:
        return 0.5 * float(np.log(covariance(0, 0)))
    matrix = np.array([[covariance(a[0] - b[0], a[1] - b[1]) for b in past] for a in past])
    vector = np.array([covariance(*offset) for offset in past])
    return 0.5 * float(np.log(covariance(0, 0) - vector @ np.linalg.solve(matrix, vector)))
