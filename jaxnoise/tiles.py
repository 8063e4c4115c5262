"""Parts of large images: bands of rows and tiles, and what is to be seen of the image for each."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from jaxnoise.errors import UsageError

Progress = Callable[[float], None]
"""Called with the part of an image that is done, from 0 to 1."""
Band = tuple[slice, np.ndarray]
"""Rows of an image, and what was made of them, shape (rows, W, C)."""


@runtime_checkable
class RowSource(Protocol):
    """An image of which rows can be had, such as an array, or a file that is read by and by."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C) of the image."""
        ...

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Rows of the image, shape (rows, W, C); both ends of the slice are stated."""
        ...


class Part(NamedTuple):
    """A part of a side, and what a function has to see to work on it.

    Attributes:
        kept: the part.
        seen: the part with its surroundings.
    """

    kept: slice
    seen: slice

    @property
    def within(self) -> slice:
        """The part, counted from where its surroundings start."""
        return slice(self.kept.start - self.seen.start, self.kept.stop - self.seen.start)


def check_image(shape: tuple[int, ...], channels: int, *, does: str) -> None:
    """Raises when an array is no image that a model takes.

    Args:
        shape: of the array.
        channels: that the model takes.
        does: what the model does with images, to be read before "images".

    Raises:
        UsageError: the shape is not (height, width, channels), or empty.
    """
    if len(shape) != 3 or shape[-1] != channels or 0 in shape:
        raise UsageError(
            f"this model {does} images (height, width, {channels}), and this one has shape {shape}."
        )


def rows_at_a_time(rows: int | None, values_per_row: int, *, most: int) -> int:
    """How many rows of an image are worked on at a time.

    Args:
        rows: as the caller wishes, 1 or more; None leaves it open.
        values_per_row: of the image, in the unit of `most`.
        most: values that are worked on at a time where it is left open.

    Returns:
        1 or more.

    Raises:
        UsageError: the wish is below 1.
    """
    check_rows(rows)
    return rows or max(1, most // max(1, values_per_row))


def check_rows(rows: int | None) -> None:
    """Raises when a wished number of rows is below 1.

    Args:
        rows: as the caller wishes; None leaves it open.

    Raises:
        UsageError: it is below 1.
    """
    if rows is not None and rows < 1:
        raise UsageError(
            f"1 row or more is worked on at a time: rows must be at least 1, not {rows}."
        )


def bands(height: int, rows: int) -> list[slice]:
    """Bands that cover the rows of an image, from top to bottom.

    Args:
        height: of the image.
        rows: of a band; the last one may have fewer.

    Returns:
        The rows of each band.
    """
    return [slice(start, min(height, start + rows)) for start in range(0, height, rows)]


class Window:
    """Rows that come in bands from the top, kept for as long as they are needed.

    Args:
        bands: the rows, shape (rows of the band, W, C), from the top without a gap.
    """

    def __init__(self, bands: Iterator[np.ndarray]):
        self._bands, self._first = bands, 0
        self._kept: np.ndarray | None = None

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows that are not forgotten; bands are taken until they are there.

        Args:
            start: number of the first row.
            stop: number of the row behind the last one, at most the height of the image.
        """
        kept = next(self._bands) if self._kept is None else self._kept
        while self._first + len(kept) < stop:
            kept = np.concatenate([kept, next(self._bands)])
        self._kept = kept
        return kept[start - self._first : stop - self._first]

    def forget(self, before: int) -> None:
        """Says that rows above one that was reached are not needed any more."""
        if self._kept is not None and before > self._first:
            self._kept = self._kept[before - self._first :]
            self._first = before


def filled_up(values: Shaped[np.ndarray, "rows ..."], rows: int) -> Shaped[np.ndarray, "more ..."]:
    """Rows with zeros below them, so that the last band is as high as the others.

    Args:
        values: shape (rows at hand, ...).
        rows: wanted, as many or more.

    Returns:
        Shape (rows, ...), a new array.
    """
    full = np.zeros((rows, *values.shape[1:]), values.dtype)
    full[: len(values)] = values
    return full


def spans(
    side: int, length: int | None, *, reach: int, step: int, longest: int, seen_step: int = 1
) -> list[Part]:
    """The parts of a side with their surroundings, which all see equally much.

    What is seen never goes beyond the side, so that its ends stay where a network pads.

    Args:
        side: of the image, a multiple of `step`.
        length: of a part, 1 or more, rounded up to a multiple of `step`; None for parts of about
            equal length.
        reach: how far around a part is to be seen, a multiple of `step`.
        step: where parts may begin, and what is seen of them.
        longest: length of a part where it is left open.
        seen_step: of which what is seen is a multiple, unless that is more than there is.

    Returns:
        The parts in order; together they are the side.
    """
    if length is None:
        length = math.ceil(side / math.ceil(side / longest))
    length = math.ceil(length / step) * step
    parts = bands(side, length)
    seen = [(max(0, part.start - reach), min(side, part.stop + reach)) for part in parts]
    most = max(end - start for start, end in seen)
    rounded = math.ceil(most / seen_step) * seen_step
    most = rounded if rounded <= side else most
    found = []
    for part, (start, _) in zip(parts, seen, strict=True):
        start = min(start, side - most)
        found.append(Part(part, slice(start, start + most)))
    return found
