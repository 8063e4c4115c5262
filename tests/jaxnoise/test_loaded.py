"""`jaxnoise.load`: the models' own functions, with cameras by name, single images, one sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnoise
from jaxnoise.errors import UsageError
from jaxnoise.io import save_model
from jaxnoise.loaded import Loaded, _sample
from jaxnoise.models import cono, denoiser, noise2noiseflow, noiseflow

CAMERAS, ISOS = ("alder", "birch", "cedar"), (100, 400, 1600)
FLOW = noiseflow.Config(arch="S-Ax1-G-CAM", cameras=CAMERAS, isos=ISOS)
NET = denoiser.Config(features=4, depth=2)
JOINT = noise2noiseflow.Config(noise_model=FLOW, denoiser=NET)
CONFIGS = {"noiseflow": (noiseflow, FLOW), "denoiser": (denoiser, NET)}
CONFIGS["noise2noiseflow"] = (noise2noiseflow, JOINT)
CONFIGS["cono"] = (cono, cono.Config(blocks=1))
KEY = jax.random.key(7)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Every model, saved and loaded."""
    folder, models = tmp_path_factory.mktemp("models"), {}
    for name, (module, config) in CONFIGS.items():
        variables = module.init(jax.random.key(0), config)
        leaves, tree = jax.tree.flatten(variables)
        moved = [leaf + 0.1 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape) for leaf in leaves]
        variables = jax.tree.unflatten(tree, moved) if name == "denoiser" else variables
        save_model(folder / name, name, config, variables)
        models[name] = jaxnoise.load(folder / name)
    return models


def images(count=3):
    random = np.random.default_rng(1)
    return random.uniform(size=(count, 6, 8, 4)).astype(np.float32)


@pytest.mark.fast
def test_it_holds_what_was_saved(loaded):
    for name, (_, config) in CONFIGS.items():
        assert (loaded[name].name, loaded[name].config) == (name, config)
    assert set(loaded["noiseflow"].variables) == {"params", "batch_stats", "constants"}


@pytest.mark.parametrize(
    ("camera", "iso", "indices", "numbers"),
    [
        ("birch", 400, [1, 1, 1], [400, 400, 400]),
        (2, 800.0, [2, 2, 2], [800, 800, 800]),
        (["cedar", "alder", "birch"], [100, 200, 1600], [2, 0, 1], [100, 200, 1600]),
        (np.array([1, 0, 2]), np.array([100, 400, 100]), [1, 0, 2], [100, 400, 100]),
        (jnp.array([1, 0, 2]), jnp.array([100.0, 400, 100]), [1, 0, 2], [100, 400, 100]),
        (np.array(["birch", "alder", "cedar"]), 100, [1, 0, 2], [100, 100, 100]),
    ],
)
def test_cameras_and_iso_numbers_in_every_form(loaded, camera, iso, indices, numbers):
    model, clean = loaded["noiseflow"], images()
    given = jnp.asarray(clean), jnp.asarray(indices), jnp.asarray(numbers)
    sample = jax.jit(noiseflow.sample, static_argnums=2)
    noise = model.sample(clean, camera=camera, iso=iso, key=KEY, temperature=0.5)
    expected = sample(KEY, model.variables, FLOW, *given, temperature=0.5)
    np.testing.assert_allclose(noise, expected, rtol=1e-6, atol=1e-7)
    nats = model.log_prob(noise, clean, camera=camera, iso=iso)
    expected = noiseflow.log_prob(model.variables, FLOW, noise, *given)
    np.testing.assert_allclose(nats, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["noiseflow", "noise2noiseflow"])
def test_a_single_image_is_a_batch_of_one(loaded, name):
    model, clean = loaded[name], images(1)
    conditions = {"camera": "cedar", "iso": 100}
    batch = model.sample(clean, key=KEY, **conditions)
    one = model.sample(clean[0], key=KEY, **conditions)
    assert one.shape == (6, 8, 4)
    np.testing.assert_array_equal(one, batch[0])
    nats = model.log_prob(one, clean[0], **conditions)
    assert nats.shape == ()
    np.testing.assert_array_equal(nats, model.log_prob(batch, clean, **conditions)[0])


def test_denoising_is_that_of_the_module(loaded):
    noisy = images()
    for name in ("denoiser", "noise2noiseflow"):
        module, config = CONFIGS[name]
        expected = module.denoise(loaded[name].variables, config, jnp.asarray(noisy))
        np.testing.assert_allclose(loaded[name].denoise(noisy), expected, rtol=0, atol=1e-5)
        single = loaded[name].denoise(noisy[0].astype(np.float64))
        np.testing.assert_allclose(single, expected[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", [float, list, np.float64, "map"])
def test_levels_in_every_form(loaded, form):
    model, clean = loaded["cono"], images()
    sigma, single = 20 / 255, 20 / 255
    if form is list:
        sigma, single = [10 / 255, 20 / 255, 30 / 255], [10 / 255]
    elif form == "map":
        sigma = np.sqrt(0.01 * clean + 0.001)
        single = sigma[0]
    else:
        sigma = single = form(sigma)
    noise = model.sample(clean, key=KEY, sigma=sigma, temperature=0.5)
    level = jnp.broadcast_to(
        jnp.asarray(sigma, jnp.float32), (3, 6, 8, 4)[: max(1, np.ndim(sigma))]
    )
    sample = jax.jit(cono.sample, static_argnums=2)
    given = KEY, model.variables, model.config, jnp.asarray(clean), level
    expected = sample(*given, temperature=0.5)
    np.testing.assert_allclose(noise, expected, rtol=1e-5, atol=1e-6)
    one = model.sample(clean[0], key=KEY, sigma=single)
    batch = model.sample(clean[:1], key=KEY, sigma=single if form != "map" else sigma[:1])
    np.testing.assert_array_equal(one, batch[0])


def test_the_only_camera_and_iso_need_no_name():
    config = noiseflow.Config(arch="S-G", cameras=("alder",), isos=(100,))
    model = Loaded("noiseflow", config, noiseflow.init(KEY, config))
    named = model.sample(images(), key=KEY, camera="alder", iso=100)
    np.testing.assert_array_equal(model.sample(images(), key=KEY), named)


def test_it_works_inside_jit_and_grad(loaded):
    model, clean = loaded["noiseflow"], jnp.asarray(images())

    def mean_noise(clean, camera):
        return (model.sample(clean, camera=camera, iso=100, key=KEY) ** 2).mean()

    camera = jnp.array([0, 1, 2])
    value, gradient = jax.jit(jax.value_and_grad(mean_noise))(clean, camera)
    np.testing.assert_allclose(value, mean_noise(clean, camera), rtol=1e-5)
    assert gradient.shape == clean.shape and bool(jnp.isfinite(gradient).all())
    assert bool(jnp.isnan(jax.jit(mean_noise)(clean, camera + 1)))


def test_it_is_compiled_once_for_each_shape(loaded):
    model, clean = loaded["noiseflow"], images(2)
    model.sample(clean, camera="alder", iso=100, key=KEY)
    before = _sample._cache_size()
    for camera, iso in (("birch", 400), (2, 123.5), ([0, 1], [100, 200])):
        model.sample(clean, camera=camera, iso=iso, key=jax.random.key(1), temperature=0.3)
    assert _sample._cache_size() == before


CLEAN = images()
REFUSALS = {
    "denoiser samples": (
        "denoiser",
        lambda model: model.sample(CLEAN, key=KEY),
        r"this model is a denoiser, which denoises images, and has no sample: load a cono, "
        r"noise2noiseflow or noiseflow model\.$",
    ),
    "denoiser log_prob": (
        "denoiser",
        lambda model: model.log_prob(CLEAN, CLEAN),
        "a denoiser, which denoises images, and has no log_prob: load a noise2noiseflow or",
    ),
    "noiseflow denoises": (
        "noiseflow",
        lambda model: model.denoise(CLEAN),
        "a noiseflow, which makes noise and states the density of noise, and has no denoise",
    ),
    "camera": (
        "noiseflow",
        lambda model: model.sample(CLEAN, key=KEY, camera="oak", iso=100),
        "camera oak is unknown to this model: use alder, birch or cedar",
    ),
    "one of many cameras": (
        "noiseflow",
        lambda model: model.sample(CLEAN, key=KEY, camera=["birch", "oak", "oak"], iso=100),
        "camera oak is unknown",
    ),
    "index": (
        "noiseflow",
        lambda model: model.sample(CLEAN, key=KEY, camera=3, iso=100),
        "camera index 3 is unknown",
    ),
    "iso": (
        "noiseflow",
        lambda model: model.log_prob(CLEAN, CLEAN, camera=0, iso=50),
        "ISO 50 is unknown",
    ),
    "no camera": (
        "noiseflow",
        lambda model: model.sample(CLEAN, key=KEY, iso=100),
        "several cameras: give camera=alder, birch or cedar",
    ),
    "no iso": (
        "noiseflow",
        lambda model: model.sample(CLEAN, key=KEY, camera=0),
        "several ISO numbers: give iso=100, 400 or 1600",
    ),
    "number of cameras": (
        "noiseflow",
        lambda model: model.sample(CLEAN, key=KEY, camera=[0, 1], iso=100),
        r"camera has shape \(2,\): give one for all 3 image",
    ),
    "channels": (
        "denoiser",
        lambda model: model.denoise(CLEAN[..., :3]),
        r"shape \(height, width, 4\), or a batch of them, and noisy has shape \(3, 6, 8, 3\)",
    ),
    "integers": (
        "denoiser",
        lambda model: model.denoise(np.zeros((6, 8, 4), np.uint16)),
        r"noisy of shape \(6, 8, 4\) is uint16: give floats",
    ),
    "shapes": (
        "noiseflow",
        lambda model: model.log_prob(CLEAN[:2], CLEAN, camera=0, iso=100),
        "noise has shape .* give both the same",
    ),
    "no level": (
        "cono",
        lambda model: model.sample(CLEAN, key=KEY),
        "this model makes noise of any level: give sigma, a standard deviation",
    ),
    "a camera for a level": (
        "cono",
        lambda model: model.sample(CLEAN, key=KEY, sigma=0.1, iso=100),
        "a cono, which knows no cameras and no ISO numbers: give sigma",
    ),
    "a level for a camera": (
        "noiseflow",
        lambda model: model.sample(CLEAN, key=KEY, camera=0, iso=100, sigma=0.1),
        "a noiseflow, whose noise has the level of a camera: give camera and iso instead of sigma",
    ),
    "a level of 0": (
        "cono",
        lambda model: model.sample(CLEAN, key=KEY, sigma=0),
        "sigma must be above 0, and at a pixel at least 0",
    ),
    "number of levels": (
        "cono",
        lambda model: model.sample(CLEAN, key=KEY, sigma=[0.1, 0.2]),
        r"sigma has shape \(2,\) .*: give one number for all 3 image\(s\), one for each",
    ),
    "key": (
        "noiseflow",
        lambda model: model.sample(CLEAN, key=0, camera=0, iso=100),
        r"key has shape \(\) and type int: give one key",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_one_sentence(loaded, case):
    name, call, sentence = REFUSALS[case]
    with pytest.raises(UsageError, match=sentence) as error:
        call(loaded[name])
    assert str(error.value).count("\n") == 0


@pytest.mark.fast
def test_it_says_what_it_is(loaded):
    assert repr(loaded["denoiser"]).startswith("<denoiser that denoises images, Config(net='dncnn'")
    assert "makes noise, states the density of noise and denoises images" in repr(
        loaded["noise2noiseflow"]
    )
