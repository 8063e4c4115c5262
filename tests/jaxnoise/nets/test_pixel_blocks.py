"""Convolutions as products: against XLA's own convolution and plain einsum, gradients included."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.nets import pixel_blocks as blocks


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def library_convolution(images, kernel):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=layout, precision="highest"
    )


def same_with_gradients(ours, theirs, *arguments):
    """Both functions give the same values and the same products of a vector with the Jacobian."""
    change = normal(9, *jax.eval_shape(theirs, *arguments).shape)

    @partial(jax.jit, static_argnums=0)
    def both(function, change, *arguments):
        value, back = jax.vjp(function, *arguments)
        return value, back(change)

    value, products = both(ours, change, *arguments)
    expected, expected_products = both(theirs, change, *arguments)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    for got, wanted in zip(products, expected_products, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.fast
def test_a_block_holds_its_four_pixels_beside_the_channel():
    images = jnp.arange(2 * 4 * 6 * 3.0).reshape(2, 4, 6, 3)
    state = blocks.to_blocks(images)
    assert state.shape == (3, 2, 2, 2, 2, 3)
    assert state[1, 1, 0, 1, 0, 2] == images[1, 2 * 0 + 1, 2 * 2 + 0, 1]
    np.testing.assert_array_equal(blocks.from_blocks(state), images)


@pytest.mark.parametrize("size", [(2, 2), (4, 6), (10, 2)])
@pytest.mark.parametrize("channels", [(2, 4), (5, 3)])
def test_convolution(float64, size, channels):
    before, behind = channels
    same_with_gradients(
        lambda x, k: blocks.from_blocks(blocks.convolve(blocks.to_blocks(x), k)),
        library_convolution,
        normal(0, 3, *size, before),
        normal(1, 3, 3, before, behind),
    )


@pytest.mark.fast
def test_mixing_of_channels(float64):
    same_with_gradients(
        lambda x, a: blocks.from_blocks(blocks.mix(a, blocks.to_blocks(x))),
        lambda x, a: x @ a,
        normal(0, 3, 4, 6, 4),
        normal(1, 4, 5),
    )


@pytest.mark.fast
def test_settled_blocks_are_the_same():
    state = blocks.to_blocks(normal(0, 2, 4, 4, 3))
    np.testing.assert_array_equal(blocks.settle(state), state)


@pytest.mark.fast
def test_a_map_per_channel_lies_where_its_pixels_lie():
    values = normal(0, 3, 4, 6)
    added = blocks.to_blocks(jnp.zeros((2, 4, 6, 3))) + blocks.map_to_blocks(values)
    expected = jnp.broadcast_to(jnp.moveaxis(values, 0, -1), (2, 4, 6, 3))
    np.testing.assert_array_equal(blocks.from_blocks(added), expected)
