"""Noise profiles: what is written is read, ISO numbers interpolate, bad files get a sentence."""

import json
import os
import re
from pathlib import Path

import jax
import jaxtyping
import numpy as np
import pytest

from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.noise_profile import (
    CHANNELS,
    FORMAT,
    MAX_BYTES,
    NoiseProfile,
    read_profile,
    variance,
    write_profile,
)
from jaxnoise.noise.camera import CAMERAS
from tests.jaxnoise.test_entrances import is_one_sentence_with
from tests.processes import ROOT

pytestmark = pytest.mark.fast

SINGLE = 1e-6  # weights between ISO numbers are of single precision
ALDER = CAMERAS[0]
ISOS = (100, 400, 1600)
FOUR = (1.0, 1.1, 1.2, 1.3)
PROFILE = NoiseProfile(
    "alder",
    ISOS,
    tuple(tuple(ALDER.shot_noise(iso) * factor for factor in FOUR) for iso in ISOS),
    tuple(tuple(ALDER.read_noise(iso) / factor for factor in FOUR) for iso in ISOS),
    "from the simulation",
)
ROW = {"iso": 100, "shot": 2e-4, "read": [1e-6, 2e-6, 3e-6, 4e-6]}
WHOLE = {"format": FORMAT, "version": 1, "name": "mine", "noise": [ROW]}


@pytest.fixture
def as_users_call():
    """Without the checks of annotations, which answer first in tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def of(**changes):
    return {**WHOLE, **changes}


def of_row(**changes):
    return of(noise=[{**ROW, **changes}])


def written(folder: Path, content: object) -> Path:
    path = folder / "camera.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_what_is_written_is_read(tmp_path: Path):
    path = tmp_path / "camera.json"
    write_profile(path, PROFILE)
    assert read_profile(path) == PROFILE
    short = NoiseProfile("x", (0,), ((0.0,) * 4,), ((1e-6,) * 4,))
    write_profile(path, short)
    assert read_profile(path) == short
    assert [found.name for found in tmp_path.iterdir()] == ["camera.json"]


def test_one_number_stands_for_four_channels_and_rows_are_sorted(tmp_path: Path):
    rows = [{**ROW, "iso": 800, "shot": 0.01}, ROW]
    profile = read_profile(written(tmp_path, of(noise=rows)))
    assert profile.isos == (100, 800)
    assert profile.shot == ((2e-4,) * 4, (0.01,) * 4)
    assert profile.read == (tuple(ROW["read"]),) * 2


def test_numbers_of_numpy_are_written(tmp_path: Path, as_users_call: None):
    row = tuple(np.full(4, 1e-3, np.float32))
    path = tmp_path / "camera.json"
    write_profile(path, NoiseProfile("x", (np.int64(100),), (row,), (row,)))
    assert read_profile(path).shot == (tuple(map(float, row)),)


def test_known_iso_numbers_have_their_rows():
    for place, iso in enumerate(ISOS):
        shot, read = PROFILE.at(iso)
        np.testing.assert_allclose(shot, PROFILE.shot[place], rtol=SINGLE)
        np.testing.assert_allclose(read, PROFILE.read[place], rtol=SINGLE)


def test_a_power_of_the_iso_number_stays_one_between_known_ones():
    # Shot noise of the simulation is in proportion to the ISO number.
    for iso in (150, 200, 640.5, 1599):
        shot, read = PROFILE.at(iso)
        np.testing.assert_allclose(shot, ALDER.shot_noise(iso) * np.array(FOUR), rtol=5 * SINGLE)
        low, high = (np.array(row) for row in PROFILE.read[iso > 400 :][:2])
        assert (low < read).all() and (read < high).all()
    halfway = PROFILE.at(200)[1]
    np.testing.assert_allclose(halfway, np.sqrt(np.prod(PROFILE.read[:2], axis=0)), rtol=5 * SINGLE)


def test_many_iso_numbers_at_once():
    isos = np.array([[100, 200], [400, 1600]])
    shot, read = PROFILE.at(isos)
    assert shot.shape == read.shape == (2, 2, 4)
    for place in np.ndindex(2, 2):
        np.testing.assert_array_equal(shot[place], PROFILE.at(isos[place])[0])


def test_towards_a_variance_of_0_it_falls_evenly():
    none, some = (0.0,) * 4, (1e-4,) * 4
    profile = NoiseProfile("x", (100, 400, 1600), (some,) * 3, (none, some, none))
    read = np.array([profile.at(iso)[1][0] for iso in (100, 200, 400, 800, 1600)])
    np.testing.assert_allclose(read, [0, 5e-5, 1e-4, 5e-5, 0], atol=1e-10)


@pytest.mark.parametrize("iso", [99, 1601, 0, -5, np.nan, np.inf])
def test_beyond_the_known_iso_numbers_is_refused(iso: float):
    with pytest.raises(UsageError) as refusal:
        PROFILE.at(iso)
    assert is_one_sentence_with("alder: use one of 100, 400, 1600", str(refusal.value))


def test_not_stated_is_a_class_of_its_own():
    profile = NoiseProfile("x", (0, 100), ((1e-3,) * 4, (1e-4,) * 4), ((0.0,) * 4,) * 2)
    assert profile.at(0)[0][0] == pytest.approx(1e-3, rel=SINGLE)
    with pytest.raises(UsageError):
        profile.at(50)


@pytest.mark.parametrize("place", [np.asarray, jax.numpy.asarray], ids=["numpy", "jax"])
def test_variance_by_hand(place):
    clean = np.array([-1.0, 0.5], np.float32).reshape(2, 1, 1, 1) * np.ones((2, 3, 2, 4), "f4")
    shot, read = np.array([1e-2, 2e-2, 3e-2, 4e-2]), np.full(4, 1e-3)
    found = np.asarray(variance(place(clean), shot, read))
    assert found.shape == clean.shape
    np.testing.assert_allclose(found[0], 1e-3, rtol=1e-6)
    np.testing.assert_allclose(found[1, 2, 1], shot / 2 + 1e-3, rtol=1e-6)
    rows = variance(place(clean), np.stack([shot, 2 * shot]), np.stack([read, read]))
    np.testing.assert_allclose(np.asarray(rows)[1, 0, 0], shot + 1e-3, rtol=1e-6)
    single = variance(place(clean[1]), shot, read)
    np.testing.assert_allclose(np.asarray(single), found[1], rtol=1e-6)


BAD = {
    "no JSON": ("{", "no JSON file"),
    "no text": ("\0\1", "no JSON file"),
    "an array": ("[]", '"format" is not'),
    "deep": ("[" * 500_000, "no JSON file"),
    "deep objects": ('{"a":' * 100_000, "no JSON file"),
    "a number of many digits": (f'{{"version": {"9" * 5000}}}', "no JSON file"),
    "a key twice": ('{"name": "a", "name": "b"}', 'key "name" comes twice'),
    "another format": (of(format="icc"), '"format" is not'),
    "a later version": (of(version=2), "has version 2.*use the jaxnoise that wrote it"),
    "no version": ({k: v for k, v in WHOLE.items() if k != "version"}, "has version null"),
    "true for a version": (of(version=True), "has version true"),
    "an unknown key": (of(gain=1), 'key "gain", which means nothing'),
    "an unknown key of a row": (of_row(dark=1), r'iso 100\) has the key "dark"'),
    "no name": ({k: v for k, v in WHOLE.items() if k != "name"}, 'lacks the key "?name'),
    "an empty name": (of(name=""), "name of a camera"),
    "two lines for a name": (of(name="a\nb"), "name of a camera"),
    "a number for a name": (of(name=5), "name of a camera"),
    "a list for notes": (of(notes=[]), "notes are a text"),
    "no noise": (of(noise=[]), "list of 1 to"),
    "an object for noise": (of(noise=ROW), "list of 1 to"),
    "a number in noise": (of(noise=[5]), "holds 5"),
    "no shot": (of(noise=[{"iso": 100, "read": 0}]), "lacks the key shot"),
    "an iso twice": (of(noise=[ROW, ROW]), "ISO 100 comes twice"),
    "half an iso": (of_row(iso=100.5), "not 100.5"),
    "an iso below 0": (of_row(iso=-100), "not -100"),
    "an iso of text": (of_row(iso="100"), 'not "100"'),
    "an endless iso": (json.dumps(of_row(iso=1234)).replace("1234", "1e999"), "not Infinity"),
    "a huge iso": (of_row(iso=10**300), "ISO number is"),
    "no iso": (of_row(iso=None), "not null"),
    "a negative variance": (of_row(shot=-1e-9), "shot noise at ISO 100 .* not -1e-09"),
    "a variance of another unit": (of_row(read=25.0), "read noise at ISO 100 .* not 25.0"),
    "a whole number beyond floats": (of_row(read=10**400), "read noise at ISO 100"),
    "NaN": (of_row(shot=float("nan")), "not NaN"),
    "infinity": (of_row(shot=float("inf")), "not Infinity"),
    "truth for a variance": (of_row(shot=True), "not true"),
    "text for a variance": (of_row(shot="1e-4"), 'not "1e-4"'),
    "three channels": (of_row(shot=[1e-4] * 3), "give one number, or one for each of R, Gr"),
    "nested lists": (of_row(shot=[[1e-4]] * 4), "shot noise"),
    "no noise at all": (of_row(shot=0, read=[1e-6, 1e-6, 0, 0]), "of Gb at ISO 100 are both 0"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_in_a_sentence(kind: str, tmp_path: Path):
    content, said = BAD[kind]
    path = written(tmp_path, content)
    with pytest.raises(DataError) as refusal:
        read_profile(path)
    assert is_one_sentence_with(said, str(refusal.value)), refusal.value
    assert str(path) in str(refusal.value) and len(str(refusal.value)) < 600


def test_what_is_no_regular_file_is_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b" " * (MAX_BYTES + 1))
    for name, said in {
        "absent": "check the path",
        "pipe": "pipe or device",
        ".": "Is a directory",
        "large": "larger than 1 MiB",
    }.items():
        with pytest.raises(DataError, match=said):
            read_profile(tmp_path / name)


def test_parts_of_a_profile_that_do_not_fit_are_refused(as_users_call: None):
    row = (1e-3,) * 4
    for parts, said in (
        (((100, 100), (row, row), (row, row)), "comes twice"),
        (((200, 100), (row, row), (row, row)), "ascending"),
        (((100, 200), (row,), (row, row)), "shot noise is a tuple"),
        (((), (), ()), "at least one"),
        (([100], (row,), (row,)), "tuple"),
        (((100,), (list(row),), (row,)), "shot noise at ISO 100"),
        (((100,), (row,), ((1e-3,),)), "read noise at ISO 100"),
    ):
        with pytest.raises(UsageError) as refusal:
            NoiseProfile("x", *parts)
        assert is_one_sentence_with(said, str(refusal.value)), refusal.value


def test_channels_are_those_of_packed_raw():
    assert CHANNELS == ("R", "Gr", "Gb", "B")


def test_the_profile_of_the_documentation_is_read(tmp_path: Path):
    page = (ROOT / "docs/camera-profiles.md").read_text()
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert read_profile(written(tmp_path, block)).isos == (100, 1600)
