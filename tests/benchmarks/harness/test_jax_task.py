"""A task is compiled once and its state goes from call to call; XLA's convolutions replace ours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.harness import in_turn, jax_task
from benchmarks.harness.denoisers import TASKS
from benchmarks.harness.jax_task import Task, mesh_for, time_task
from benchmarks.noise2noiseflow_speed import WHATS
from jaxnoise import models
from jaxnoise.nets import hidden, unet, winograd


def test_a_state_goes_from_call_to_call(monkeypatch):
    seen = []
    monkeypatch.setattr(jax_task, "convolution_path", lambda: {"forward": "any"})

    def step(count, scale, batch):
        jax.debug.callback(lambda count: seen.append(int(count)), count)
        return (count + scale * batch.sum(),)

    found = time_task(Task(step, (jnp.ones(1),), (jnp.float32(1),), (jnp.float32(0),)), 1, 2)
    jax.effects_barrier()
    assert sorted(seen) == list(range(in_turn.WARM_UP + 2))
    assert len(found["seconds"]) == 2 and found["devices"] == 1
    assert found["compile_seconds"]["compile"] >= 0 and found["by"] == {
        "convolution": {},
        "dot": {},
    }


@pytest.mark.fast
def test_as_many_devices_as_divide_the_batch(monkeypatch):
    sizes = []
    monkeypatch.setattr(jax_task.jax, "make_mesh", lambda shape, *_, **__: sizes.append(shape[0]))
    for batch_size, devices in ((32, 2), (33, 2), (9, 4), (1, 8)):
        mesh_for(batch_size, devices)
    assert sizes == [2, 1, 3, 1]


@pytest.mark.fast
def test_everything_that_can_be_asked_for_is_there():
    assert tuple(TASKS) == WHATS


@pytest.mark.parametrize("net", ["dncnn", "unet"])
def test_xlas_own_convolutions_are_put_in_and_compute_the_same(monkeypatch, net):
    doubled = ("convolve", "convolve_to_double")
    for module, names in ((hidden, ("convolve",)), (unet, doubled), (winograd, ("pays",))):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))  # undone afterwards
    denoiser = models.get("denoiser")
    config = denoiser.Config(net=net, features=48)
    variables = denoiser.init(jax.random.key(0), config)
    noisy = jax.random.uniform(jax.random.key(1), (2, 32, 32, 4))

    def results():
        def loss(params):
            own = {**variables, "params": params}
            return (denoiser.denoise_and_update(own, config, noisy)[0] ** 2).sum()

        program = jax.jit(jax.value_and_grad(loss)).lower(variables["params"])
        return program.as_text(), program.compile()(variables["params"])

    text, ours = results()
    jax_task.use_library_convolutions()
    library_text, library = results()
    assert text != library_text
    assert library_text.count("dot_general") == 0 < text.count("dot_general")
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(library), strict=True):
        # A few of the rectifiers are on the other side of zero.
        assert np.linalg.norm(one - other) < 0.02 * np.linalg.norm(other)


def test_a_network_without_the_function_is_no_silent_success(monkeypatch):
    monkeypatch.setattr(jax_task, "REPLACED", {"jaxnoise.nets.dncnn": ("no_such_function",)})
    with pytest.raises(RuntimeError, match="adapt REPLACED"):
        jax_task.use_library_convolutions()
