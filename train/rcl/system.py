"""RCL: what each subcommand of `python -m train.rcl` does."""

from train.rcl import pretrain

SYSTEMS = {"pretrain": pretrain.SYSTEM}
