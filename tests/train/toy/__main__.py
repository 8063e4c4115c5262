"""`python -m toy`, with the folder above on the path."""

import sys

from train.engine.program import main

sys.exit(main("toy"))
