"""Is what a run leaves behind ever used as if it were whole when it is damaged?

Writes two checkpoints of a noise flow in training, an exported model, prepared records and the
files that describe a run. Then flips a random bit, cuts at a random length or deletes: every file
of the newest checkpoint and of all others in turn, each time in a fresh copy, which is read as a
run or a user would read it. Every byte of what the model's config.json says before its long list of
tensors gets a flipped bit as well. What comes back must be the same state, the step before with a
sentence about the damaged one, or one sentence.
"""

import argparse
import faulthandler
import json
import random
import re
import resource
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.record import RESULTS, write_record
from benchmarks.harness.sentence import is_sentence

NEWEST = "checkpoints/2"
SECONDS = 60
"""A single reading that takes longer ends the benchmark."""


def main(arguments: list[str] | None = None) -> int:
    """Runs, prints the table and writes `results/damage.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code: 0 when no damage went unnoticed.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--flips", type=int, default=300, help="flipped bits")
    parser.add_argument("--losses", type=int, default=40, help="truncations and deletions")
    parser.add_argument("--seed", type=int, default=0, help="of places and values")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = campaign(folder, flips=options.flips, losses=options.losses, seed=options.seed)
        results["configuration"] = flip_configuration(folder, seed=options.seed)
        results["unnoticed"] += results["configuration"].pop("unnoticed")
    for file, outcomes in results["files"].items():
        print(f"{file:42}", ", ".join(f"{count} {name}" for name, count in outcomes.items()))
    print(json.dumps(results["total"]), "configuration:", json.dumps(results["configuration"]))
    for sentence in results["unnoticed"]:
        print(sentence, file=sys.stderr)
    print(write_record("damage", results, folder=options.output))
    return 1 if results["unnoticed"] else 0


PARTS = ("checkpoints", "model", "records", "run")


def campaign(
    folder: Path, *, flips: int, losses: int, seed: int, parts: Sequence[str] = PARTS
) -> dict[str, Any]:
    """Damages and reads.

    Args:
        folder: for all that is written; empty.
        flips: how many single bits are flipped, each in a fresh copy.
        losses: how many files are cut or deleted, each in a fresh copy.
        seed: of places and values.
        parts: which of what is written is damaged.

    Returns:
        "files": what followed, by file; "total"; "unnoticed": a line for each state that was
        different and taken for whole, or for an error that is no sentence.
    """
    from benchmarks.harness.damage_readers import UNNOTICED, write_all

    generator = random.Random(seed)
    whole, copy = folder / "whole", folder / "copy"
    readers = write_all(whole, folder / "images", seed=seed)
    files = sorted(
        path.relative_to(whole)
        for part in parts
        for path in (whole / (NEWEST if part == "checkpoints" else part)).rglob("*")
        if path.is_file()
    )
    outcomes: dict[str, Counter[str]] = {}
    unnoticed = []
    for trial in range(flips + losses):
        file = files[trial % len(files)]
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        if trial < flips:
            done = flip(copy / file, generator)
        elif trial % 2:
            done = cut(copy / file, generator)
        else:
            done = "deleted"
            (copy / file).unlink()
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            outcome = readers[file.parts[0]](copy)
        except Exception as error:
            outcome = "refused" if is_sentence(error) else f"{UNNOTICED} {type(error).__name__}"
        faulthandler.cancel_dump_traceback_later()
        name = _without_random_part(file)
        outcomes.setdefault(name, Counter())[outcome] += 1
        if outcome.startswith(UNNOTICED):
            unnoticed.append(f"{name} {done}: {outcome}")
    total = sum(outcomes.values(), Counter())
    return {
        "flips": flips,
        "truncations_and_deletions": losses,
        "files": {name: dict(count) for name, count in sorted(outcomes.items())},
        "total": dict(total),
        "unnoticed": unnoticed,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def flip_configuration(folder: Path, *, seed: int) -> dict[str, Any]:
    """Flips a bit in each byte of a model's configuration in turn.

    Args:
        folder: where `campaign` has worked.
        seed: chooses the bits.

    Returns:
        How many bytes there are, how often the model was refused or the same, and "unnoticed".
    """
    from benchmarks.harness.damage_readers import same
    from jaxnoise.io import load_model

    generator, counts = random.Random(seed), Counter()
    exported = load_model(folder / "whole" / "model")
    copy = folder / "configuration"
    shutil.copytree(folder / "whole" / "model", copy)
    path = copy / "config.json"
    content = path.read_bytes()
    end = content.index(b'"tensors"')
    unnoticed = []
    for place in range(end):
        bit = generator.randrange(8)
        path.write_bytes(
            content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]
        )
        try:
            loaded = load_model(copy)
            unchanged = loaded[:2] == exported[:2] and same(loaded.variables, exported.variables)
            outcome = "same state" if unchanged else "UNNOTICED"
        except Exception as error:
            outcome = "refused" if is_sentence(error) else f"UNNOTICED {type(error).__name__}"
        counts[outcome] += 1
        if outcome.startswith("UNNOTICED"):
            unnoticed.append(f"model/config.json bit {bit} of byte {place} flipped: {outcome}")
    return {"bytes": end, **counts, "unnoticed": unnoticed}


def flip(path: Path, generator: random.Random) -> str:
    """Flips one bit of a file that is not empty; what was done.

    Args:
        path: the file.
        generator: chooses the bit.
    """
    content = bytearray(path.read_bytes())
    if not content:
        return "is empty and stays so"
    place, bit = generator.randrange(len(content)), generator.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {place} flipped"


def cut(path: Path, generator: random.Random) -> str:
    """Cuts the end off a file; what was done.

    Args:
        path: the file.
        generator: chooses how much stays.
    """
    content = path.read_bytes()
    length = generator.randrange(max(1, len(content)))
    path.write_bytes(content[:length])
    return f"cut to {length} of {len(content)} bytes"


def _without_random_part(file: Path) -> str:
    return re.sub(r"-[0-9a-f]{16}(?=/)", "", file.as_posix())


if __name__ == "__main__":
    sys.exit(main())
