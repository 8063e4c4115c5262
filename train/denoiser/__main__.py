"""`python -m train.denoiser`."""

import sys

from train.engine.program import main

sys.exit(main("train.denoiser"))
