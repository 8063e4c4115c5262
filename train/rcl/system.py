"""RCL: what each subcommand of `python -m train.rcl` does."""

from train.engine.system import System
from train.rcl import evaluate, finetune, pretrain

SYSTEMS: dict[str, System] = {
    "pretrain": pretrain.SYSTEM,
    "finetune": finetune.SYSTEM,
    "evaluate": evaluate.SYSTEM,
}
