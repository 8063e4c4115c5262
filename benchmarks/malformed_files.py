"""What do the readers make of malformed files?

Spoils whole files of every format that jaxnoise reads (flipped bits, parts overwritten or left out,
truncations, pickles, other kinds of files) and adds files that declare far more than they hold.
Each is read in a child process of its own, whose time and memory are measured. A reader may refuse
a file in one sentence, or accept it with finite values; where the format has checksums, only
unchanged ones. No reader may crash, hang, fill the memory or run anything.
"""

import argparse
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import declared_bombs
from benchmarks.harness.malformed_readers import READERS
from benchmarks.harness.malformed_samples import Format, formats
from benchmarks.harness.record import RESULTS, write_record
from benchmarks.harness.sentence import is_sentence
from benchmarks.harness.spoil import CANARY, Sample, spoil

SECONDS, MEMORY = 5.0, 2**30
"""What a reader may take: seconds by the clock, and bytes with everything that is loaded."""
BOMB_SECONDS = 10.0
PATIENCE = 60.0
GOOD = ("refused", "unchanged", "changed")


def main(arguments: list[str] | None = None) -> int:
    """Runs, prints the table and writes `results/malformed_files.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code: 0 when every file was refused or read as it should be.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=300, help="over all formats")
    parser.add_argument(
        "--bombs", type=int, default=0, help="so many that declare much, and no others"
    )
    parser.add_argument("--formats", nargs="+", help="only these, by name")
    parser.add_argument("--seed", type=int, default=0, help="of what is spoiled and how")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = formats(folder)
        if options.formats:
            chosen = {name: chosen[name] for name in options.formats}
        if options.bombs:
            results = bombs(folder, chosen, files=options.bombs, seed=options.seed)
        else:
            results = campaign(folder, chosen, files=options.files, seed=options.seed)
    heads = ("files", *GOOD, "slowest_seconds", "peak_memory_mib")
    print(" " * 22, *(f"{head:>15}" for head in heads))
    for format_name, row in results["formats"].items():
        print(f"{format_name:22}", *(f"{row.get(head, 0):15}" for head in heads))
    for line in results["wrong"]:
        print(line, file=sys.stderr)
    name = "declared_bombs" if options.bombs else "malformed_files"
    print(write_record(name, results, folder=options.output))
    return 1 if results["wrong"] else 0


def campaign(folder: Path, chosen: dict[str, Format], *, files: int, seed: int) -> dict[str, Any]:
    """Reads malformed files.

    Args:
        folder: for the files.
        chosen: formats by name.
        files: how many in all, divided evenly.
        seed: of what is spoiled and how.

    Returns:
        "formats": counts, times and memory by format; "wrong": a line for each file whose reading
        did not end as it should.
    """
    table, wrong = {}, []
    for turn, (name, kind) in enumerate(chosen.items()):
        generator = random.Random(f"{seed} {name}")
        count = files // len(chosen) + (turn < files % len(chosen))
        whole = [(read_in_child(folder, name, sample), sample) for sample in kind.samples]
        for result, _ in whole:
            if result["outcome"] != "accepted":
                wrong.append(f"{name}: a whole file is not read: {result}.")
        row: dict[str, Any] = {"files": 0, "slowest_seconds": 0.0, "peak_memory_mib": 0}
        row["memory_of_whole_files_mib"] = max(result["mib"] for result, _ in whole)
        for what, sample, original in _malformed(kind, whole, count, generator):
            result = read_in_child(folder, name, sample)
            outcome = judge(result, original, checksums=kind.checksums)
            row["files"] += 1
            row[outcome] = row.get(outcome, 0) + 1
            row["slowest_seconds"] = max(row["slowest_seconds"], result["seconds"])
            row["peak_memory_mib"] = max(row["peak_memory_mib"], result["mib"])
            if outcome not in GOOD:
                said = {key: result[key] for key in ("outcome", "said") if key in result}
                wrong.append(f"{name}, {what}: {outcome} {said}")
        table[name] = row
    return {"formats": table, "wrong": wrong}


def bombs(folder: Path, chosen: dict[str, Format], *, files: int, seed: int) -> dict[str, Any]:
    """Reads files that declare far more than they hold; each may be refused or read, within
    `BOMB_SECONDS` and `MEMORY`.

    Args:
        folder: for the files.
        chosen: formats by name.
        files: how many in all, divided evenly.
        seed: of what they declare.

    Returns:
        As `campaign`; "changed" are those that were read.
    """
    table, wrong = {}, []
    for turn, (name, kind) in enumerate(chosen.items()):
        generator = random.Random(f"bombs {seed} {name}")
        row: dict[str, Any] = {"files": 0, "slowest_seconds": 0.0, "peak_memory_mib": 0}
        for number in range(files // len(chosen) + (turn < files % len(chosen))):
            if name in declared_bombs.draws():
                what, sample = declared_bombs.drawn(name, number, generator)
            else:
                what, sample = "as usual", kind.bombs[number % len(kind.bombs)]
            result = read_in_child(folder, name, sample)
            outcome = judge(result, None, checksums=False, seconds=BOMB_SECONDS)
            row["files"] += 1
            row[outcome] = row.get(outcome, 0) + 1
            row["slowest_seconds"] = max(row["slowest_seconds"], result["seconds"])
            row["peak_memory_mib"] = max(row["peak_memory_mib"], result["mib"])
            if outcome not in GOOD:
                wrong.append(f"{name}, {what}: {outcome} {result}")
        table[name] = row
    return {"formats": table, "wrong": wrong}


def _malformed(
    kind: Format, whole: list[tuple[dict, Sample]], count: int, generator: random.Random
) -> Iterator[tuple[str, Sample, dict | None]]:
    """What was done, the files, and what the whole file gave."""
    bombs = kind.bombs[: count // 2]
    for bomb in bombs:
        yield "more declared than there is", bomb, None
    for turn in range(count - len(bombs)):
        result, sample = whole[turn % len(whole)]
        what, spoiled = spoil(sample, generator)
        while spoiled.files == sample.files:
            what, spoiled = spoil(sample, generator)
        yield what, spoiled, result


def judge(
    result: dict[str, Any],
    original: dict[str, Any] | None,
    *,
    checksums: bool,
    seconds: float | None = None,
) -> str:
    """One word or a few for what came of a file; in `GOOD` when it is as it should be.

    Args:
        result: of the file, from `read_in_child`.
        original: of the whole file, or None for a file that was made malformed.
        checksums: whether the format notices changes.
        seconds: that reading may take; None for `SECONDS`.
    """
    if result["outcome"] not in ("refused", "accepted"):
        return result["outcome"]
    if result["seconds"] > (SECONDS if seconds is None else seconds):
        return "too slow"
    if result["mib"] * 2**20 > MEMORY:
        return "too much memory"
    if result["outcome"] == "refused":
        return "refused"
    if not result["finite"]:
        return "accepted without being finite"
    if original is not None and result["digest"] == original["digest"]:
        return "unchanged"
    return "changed against its checksum" if checksums else "changed"


def read_in_child(folder: Path, format_name: str, sample: Sample) -> dict[str, Any]:
    """Reads files in a process of their own.

    Args:
        folder: for the files.
        format_name: a key of `READERS`.
        sample: the files.

    Returns:
        "outcome": refused, accepted, no sentence, error, crashed, hung or executed; "seconds" by
        the clock and "mib", the most memory that was in use; more about what was said or read.
    """
    place = folder / "read"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, content in sample.files.items():
        (place / name).write_bytes(content)
    receiver, sender = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.chdir(place)
        os.close(receiver)
        resource.setrlimit(resource.RLIMIT_AS, (8 * MEMORY, 8 * MEMORY))  # for the machine's sake
        try:
            answer = _read(READERS[format_name], place / sample.read)
        except BaseException as error:
            answer = {"outcome": "error", "said": f"{type(error).__name__}: {error}"[:300]}
        os.write(sender, json.dumps(answer).encode())
        os._exit(0)
    os.close(sender)
    ready, _, _ = select.select([receiver], [], [], PATIENCE)
    content = os.read(receiver, 2**16) if ready else b""
    seconds = time.monotonic() - start
    if not ready:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    os.close(receiver)
    if content:
        result = json.loads(content)
    else:
        result = {"outcome": "hung" if not ready else "crashed", "said": f"status {status}"}
    if (place / CANARY).exists():
        result = {"outcome": "executed"}
    return {**result, "seconds": round(seconds, 2), "mib": usage.ru_maxrss // 1024}


def _read(reader: Callable[[Path], Any], path: Path) -> dict[str, Any]:
    import hashlib

    import jax
    import numpy as np

    try:
        value = reader(path)
    except Exception as error:
        outcome = "refused" if is_sentence(error) else "no sentence"
        return {"outcome": outcome, "said": f"{type(error).__name__}: {error}"[:300]}
    leaves, structure = jax.tree.flatten(value)
    arrays = [np.asarray(leaf) for leaf in leaves]
    digest = hashlib.sha256(str(structure).encode())
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    finite = all(np.isfinite(array).all() for array in arrays if array.dtype.kind == "f")
    return {"outcome": "accepted", "finite": finite, "digest": digest.hexdigest()}


if __name__ == "__main__":
    sys.exit(main())
