"""Where two crops of one image lie, at a chosen overlap."""

import numpy as np

from jaxnoise.errors import UsageError

TRIES = 200
Overlap = tuple[float, float]


def check_overlap(overlap: Overlap | None) -> None:
    """Refuse fractions out of order or out of [0, 1].

    Raises:
        UsageError: if they are.
    """
    if overlap is not None and not 0 <= overlap[0] <= overlap[1] <= 1:
        raise UsageError(
            f"the overlap of two crops lies between fractions in [0, 1], not {overlap}: give the "
            "smaller one first."
        )


def overlap_of(shift: np.ndarray, size: int) -> np.ndarray:
    """Part of a crop's area that it shares with another.

    Args:
        shift: rows and columns from one to the other, shape (..., 2), in pixels.
        size: side of both crops.

    Returns:
        Shape (...), in [0, 1].
    """
    return np.maximum(size - np.abs(shift), 0).prod(axis=-1) / size**2


def can_overlap(height: int, width: int, *, size: int, step: int, overlap: Overlap | None) -> bool:
    """Whether an image has two places for crops at an overlap.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        size: side of the crops.
        step: offsets are multiples of it.
        overlap: smallest and largest part of a crop that the other shares; None for any.
    """
    if min(height, width) < size:
        return False
    if overlap is None:
        return True
    _, weights = _shifts(height, width, size, step, overlap, reach=size + step)
    return bool(weights.any())


def two_places(
    height: int,
    width: int,
    *,
    size: int,
    step: int,
    overlap: Overlap | None,
    random: np.random.Generator,
) -> np.ndarray:
    """Offsets of two crops of an image, uniform over all pairs of places with the overlap.

    Args:
        height: of the image in pixels, at least `size`.
        width: of the image in pixels, at least `size`.
        size: side of the crops.
        step: offsets are multiples of it.
        overlap: smallest and largest part of a crop that the other shares; None for any.
        random: the source of the places.

    Returns:
        Rows and columns of both crops' first pixels, (2, 2) int32.
    """
    counts = np.array([(side - size) // step + 1 for side in (height, width)])
    if overlap is None or overlap[0] == 0:
        # Most pairs of places share little or nothing.
        for _ in range(TRIES):
            pair = step * random.integers(counts, size=(2, 2))
            if overlap is None or _within(overlap_of(pair[1] - pair[0], size), overlap):
                return pair.astype(np.int32)
    reach = size if overlap is not None and overlap[0] > 0 else max(height, width)
    shifts, weights = _shifts(height, width, size, step, overlap or (0.0, 1.0), reach=reach)
    totals = np.cumsum(weights)
    shift = shifts[np.searchsorted(totals, random.integers(totals[-1]), side="right")]
    # A shift of one sign has as many places as that of the other.
    shift = shift * random.choice((-1, 1), size=2)
    first = step * random.integers(counts - np.abs(shift) // step) + np.maximum(-shift, 0)
    return np.stack([first, first + shift]).astype(np.int32)


def _within(part: np.ndarray, overlap: Overlap) -> np.ndarray:
    # Fractions such as 0.1 are not exact; areas are whole pixels.
    return (part >= overlap[0] - 1e-9) & (part <= overlap[1] + 1e-9)


def _shifts(
    height: int, width: int, size: int, step: int, overlap: Overlap, *, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """Shifts down and to the right, (K, 2), no longer than a reach, and the number of pairs of
    places of each in all its signs.
    """
    along = [np.arange(0, min(side - size, reach) + 1, step) for side in (height, width)]
    shifts = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 2)
    counts = np.array([(side - size) // step + 1 for side in (height, width)])
    pairs = (counts - shifts // step).prod(axis=1) * np.where(shifts > 0, 2, 1).prod(axis=1)
    return shifts, np.where(_within(overlap_of(shifts, size), overlap), pairs, 0)
