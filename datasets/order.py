"""Which of a number of things a batch holds, by its number alone."""

import numpy as np

from jaxnoise.noise.camera import generator


def shuffled(*names: str | int, count: int, step: int, batch_size: int) -> np.ndarray:
    """Places of a batch in an order that every pass draws anew.

    Args:
        names: of the random stream, a seed among them.
        count: number of things, at least 1.
        step: number of the batch, from 0.
        batch_size: N, at least 1.

    Returns:
        Shape (N,), in [0, count): different ones where there are as many; else each equally often,
        give or take one.
    """
    if batch_size <= count:
        # A pass whose rest would be less than a batch ends before it.
        run, place = divmod(step, count // batch_size)
        order = generator(*names, run).permutation(count)
        return order[place * batch_size : (place + 1) * batch_size]
    random = generator(*names, step)
    orders = [random.permutation(count) for _ in range(-(-batch_size // count))]
    return np.concatenate(orders)[:batch_size]
