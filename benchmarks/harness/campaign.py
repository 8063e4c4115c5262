"""Many training runs, each a command of its own: stop them, and start them again."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        name: of its folder, and of its row in a table.
        system: the trainer, as in `python -m train.<system>`, and its subcommand where it has any,
            after a blank.
        options: of its command line by name, without dashes; True and False become flags.
    """

    name: str
    system: str
    options: Mapping[str, object] = field(default_factory=dict)

    def command(self, workdir: Path) -> list[str]:
        """The command line.

        Args:
            workdir: the run's folder.
        """
        words = [sys.executable, "-m", *f"train.{self.system}".split(), "--workdir", str(workdir)]
        for name, value in self.options.items():
            flag = name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                words += [f"--{flag}", str(value)]
        return words


FAILED = 4
"""Exit code of a training that came to its end and did not serve; its report is written."""


class Failed(RuntimeError):
    """A training ended with another exit code than 0.

    Args:
        name: of the run.
        code: its exit code.
        log: what it wrote.
    """

    def __init__(self, name: str, code: int, log: Path):
        super().__init__(f"{name} ended with {code}: see {log}.")
        self.code = code


def run_all(runs: Sequence[Run], folder: Path, *, may_fail: bool = False) -> dict[str, dict]:
    """Trains what is not trained yet; a run that was interrupted goes on from its checkpoint.

    Args:
        runs: names that differ.
        folder: gets a folder for each run, and a log beside it.
        may_fail: whether a training that did not serve is a result as well.

    Returns:
        By name, what evaluation.json of the run says, with "commit", that of the code which started
        it.

    Raises:
        Failed: a run did; its log is named.
        RuntimeError: the folder is of other options.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for number, run in enumerate(runs):
        workdir, log = folder / run.name, folder / f"{run.name}.log"
        marker, command = folder / f"{run.name}.json", run.command(workdir)
        done = json.loads(marker.read_text()) if marker.exists() else None
        if done and done["command"] != command[1:]:
            raise RuntimeError(f"{marker} is of other options: choose another --folder for these.")
        if done is None:
            print(f"[{number + 1}/{len(runs)}] {run.name}", file=sys.stderr, flush=True)
            with log.open("a") as output:
                ended = subprocess.run(command, stdout=output, stderr=output)
            measured = (workdir / "evaluation.json").exists()
            if ended.returncode and not (may_fail and measured and ended.returncode == FAILED):
                raise Failed(run.name, ended.returncode, log)
            marker.write_text(json.dumps({"command": command[1:]}) + "\n")
        evaluation = json.loads((workdir / "evaluation.json").read_text())
        manifest = json.loads((workdir / "manifest.json").read_text())
        commit = str(manifest["git_commit"])[:12] + ("+changes" if manifest["git_dirty"] else "")
        found[run.name] = {**evaluation, "commit": commit}
    return found
