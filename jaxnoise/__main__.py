"""`python -m jaxnoise` is the command `jaxnoise`."""

import sys

from jaxnoise.cli import main

if __name__ == "__main__":
    sys.exit(main())
