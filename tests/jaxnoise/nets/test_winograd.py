"""Convolutions by blocks: against XLA's in double precision, and how precise they are in single."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.nets import blocks, winograd
from jaxnoise.nets.winograd import Activation, Moments
from tests.processes import environment

LAYOUT = ("NHWC", "HWIO", "NHWC")


def normal(seed, *shape, dtype=None):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def library(images, kernel):
    return jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT, precision="highest"
    )


def in_images(images, kernel):
    parts, layout = blocks.split(images)
    return winograd.convolve(parts, kernel, layout).reshape(*images.shape[:3], -1)


def in_blocks(images, kernel, scale, shift):
    """The convolution of activations, its mean and its variance."""
    values, layout = blocks.to_blocks(images)
    before = Activation(scale, shift)
    made, moments = winograd.convolve_with_moments(values, kernel, layout, before=before)
    alone = winograd.convolve(values, kernel, layout, before=before)
    return blocks.to_images(made), moments.mean, moments.variance, blocks.to_images(alone)


def in_turn(images, kernel, scale, shift):
    """The same in plain steps."""
    made = library(jax.nn.relu(images * scale + shift), kernel)
    return made, made.mean((0, 1, 2)), made.var((0, 1, 2)), made


def compare(ours, expected, given, changes, tolerance=1e-12):
    """Values and gradients are the same, as parts of the largest."""
    found, back = jax.vjp(ours, *given)
    right, back_right = jax.vjp(expected, *given)
    pairs = jax.tree.leaves(((found, right), (back(changes), back_right(changes))))
    half = len(jax.tree.leaves(found))
    halves = pairs[:half] + pairs[2 * half : 2 * half + len(given)]
    for one, other in zip(
        halves, pairs[half : 2 * half] + pairs[2 * half + len(given) :], strict=True
    ):
        assert np.abs(one - other).max() <= tolerance * np.abs(other).max()


# N, H, W, C, D: sides divisible by four and not, smaller than a window, one block, many turns.
@pytest.mark.parametrize(
    "shape",
    [(3, 8, 12, 2, 3), (5, 7, 9, 3, 2), (2, 1, 2, 4, 1), (1, 4, 4, 1, 1), (2, 45, 50, 2, 2)],
)
def test_images_of_any_size(float64, shape):
    *images, channels, features = shape
    given = normal(0, *images, channels), normal(1, 3, 3, channels, features)
    compare(in_images, library, given, normal(2, *images, features))


@pytest.mark.parametrize("shape", [(6, 8, 12, 2, 3), (7, 4, 4, 3, 2), (3, 48, 64, 2, 2)])
def test_activations_before_and_moments_behind(float64, shape):
    *images, channels, features = shape
    given = (
        normal(0, *images, channels),
        normal(1, 3, 3, channels, features),
        normal(2, channels),
        normal(3, channels),
    )
    answers = normal(4, *images, features), normal(5, *images, features)
    changes = answers[0], normal(6, features), normal(7, features), answers[1]
    compare(in_blocks, in_turn, given, changes)


def test_all_convolutions_of_a_turn_are_those_of_all_turns(float64):
    values, layout = blocks.to_blocks(normal(0, 6, 16, 24, 3))
    kernels = [normal(1, 3, 3, 3, 4), normal(2, 3, 3, 4, 2)]
    before = [None, Activation(normal(3, 4), normal(4, 4))]
    found = winograd.convolve_all(values, kernels, before, layout)
    expected = values
    for kernel, activation in zip(kernels, before, strict=True):
        expected = winograd.convolve(expected, kernel, layout, before=activation)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_over_kernels_and_images_by_vmap(float64):
    images, kernels = normal(0, 4, 2, 8, 4, 2), normal(1, 4, 3, 3, 2, 3)
    found = jax.vmap(in_images)(images, kernels)
    for one, image, kernel in zip(found, images, kernels, strict=True):
        np.testing.assert_allclose(one, library(image, kernel), atol=1e-12)
    twice = jax.vmap(in_images, (None, 0))(images[0], kernels)
    np.testing.assert_allclose(twice[2], library(images[0], kernels[2]), atol=1e-12)


@pytest.mark.parametrize("rows", [6, 7])
def test_large_images_in_strips(float64, monkeypatch, rows):
    monkeypatch.setattr(blocks, "BLOCKS_PER_STRIP", 12)
    images, kernel = normal(0, 4, 4 * rows, 20, 2), normal(1, 3, 3, 2, 3)
    assert blocks.rows_per_strip((1, rows, 5), 1) == {6: 2, 7: 1}[rows]
    compare(in_images, library, (images, kernel), normal(2, 4, 4 * rows, 20, 3))


@pytest.mark.fast
def test_moments_do_not_lose_a_small_spread_behind_a_large_mean():
    values, layout = blocks.to_blocks(1000 + normal(0, 4, 32, 32, 1, dtype=jnp.float32))
    kernel = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1.0)
    moments = winograd.convolve_with_moments(values, kernel, layout)[1]
    wide = np.asarray(values, np.float64)
    np.testing.assert_allclose(moments.mean, [wide.mean()], rtol=1e-6)
    # The convolution itself is exact to about 1e-6 of a thousand.
    np.testing.assert_allclose(moments.variance, [wide.var()], rtol=5e-3)


def test_single_precision_beside_that_of_the_library(float64):
    given = normal(0, 8, 32, 32, 64), normal(1, 3, 3, 64, 64) / 24
    change = normal(2, 8, 32, 32, 64)

    def found(convolution, dtype):
        value, back = jax.vjp(convolution, *(part.astype(dtype) for part in given))
        return value, *back(change.astype(dtype))

    exact = found(library, jnp.float64)
    ours, theirs = (
        [
            (np.abs(one - right).max() / np.abs(right).max(), (one - right).std() / right.std())
            for one, right in zip(found(convolution, jnp.float32), exact, strict=True)
        ]
        for convolution in (in_images, library)
    )
    for (largest, spread), (_, spread_of_theirs) in zip(ours[:2], theirs[:2], strict=True):
        assert largest < 1e-5
        assert spread < 4 * spread_of_theirs
        assert spread < 1.5e-6
    # The gradient to the kernel is a long sum, which the library takes in one go.
    assert ours[2][1] < theirs[2][1]


# N, H, W, C, D; whether it pays: the table of `benchmarks/convolutions.py`, on both paths of XLA.
@pytest.mark.fast
@pytest.mark.parametrize(
    ("shape", "pays"),
    [
        ((32, 32, 32, 64, 64), True),
        ((32, 32, 32, 48, 48), True),
        ((32, 8, 8, 48, 48), True),
        ((32, 4, 4, 96, 96), True),
        ((32, 2, 2, 48, 48), True),
        ((8, 24, 24, 256, 256), True),
        ((1, 256, 256, 64, 64), True),
        ((1, 260, 256, 64, 64), False),
        ((32, 32, 32, 4, 64), False),
        ((32, 32, 32, 64, 4), False),
        ((32, 32, 32, 32, 32), False),
        ((32, 6, 6, 64, 64), False),
        ((32, 5, 5, 64, 64), False),
        ((32, 3, 3, 64, 64), False),
        ((0, 32, 32, 64, 64), False),
    ],
)
def test_where_it_pays(shape, pays):
    *images, channels, features = shape
    assert winograd.pays((*images, channels), (3, 3, channels, features), jnp.float32) == pays
    assert not winograd.pays((*images, channels), (3, 3, channels, features), jnp.bfloat16)


@pytest.mark.fast
def test_elsewhere_than_on_cpus_it_is_the_librarys(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert not winograd.pays((32, 32, 32, 64), (3, 3, 64, 64), jnp.float32)


ON_DEVICES = """
import sys, jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxnoise.models import denoiser

config = denoiser.Config(features=48, depth=4)
variables = denoiser.init(jax.random.key(0), config)
images = np.random.default_rng(0).random((12, 16, 16, 4), np.float32)
mesh = Mesh(jax.devices()[: int(sys.argv[1])], ("batch",))
given = jax.device_put(images, NamedSharding(mesh, PartitionSpec("batch")))

@jax.jit
def train(params, images):
    def loss(params):
        estimate, _ = denoiser.denoise_and_update({**variables, "params": params}, config, images)
        return (estimate**2).sum()
    return jax.grad(loss)(params)

compiled = train.lower(variables["params"], given).compile()
text = compiled.as_text()
gradient = compiled(variables["params"], given)
estimate = jax.jit(lambda images: denoiser.denoise(variables, config, images))(given)
np.savez(sys.argv[2], estimate, *jax.tree.leaves(gradient))
print(*(text.count(f" {name}(") for name in ("all-gather", "all-to-all", "collective-permute")))
"""


def test_devices_pass_no_images_to_each_other(tmp_path):
    made = []
    for devices in (1, 3):
        path = tmp_path / f"{devices}.npz"
        command = [sys.executable, "-c", ON_DEVICES, str(devices), str(path)]
        told = subprocess.run(
            command, env=environment(devices=devices), check=True, capture_output=True, text=True
        )
        assert told.stdout.split() == ["0", "0", "0"]
        made.append(np.load(path))
    one, three = made
    for name in one.files:
        assert np.abs(one[name] - three[name]).max() < 1e-5 * np.abs(one[name]).max(), name


@pytest.mark.fast
def test_turns_divide_the_batch_and_are_near_the_best_size():
    number, groups = blocks.images_per_turn((32, 32, 32, 64))
    assert 32 % number == 0 and number % groups == 0
    assert blocks.images_per_turn((138, 8, 8, 64))[0] == 23 * groups or groups > 1
    assert blocks.images_per_turn((1, 512, 512, 64)) == (1, 1)


@pytest.mark.fast
def test_blocks_are_images_in_another_order(float64):
    images = normal(0, 6, 8, 12, 3)
    values, layout = blocks.to_blocks(images)
    np.testing.assert_array_equal(blocks.to_images(values), images)
    turn = layout.loaded(values, 0)
    np.testing.assert_array_equal(turn[5, 0, 1, 2], images[0, 5, 9])
    seen = blocks.windows(turn)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    np.testing.assert_array_equal(seen[6 * 5 + 2, 0, 0, 1], padded[0, 5, 6])
    # The two are each other's transpose: <windows(a), b> = <a, overlapped(b)>.
    other = normal(1, *seen.shape)
    assert np.vdot(seen, other) == pytest.approx(np.vdot(turn, blocks.overlapped(other)))


def test_moments_are_a_named_pair():
    assert Moments._fields == ("mean", "variance")
