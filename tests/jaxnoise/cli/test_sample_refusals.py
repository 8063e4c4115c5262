"""What `jaxnoise sample` does not do: it says so in one line and leaves no half work behind."""

import errno
from pathlib import Path

import numpy as np
import pytest

from tests.image_commands import NOISE, Run, contents, flat, save

pytestmark = pytest.mark.fast


# What is wrong with "in/a.npz --output out" and these options; the words that say so.
REFUSED = {
    "no noise": ([], "either --model, or --shot and --read"),
    "both noises": (["--model", "m", *NOISE], "either --model, or --shot and --read"),
    "shot alone": (["--shot", 1], "both --shot and --read"),
    "camera without model": (["--camera", "x", *NOISE], "--camera belongs to a model"),
    "temperature without model": (["--temperature", 1, *NOISE], "--temperature belongs"),
    "negative shot": (["--shot", -1, "--read", 0], "--shot must be from 0 to 1e"),
    "infinite read": (["--shot", 1, "--read", "inf"], "--read must be"),
    "overflowing read": (["--shot", 1, "--read", 1e80], "--read must be"),
    "negative seed": ([*NOISE, "--seed", -1], "--seed must be"),
    "no rows": ([*NOISE, "--rows", 0], "--rows must be"),
    "no numbers": ([*NOISE, "--black-level", "1,x"], "--black-level 1,x cannot be read"),
    "no finite number": ([*NOISE, "--black-level", "nan"], "--black-level nan cannot be read"),
    "no finite white": ([*NOISE, "--white-level", "nan"], "--white-level must be a finite"),
    "no such phase": ([*NOISE, "--bayer", "RGBG"], "RGGB"),
    "black above white": ([*NOISE, "--black-level", 2, "--white-level", 1], "not below the white"),
    "too many blacks": ([*NOISE, "--black-level", "0,0,0,0"], "4 black levels do not fit 3"),
    "a mosaic of three channels": ([*NOISE, "--bayer", "RGGB"], "is no mosaic"),
    "an option that is unknown": ([*NOISE, "--blur", 1], "--blur"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused(case: str, tmp_path: Path, run: Run):
    options, words = REFUSED[case]
    clean = save(tmp_path / "in/a.npz", flat((4, 4, 3)))
    code, said = run(clean, "--output", tmp_path / "out", *options)
    assert (code, said.count("\n")) == (2, 1), said
    assert words in said
    assert not (tmp_path / "out").exists()


def test_places_that_would_lose_something_are_refused(tmp_path: Path, run: Run):
    clean = save(tmp_path / "in/a.png", flat((4, 4), dtype="uint8"))
    save(tmp_path / "in/a.tiff", flat((4, 4), dtype="uint8"))
    save(tmp_path / "two/a.png", flat((4, 4), dtype="uint8"))
    save(tmp_path / "a.png", flat((4, 4), dtype="uint8"))
    everything = contents(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "in")
    for arguments, words in [
        ([tmp_path / "in", "--output", tmp_path / "in"], "lies in the input"),
        ([tmp_path / "in", "--output", tmp_path / "in/out"], "lies in the input"),
        ([tmp_path / "in", "--output", tmp_path / "link"], "lies in the input"),
        ([clean, "--output", tmp_path / "in", "--force"], "is one of the inputs"),
        ([clean, "--output", tmp_path / "link", "--force"], "is one of the inputs"),
        ([tmp_path / "in", tmp_path / "a.png", "--output", tmp_path], "is one of the inputs"),
        ([tmp_path / "in", tmp_path / "two", "--output", tmp_path / "o"], "would both write"),
        ([tmp_path / "in", "--noise", "--output", tmp_path / "o"], "would both write"),
        ([clean, clean, "--output", tmp_path / "o"], "would both write"),
        ([clean, "--output", tmp_path / "a.png"], "is a file"),
    ]:
        code, said = run(*arguments, *NOISE)
        assert (code, said.count("\n")) == (2, 1), said
        assert words in said
    assert contents(tmp_path) == everything


def test_missing_and_damaged_images_are_named(tmp_path: Path, run: Run):
    (tmp_path / "empty").mkdir()
    save(tmp_path / "in/a.npz", flat((4, 4)))
    (tmp_path / "in/b.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    save(tmp_path / "in/c.npz", np.full((4, 4), 1.5, np.float32))
    save(tmp_path / "in/d.npz", flat((4, 4)))
    to = ["--output", tmp_path / "out", *NOISE]
    for given, words in [
        ("no-such", "does not exist"),
        ("empty", "no images in"),
        ("in/b.png", "cannot be decoded"),
        ("in/c.npz", "values from 1.5 to 1.5"),
    ]:
        code, said = run(tmp_path / given, *to)
        assert (code, said.count("\n")) == (3, 1), said
        assert words in said and given in said
    assert not (tmp_path / "out").exists()
    # In a folder the others are done.
    code, said = run(tmp_path / "in", *to)
    assert code == 3
    assert "2 of 4 images were left out" in said and said.count("\n") == 3
    assert "b.png cannot be decoded" in said and "c.npz has values" in said
    assert set(contents(tmp_path / "out")) == {"a.npz", "d.npz"}


def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path: Path, run: Run, monkeypatch):
    clean = save(tmp_path / "in/a.npz", flat((4, 4)))
    (tmp_path / "file").write_text("hello")
    code, said = run(clean, "--output", tmp_path / "file/out", *NOISE)
    assert (code, said.count("\n")) == (2, 1) and "file/out" in said

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    code, said = run(clean, "--output", tmp_path / "out", *NOISE)
    assert (code, said.count("\n")) == (2, 1) and "the disk is full" in said
    assert contents(tmp_path / "out") == {}
