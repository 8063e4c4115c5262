"""The tests run with the shape annotations of jaxnoise checked; users run without."""

import subprocess
import sys

import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

CALL = """
import jax.numpy as jnp
from jaxnoise.bijectors import Conv1x1
Conv1x1(jnp.eye(2), jnp.zeros(1), jnp.zeros(1), jnp.ones((2, 1)), jnp.zeros(2))
"""


@pytest.mark.fast
def test_a_wrong_shape_is_caught_in_tests():
    from jaxnoise.bijectors import Conv1x1

    with pytest.raises(TypeCheckError):
        Conv1x1(jnp.eye(2), jnp.zeros(1), jnp.zeros(1), jnp.ones((2, 1)), jnp.zeros(2))


def test_users_meet_the_function_itself():
    # Without the hook the call reaches the body, whose own check speaks in a sentence.
    run = subprocess.run([sys.executable, "-c", CALL], capture_output=True, text=True)
    assert run.returncode == 1
    assert "TypeCheckError" not in run.stderr
    assert "UsageError" in run.stderr
