"""Accelerators that are not there and batches that cannot be shared are refused in a sentence."""

import jax
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from train.engine.devices import check_batch_size, replicate, shard, start_jax

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
