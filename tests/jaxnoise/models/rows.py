"""An image that gives its rows once, from the top."""

import numpy as np


class RowsOnce:
    """Rows of a copy of an image, none of which may be asked for again.

    Attributes:
        image: the copy.
        asked: how many rows were given.
    """

    def __init__(self, image: np.ndarray):
        self.image, self.asked = image.copy(), 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.image.shape

    def __getitem__(self, rows: slice) -> np.ndarray:
        assert rows.start == self.asked < rows.stop <= len(self.image)
        self.asked = rows.stop
        return self.image[rows].copy()
