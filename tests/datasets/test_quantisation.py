"""Few levels in a wide type are found image by image, and their gaps are filled."""

import numpy as np
import pytest

from datasets.as_float import as_float
from datasets.clipping import is_clipped, valid_pixels
from datasets.quantisation import dequantisation_step, step_of

pytestmark = pytest.mark.fast

random = np.random.default_rng(0)
LIGHT = np.clip(0.4 + 0.02 * random.standard_normal((64, 64, 3)), 0, 1)
SPREAD = {
    # How a program spreads numbers of some bits over 16, and the step that makes.
    "8 bits repeated": (lambda x: np.rint(x * 255) * 257, 257),
    "10 bits shifted": (lambda x: np.rint(x * 1023) * 64, 64),
    "10 bits scaled": (lambda x: np.rint(np.rint(x * 1023) * 65535 / 1023), 65535 / 1023),
    "12 bits scaled": (lambda x: np.rint(np.rint(x * 4095) * 65535 / 4095), 65535 / 4095),
    "16 bits": (lambda x: np.rint(x * 65535), 1),
}


@pytest.mark.parametrize("name", SPREAD)
@pytest.mark.parametrize("ends", [False, True])
def test_the_step_of_an_image_is_found(name: str, ends: bool):
    spread, step = SPREAD[name]
    image = spread(LIGHT).astype(np.uint16)
    if ends:
        image[:2] = 0
        image[-2:] = 65535  # clipped there, whatever the step
    assert step_of(image) == pytest.approx(step, rel=1e-6)
    assert dequantisation_step(image) == (0 if step == 1 else pytest.approx(step))


def test_what_tells_no_step_has_none():
    assert step_of(LIGHT.astype(np.float32)) == 0
    assert step_of(np.full((4, 4, 3), 1000, np.uint16)) == 1
    assert step_of(np.array([0, 64, 128, 192], np.uint16)) == 1
    assert step_of(np.zeros((0,), np.uint8)) == 1
    assert step_of((np.arange(40) * 17 % 255).astype(np.uint8)) == 17


@pytest.mark.parametrize("name", [name for name in SPREAD if name != "16 bits"])
def test_filled_gaps_leave_no_trace_of_the_levels(name: str):
    """The variance grows by that of rounding, and every third of a step is equally full."""
    spread, step = SPREAD[name]
    image = spread(LIGHT).astype(np.uint16)[None]
    steps = np.array([dequantisation_step(image)], np.float32)
    batch = {"noisy": image, "noisy_step": steps}
    filled = as_float(batch, [np.random.default_rng(1)])["noisy"].astype(np.float64) * 65535
    assert np.abs(filled - image).max() <= step / 2 + 0.01
    place = (filled[0] - image[0]).ravel() / step + 0.5
    counts = np.histogram(place, 3, (0, 1))[0]
    assert np.abs(counts / place.size - 1 / 3).max() < 5 * np.sqrt(2 / 9 / place.size)
    assert (filled - image).var() == pytest.approx(step**2 / 12, rel=0.05)


def test_each_image_of_a_batch_has_its_own_step():
    image = np.full((2, 8, 8, 1), 6400, np.uint16)
    batch = {"noisy": image, "noisy_step": np.array([64, 0], np.float32), "clean": image}
    filled = as_float(batch, [np.random.default_rng(1)])
    assert filled["noisy"][0].std() > 0
    assert (filled["noisy"][1] == np.float32(6400) / np.float32(65535)).all()
    assert (filled["clean"] == np.float32(6400) / np.float32(65535)).all()


def test_the_largest_number_of_few_bits_is_the_end_of_the_scale():
    values = np.array([0, 64, 65408, 65472, 65535], np.uint16).reshape(1, 5, 1, 1)
    assert is_clipped(values, np.array([64.0])).ravel().tolist() == [1, 0, 0, 1, 1]
    assert is_clipped(values, np.array([0.0])).ravel().tolist() == [1, 0, 0, 0, 1]
    eights = np.array([0, 257, 65278, 65535, 0], np.uint16).reshape(1, 5, 1, 1)
    both = np.concatenate([values, eights])
    assert is_clipped(both, np.array([64.0, 257.0]))[1].ravel().tolist() == [1, 0, 0, 1, 1]
    assert valid_pixels([both], [np.array([64.0, 257.0])]).shape == (2, 5, 1, 1)
