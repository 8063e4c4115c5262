"""The folder of a run is its own: refused, locked, described, and never overwritten."""

import dataclasses
import errno
import json
import os

import pytest

from jaxnoise.errors import DataError, UsageError
from train.engine import folder, lock
from train.engine.options import Options

pytestmark = pytest.mark.fast


@pytest.fixture(autouse=True)
def _release():
    yield
    lock.release()


def test_a_workdir_of_another_configuration_lists_the_differences(tmp_path, mesh):
    options = Options()
    place = tmp_path / "run"
    folder.check_workdir(place, options)
    assert not place.exists()
    folder.open_workdir(place, options, mesh=mesh, fingerprint="f", facts={})
    folder.check_workdir(place, dataclasses.replace(options, debug=True, data_dir=tmp_path))
    other = dataclasses.replace(options, seed=5, steps=7)
    with pytest.raises(UsageError, match="seed 0 there, 5 here; steps 400 there, 7 here"):
        folder.check_workdir(place, other)
    with pytest.raises(UsageError, match="fingerprint f there, g here"):
        folder.open_workdir(place, options, mesh=mesh, fingerprint="g", facts={})


def test_the_manifest_says_what_ran(tmp_path, mesh):
    folder.open_workdir(
        tmp_path / "run", Options(), mesh=mesh, fingerprint="f", facts={"dataset": "d"}
    )
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["data_fingerprint"] == "f"
    assert manifest["dataset"] == "d"
    assert manifest["versions"]["jax"]
    assert manifest["devices"]["number"] == mesh.size
    assert manifest["git_dirty"] in ((None,) if manifest["git_commit"] is None else (True, False))
    assert "resumptions" not in manifest


def test_the_manifest_keeps_the_first_start_and_adds_later_ones(tmp_path, mesh, monkeypatch):
    def begin(**different):
        for name, value in different.items():
            monkeypatch.setattr(folder.platform, name, lambda value=value: value)
        folder.open_workdir(tmp_path / "run", Options(), mesh=mesh, fingerprint="f", facts={})
        return json.loads((tmp_path / "run/manifest.json").read_text())

    first = begin(platform="here")
    assert begin() == first
    moved = begin(platform="there")
    assert moved.pop("resumptions")[0]["platform"] == "there"
    assert moved == first
    assert len(begin()["resumptions"]) == 1
    back = begin(platform="here", python_version="3.99")["resumptions"]
    assert [(start["platform"], start["python"]) for start in back] == [
        ("there", first["python"]),
        ("here", "3.99"),
    ]
    assert {"command", "versions", "git_commit", "git_dirty"} <= back[0].keys()


@pytest.mark.parametrize("changes", ["", " M train/engine/folder.py"])
def test_the_manifest_says_whether_the_source_was_changed(tmp_path, mesh, monkeypatch, changes):
    monkeypatch.setattr(
        folder, "_git", lambda command, *_: "c0" if command != "status" else changes
    )
    folder.open_workdir(tmp_path / "run", Options(), mesh=mesh, fingerprint="f", facts={})
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert (manifest["git_commit"], manifest["git_dirty"]) == ("c0", changes != "")


def test_a_workdir_below_a_file_is_refused(tmp_path, mesh):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file/deep/run"
    with pytest.raises(UsageError, match="cannot be written .*file is a file"):
        folder.check_workdir(place, Options())
    with pytest.raises(UsageError, match="cannot be written"):
        folder.open_workdir(place, Options(), mesh=mesh, fingerprint="f", facts={})


def test_a_workdir_that_is_not_ones_own_is_refused(tmp_path, monkeypatch):
    # Whoever tests as root may write everywhere.
    monkeypatch.setattr(folder.os, "access", lambda *_: False)
    for place in (tmp_path, tmp_path / "new/run"):
        with pytest.raises(UsageError, match=f"{tmp_path} is not yours to write"):
            folder.check_workdir(place, Options())


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_a_workdir_that_cannot_be_written_is_refused(tmp_path, mesh, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(folder.os, "replace", refuse)
    with pytest.raises(UsageError, match=f"cannot be written .{os.strerror(number)}"):
        folder.open_workdir(tmp_path / "run", Options(), mesh=mesh, fingerprint="f", facts={})


def test_a_run_that_began_meanwhile_is_not_overwritten(tmp_path, mesh):
    place, options = tmp_path / "run", Options()
    folder.check_workdir(place, options)
    other = dataclasses.replace(options, seed=5)
    folder.open_workdir(place, other, mesh=mesh, fingerprint="f", facts={})
    lock.release()
    before = (place / "config.json").read_bytes()
    with pytest.raises(UsageError, match="seed 5 there, 0 here"):
        folder.open_workdir(place, options, mesh=mesh, fingerprint="f", facts={})
    assert (place / "config.json").read_bytes() == before


def test_what_a_kill_leaves_of_a_beginning_is_no_obstacle(tmp_path, mesh):
    for name in (lock.FILE, "config.tmp", "manifest.tmp"):
        (tmp_path / name).write_text("{")
    folder.check_workdir(tmp_path, Options())
    folder.open_workdir(tmp_path, Options(), mesh=mesh, fingerprint="f", facts={})
    lock.release()
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "manifest.json"}


def test_foreign_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="holds other files"):
        folder.check_workdir(tmp_path, Options())
    with pytest.raises(UsageError, match="is a file"):
        folder.check_workdir(tmp_path / "thesis.txt", Options())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        folder.check_workdir(tmp_path, Options())
