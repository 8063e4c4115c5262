"""The denoisers' convolution: against a sum over taps in numpy, and against XLA's own."""

import subprocess
import sys
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.nets import convolution
from jaxnoise.nets.convolution import convolve, convolve_to_double
from tests.processes import environment

LAYOUT = ("NHWC", "HWIO", "NHWC")
# N, H, W, C, D: rows below, at and above the number of parts and not divisible by it; fewer than
# three pixels; channels on each side of the ratio of three from which the product is our own.
SHAPES = [
    (3, 5, 7, 2, 3),
    (2, 8, 4, 3, 3),
    (1, 19, 6, 4, 13),
    (1, 19, 6, 4, 12),
    (2, 17, 3, 13, 4),
    (2, 17, 3, 1, 1),
    (2, 1, 1, 5, 2),
    (4, 2, 1, 1, 8),
    (1, 1, 9, 8, 1),
    (0, 4, 4, 2, 2),
]


def normal(seed, *shape, dtype=None):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def same(images, kernel):
    return convolve(images, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT)


def library(images, kernel):
    return jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT, precision="highest"
    )


def value_and_products(function):
    """A jitted function: its value, and what the change of it makes of the gradients."""

    @jax.jit
    def run(images, kernel, change):
        value, back = jax.vjp(function, images, kernel)
        return value, back(change)

    return run


def products_of(shape):
    """The same image, kernel and change of the output for a shape."""
    number, height, width, before, behind = shape
    images = normal(0, number, height, width, before)
    kernel = normal(1, 3, 3, before, behind)
    return images, kernel, normal(2, number, height, width, behind)


@pytest.mark.parametrize("shape", SHAPES)
def test_value_and_gradients_are_sums_over_taps(float64, shape):
    images, kernel, change = map(np.asarray, products_of(shape))
    number, height, width = shape[:3]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    value, of_padded, of_kernel = (np.zeros_like(x) for x in (change, padded, kernel))
    for row in range(3):
        for column in range(3):
            place = np.s_[:, row : row + height, column : column + width]
            value += padded[place] @ kernel[row, column]
            of_kernel[row, column] = np.einsum("nhwc,nhwd->cd", padded[place], change)
            of_padded[place] += change @ kernel[row, column].T
    ours, (ours_of_images, ours_of_kernel) = value_and_products(same)(images, kernel, change)
    np.testing.assert_allclose(ours, value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours_of_images, of_padded[:, 1:-1, 1:-1], atol=1e-12)
    np.testing.assert_allclose(ours_of_kernel, of_kernel, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("shape", SHAPES)
def test_to_double_is_the_convolution_of_the_pixels_spread_apart(float64, shape):
    images, kernel, _ = products_of(shape)
    number, height, width, before, behind = shape

    def spread(images):
        blocks = jnp.zeros((number, height, 2, width, 2, before))
        blocks = blocks.at[:, :, 0, :, 0].set(images)
        return blocks.reshape(number, 2 * height, 2 * width, before)

    def transposed(images, kernel):
        padding = [(1, 2), (1, 2)]
        return jax.lax.conv_transpose(images, kernel, (2, 2), padding, dimension_numbers=LAYOUT)

    change = normal(3, number, 2 * height, 2 * width, behind)
    value, products = value_and_products(convolve_to_double)(images, kernel, change)
    for other in (transposed, lambda images, kernel: library(spread(images), kernel)):
        expected, expected_products = value_and_products(other)(images, kernel, change)
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
        for ours, theirs in zip(products, expected_products, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.fast
@pytest.mark.parametrize("shape", [(2, 9, 7, 5, 6), (2, 9, 7, 2, 7), (2, 9, 7, 7, 2)])
def test_single_precision_under_jit(shape):
    images, kernel, change = products_of(shape)

    def gradients(function):
        return jax.jit(lambda *both: jax.vjp(function, *both)[1](change))(images, kernel)

    for ours, expected in zip(gradients(same), gradients(library), strict=True):
        assert ours.dtype == jnp.float32
        # Sums of at most 2 x 9 x 7 terms of about 1.
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.fast
def test_half_precision_sums_in_single_precision():
    images, kernel, change = (x.astype(jnp.bfloat16) for x in products_of((4, 16, 16, 3, 3)))
    gradient = jax.vjp(same, images, kernel)[1](change)[1]
    assert gradient.dtype == jnp.bfloat16
    wide = [x.astype(jnp.float32) for x in (images, kernel, change)]
    expected = jax.vjp(library, *wide[:2])[1](wide[2])[1]
    # One rounding to 8 bits at the end; 1,024 of them on the way would show.
    np.testing.assert_allclose(gradient.astype(jnp.float32), expected, rtol=2**-8, atol=1e-4)


def test_vmap_over_kernels_and_second_derivatives(float64):
    images, kernel, change = products_of((2, 6, 5, 2, 3))
    kernels = jnp.stack([kernel, 2 * kernel, -kernel])

    def of_kernel(function, kernel):
        return jax.grad(lambda kernel: (jnp.tanh(function(images, kernel)) * change).sum())(kernel)

    many = jax.jit(jax.vmap(partial(of_kernel, same)))(kernels)
    expected = jax.jit(partial(of_kernel, library))
    for ours, one in zip(many, kernels, strict=True):
        np.testing.assert_allclose(ours, expected(one), rtol=1e-11, atol=1e-11)

    def twice(function):
        square = lambda kernel: (of_kernel(function, kernel) ** 2).sum()  # noqa: E731
        return jax.jit(jax.grad(square))(kernel)

    np.testing.assert_allclose(twice(same), twice(library), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "options",
    [
        {"strides": (2, 1)},
        {"padding": "VALID"},
        {"kernel_dilation": (2, 2)},
        {"feature_group_count": 2},
        {"kernel_size": (1, 1)},
        {},
    ],
)
def test_any_layer_of_flax_has_the_gradients_of_its_own_convolution(float64, options):
    images = normal(0, 2, 7, 6, 4)
    options = {"features": 6, "kernel_size": (3, 3), "param_dtype": jnp.float64, **options}
    plain, ours = nn.Conv(**options), nn.Conv(**options, conv_general_dilated=convolve)
    variables = plain.init(jax.random.key(0), images)

    def gradients(layer):
        loss = lambda *both: (layer.apply(*both) ** 3).sum()  # noqa: E731
        return jax.jit(jax.grad(loss, (0, 1)))(variables, images)

    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10),
        gradients(ours),
        gradients(plain),
    )


@pytest.mark.fast
@pytest.mark.parametrize(("platform", "convolutions"), [("cpu", 1), ("cuda", 2), ("tpu", 2)])
def test_only_on_cpus_the_kernels_gradient_is_no_convolution(platform, convolutions):
    images, kernel, change = products_of((2, 9, 7, 7, 2))
    gradients = jax.jit(lambda *both: jax.vjp(same, *both)[1](change))
    lowered = gradients.trace(images, kernel).lower(lowering_platforms=(platform,)).as_text()
    # The gradient to the images is always one.
    assert lowered.count("stablehlo.convolution") == convolutions
    assert lowered.count("stablehlo.dot_general") == 2 - convolutions


@pytest.mark.fast
def test_the_product_takes_little_memory():
    images, _, change = products_of((8, 64, 64, 16, 4))
    compiled = (
        jax.jit(partial(convolution._kernel_gradient, factor=1)).lower(images, change).compile()
    )
    memory = compiled.memory_analysis()
    # Both padded, and an eighth of the change's rows nine times.
    both = images.nbytes + change.nbytes * (1 + 9 / convolution.STEPS)
    assert memory.temp_size_in_bytes < both * 1.2


@pytest.mark.fast
@pytest.mark.parametrize(("channels", "features", "taken"), [(48, 64, True), (47, 64, False)])
def test_many_channels_are_taken_by_blocks(channels, features, taken):
    images, kernel, _ = products_of((2, 9, 7, channels, features))
    text = str(jax.make_jaxpr(same)(images, kernel))
    assert ("conv_general_dilated" not in text) == taken
    value, expected = same(images, kernel), library(images, kernel)
    np.testing.assert_allclose(value, expected, atol=1e-5 * float(jnp.abs(expected).max()))


ON_DEVICES = """
import sys, jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxnoise.nets.convolution import convolve, convolve_to_double

layout = ("NHWC", "HWIO", "NHWC")
random = np.random.default_rng(0)
convolved = lambda *both: convolve(*both, (1, 1), "SAME", dimension_numbers=layout)
gradients = jax.jit(jax.grad(lambda *both: (convolved(*both) ** 3).sum(), (0, 1)))
for channels in (5, 48):
    images = random.normal(size=(16, 9, 7, channels)).astype(np.float32)
    kernel = random.normal(size=(3, 3, channels, 50)).astype(np.float32)
    for devices in (1, 8):
        mesh = Mesh(jax.devices()[:devices], ("batch",))
        given = jax.device_put(images, NamedSharding(mesh, PartitionSpec("batch")))
        found = gradients(given, kernel)
        count = len(given.sharding.device_set)
        name = f"{sys.argv[1]}/{channels}_{devices}.npz"
        np.savez(name, devices=count, images=found[0], kernel=found[1])
"""


def test_a_batch_over_eight_devices_has_the_gradients_of_one(tmp_path):
    command = [sys.executable, "-c", ON_DEVICES, tmp_path]
    subprocess.run(command, env=environment(devices=8), check=True)
    for channels in (5, 48):
        one, eight = (dict(np.load(tmp_path / f"{channels}_{count}.npz")) for count in (1, 8))
        assert (one.pop("devices"), eight.pop("devices")) == (1, 8)
        for name, expected in one.items():
            assert np.abs(eight[name] - expected).max() < 1e-5 * np.abs(expected).max(), name
