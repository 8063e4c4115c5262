"""What every test shares: compilation, shape checks, float64, folder of real images."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before jax is imported, so that processes started by tests share the cache too. Compiling is most
# of the time of a first run; short compilations are worth keeping because there are so many.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "jax")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
# XLA's own passes all run; only machine code is made with less effort, in half the time.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from jaxtyping import install_import_hook  # noqa: E402

# From here on every annotated function of jaxnoise that a test imports checks its shapes.
install_import_hook("jaxnoise", "beartype.beartype")


@pytest.fixture
def float64() -> Iterator[None]:
    """Double precision for the length of one test."""
    import jax

    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The folder of real images that JAXNOISE_DATA names; without it the test is skipped."""
    folder = os.environ.get("JAXNOISE_DATA")
    if not folder:
        pytest.skip("JAXNOISE_DATA does not name a folder of real images")
    if not Path(folder).is_dir():
        pytest.fail(f"JAXNOISE_DATA names {folder}, which is no folder")
    return Path(folder)
