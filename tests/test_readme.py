"""The Python examples of the README run as they stand."""

import re
import subprocess
import sys

from tests.processes import ROOT, environment

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_there_are_examples():
    assert len(EXAMPLES) >= 2


def test_every_example_runs(tmp_path):
    # In one process, since its start is most of the time; no example sees the names of another.
    paths = [tmp_path / f"example_{number}.py" for number in range(len(EXAMPLES))]
    for path, example in zip(paths, EXAMPLES, strict=True):
        path.write_text(example)
    program = "import runpy, sys\nfor path in sys.argv[1:]: runpy.run_path(path)"
    run = subprocess.run(
        [sys.executable, "-c", program, *paths],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
