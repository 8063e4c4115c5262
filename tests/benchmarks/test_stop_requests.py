"""Requests to stop find the faults of a program, and none in one that heeds them."""

import sys

import pytest

from benchmarks.harness.short_run import LAST_STEP
from benchmarks.stop_requests import requests

PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path

asked = []
for kind in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(kind, lambda number, frame: asked.append(number) if fault != "deaf" else None)
fault, last = sys.argv[1], int(sys.argv[2])
places = dict(zip(sys.argv[3::2], sys.argv[4::2]))
records, place = Path(places["--data-dir"]), Path(places["--workdir"])
(place / "checkpoints").mkdir(parents=True, exist_ok=True)
records.mkdir(exist_ok=True)
(place / "config.json").write_text("{}")
before = sorted(int(step.name) for step in (place / "checkpoints").iterdir())
start = before[-1] if before else 0
total = int((place / f"checkpoints/{start}/leaves/metadata").read_text()) if before else 0
rows = [json.dumps({"step": step + 1}) for step in range(start)]
for step in range(start, last):
    time.sleep(0.05)
    total += step
    rows.append(json.dumps({"step": step + 1, "time": time.time()}))
    (place / "metrics.jsonl").write_text("\\n".join(rows))
    if asked:
        break
done = len(rows)
saved = place / f"checkpoints/{done}/leaves"
saved.mkdir(parents=True, exist_ok=True)
(saved / "metadata").write_text(str(total + (1 if asked and fault == "loses" else 0)))
if asked and done < last:
    if fault == "slanders":
        print("Checkpoint 3 is damaged", file=sys.stderr)
    if fault == "raises":
        raise RuntimeError("stopped")
    if fault == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stderr.flush()
    os._exit(130 if asked[0] == signal.SIGINT else 75)  # handlers stay to the end
for step in (place / "checkpoints").iterdir():
    if step.name != str(last):
        (step / "leaves/metadata").unlink()
        (step / "leaves").rmdir()
        step.rmdir()
(place / "model").mkdir(exist_ok=True)
(place / "model/weights").write_text(str(total))
(place / "evaluation.json").write_text("{}")
time.sleep(0.3)
os._exit(0)
"""


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("none", None),
        ("deaf", "only 0 were heeded"),
        ("loses", "checkpoints differ from the straight run"),
        ("slanders", "called something damaged"),
        ("raises", "showed a traceback"),
        ("dies", "ended with -"),
    ],
)
def test_a_program_is_judged_by_how_it_stops(tmp_path, fault, told):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    trainer = (sys.executable, str(program), fault, str(LAST_STEP))
    found = requests(tmp_path, signals=4, seed=1, trainer=trainer)
    assert found["asked_to_stop"] == (0 if fault == "deaf" else 4)
    assert any(told in line for line in found["failed"]) if told else found["failed"] == []
