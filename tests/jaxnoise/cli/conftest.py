"""The command, run in this process."""

import pytest

from jaxnoise.cli import main
from tests.sample_command import Run


@pytest.fixture
def run(capsys) -> Run:
    """Runs `jaxnoise sample`; gives its exit code and what it said."""

    def call(*arguments: object) -> tuple[int, str]:
        code = main(["sample", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call
