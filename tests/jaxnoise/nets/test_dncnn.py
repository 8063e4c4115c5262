"""DnCNN: against numpy, its size and first weights, and how far it sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.nets.dncnn import BATCH_NORM_MOMENTUM, LARGEST_SCALE, DnCNN, small_scale
from tests.jaxnoise.nets.reference import convolve, normalise, rectify


def moved(variables, seed=1):
    """The variables away from their first values; variances stay positive."""
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: leaf + random.uniform(0.1, 0.5, leaf.shape), variables)


def noisy_images(*shape):
    return np.random.default_rng(0).uniform(size=shape)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("features", "sides"), [(3, (6, 5)), (48, (6, 5)), (48, (8, 12))])
def test_against_numpy(float64, train, features, sides):
    # Few features as convolutions; many by blocks, one convolution at a time or all in a row.
    net = DnCNN(channels=2, features=features, depth=4)
    noisy = noisy_images(3, *sides, 2)
    variables = moved(net.init(jax.random.key(0), jnp.asarray(noisy)))
    estimate, changed = net.apply(variables, jnp.asarray(noisy), train=train, mutable="batch_stats")

    params, statistics = jax.tree.map(np.asarray, (variables["params"], variables["batch_stats"]))
    hidden = rectify(convolve(noisy, params["conv_0"]["kernel"], params["conv_0"]["bias"]))
    expected_statistics = {}
    for place in (1, 2):
        hidden = convolve(hidden, params[f"conv_{place}"]["kernel"])
        running = statistics[f"norm_{place}"]
        used = running
        if train:
            used = {"mean": hidden.mean((0, 1, 2)), "var": hidden.var((0, 1, 2))}
            running = {name: 0.9 * running[name] + 0.1 * used[name] for name in running}
        expected_statistics[f"norm_{place}"] = running
        own = params[f"norm_{place}"]
        hidden = rectify(normalise(hidden, used["mean"], used["var"], own["scale"], own["bias"]))
    expected = noisy - convolve(hidden, params["conv_3"]["kernel"])

    assert BATCH_NORM_MOMENTUM == 0.9
    np.testing.assert_allclose(estimate, expected, rtol=1e-10, atol=1e-10)
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-10),
        changed["batch_stats"],
        expected_statistics,
    )


@pytest.mark.fast
@pytest.mark.parametrize(
    ("settings", "parameters"), [((4, 64, 9), 263_616), ((1, 64, 17), 556_096)]
)
def test_parameters_of_the_published_sizes(settings, parameters):
    net = DnCNN(*settings)
    image = jax.ShapeDtypeStruct((1, 8, 8, settings[0]), jnp.float32)
    shapes = jax.eval_shape(net.init, jax.random.key(0), image)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == parameters


def test_the_first_kernels_are_orthogonal():
    variables = DnCNN(channels=4, features=16).init(jax.random.key(0), jnp.zeros((1, 8, 8, 4)))
    kernels = [own["kernel"] for own in variables["params"].values() if "kernel" in own]
    assert len(kernels) == 9
    for kernel in kernels:
        columns = np.asarray(kernel).reshape(-1, kernel.shape[3])
        np.testing.assert_allclose(columns.T @ columns, np.eye(kernel.shape[3]), atol=1e-5)


@pytest.mark.fast
def test_the_first_scales_are_small_and_of_either_sign():
    scales = np.asarray(small_scale(jax.random.key(0), (64,)))
    assert LARGEST_SCALE == 0.025
    # The standard deviation before the cut is 0.0589, so that 67 % lie on one of the two limits.
    assert (np.abs(scales) <= np.float32(0.025)).all()
    at_limit = np.isclose(np.abs(scales), 0.025).mean()
    assert abs(at_limit - 0.671) < 4 * (0.671 * 0.329 / 64) ** 0.5
    assert (scales > 0).any() and (scales < 0).any()


@pytest.mark.parametrize("depth", [2, 5])
def test_a_pixel_sees_as_far_as_the_network_is_deep(float64, depth):
    net = DnCNN(channels=1, features=4, depth=depth)
    noisy = jnp.asarray(noisy_images(1, 2 * depth + 5, 2 * depth + 5, 1))
    middle = depth + 2
    variables = moved(net.init(jax.random.key(0), noisy))
    pixel = jax.grad(lambda noisy: jnp.asarray(net.apply(variables, noisy))[0, middle, middle, 0])
    seen = np.asarray(pixel(noisy))[0, :, :, 0] != 0
    expected = np.zeros_like(seen)
    expected[2:-2, 2:-2] = True
    np.testing.assert_array_equal(seen, expected)
