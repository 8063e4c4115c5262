"""The U-Net: against numpy, its size, what its levels share, and how it moves with the image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.nets.unet import UNet
from tests.jaxnoise.nets.reference import convolve, double, halve, rectify


def noisy_images(*shape):
    return np.random.default_rng(0).uniform(size=shape)


def drawn(net, noisy):
    """Variables that keep the size of the values, with biases; drawn without compiling `init`."""
    shapes = jax.eval_shape(net.init, jax.random.key(0), noisy)
    random = np.random.default_rng(1)

    def draw(leaf):
        spread = (2 / np.prod(leaf.shape[:3])) ** 0.5 if len(leaf.shape) == 4 else 0.1
        return jnp.asarray(random.normal(0, spread, leaf.shape))

    return jax.tree.map(draw, shapes)


@pytest.mark.fast
@pytest.mark.parametrize("share", [True, False])
def test_against_numpy(float64, share):
    net = UNet(channels=2, features=3, share=share)
    noisy = noisy_images(1, 32, 64, 2)
    variables = drawn(net, jnp.asarray(noisy))
    estimate = jax.jit(net.apply)(variables, jnp.asarray(noisy))

    params = jax.tree.map(np.asarray, variables["params"])

    def layer(images, own):
        return rectify(convolve(images, own["kernel"], own["bias"]))

    def level(name, number):
        return params[name if share else f"{name}_{number}"]

    sizes = [halve(layer(layer(noisy, params["first_0"]), params["first_1"]))]
    for number in (1, 2, 3, 4):
        sizes.append(halve(layer(sizes[-1], level("down", number))))
    hidden = double(layer(sizes[4], params["bottom"]), **params["bottom_up"])
    hidden = np.concatenate([hidden, sizes[3]], -1)
    hidden = layer(layer(hidden, params["up_1_0"]), params["up_1_1"])
    hidden = double(hidden, **params["up_1_up"])
    for number in (2, 3, 4):
        own = level("up", number)
        hidden = np.concatenate([hidden, sizes[4 - number]], -1)
        hidden = double(layer(layer(hidden, own["conv_0"]), own["conv_1"]), **own["up"])
    hidden = np.concatenate([hidden, noisy], -1)
    hidden = layer(layer(hidden, params["last_0"]), params["last_1"])
    expected = rectify(convolve(hidden, **params["last_2"]), 0.1)
    np.testing.assert_allclose(estimate, expected, rtol=1e-10, atol=1e-10)
    assert (np.asarray(estimate) < 0).any()


@pytest.mark.fast
@pytest.mark.parametrize(("share", "parameters"), [(True, 701_908), (False, 1_345_444)])
def test_parameters_of_the_published_sizes(share, parameters):
    image = jax.ShapeDtypeStruct((1, 32, 32, 4), jnp.float32)
    shapes = jax.eval_shape(UNet(channels=4, share=share).init, jax.random.key(0), image)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == parameters


def test_a_shared_module_has_the_gradients_of_all_its_levels(float64):
    noisy = jnp.asarray(noisy_images(1, 32, 32, 1))
    shared, separate = (UNet(channels=1, features=3, share=share) for share in (True, False))
    params = drawn(shared, noisy)["params"]
    levels = {f"down_{level}": "down" for level in (1, 2, 3, 4)}
    levels |= {f"up_{level}": "up" for level in (2, 3, 4)}
    copies = {name: own for name, own in params.items() if name not in ("down", "up")}
    copies |= {name: params[module] for name, module in levels.items()}

    def gradient(net, params):
        loss = jax.jit(jax.grad(lambda params: (net.apply({"params": params}, noisy) ** 2).sum()))
        return loss(params)

    of_shared, of_copies = gradient(shared, params), gradient(separate, copies)
    for module in ("down", "up"):
        each = [of_copies[name] for name, own in levels.items() if own == module]
        total = jax.tree.map(lambda *leaves: sum(leaves), *each)
        jax.tree.map(
            lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9),
            of_shared[module],
            total,
        )


def test_an_image_moved_by_32_pixels_has_its_estimate_moved(float64):
    net = UNet(channels=1, features=3)
    noisy = jnp.asarray(noisy_images(1, 576, 32, 1))
    variables = drawn(net, noisy)
    apply = jax.jit(lambda noisy: net.apply(variables, noisy))
    # A pixel sees at most 220 rows each way: 2 + 30 + 32 on the way down, 31 by pooling, and
    # 32 + 3 x (16 + 8 + 4 + 2) + 3 on the way up. So the borders are not seen from these.
    rows = np.s_[:, 256:288]
    estimate = apply(noisy)
    moved = {by: jnp.roll(apply(jnp.roll(noisy, by, 1)), -by, 1) for by in (32, 16)}
    np.testing.assert_allclose(moved[32][rows], estimate[rows], rtol=1e-12, atol=1e-12)
    assert np.abs(moved[16][rows] - estimate[rows]).max() > 1e-6
