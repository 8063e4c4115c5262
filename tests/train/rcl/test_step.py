"""The losses of pre-training against numpy, and what validation makes of residuals."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from train.rcl.networks import Network
from train.rcl.noise_shown import noise_shown
from train.rcl.step import (
    Contrast,
    contrast_loss,
    mosaic2mosaic_loss,
    noise2noise_loss,
    noise2self_loss,
)

pytestmark = pytest.mark.fast

N, SIDE = 3, 8


@dataclass(frozen=True)
class Fading(Network):
    """Its estimate is a part of the noisy image, so that the residual is the rest."""

    def estimate(self, variables, noisy, *, train):
        return variables * noisy, variables


class Pixels:
    """An encoder whose only map is the image, and twice that."""

    def encode(self, variables, images):
        return images, variables * images


def batch_of(kinds=("first", "second"), seed=0):
    random = np.random.default_rng(seed)
    shape = (N, SIDE, SIDE, 3)
    return {kind: random.normal(0.5, 0.1, shape).astype(np.float32) for kind in kinds}


@pytest.mark.parametrize(("form", "reduction"), [("squared", "mean"), ("norm", "sum")])
def test_the_loss_of_rcl_is_that_of_the_paper(form, reduction):
    batch = batch_of()
    # Rows 0 and 2 are of one image.
    batch["negatives"] = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    options = Contrast(
        distance="emd",
        alpha=0.5,
        temperature=2.0,
        reduction=reduction,
        scale=255.0,
        form=form,
    )
    network = Fading("denoiser", None)
    total, (terms, _) = contrast_loss(
        jnp.float32(0.9),
        jnp.float32(2.0),
        batch,
        jax.random.key(0),
        network=network,
        options=options,
        encoder=Pixels(),
        train=True,
    )
    first, second = (np.sort(0.1 * batch[name].astype(float).reshape(N, -1)) for name in batch_of())
    distances = 255 * abs(first[:, None] - second[None]).mean(-1)
    rows = []
    for row in range(N):
        own = -distances[row, row] / 2
        others = -distances[row, batch["negatives"][row]] / 2
        rows.append(np.log(np.exp([own, *others]).sum()) - own)
    contrastive = np.mean(rows) if reduction == "mean" else np.sum(rows)
    lost = 0.1 * np.concatenate([batch["first"], batch["second"]]).astype(float)
    maps = (lost, 2 * lost)
    if form == "squared":
        consistency = np.mean([(found**2).mean() for found in maps])
    else:
        consistency = np.mean([np.sqrt((found**2).sum((1, 2, 3))).mean() for found in maps])
    np.testing.assert_allclose(terms["contrastive"], contrastive, rtol=1e-4)
    np.testing.assert_allclose(terms["consistency"], consistency, rtol=1e-5)
    np.testing.assert_allclose(total, 0.5 * contrastive + consistency, rtol=1e-4)


def test_noise2noise_compares_with_the_other_draw_at_the_same_place():
    kinds = ("first", "second", "first_noisy2", "second_noisy2")
    batch, network = batch_of(kinds), Fading("denoiser", None)
    key = jax.random.key(0)
    total, _ = noise2noise_loss(jnp.float32(0.7), (), batch, key, network=network, train=True)
    pairs = (("first", "first_noisy2"), ("second", "second_noisy2"))
    errors = [(0.7 * batch[one] - batch[other]) ** 2 for one, other in pairs]
    np.testing.assert_allclose(total, np.mean(errors), rtol=1e-5)


def test_noise2self_looks_at_what_the_network_did_not_see():
    batch, network = batch_of(), Fading("denoiser", None)
    flat = {name: np.full_like(values, 0.5) for name, values in batch.items()}
    total, _ = noise2self_loss(
        jnp.float32(1.0), (), flat, jax.random.key(0), network=network, train=True
    )
    assert total < 1e-12
    # The identity hands on the mean of eight neighbours, whose weights squared sum up to 5 / 36.
    random = np.random.default_rng(0)
    noisy = {name: random.normal(0.5, 0.1, (32, 64, 64, 3)) for name in batch}
    noisy = {name: values.astype(np.float32) for name, values in noisy.items()}
    totals = [
        noise2self_loss(jnp.float32(1.0), (), noisy, jax.random.key(k), network=network, train=True)
        for k in range(2)
    ]
    # Mean squares of 64 x 16 x 16 x 3 values are known to 0.7 %, 3 standard errors to 2 %.
    for found, _ in totals:
        np.testing.assert_allclose(found, 0.01 * (1 + 5 / 36), rtol=0.02)
    assert totals[0][0] != totals[1][0]


def test_mosaics_are_compared_at_the_shift_of_their_image():
    random = np.random.default_rng(0)
    clean = random.uniform(size=(4, 16, 16, 3)).astype(np.float32)
    batch: dict[str, np.ndarray] = {"image": np.array([2, 0, 3, 5], np.int32)}
    # Of the second mosaics the sensor was moved by the shift of the image's number, modulo 4.
    moved = [
        np.roll(image, (-down, -right), (0, 1))
        for image, (down, right) in zip(clean, ((1, 0), (0, 0), (1, 1), (0, 1)), strict=True)
    ]
    for view, factor in (("first", 1.0), ("second", 2.0)):
        batch[view] = np.zeros((4, 8, 8, 4), np.float32)
        batch[f"{view}_noisy2"] = np.float32(factor) * mosaics(np.stack(moved))

    @dataclass(frozen=True)
    class Knowing(Network):
        def estimate(self, variables, noisy, *, train):
            return jnp.repeat(clean, 2, axis=0), variables

    total, _ = mosaic2mosaic_loss(
        (), (), batch, jax.random.key(0), network=Knowing("rcl", None), train=True
    )
    # First crops are met exactly; of second ones the other mosaic is twice the estimate, and a
    # border of a packed pixel does not count unless the sensor stayed where it was.
    errors = []
    for image, number in zip(mosaics(np.stack(moved)), batch["image"], strict=True):
        inner = image if number % 4 == 0 else image[1:-1, 1:-1]
        errors.append((inner**2).mean())
    np.testing.assert_allclose(total, np.mean(errors) / 2, rtol=1e-5)


def mosaics(images):
    """Packed RGGB mosaics."""
    places = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))
    seen = [images[:, row::2, column::2, colour] for row, column, colour in places]
    return np.stack(seen, -1)


def test_the_noise_that_an_image_shows_is_its_noise():
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64] / 64
    smooth = np.stack([rows, columns, rows + columns], -1)
    smooth[:, 32:] += 0.5  # an edge
    images = np.stack([smooth + sigma * random.normal(size=smooth.shape) for sigma in (0.02, 0.1)])
    # 3 x 62 x 62 second differences, which depend on their neighbours: a median is known to some
    # 2 % of them.
    np.testing.assert_allclose(noise_shown(images), [0.02, 0.1], rtol=0.08)
    assert noise_shown(smooth[None])[0] < 1e-12
