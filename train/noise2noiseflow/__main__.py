"""`python -m train.noise2noiseflow`."""

import sys

from train.engine.program import main

sys.exit(main("train.noise2noiseflow"))
