"""`python -m train.rcl`."""

import sys

from train.engine.program import main

sys.exit(main("train.rcl"))
