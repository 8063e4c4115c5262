"""The folder of a run is its own: refused, locked, described, and never overwritten."""

import dataclasses
import errno
import json
import os
import random

import pytest

from jaxnoise.errors import DataError, UsageError
from train.engine import folder, lock, manifest
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
    written = json.loads((tmp_path / "run/manifest.json").read_text())
    assert written["data_fingerprint"] == "f"
    assert written["dataset"] == "d"
    assert written["versions"]["jax"]
    assert written["devices"]["number"] == mesh.size
    assert written["git_dirty"] in ((None,) if written["git_commit"] is None else (True, False))
    assert "resumptions" not in written


@pytest.mark.parametrize("begun", ["checkpoints", "metrics.jsonl", None])
def test_a_manifest_that_is_gone_is_told_and_written_anew(tmp_path, mesh, begun, capsys):
    def begin():
        folder.open_workdir(tmp_path, Options(), mesh=mesh, fingerprint="f", facts={})
        return manifest.read_manifest(tmp_path)

    first = begin()
    if begun:
        (tmp_path / begun).mkdir()
    (tmp_path / "manifest.json").unlink()
    capsys.readouterr()
    assert begin() == first
    # A kill before the first step leaves it unwritten, and there is nothing to tell.
    assert ("manifest.json is missing" in capsys.readouterr().err) == (begun is not None)


def test_the_manifest_keeps_the_first_start_and_adds_later_ones(tmp_path, mesh, monkeypatch):
    def begin(**different):
        for name, value in different.items():
            monkeypatch.setattr(folder.platform, name, lambda value=value: value)
        folder.open_workdir(tmp_path / "run", Options(), mesh=mesh, fingerprint="f", facts={})
        return manifest.read_manifest(tmp_path / "run")

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
    written = json.loads((tmp_path / "run/manifest.json").read_text())
    assert (written["git_commit"], written["git_dirty"]) == ("c0", changes != "")


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


def begin(place, mesh, options=None, **changed):
    known = {"fingerprint": "f", "facts": {}, "system": "noiseflow", **changed}
    folder.open_workdir(place, options or Options(), mesh=mesh, **known)


def test_a_flipped_bit_of_the_manifest_is_noticed_or_harmless(tmp_path, mesh):
    begin(tmp_path, mesh)
    path = tmp_path / "manifest.json"
    content, before = path.read_bytes(), manifest.read_manifest(tmp_path)
    generator, noticed = random.Random(0), 0
    for place in range(0, len(content), 7):
        bit = 1 << generator.randrange(8)
        path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        try:
            found = manifest.read_manifest(tmp_path)
        except DataError as error:
            noticed += 1
            assert "\n" not in str(error) and str(error).endswith("choose another --workdir.")
        else:  # a bit of the layout, or of the name of the checksum, which is one more entry then
            assert {name: found[name] for name in before} == before
    assert noticed > 0.8 * len(content) / 7


def test_the_workdir_of_another_system_says_whose_it_is(tmp_path, mesh):
    begin(tmp_path, mesh)
    folder.check_workdir(tmp_path, Options(), system="noiseflow")
    with pytest.raises(UsageError, match="holds a run of train.noiseflow, and this is train.toy"):
        folder.check_workdir(tmp_path, Options(), system="toy/fit")
    # Earlier versions have written the command only.
    path = tmp_path / "manifest.json"
    old = {**manifest.read_manifest(tmp_path), "command": ["python", "-m", "train.denoiser"]}
    del old["system"]
    path.write_text(json.dumps(old))
    with pytest.raises(UsageError, match="holds a run of train.denoiser"):
        folder.check_workdir(tmp_path, Options(), system="noiseflow")


def test_a_run_that_has_ended_can_take_more_steps(tmp_path, mesh, capsys):
    short, long = Options(steps=400), Options(steps=900)
    begin(tmp_path, mesh, short)
    known = {"fingerprint": "f", "facts": {}}
    (first,) = manifest.runs_of(tmp_path, short, **known)
    with pytest.raises(UsageError, match="more steps may follow once it has ended"):
        folder.check_workdir(tmp_path, long, system="noiseflow")
    (tmp_path / "evaluation.json").write_text("{}")
    for other in (Options(steps=300), Options(steps=900, seed=1)):
        with pytest.raises(UsageError, match="steps 400 there"):
            folder.check_workdir(tmp_path, other, system="noiseflow")
    folder.check_workdir(tmp_path, long, system="noiseflow")
    asked = manifest.runs_of(tmp_path, long, **known)
    begin(tmp_path, mesh, long)
    assert "a run of 400 steps goes on to 900" in capsys.readouterr().err
    assert manifest.read_manifest(tmp_path)["lengths"] == [400, 900]
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 900
    # Processes that look before and after the first one has written must agree.
    assert manifest.runs_of(tmp_path, long, **known) == asked == [first, asked[1]]
    begin(tmp_path, mesh, long)
    assert capsys.readouterr().err == ""


def test_a_changed_number_of_steps_is_noticed(tmp_path, mesh):
    begin(tmp_path, mesh, Options(steps=400))
    (tmp_path / "evaluation.json").write_text("{}")
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace("400", "300"))
    with pytest.raises(DataError, match="disagree about --steps"):
        folder.check_workdir(tmp_path, Options(steps=400), system="noiseflow")


@pytest.mark.parametrize("name", ["config.json", "manifest.json"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_pipes_and_devices_are_refused(tmp_path, mesh, name, make):
    begin(tmp_path, mesh)
    (tmp_path / name).unlink()
    make(tmp_path / name)
    with pytest.raises(DataError, match=f"{name} cannot be read .it is no regular file"):
        folder.check_workdir(tmp_path, Options())


def test_a_name_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(UsageError, match="bytes in its name that are no text"):
        folder.check_workdir(tmp_path / "run\udcff", Options())
