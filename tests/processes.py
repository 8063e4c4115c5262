"""What processes that tests start find in their environment."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]


def environment(*, devices: int | None = None) -> dict[str, str]:
    """That of this process, from which `import jaxnoise` finds this project.

    With a number of CPU devices, beside whatever else XLA_FLAGS asks for.
    """
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    if devices is not None:
        flags = os.environ.get("XLA_FLAGS", "").split()
        flags.append(f"--xla_force_host_platform_device_count={devices}")
        variables["XLA_FLAGS"] = " ".join(flags)
    return variables
