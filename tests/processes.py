"""What processes that tests start find in their environment."""

import os
from pathlib import Path
from typing import Literal

FLAG = "--xla_force_host_platform_device_count"
ROOT = Path(__file__).parents[1]


def environment(*, devices: int | Literal["usual"] | None = None) -> dict[str, str]:
    """That of this process, from which `import jaxnoise` finds this project.

    With a number of CPU devices, beside whatever else XLA_FLAGS asks for; "usual" leaves it open,
    as it is for users.
    """
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    if devices is None:
        return variables
    flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(FLAG)]
    if devices != "usual":
        flags.append(f"{FLAG}={devices}")
    variables["XLA_FLAGS"] = " ".join(flags)
    return variables
