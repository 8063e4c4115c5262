"""Alignment of moments: its equations with NumPy in double precision, units, bins, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from jaxnoise.losses import alignment
from jaxnoise.losses.alignment import FEW

SHAPE = (5, 6, 8, 4)
ROUNDING = 2e-5
"""Sums of 192 numbers in single precision, squared."""


def noise_of(sigma, seed=0, mean=0.0):
    random = np.random.default_rng(seed)
    return mean + sigma * random.normal(size=SHAPE)


def by_hand(noise, sigma, form, scope, floor=1 / 255):
    """Eqs. 13 and 14, each patch by itself."""
    found = []
    for own, level in zip(noise, sigma, strict=True):
        level = np.broadcast_to(level, own.shape)
        if form == "relative":
            scale = np.maximum(level, floor)
            own, level = own / scale, level / scale
        values = own.ravel()
        mean = values.sum() / values.size
        variance = ((values - mean) ** 2).sum() / (values.size - 1)
        found.append((mean, variance, (level**2).mean()))
    found = np.array(found)
    if scope == "batch":
        found = found.mean(0, keepdims=True)
    mean, variance, wanted = found.T
    if form == "absolute":
        return (np.abs(mean) + np.abs(variance - wanted)).mean()
    return (mean**2 + (variance - wanted) ** 2).mean()


def given(noise, sigma):
    return jnp.asarray(noise, jnp.float32), jnp.asarray(sigma, jnp.float32)


@pytest.mark.parametrize("form", ["absolute", "squared", "relative"])
@pytest.mark.parametrize("scope", ["patch", "batch"])
@pytest.mark.parametrize("levels", ["each image", "each pixel", "near 0"])
def test_it_is_that_of_the_equations(form, scope, levels):
    random = np.random.default_rng(3)
    sigma = random.uniform(0.05, 0.1, SHAPE[:1])
    if levels == "each pixel":
        sigma = random.uniform(0.0, 0.1, SHAPE)
        sigma[0, 0] = 0
    if levels == "near 0":
        sigma[0] = 1e-4
    noise = noise_of(0.08, mean=0.01)
    expected = by_hand(noise, sigma, form, scope)
    value = alignment(*given(noise, sigma), form=form, scope=scope)
    assert float(value) == pytest.approx(expected, rel=ROUNDING)


def test_the_numbers_of_the_docstring():
    values = np.resize([1.0, -1.0], SHAPE)  # of mean 0 and, by d - 1, of variance d / (d - 1)
    size = values[0].size
    noise = values * np.sqrt((size - 1) / size) * 1.2
    sigma = np.full(SHAPE[:1], 10.0)
    for unit, floor, expected in (
        (1.0, 1.0, {"absolute": 44, "squared": 1936, "relative": 0.1936}),
        (1 / 255, 1 / 255, {"absolute": 6.77e-4, "squared": 4.58e-7, "relative": 0.1936}),
    ):
        for form, right in expected.items():
            value = alignment(*given(10 * unit * noise, unit * sigma), form=form, floor=floor)
            assert float(value) == pytest.approx(right, rel=2e-3)


def test_a_batch_may_share_its_variance_unevenly():
    values = np.resize([1.0, -1.0], SHAPE) * np.sqrt((192 - 1) / 192)
    uneven = values * np.sqrt([0.5, 1.5, 1.0, 0.7, 1.3])[:, None, None, None]
    arguments = given(0.1 * uneven, np.full(5, 0.1))
    assert float(alignment(*arguments, scope="batch")) < 1e-10
    expected = np.mean(np.array([0.5, 0.5, 0, 0.3, 0.3]) ** 2)
    assert float(alignment(*arguments)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("form", ["absolute", "squared", "relative"])
def test_bins_of_intensity_have_the_curve_s_variance(form):
    random = np.random.default_rng(1)
    clean = random.uniform(0, 0.8, SHAPE)  # no pixel in the last two of ten
    clean[..., 1] *= 0.1
    clean[0, 0, 0, 0] = 0.85  # and one alone
    sigma = np.sqrt(0.01 * clean + 0.001)
    noise = 1.2 * sigma * random.normal(size=SHAPE)
    total = counted = 0.0
    scale = np.maximum(sigma, 1 / 255) if form == "relative" else 1.0
    for channel in range(4):
        for number in range(10):
            own = np.floor(clean[..., channel] * 10) == number
            if own.sum() < 2:
                continue
            values = (noise / scale)[..., channel][own]
            wanted = ((sigma / scale)[..., channel][own] ** 2).mean()
            weight = own.sum() / (own.sum() + FEW)
            parts = values.mean(), values.var(ddof=1) - wanted
            add = np.abs(parts).sum() if form == "absolute" else np.square(parts).sum()
            total, counted = total + weight * add, counted + weight
    options = {"form": form, "scope": "batch", "intensity": jnp.asarray(clean, jnp.float32)}
    value = alignment(*given(noise, sigma), **options)
    assert float(value) == pytest.approx(total / counted, rel=10 * ROUNDING)


def test_bins_see_what_patches_do_not():
    """Noise of the right variance in all, but as much in the dark as in the light."""
    clean = np.resize(np.linspace(0, 1, SHAPE[0] * 48 * 4), SHAPE)
    sigma = np.sqrt(0.01 * clean + 0.0005)
    flat = noise_of(np.sqrt((sigma**2).mean()))
    own = noise_of(sigma)
    options = {"scope": "batch", "intensity": jnp.asarray(clean, jnp.float32), "bins": 4}
    assert alignment(*given(flat, sigma), **options) > 10 * alignment(*given(own, sigma), **options)


@pytest.mark.parametrize("form", ["absolute", "squared", "relative"])
@pytest.mark.parametrize("bins", [False, True])
def test_gradients_are_finite_and_point_to_the_level(form, bins):
    clean = jnp.asarray(np.random.default_rng(2).uniform(size=SHAPE), jnp.float32)
    options = {"scope": "batch", "intensity": clean} if bins else {}
    noise, sigma = given(noise_of(0.12), np.full(5, 0.1))

    @jax.jit
    def loss(scale):
        return alignment(scale * noise, sigma, form=form, **options)

    slope = jax.grad(loss)(1.0)
    assert np.isfinite(slope) and slope > 0
    of_noise = jax.grad(lambda noise: alignment(noise, sigma, form=form, **options))(0 * noise)
    assert bool(jnp.isfinite(of_noise).all())


def test_what_is_no_level_is_nan_under_jit():
    noise = jnp.asarray(noise_of(0.1), jnp.float32)
    for level in (0.0, -0.1, np.nan):
        assert np.isnan(jax.jit(alignment)(noise, jnp.full(5, level)))
        with pytest.raises(UsageError, match="sigma must be above 0"):
            alignment(noise, jnp.full(5, level))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"form": "cubed"}, "form is 'cubed' and scope 'patch': use absolute, squared, relative"),
        ({"scope": "image"}, "scope 'image': use .* patch or batch"),
        ({"intensity": jnp.zeros(SHAPE)}, "scope is 'patch' and bins is 10"),
        ({"intensity": jnp.zeros(SHAPE), "scope": "batch", "bins": 0}, "bins is 0"),
    ],
)
def test_what_does_not_fit_is_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        alignment(*given(noise_of(0.1), np.full(5, 0.1)), **options)
