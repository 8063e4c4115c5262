"""Parts of images: together the image, and a filter that sees its surroundings sees no seams."""

import numpy as np
import pytest
from scipy import ndimage

from jaxnoise.errors import UsageError
from jaxnoise.tiles import bands, check_image, filled_up, rows_at_a_time, spans

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(("height", "rows"), [(10, 3), (9, 3), (1, 5), (7, 1), (0, 4)])
def test_bands_are_the_rows_in_order(height, rows):
    found = bands(height, rows)
    assert [row for band in found for row in range(height)[band]] == list(range(height))
    assert all(band.stop - band.start == rows for band in found[:-1])


@pytest.mark.parametrize("side", [8, 40, 41])
@pytest.mark.parametrize("length", [None, 1, 7, 100])
def test_a_filter_in_parts_is_the_filter_of_the_whole(side, length):
    values = np.random.default_rng(side).uniform(size=side)
    # It reaches two to either side and treats the ends of what it is given as those of the image.
    run = lambda part: ndimage.uniform_filter1d(part, 5, mode="constant")  # noqa: E731
    parts = spans(side, length, reach=2, step=1, longest=16)
    made = np.concatenate([run(values[part.seen])[part.within] for part in parts])
    np.testing.assert_allclose(made, run(values), rtol=1e-14)
    assert len({part.seen.stop - part.seen.start for part in parts}) == 1


@pytest.mark.parametrize("length", [None, 5, 64])
def test_parts_begin_at_steps(length):
    parts = spans(96, length, reach=16, step=8, longest=30)
    numbers = [edge for part in parts for one in part for edge in (one.start, one.stop)]
    assert all(number % 8 == 0 for number in numbers)
    longest = max(part.kept.stop - part.kept.start for part in parts)
    assert longest == {None: 24, 5: 8, 64: 64}[length]


@pytest.mark.parametrize(("side", "seen"), [(41, 24), (23, 20), (10, 10), (5, 5)])
def test_what_is_seen_is_rounded_up_where_there_is_enough(side, seen):
    parts = spans(side, 18, reach=2, step=1, longest=16, seen_step=4)
    assert {part.seen.stop - part.seen.start for part in parts} == {seen}
    for part in parts:
        assert part.seen.start <= max(0, part.kept.start - 2)
        assert part.seen.stop >= min(side, part.kept.stop + 2)


@pytest.mark.parametrize(("rows", "expected"), [(None, 4), (1, 1), (100, 100)])
def test_rows_are_those_wished_for_or_fill_the_budget(rows, expected):
    assert rows_at_a_time(rows, 25, most=100) == expected
    assert rows_at_a_time(None, 1000, most=100) == 1


def test_rows_below_one_are_refused():
    with pytest.raises(
        UsageError, match="1 row or more is worked on at a time: .* at least 1, not 0"
    ):
        rows_at_a_time(0, 25, most=100)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3), (4, 0, 4), (2, 4, 4, 4)])
def test_what_is_no_image_is_refused(shape):
    check_image((4, 4, 4), 4, does="denoises")
    with pytest.raises(UsageError, match="this model denoises images \\(height, width, 4\\), and"):
        check_image(shape, 4, does="denoises")


def test_rows_are_filled_up_with_zeros():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    full = filled_up(values, 4)
    np.testing.assert_array_equal(full, [[0, 1, 2], [3, 4, 5], [0, 0, 0], [0, 0, 0]])
    assert full.dtype == np.float32
    assert not np.shares_memory(filled_up(values, 2), values)
