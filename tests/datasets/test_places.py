"""Places of two crops: compared with a list of all pairs of places."""

import itertools

import numpy as np
import pytest

from datasets.places import can_overlap, check_overlap, overlap_of, two_places
from jaxnoise.errors import UsageError

pytestmark = pytest.mark.fast

CASES = [
    (9, 8, 4, 1, (0.25, 1.0)),
    (9, 8, 4, 2, (0.25, 1.0)),
    (8, 9, 4, 1, (0.0, 0.0)),
    (9, 7, 4, 1, (0.0, 0.5)),
    (7, 7, 4, 3, (0.0, 1.0)),
    (6, 8, 5, 1, None),
    (5, 9, 5, 2, (0.6, 0.6)),
    (6, 6, 4, 1, (0.1, 0.3)),
    (13, 12, 5, 2, (0.0, 0.0)),
]


def all_pairs(height, width, size, step, overlap) -> set[tuple[int, ...]]:
    """Every pair of places with the overlap, counted in pixels that both crops hold."""
    places = list(
        itertools.product(range(0, height - size + 1, step), range(0, width - size + 1, step))
    )
    found = set()
    for one, two in itertools.product(places, places):
        seen = np.zeros((2, height, width), bool)
        for mask, (row, column) in zip(seen, (one, two), strict=True):
            mask[row : row + size, column : column + size] = True
        part = seen.all(axis=0).sum() / size**2
        assert part == overlap_of(np.subtract(two, one), size)
        if overlap is None or overlap[0] <= part <= overlap[1]:
            found.add((*one, *two))
    return found


@pytest.mark.parametrize("tries", [0, 200])
@pytest.mark.parametrize("case", CASES)
def test_all_pairs_with_the_overlap_are_equally_likely(case, tries: int, monkeypatch):
    from datasets import places

    monkeypatch.setattr(places, "TRIES", tries)
    height, width, size, step, overlap = case
    expected = all_pairs(*case)
    assert can_overlap(height, width, size=size, step=step, overlap=overlap)
    random = np.random.default_rng(0)
    draws = 30 * len(expected)
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(draws):
        pair = two_places(height, width, size=size, step=step, overlap=overlap, random=random)
        key = tuple(pair.reshape(-1).tolist())
        counts[key] = counts.get(key, 0) + 1
    assert set(counts) <= expected
    # Chi-square over K cells has mean K - 1 and variance 2 (K - 1).
    cells = np.array([counts.get(pair, 0) for pair in expected])
    square = ((cells - 30) ** 2 / 30).sum()
    assert abs(square - (len(cells) - 1)) < 5 * np.sqrt(2 * max(1, len(cells) - 1))


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("overlap", [(0.0, 0.0), (0.5, 0.6), (0.0, 0.2), (1.0, 1.0), None])
def test_an_image_without_such_places_is_known(size: int, step: int, overlap):
    for height, width in itertools.product(range(2, 10), range(2, 10, 3)):
        possible = can_overlap(height, width, size=size, step=step, overlap=overlap)
        assert possible == bool(all_pairs(height, width, size, step, overlap))


@pytest.mark.parametrize("overlap", [(0.5, 0.2), (-0.1, 0.5), (0.5, 1.5)])
def test_wrong_fractions_are_a_sentence(overlap):
    with pytest.raises(UsageError, match="overlap of two crops"):
        check_overlap(overlap)
