"""Accelerators that are not there and batches that cannot be shared are refused in a sentence."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from train.engine import devices, run
from train.engine.devices import (
    check_batch_size,
    replicate,
    shard,
    start_jax,
    usual_cpu_devices,
)
from train.engine.options import Options

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("accelerator", ["gpu", "tpu"])
def test_an_absent_accelerator_is_named(accelerator):
    if jax.default_backend() != "cpu":
        pytest.skip("this machine has an accelerator")
    with pytest.raises(UsageError, match=f"--accelerator {accelerator} .* finds only cpu"):
        start_jax(accelerator)


@pytest.mark.parametrize(
    ("batch_size", "devices", "nearest"),
    [(10, 8, "use 8 or 16"), (3, 8, "use 8."), (63, 2, "use 62 or 64")],
)
def test_the_nearest_batch_sizes_are_named(batch_size, devices, nearest):
    with pytest.raises(UsageError, match=nearest):
        check_batch_size(batch_size, devices)


def test_batches_that_divide_pass():
    check_batch_size(64, 8)
    check_batch_size(5, 1)


@pytest.fixture
def cores(monkeypatch):
    """Sets the number of usable cores, with nothing said in the environment."""
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    for name in devices.MULTIPLE_HOSTS:
        monkeypatch.delenv(name, raising=False)
    return lambda number: monkeypatch.setattr(devices, "usable_cores", lambda: number)


@pytest.mark.parametrize(
    ("batch_size", "usable", "number", "remark"),
    [
        (64, 2, 2, ""),
        (64, 1, 1, ""),
        (15, 2, 1, "--batch-size 15 does not divide over 2 cores: 1 CPU device is used; 14 or 16"),
        (138, 4, 3, "3 CPU devices are used; 136 or 140 would use all."),
        (138, 64, 46, "46 CPU devices are used; 128 or 192 would use all."),
        (3, 8, 3, "3 CPU devices are used; 8 would use all."),
    ],
)
def test_a_batch_uses_as_many_cores_as_divide_it(cores, batch_size, usable, number, remark):
    cores(usable)
    found, said = usual_cpu_devices(batch_size, begun_with=None, distributed=False)
    assert found == number
    assert remark in said and bool(said) == bool(remark)


def test_a_run_goes_on_on_as_many_devices_as_it_was_begun_with(cores):
    cores(4)
    for begun, number in ((1, 1), (2, 2), (4, 4), (8, 4)):
        found = usual_cpu_devices(64, begun_with=begun, distributed=False)
        assert found == (number, "")


def test_a_run_says_which_devices_it_cannot_use_or_changes(cores, capsys):
    cores(2)
    options = Options(batch_size=15, accelerator="cpu")
    here = {"kind": "cpu", "number": 1}
    assert run.devices_of_run(options, None).size == 1
    said = capsys.readouterr().err
    assert said.startswith("jaxnoise: --batch-size 15 does not divide over 2 cores")
    assert said.count("\n") == 1
    assert run.devices_of_run(options, here).size == 1
    assert capsys.readouterr().err == ""
    for other in ({**here, "number": 2}, {**here, "kind": "NVIDIA H100"}):
        run.devices_of_run(dataclasses.replace(options, batch_size=16), other)
        said = capsys.readouterr().err
        assert f"begun on {other['number']} x {other['kind']} and goes on on 1 x cpu" in said


def test_nothing_is_chosen_for_several_processes_or_over_the_environment(cores, monkeypatch):
    cores(4)
    assert usual_cpu_devices(15, begun_with=3, distributed=True) == (1, "")
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=3")
    assert usual_cpu_devices(15, begun_with=None, distributed=False) == (1, "")


def test_arrays_are_placed_over_the_mesh(mesh):
    array = np.arange(mesh.size * 3, dtype=np.float32).reshape(mesh.size, 3)
    split, copied = shard(mesh, {"a": array})["a"], replicate(mesh, {"a": array})["a"]
    np.testing.assert_array_equal(split, array)
    np.testing.assert_array_equal(copied, array)
    assert split.sharding.shard_shape(split.shape) == (1, 3)
    assert copied.sharding.is_fully_replicated


def test_donating_a_replica_leaves_the_source_alone(mesh):
    source = jax.numpy.ones(1000)
    placed = replicate(mesh, source)
    jax.jit(lambda x: x + 1, donate_argnums=0)(placed).block_until_ready()
    assert float(source.sum()) == 1000


def test_compiled_programs_lie_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    before = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    try:
        start_jax("cpu")
        now = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
    assert now == str(tmp_path / "jaxnoise/compiled")
