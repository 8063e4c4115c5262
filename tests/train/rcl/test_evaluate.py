"""Measuring a model without training: the numbers of its own run, and what is refused."""

import json

import jax
import pytest

from jaxnoise.io import save_model
from jaxnoise.models import denoiser
from tests.train.rcl.test_finetune import (
    finished,
    photographs,
    rows_of,
    run_small,
    start,
)

__all__ = ["finished", "photographs", "start"]  # fixtures


def evaluated(photographs, records, workdir, *more):
    return run_small(photographs, records, workdir, *more, command="evaluate")


def test_a_model_has_the_numbers_that_its_run_reported(
    finished, photographs, records, tmp_path, capsys
):
    workdir = tmp_path / "run"
    options = ("--start-from", str(finished / "model"))
    for _ in range(2):  # the same command again says the same
        assert evaluated(photographs, records, workdir, *options) == 0
        rows, own = rows_of(workdir), rows_of(finished)
        assert [row["name"] for row in rows] == ["noisy", finished.name]
        assert (rows[0]["psnr"], rows[1]["psnr"]) == (own[0]["psnr"], own[-1]["psnr"])
        assert rows[1]["parameters"] == own[-1]["parameters"]
    assert "denoising" in capsys.readouterr().out
    assert not (workdir / "model").exists() and not (workdir / "checkpoints").exists()
    assert json.loads((workdir / "manifest.json").read_text())["other_input"].startswith("start ")
    assert (workdir / "report.html").stat().st_size > 10_000


@pytest.mark.fast
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "evaluate needs a model"),
        (("--start-from", "nowhere"), "nowhere"),
        (("--start-from", "START", "--task", "jdd"), "holds a network for denoise"),
        (("--start-from", "START", "--patch-size", "512"), "512x512"),
        (("--start-from", "RAW"), "4 channels, and --task denoise has 3"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(
    start, photographs, records, tmp_path, capsys, options, sentence
):
    raw = denoiser.Config(channels=4, features=2, depth=2)
    save_model(tmp_path / "raw", "denoiser", raw, denoiser.init(jax.random.key(0), raw))
    folders = {"START": str(start), "RAW": str(tmp_path / "raw")}
    options = [folders.get(word, word) for word in options]
    code = evaluated(photographs, records, tmp_path / "run", *options)
    said = capsys.readouterr().err.strip().splitlines()
    assert code in (2, 3) and sentence in said[-1] and len(said) == 1
    assert not (tmp_path / "run").exists()
