"""Checkpoints come back bit for bit, or not at all."""

import errno
import hashlib
import os
import random
import resource
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from train.engine.checkpoint import Checkpoints
from train.engine.errors import NoCheckpoint


def tree(value=1.0):
    return {
        "array": np.float32([[value, np.nan], [-0.0, np.inf]]),
        "half": jax.numpy.bfloat16([value, 3]),
        "scalar": np.int32(7),
        "double": np.float64(1 / 3),
        "empty": {"nothing": np.zeros((0, 3), np.float32)},
        "numbers": (3, 2.5, True, 2**40 + 1),
        "key": jax.random.fold_in(jax.random.key(3), 5),
    }


@pytest.mark.fast
def test_every_kind_of_leaf_comes_back_bit_for_bit(tmp_path):
    saved = tree()
    Checkpoints(tmp_path / "checkpoints").save(4, saved)
    step, back = Checkpoints(tmp_path / "checkpoints").restore(tree(0.0))
    assert step == 4
    assert back["numbers"] == saved["numbers"]
    assert [type(number) for number in back["numbers"]] == [int, float, bool, int]
    for name in ("array", "half", "scalar", "double"):
        assert np.asarray(back[name]).tobytes() == np.asarray(saved[name]).tobytes()
        assert np.asarray(back[name]).dtype == np.asarray(saved[name]).dtype
    assert back["empty"]["nothing"].shape == (0, 3)
    drawn = jax.random.normal(back["key"], (5,))
    assert (drawn == jax.random.normal(saved["key"], (5,))).all()


@pytest.mark.fast
def test_saving_what_was_restored_writes_the_same(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    Checkpoints(first).save(1, tree())
    Checkpoints(second).save(1, Checkpoints(first).restore(tree(0.0))[1])
    records = [(folder / "1/leaves/metadata").read_text() for folder in (first, second)]
    assert records[0] == records[1]


@pytest.mark.fast
def test_the_newest_few_steps_stay(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, tree(step))
    assert checkpoints.steps() == [2, 3]


@pytest.mark.fast
def test_nothing_saved_is_no_error(tmp_path):
    assert Checkpoints(tmp_path / "checkpoints").restore(tree()) is None


@pytest.mark.fast
@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_bit_is_noticed_or_harmless(tmp_path, seed):
    generator = random.Random(seed)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, tree(1.0))
    checkpoints.save(2, tree(2.0))
    checkpoints.close()
    files = sorted(path for path in (tmp_path / "checkpoints/2").rglob("*") if path.stat().st_size)
    victim = generator.choice([path for path in files if path.is_file()])
    content = bytearray(victim.read_bytes())
    content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    victim.write_bytes(content)

    said = []
    step, back = Checkpoints(tmp_path / "checkpoints", report=said.append).restore(tree())
    assert back["array"].tobytes() == tree(float(step))["array"].tobytes()
    assert (step == 1) == (len(said) == 1)


@pytest.mark.fast
def test_a_damaged_step_is_put_aside_and_the_one_before_is_used(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, tree(1.0))
    checkpoints.save(2, tree(2.0))
    checkpoints.close()
    for path in (tmp_path / "checkpoints/2/arrays").rglob("*"):
        if path.is_file():
            path.write_bytes(b"rubbish")
    said = []
    again = Checkpoints(tmp_path / "checkpoints", report=said.append)
    step, back = again.restore(tree())
    assert step == 1
    assert back["array"][0, 0] == 1.0
    assert "Checkpoint 2 is damaged" in said[0]
    assert (tmp_path / "damaged" / "2").is_dir()
    again.save(2, tree(2.0))
    assert again.steps() == [1, 2]


@pytest.mark.fast
def test_no_usable_step_is_an_error_that_stays(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, tree())
    checkpoints.close()
    (tmp_path / "checkpoints/1/leaves/metadata").write_text("{")
    for _ in range(2):
        with pytest.raises(NoCheckpoint, match="choose a new --workdir"):
            Checkpoints(tmp_path / "checkpoints", report=lambda sentence: None).restore(tree())


@pytest.mark.fast
def test_a_step_of_another_model_is_not_used(tmp_path):
    Checkpoints(tmp_path / "checkpoints").save(1, tree())
    other = tree() | {"array": np.zeros((3, 2), np.float32)}
    with pytest.raises(NoCheckpoint):
        Checkpoints(tmp_path / "checkpoints", report=lambda sentence: None).restore(other)


@pytest.mark.fast
def test_what_a_kill_leaves_of_an_old_step_is_removed(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, tree(step))
    checkpoints.close()
    # As deleting it file by file leaves it.
    shutil.copytree(tmp_path / "checkpoints/2", tmp_path / "checkpoints/1")
    (tmp_path / "checkpoints/1/commit_success.txt").unlink()
    shutil.rmtree(tmp_path / "checkpoints/1/leaves")
    again = Checkpoints(tmp_path / "checkpoints", keep=2)
    assert again.steps() == [2, 3]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["2", "3"]
    assert again.restore(tree())[0] == 3


@pytest.mark.fast
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("place", ["leaves", "state"])
def test_no_room_is_that_error_and_leaves_the_steps_before(
    tmp_path, monkeypatch, capfd, number, place
):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, tree(1.0))

    def refuse(*arguments, **settings):
        if place == "leaves":
            raise OSError(number, os.strerror(number))
        raise ValueError(f"RESOURCE_EXHAUSTED: writing file 12: {os.strerror(number)} [code='28']")

    monkeypatch.setattr(checkpoints._manager, "save", refuse)
    with pytest.raises(OSError) as caught:
        checkpoints.save(2, tree(2.0))
    assert caught.value.errno == number
    assert str(tmp_path) in str(caught.value)
    assert capfd.readouterr().err == ""
    step, back = Checkpoints(tmp_path / "checkpoints").restore(tree())
    assert (step, back["array"][0, 0]) == (1, 1.0)


@pytest.mark.fast
def test_too_little_memory_says_nothing_about_a_step(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, tree())

    def refuse(*arguments, **settings):
        raise MemoryError

    with monkeypatch.context() as patched, pytest.raises(MemoryError):
        patched.setattr(checkpoints, "_read", refuse)
        checkpoints.restore(tree())
    assert checkpoints.restore(tree())[0] == 1


@pytest.mark.fast
def test_other_errors_of_saving_stay_what_they_are(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path / "checkpoints")

    def refuse(*arguments, **settings):
        raise ValueError("a fault")

    monkeypatch.setattr(checkpoints._manager, "save", refuse)
    with pytest.raises(ValueError, match="a fault"):
        checkpoints.save(1, tree())


SMALL_DISK = """
import errno, os, subprocess, sys
from pathlib import Path
import numpy as np
disk = Path(sys.argv[1])
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk]).returncode:
    sys.exit(77)
from train.engine.checkpoint import Checkpoints
tree = lambda step: {"array": np.random.default_rng(step).random(25_000)}
Checkpoints(disk / "checkpoints").save(1, tree(1))
for spare in (0, 4, 12, 40, 150):
    found = os.statvfs(disk)
    room = found.f_bavail * found.f_frsize - spare * 1024
    (disk / "other").write_bytes(bytes(room))
    try:
        Checkpoints(disk / "checkpoints").save(2, tree(2))
        sys.exit(f"saved with {spare} KiB")
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    (disk / "other").unlink()
    checkpoints = Checkpoints(disk / "checkpoints")
    step, back = checkpoints.restore(tree(0))
    assert step == 1 and (back["array"] == tree(1)["array"]).all()
    assert [path.name for path in (disk / "checkpoints").iterdir()] == ["1"]
checkpoints.save(2, tree(2))
assert checkpoints.restore(tree(0))[0] == 2
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs the program unshare")
def test_a_disk_that_is_really_full(tmp_path):
    command = ["unshare", "--user", "--map-root-user", "--mount"]
    done = subprocess.run(
        [*command, sys.executable, "-c", SMALL_DISK, tmp_path],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.fast
@pytest.mark.parametrize("name", ["rate[0.1]", "a\\b", "st*r", "wh?t", "[!x]", "gs:"])
def test_the_name_of_a_folder_is_no_pattern(tmp_path, name):
    folder = tmp_path / name / "checkpoints"
    for step in (1, 2):
        checkpoints = Checkpoints(folder)
        checkpoints.save(step, tree(step))
    step, back = Checkpoints(folder).restore(tree())
    assert (step, back["array"][0, 0]) == (2, 2.0)
    assert not (folder.parent / "damaged").exists()


@pytest.mark.fast
def test_a_step_copied_over_another_is_put_aside(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step in (1, 2):
        checkpoints.save(step, tree(step))
    shutil.rmtree(tmp_path / "checkpoints/2")
    shutil.copytree(tmp_path / "checkpoints/1", tmp_path / "checkpoints/2")
    said = []
    step, back = Checkpoints(tmp_path / "checkpoints", report=said.append).restore(tree())
    assert (step, back["array"][0, 0]) == (1, 1.0)
    assert "it was saved as step 1" in said[0]


@pytest.mark.fast
def test_a_step_of_another_run_is_not_used(tmp_path):
    folder = tmp_path / "checkpoints"
    Checkpoints(folder, runs=["seed 0"]).save(1, tree())
    assert Checkpoints(folder, runs=["seed 0", "longer"]).restore(tree())[0] == 1
    said = []
    with pytest.raises(NoCheckpoint):
        Checkpoints(folder, runs=["seed 1"], report=said.append).restore(tree())
    assert "by a run with other options or data" in said[0]


@pytest.mark.fast
@pytest.mark.parametrize("name", ["arrays/bytes", "leaves/metadata", "_CHECKPOINT_METADATA"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_pipes_and_devices_are_not_read(tmp_path, name, make):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step in (1, 2):
        checkpoints.save(step, tree(step))
    (tmp_path / "checkpoints/2" / name).unlink()
    make(tmp_path / "checkpoints/2" / name)
    said = []
    again = Checkpoints(tmp_path / "checkpoints", report=said.append)
    assert again.restore(tree())[0] == 1
    assert name in said[0] and "is no regular file" in said[0]


@pytest.mark.fast
def test_a_file_longer_than_its_arrays_is_not_read(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, tree())
    os.truncate(tmp_path / "checkpoints/1/arrays/bytes", 2**40)
    said = []
    with pytest.raises(NoCheckpoint):
        Checkpoints(tmp_path / "checkpoints", report=said.append).restore(tree())
    assert f"it holds {2**40:,} bytes" in said[0]


@pytest.mark.fast
def test_steps_of_earlier_versions_are_read(tmp_path):
    import orbax.checkpoint as ocp

    vector, records = b"", []
    for path, leaf in jax.tree_util.tree_leaves_with_path({"a": np.arange(5.0), "b": 3}):
        array, kind = np.asarray(leaf), "array" if isinstance(leaf, np.ndarray) else "int"
        described = {"shape": list(array.shape), "dtype": array.dtype.name}
        described["sha256"] = hashlib.sha256(array.tobytes()).hexdigest()
        records.append({"path": jax.tree_util.keystr(path), "kind": kind, **described})
        vector += array.tobytes()
    with ocp.CheckpointManager((tmp_path / "checkpoints").absolute()) as manager:
        arrays = ocp.args.StandardSave({"bytes": np.frombuffer(vector, np.uint8)})
        leaves = ocp.args.JsonSave({"leaves": records})
        manager.save(7, args=ocp.args.Composite(state=arrays, leaves=leaves))
    checkpoints = Checkpoints(tmp_path / "checkpoints", runs=["any"])
    step, back = checkpoints.restore({"a": np.zeros(5), "b": 0})
    assert (step, back["a"].tolist(), back["b"]) == (7, [0, 1, 2, 3, 4], 3)
    assert checkpoints.rows == ""


@pytest.mark.fast
def test_a_file_size_limit_is_told_as_one(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, tree())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            checkpoints.save(2, {"array": np.zeros(2**16)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert Checkpoints(tmp_path / "checkpoints").restore(tree())[0] == 1
