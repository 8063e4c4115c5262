"""The command, run in this process."""

from functools import partial

import pytest

from jaxnoise.cli import main
from tests.image_commands import Run


@pytest.fixture
def command(capsys) -> Run:
    """Runs `jaxnoise`; gives its exit code and what it said."""

    def call(*arguments: object) -> tuple[int, str]:
        code = main([*map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


@pytest.fixture
def run(command) -> Run:
    """Runs `jaxnoise sample`; gives its exit code and what it said."""
    return partial(command, "sample")
