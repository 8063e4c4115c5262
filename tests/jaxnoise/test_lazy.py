"""`import jaxnoise` is quick, and all of its parts are reachable from it."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.fast

PROGRAM = """
import sys, jaxnoise
slow = {"jax", "flax", "distrax", "numpy"}
listed = dir(jaxnoise)
assert set(jaxnoise.__all__) <= set(listed) and "__version__" in listed
assert not slow & set(sys.modules), slow & set(sys.modules)
assert jaxnoise.errors.UsageError and not slow & set(sys.modules)
for name in jaxnoise.__all__:
    assert getattr(jaxnoise, name).__doc__, name
assert jaxnoise.distances.emd and jaxnoise.noise.awgn and jaxnoise.models.get
print(getattr(jaxnoise, "nonsense", "no such part"))
"""


def test_parts_are_imported_when_they_are_used():
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "no such part\n"
