"""Hidden pixels: each once, seen by no estimate, and what the loss is then in expectation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.losses import filled_in, grid_mask, noise2self_error

pytestmark = pytest.mark.fast

SIGMA = 0.1


def scene(count=4, side=128):
    """A plane, which its neighbours interpolate exactly, and noise."""
    rows, columns = np.mgrid[:side, :side] / side
    clean = np.stack([rows, 1 - columns, 0.5 * rows + 0.25 * columns], -1)[None]
    noise = SIGMA * np.random.default_rng(0).normal(size=(count, side, side, 3))
    return jnp.asarray(clean, jnp.float32), jnp.asarray(clean + noise, jnp.float32)


@pytest.mark.parametrize(("cell", "size"), [(2, (6, 5)), (4, (9, 8)), (3, (3, 7))])
def test_the_grids_hold_each_pixel_once(cell, size):
    masks = np.concatenate([grid_mask(size, number, cell=cell) for number in range(cell**2)])
    assert masks.dtype == bool and masks.shape == (cell**2, *size, 1)
    np.testing.assert_array_equal(masks.sum(0), np.ones((*size, 1)))
    for number, mask in enumerate(masks):
        rows, columns, _ = np.nonzero(mask)
        assert set(rows % cell) <= {number // cell} and set(columns % cell) <= {number % cell}
    same = jax.jit(lambda number: grid_mask(size, number, cell=cell))(cell**2 + 1)
    np.testing.assert_array_equal(same, masks[1:2])


def test_what_is_filled_in_is_the_mean_of_the_neighbours():
    noisy = np.random.default_rng(1).uniform(size=(2, 6, 7, 3)).astype(np.float32)
    hidden = grid_mask((6, 7), 6)  # rows 1 and 5, columns 2 and 6: one at the border of both
    found = filled_in(jnp.asarray(noisy), hidden)
    around = np.pad(np.float64(noisy), [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")
    expected = np.float64(noisy)
    for row, column in zip(*np.nonzero(np.asarray(hidden)[0, ..., 0]), strict=True):
        window = around[:, row : row + 3, column : column + 3]
        straight = window[:, 0, 1] + window[:, 2, 1] + window[:, 1, 0] + window[:, 1, 2]
        diagonal = window[:, 0, 0] + window[:, 0, 2] + window[:, 2, 0] + window[:, 2, 2]
        expected[:, row, column] = (straight + diagonal / 2) / 6
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("number", [0, 5, 15])
def test_what_is_hidden_is_seen_by_no_estimate(number):
    _, noisy = scene(1, 12)
    hidden = grid_mask((12, 12), number)
    other = jnp.where(hidden, 7.0, noisy)
    np.testing.assert_array_equal(filled_in(noisy, hidden), filled_in(other, hidden))
    slope = jax.grad(lambda noisy: (filled_in(noisy, hidden) ** 2).sum())(noisy)
    assert not np.asarray(slope)[0][np.asarray(hidden)[0, ..., 0]].any()


def test_the_loss_is_the_error_and_the_variance_of_the_noise():
    clean, noisy = scene()
    hidden = grid_mask((128, 128), 5)  # no pixel of the border
    count = 4 * 32 * 32 * 3

    # Means of squares of normal numbers, each of variance 2 of its own variance's square.
    def close(loss, variance):
        return abs(float(loss) - variance) < 5 * variance * np.sqrt(2 / count)

    assert close(noise2self_error(jnp.broadcast_to(clean, noisy.shape), noisy, hidden), SIGMA**2)
    # The mean of the neighbours, whose weights are 1/6 and 1/12, has noise of its own.
    error = SIGMA**2 * 4 * (1 / 36 + 1 / 144)
    made = filled_in(noisy, hidden)
    loss = noise2self_error(made, noisy, hidden)
    assert close(loss, SIGMA**2 + error)
    at_hidden = np.asarray(made - clean)[:, np.asarray(hidden)[0, ..., 0]]
    assert abs((at_hidden**2).mean() - error) < 5 * error * np.sqrt(2 / count)
    # What has seen the pixel itself could repeat it.
    assert float(noise2self_error(noisy, noisy, hidden)) == 0


def test_other_pixels_do_not_count():
    _, noisy = scene(2, 8)
    hidden = np.array(jnp.concatenate([grid_mask((8, 8), number) for number in (1, 2)]))
    estimate = np.where(hidden, np.asarray(noisy) + 0.5, np.nan).astype(np.float32)
    loss = noise2self_error(jnp.asarray(estimate), noisy, jnp.asarray(hidden))
    assert float(loss) == pytest.approx(0.25, rel=1e-6)


@pytest.mark.parametrize("cell", [1, 9])
def test_cells_that_do_not_fit_are_refused(cell):
    with pytest.raises(UsageError, match=rf"cell is {cell} in images of 8x9: use 2 to 8"):
        grid_mask((8, 9), 0, cell=cell)
