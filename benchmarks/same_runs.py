"""Whether a change of the code leaves trainings as they were, bit for bit.

Checks two commits out side by side, runs the same small trainings in each, and compares exported
models, the hashes of every leaf of every checkpoint, and the rows of metrics.jsonl without times:

    python3 in_venv.py -m benchmarks.same_runs 916df91 HEAD
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness.record import ROOT, write_record

RUNS = {
    "noiseflow": ("noiseflow",),
    "noise2noiseflow": ("noise2noiseflow", "--pretraining-steps", "6"),
    "denoiser": ("denoiser",),
    "denoiser-noise2noise": ("denoiser", "--loss", "noise2noise"),
    "denoiser-nlf": ("denoiser", "--loss", "synthetic", "--noise", "nlf"),
}
SIZES = ("--evaluate-every", "6", "--save-every", "6", "--accelerator", "cpu")


def main() -> int:
    """Runs and compares; 0 when nothing differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", help="a commit")
    parser.add_argument("after", help="another commit")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folders = {}
        for commit in (options.before, options.after):
            folders[commit] = Path(place) / f"{len(folders)}"
            _train(commit, folders[commit], steps=options.steps, data=Path(place) / "data")
        compared = list(_compared(*folders.values()))
    for row in compared:
        print(f"{row['what']:70s} {'same' if row['same'] else 'DIFFERENT'} {row['note']}")
    commits = [_git("rev-parse", commit).strip() for commit in (options.before, options.after)]
    if not options.no_record:
        results = {"commits": commits, "steps": options.steps, "compared": compared}
        print(write_record("same_runs", results))
    return 0 if all(row["same"] for row in compared) else 1


def _train(commit: str, folder: Path, *, steps: int, data: Path) -> None:
    """The runs of one commit, each in a folder of its own."""
    tree = folder.with_name(f"{folder.name}-tree")
    _git("worktree", "add", "--detach", str(tree), commit)
    try:
        for name, words in RUNS.items():
            command = [sys.executable, "-m", f"train.{words[0]}", *words[1:], *SIZES]
            command += ["--steps", str(steps), "--workdir", str(folder / name)]
            command += ["--data-dir", str(data)]
            # One device, which commits before this option had whatever the cores.
            environment = {**os.environ, "PYTHONPATH": str(tree), "JAX_NUM_CPU_DEVICES": "1"}
            subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True)
    finally:
        _git("worktree", "remove", "--force", str(tree))


def _compared(before: Path, after: Path) -> Iterator[dict[str, Any]]:
    """One row for every file that must not change."""
    for file in sorted(before.rglob("model.safetensors")):
        other = after / file.relative_to(before)
        yield _row(file, before, file.read_bytes() == other.read_bytes())
    for file in sorted(before.rglob("metrics.jsonl")):
        rows = [_rows(path) for path in (file, after / file.relative_to(before))]
        yield _row(file, before, rows[0] == rows[1], f"{len(rows[0])} rows")
    for file in sorted(before.rglob("leaves/metadata")):
        leaves = [_leaves(path) for path in (file, after / file.relative_to(before))]
        shared = {path: leaf for path, leaf in leaves[1].items() if path in leaves[0]}
        added = sorted(leaves[1].keys() - leaves[0].keys())
        note = f"{len(leaves[0])} leaves" + (f", and {', '.join(added)} new" if added else "")
        yield _row(file, before, shared == leaves[0], note)


def _row(file: Path, folder: Path, same: bool, note: str = "") -> dict[str, Any]:
    return {"what": file.relative_to(folder).as_posix(), "same": same, "note": note}


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "time"} for row in rows]


def _leaves(path: Path) -> dict[str, Any]:
    return {leaf["path"]: leaf for leaf in json.loads(path.read_text())["leaves"]}


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
