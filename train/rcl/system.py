"""RCL: what each subcommand of `python -m train.rcl` does."""

from train.engine.system import System
from train.rcl import evaluate, finetune

SYSTEMS: dict[str, System] = {"finetune": finetune.SYSTEM, "evaluate": evaluate.SYSTEM}
