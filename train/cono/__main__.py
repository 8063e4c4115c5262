"""`python -m train.cono`."""

import sys

from train.engine.program import main

sys.exit(main("train.cono"))
