"""`python -m train.noiseflow`."""

import sys

from train.engine.program import main

sys.exit(main("train.noiseflow"))
