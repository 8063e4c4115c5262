"""RCL: what each subcommand of `python -m train.rcl` does."""

from train.engine.system import System

SYSTEMS: dict[str, System] = {}
