"""What `jaxnoise sample` does not do with levels, profiles and photographs, in one line each."""

import sys
from pathlib import Path

import pytest

from jaxnoise.raw import demosaicing
from tests.image_commands import Run, contents, flat, save


def refusals(level_models: dict[str, Path], camera: Path) -> dict[str, tuple[str, list, str]]:
    """By what is wrong: the image, the options and the words that say so."""
    level, of_camera = ["--model", level_models["level"]], ["--model", level_models["camera"]]
    return {
        "no level": ("rgb.png", level, "give --sigma, a standard deviation on the scale of 255"),
        "an iso for a level": ("rgb.png", [*level, "--sigma", 9, "--iso", 100], "--iso"),
        "a camera for a level": ("rgb.png", [*level, "--camera", "a"], "knows no cameras"),
        "sigma 0": ("rgb.png", [*level, "--sigma", 0], "above 0 and at most 255"),
        "negative sigma": ("rgb.png", ["--sigma", -1], "above 0 and at most 255"),
        "no number": ("rgb.png", ["--sigma", "nan"], "above 0 and at most 255"),
        "huge sigma": ("rgb.png", ["--sigma", 256], "above 0 and at most 255"),
        "two levels": ("rgb.png", [*level, "--sigma", 9, "--profile", camera], "say which noise"),
        "two noises": ("rgb.png", ["--sigma", 9, "--shot", 0, "--read", 0], "say which noise"),
        "sigma for cameras": ("packed.npz", [*of_camera, "--sigma", 9], "instead of --sigma"),
        "profile for cameras": (
            "packed.npz",
            [*of_camera, "--profile", camera, "--iso", 100],
            "instead of --profile",
        ),
        "no iso": ("rgb.png", [*level, "--profile", camera], "give --iso 100 or 1600"),
        "no iso alone": ("rgb.png", ["--profile", camera], "give --iso 100 or 1600"),
        "an unknown iso": (
            "rgb.png",
            [*level, "--profile", camera, "--iso", 50],
            "ISO 50 is beyond the noise profile of mine",
        ),
        "iso without a profile": ("rgb.png", ["--sigma", 9, "--iso", 100], "or a --profile"),
        "temperature without a model": (
            "rgb.png",
            ["--profile", camera, "--temperature", 1],
            "--temperature belongs to a model",
        ),
        "grey": ("grey.png", [*level, "--sigma", 9], "1 channel(s), the noise is of others"),
        "grey for a profile": ("grey.png", ["--profile", camera, "--iso", 100], "RGB images"),
        "two channels": ("two.npz", [*level, "--sigma", 9], "2 channel(s)"),
        "packed raw for RGB": (
            "packed.npz",
            ["--model", level_models["rgb"], "--sigma", 9],
            "give it RGB images",
        ),
        "a profile for RGB": (
            "rgb.png",
            ["--model", level_models["rgb"], "--profile", camera, "--iso", 100],
            "4 channels of packed raw, and this model takes 3",
        ),
        "four levels of RGB": (
            "rgb.png",
            [*level, "--sigma", 9, "--black-level", "0,1,2,3"],
            "4 black levels do not fit 3",
        ),
        "no noise model": (
            "rgb.png",
            ["--model", level_models["denoiser"], "--sigma", 9],
            "makes no noise of a given level for images: give a cono or noise2noiseflow",
        ),
    }


def test_what_cannot_be_meant_is_refused(tmp_path: Path, run: Run, level_models, camera: Path):
    save(tmp_path / "rgb.png", flat((8, 9, 3), dtype="uint8"))
    save(tmp_path / "grey.png", flat((8, 9), dtype="uint8"))
    save(tmp_path / "packed.npz", flat((8, 9, 4)))
    save(tmp_path / "two.npz", flat((8, 9, 2)))
    for what, (image, options, words) in refusals(level_models, camera).items():
        code, said = run(tmp_path / image, "--output", tmp_path / "out", *options)
        assert (code, said.count("\n")) == (2, 1), (what, said)
        assert words in said, (what, said)
    (tmp_path / "bad.json").write_text("{}")
    for name, words in (("bad.json", "no usable noise profile"), ("none.json", "check the path")):
        options = ["--profile", tmp_path / name, "--iso", 100]
        code, said = run(tmp_path / "rgb.png", "--output", tmp_path / "out", *options)
        assert (code, said.count("\n")) == (3, 1) and words in said, said
    assert not (tmp_path / "out").exists()


def test_places_of_clean_images_that_would_lose_something_are_refused(tmp_path: Path, run: Run):
    clean = save(tmp_path / "in/a.png", flat((4, 4), dtype="uint8"))
    save(tmp_path / "there/a.png", flat((4, 4), dtype="uint8"))
    (tmp_path / "file").write_text("")
    everything = contents(tmp_path)
    for given, place, words in (
        (tmp_path / "in", "in/clean", "--clean-output"),
        (clean, "in", "is one of the inputs"),
        (clean, "o", "another folder than --output"),
        (clean, "there", "exists (1 of 2 outputs do)"),
        (clean, "file", "--clean-output"),
    ):
        options = ["--sigma", 9, "--clean-output", tmp_path / place]
        code, said = run(given, "--output", tmp_path / "o", *options)
        assert (code, said.count("\n")) == (2, 1) and words in said, said
    assert contents(tmp_path) == everything


def test_a_photograph_too_small_for_a_mosaic_is_left_out(tmp_path: Path, run: Run, camera: Path):
    save(tmp_path / "in/a.png", flat((1, 9, 3), dtype="uint8"))
    save(tmp_path / "in/b.png", flat((2, 2, 3), dtype="uint8"))
    options = ["--profile", camera, "--iso", 100]
    code, said = run(tmp_path / "in", "--output", tmp_path / "out", *options)
    assert code == 3 and "1x9 pixels, too few for a mosaic" in said
    assert set(contents(tmp_path / "out")) == {"b.png"}


def test_without_the_package_a_sentence_says_what_to_install(
    tmp_path: Path, run: Run, camera: Path, monkeypatch: pytest.MonkeyPatch
):
    save(tmp_path / "a.png", flat((4, 4, 3), dtype="uint8"))
    save(tmp_path / "b.npz", flat((4, 4, 4)))
    monkeypatch.setitem(sys.modules, "colour_demosaicing", None)
    demosaicing._menon.cache_clear()
    options = ["--output", tmp_path / "out", "--profile", camera, "--iso", 100]
    code, said = run(tmp_path / "a.png", *options)
    assert (code, said.count("\n")) == (2, 1) and "pip install colour-demosaicing" in said, said
    assert run(tmp_path / "b.npz", *options)[0] == 0
