"""What every test shares: compilation, shape checks, float64, folder of real images."""

import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

KEPT = Path(__file__).parents[1] / ".pytest_cache"

# All of this before jax is imported, and in the environment, so that processes started by tests
# share it. Compiling is most of the time of a first run; short compilations are worth keeping
# because there are so many.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(KEPT / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
# XLA's own passes all run; only machine code is made with less effort, in a third of the time.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
flags = ["--xla_cpu_parallel_codegen_split_count=1"]
# Whatever the machine: trainings are compared bit by bit, which other numbers of devices change.
flags.append("--xla_force_host_platform_device_count=1")
os.environ.pop("JAX_NUM_CPU_DEVICES", None)  # it would win over the flag
if version("jaxlib").startswith("0.10."):
    # Later ones know no other way, and end the process over a flag that they do not know.
    flags.append("--xla_cpu_use_fusion_emitters=false")
given = os.environ.get("XLA_FLAGS", "")
flags = [flag for flag in flags if flag.split("=")[0] not in given]
os.environ["XLA_FLAGS"] = " ".join([given, *flags]).strip()
# Where Python is told to keep no bytecode, each of a hundred processes would compile jax's source.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(KEPT / "bytecode")
    sys.dont_write_bytecode = False

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
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all processes of this run of the tests; what is in it appears in one piece."""
    own = tmp_path_factory.getbasetemp()
    # Alone, a process's own folder lies beside those of earlier runs.
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have all but their drawings, which take longer than a small training."""
    from markupsafe import Markup

    from train.report import page, report
    from train.report.drawings import Drawing, Panel

    blank = (Panel(1, Markup("")),)
    monkeypatch.setattr(page, "drawing", lambda picture: Drawing(picture, blank, ()))
    monkeypatch.setattr(report, "save_png", lambda *_: None)


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The folder of real images that JAXNOISE_DATA names; without it the test is skipped."""
    folder = os.environ.get("JAXNOISE_DATA")
    if not folder:
        pytest.skip("JAXNOISE_DATA does not name a folder of real images")
    if not Path(folder).is_dir():
        pytest.fail(f"JAXNOISE_DATA names {folder}, which is no folder")
    return Path(folder)
