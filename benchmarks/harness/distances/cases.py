"""Distributions, and the ways in which two samples of one differ, for `distances_accuracy`."""

from collections.abc import Callable

import numpy as np

Draw = Callable[[np.random.Generator, int], np.ndarray]


def few_outliers(random: np.random.Generator, count: int) -> np.ndarray:
    """A normal sample in which about one value in 500 is 20 times as far out."""
    far = random.random(count) < 1 / 500
    far[0] = True
    return random.standard_normal(count) * np.where(far, 20.0, 1.0)


def bimodal(random: np.random.Generator, count: int) -> np.ndarray:
    """Two narrow normal peaks of unequal weight."""
    side = random.random(count) < 0.3
    return np.where(side, -1.5, 1.0) + 0.2 * random.standard_normal(count)


DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda random, count: random.standard_normal(count),
    "Laplace": lambda random, count: random.laplace(size=count),
    "Student t, 3 dof": lambda random, count: random.standard_t(3, count),
    "uniform": lambda random, count: random.uniform(-1, 1, count),
    "two values": lambda random, count: random.integers(0, 2, count).astype(float),
    "quantised": lambda random, count: np.round(2 * random.standard_normal(count)) / 2,
    "Poisson": lambda random, count: random.poisson(1.5, count).astype(float),
    "bimodal": bimodal,
    "few outliers": few_outliers,
}
"""Each draws `count` values in a unit of its own."""

CHANGES = {
    "same": lambda values: values,
    "scale": lambda values: 1.2 * values,
    "shift": lambda values: values + 0.1 * values.std(),
    "offset": lambda values: 1.2 * values + 3.0,
}
"""What happens to the second sample."""

FAR = 300.0
"""Added to both samples of the case "offset", in units of the first one's standard deviation."""


def pair(distribution: str, change: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two samples of one distribution, the second one changed.

    Args:
        distribution: a name of DISTRIBUTIONS.
        change: a name of CHANGES. "same" leaves nothing but the accident of sampling; "offset"
            moves a scaled second sample away and both far from zero.
        count: number of values of each.

    Returns:
        x and y, shape (count,), float32: what every type under test can hold exactly.
    """
    place = list(DISTRIBUTIONS).index(distribution), list(CHANGES).index(change)
    random = np.random.default_rng(place)
    x, y = (DISTRIBUTIONS[distribution](random, count) for _ in range(2))
    y = CHANGES[change](y)
    if change == "offset":
        far = FAR * x.std()
        x, y = x + far, y + far
    return x.astype(np.float32), y.astype(np.float32)
