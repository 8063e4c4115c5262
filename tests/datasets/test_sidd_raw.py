"""SIDD-Medium Raw: files of the real format become packed patches; mistakes are sentences."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets.pipeline import NoiseData, open_dataset
from datasets.sidd_raw import scenes
from datasets.sidd_raw import sidd_raw_dataset_builder as builder
from datasets.sidd_raw.layout import Layout, to_packed
from datasets.sidd_raw.metadata import read_metadata
from datasets.sidd_raw.patches import grid
from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.mat import MatReader
from tests.datasets.sidd_tree import ACROSS, DOWN, LEVELS, PATTERNS, Tree, mosaic, usual

PATCH = 4


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Tree:
    """Read by many tests, changed by none."""
    return usual(tmp_path_factory.mktemp("sidd") / "SIDD_Medium_Raw")


@pytest.fixture
def own_tree(tree, tmp_path) -> Tree:
    """A copy that a test may spoil."""
    copy = Tree(tmp_path / "SIDD_Medium_Raw")
    shutil.copytree(tree.root, copy.root)
    return copy


@pytest.fixture(scope="module")
def data(tree, tmp_path_factory) -> NoiseData:
    return read(tree.root, tmp_path_factory.mktemp("records"))


def read(source: Path, data_dir: Path, name: str = "sidd_raw") -> NoiseData:
    return open_dataset(name, source=source, data_dir=data_dir, patch_size=PATCH)


def everything(data: NoiseData, split: str) -> dict[str, np.ndarray]:
    (batch,) = data.batches(split, batch_size=data.sizes[split])
    return batch


def test_channels_are_red_two_greens_and_blue_and_nothing_is_transposed(data):
    batch = everything(data, "test")
    # 12x20 packed pixels hold 3x5 patches; two images of one camera, two of the other.
    assert data.sizes == {"train": 4 * 2 * 15, "validation": 2 * 15, "test": 2 * 2 * 15}
    assert data.cameras == ("IP", "S6") and data.isos == (100, 3200) and data.channels == 4
    assert set(zip(batch["camera"], batch["iso"], strict=True)) == {(0, 3200.0), (1, 100.0)}
    for clean, camera in zip(batch["clean"], batch["camera"], strict=True):
        # S6 starts with green: the image is mirrored left to right, so that columns fall.
        across = -ACROSS if data.cameras[camera] == "S6" else ACROSS
        np.testing.assert_allclose(np.diff(clean, axis=0), 2 * DOWN, atol=1e-6)
        np.testing.assert_allclose(np.diff(clean, axis=1), 2 * across, atol=1e-6)
    for camera in (0, 1):
        lowest = batch["clean"][batch["camera"] == camera].min((0, 1, 2))
        offsets = lowest - np.array(list(LEVELS.values()))
        # Beside its colour a first pixel has at most one step of each slope.
        assert (offsets > -1e-6).all() and (offsets <= DOWN + ACROSS + 1e-6).all()
    noise = batch["noisy"] - batch["clean"]
    values = noise.size
    assert abs(noise.std() / 0.02 - 1) < 5 / np.sqrt(2 * values)
    assert abs(noise.mean()) < 5 * 0.02 / np.sqrt(values)


def test_the_noise_profile_comes_with_every_patch(data):
    batch = data.batch("train", seed=0, step=0, batch_size=40)
    shot = 7e-4 * batch["iso"] / 100
    # A stated read noise of 0 is raised to where it has a logarithm.
    expected = np.stack([shot, np.full(40, 1e-6)], axis=-1)
    np.testing.assert_allclose(batch["noise_profile"], expected, rtol=1e-6)


def test_patches_are_a_grid_from_the_first_pixel(tree, tmp_path):
    config = builder.make_config(tree.root, patch_size=PATCH, patches_per_image=7)
    assert list(grid((12, 20), config)) == [
        *itertools.product([0], [0, 4, 8, 12, 16]),
        *itertools.product([4], [0, 4]),
    ]
    whole = builder.make_config(tree.root)
    assert len(list(grid((1500, 2664), whole))) == 2898
    assert len(list(grid((1512, 2016), whole))) == 2898
    # Larger patches cover the same area.
    assert builder.make_config(tree.root, patch_size=64).patches_per_image == 724


@pytest.mark.parametrize("pattern", ["RGGB", "GRBG", "GBRG", "BGGR"])
@pytest.mark.parametrize("transposed", [False, True])
def test_every_phase_is_aligned_in_either_orientation(pattern, transposed):
    packed = to_packed(mosaic(pattern, (8, 12)), pattern, Layout(transposed=transposed))
    assert packed.shape == ((6, 4, 4) if transposed else (4, 6, 4))
    levels = np.array(list(LEVELS.values()))
    if transposed:
        levels = levels[[0, 2, 1, 3]]  # rows of red are columns now
    offsets = packed - levels
    assert (offsets > -1e-6).all() and (offsets < 8 * DOWN + 12 * ACROSS).all()
    clockwise = to_packed(
        mosaic(pattern, (8, 12)), pattern, Layout(packing="clockwise", transposed=transposed)
    )
    np.testing.assert_array_equal(clockwise, packed[..., [0, 1, 3, 2]])


def test_the_published_layout_is_that_of_the_published_code(tree, tmp_path):
    data = read(tree.root, tmp_path, "sidd_raw/published")
    batch = everything(data, "test")
    first = batch["camera"] == data.cameras.index("S6")
    stored = mosaic(PATTERNS["S6"], Tree.size).T
    # As HDF5 hands it out, 40x24, two by two clockwise from the upper left.
    cells = [stored[i::2, j::2] for i, j in ((0, 0), (0, 1), (1, 1), (1, 0))]
    image = np.stack(cells, axis=-1)
    expected = {
        image[y : y + PATCH, x : x + PATCH].tobytes()
        for y, x in itertools.product(range(0, 20, PATCH), range(0, 12, PATCH))
    }
    assert {patch.tobytes() for patch in batch["clean"][first]} == expected
    # No training instance is held out: the published model was chosen on the test images.
    assert data.sizes == {"train": 5 * 2 * 15, "validation": 60, "test": 60}
    validation = everything(data, "validation")
    np.testing.assert_array_equal(validation["noisy"], batch["noisy"])
    assert "chosen" in " ".join(data.notes)


def test_splits_are_the_papers_and_what_is_left_out_is_said(tree, data):
    assert len(scenes.TRAIN) == 56 and len(scenes.TEST) == 22 and not scenes.TRAIN & scenes.TEST
    config = builder.make_config(tree.root, patch_size=PATCH)
    found = {split: {i.scene for i in config.images if i.split == split} for split in data.sizes}
    assert found["test"] == {"0054", "0055"}
    assert found["train"] | found["validation"] == {"0004", "0011", "0013", "0017", "0018"}
    assert len(found["validation"]) == 1 and not found["train"] & found["validation"]
    settings = {(i.camera, i.iso) for i in config.images if i.split == "train"}
    assert settings == {("S6", 100), ("IP", 3200)}
    notes = " ".join(data.notes)
    assert "1 scene instances left out: they have another ISO" in notes
    assert "1 scene instances left out: they are in neither split" in notes
    assert "51 of the paper's 56 train instances are not in the folder: 0020, 0022" in notes
    assert "held out by a hash" in notes and "by scene instance" in notes


@pytest.mark.parametrize("below", ["SIDD_Medium_Raw", "SIDD_Medium_Raw/Data", "."])
def test_the_folder_may_be_named_from_three_places(below, tree, data):
    config = builder.make_config(tree.root.parent / below, patch_size=PATCH)
    assert len(config.images) == 14


def test_nan_is_zero_and_values_are_clipped(own_tree, tmp_path):
    folder = own_tree.data / "0054_001_S6_00100_00060_3200_L"
    clean = np.full(Tree.size, 0.5, np.float32)
    noisy = clean.copy()
    noisy[0, 0], noisy[0, 1], noisy[1, 0], clean[1, 1] = np.nan, -0.25, 1.5, np.nan
    own_tree.write(folder, "NOISY", "010", noisy)
    own_tree.write(folder, "GT", "010", clean)
    data = read(own_tree.root, tmp_path / "records")
    batch = everything(data, "test")
    flat = (batch["clean"] == 0.5).mean((1, 2, 3)) > 0.9
    # Mirrored left to right: the four pixels are in the last cell of the first row.
    pixels = sorted(map(tuple, batch["noisy"][flat][:, 0, PATCH - 1]))
    assert pixels == [(0.0, 0.0, 0.5, 1.0)] + [(0.5,) * 4] * 14
    assert sorted(map(tuple, batch["clean"][flat][:, 0, PATCH - 1])) == [
        (0.5, 0.5, 0.0, 0.5),
        *[(0.5,) * 4] * 14,
    ]
    assert "NaN, 2 values in 2 files" in " ".join(data.notes)


def test_tags_are_found_by_number_wherever_they_stand(own_tree):
    folder = own_tree.data / "0054_001_S6_00100_00060_3200_L"
    path = folder / "0054_METADATA_RAW_010.MAT"
    with MatReader() as reader:
        own_tree.describe(folder, "010", t51041=[2e-3, 3e-5], t1=[9, 9])
        assert read_metadata(reader, path).noise_profile == (2e-3, 3e-5)
        own_tree.describe(folder, "010", t51041=[2e-3, 3e-7])
        assert read_metadata(reader, path).noise_profile == (2e-3, 3e-7)
        own_tree.describe(
            folder, "010", inside=True, t1=[9], t51041=[2e-3, -1.0] * 3, t33422=[2, 1, 1, 0]
        )
        found = read_metadata(reader, path)
        assert found.noise_profile == (2e-3, 1e-6) and found.phase == "BGGR"
        own_tree.describe(folder, "010", t33422=[3, 1, 1, 3])
        found = read_metadata(reader, path)
        assert np.isnan(found.noise_profile).all() and found.phase is None


def test_a_phase_in_the_metadata_wins_and_is_said(own_tree, tmp_path):
    folder = own_tree.data / "0054_001_S6_00100_00060_3200_L"
    for frame in ("010", "011"):
        own_tree.write(folder, "GT", frame, mosaic("GBRG", Tree.size))
        own_tree.write(folder, "NOISY", frame, mosaic("GBRG", Tree.size) + np.float32(0.01))
        own_tree.describe(folder, frame, t33422=[1, 2, 0, 1], t51041=[1e-3, 1e-5])
    data = read(own_tree.root, tmp_path / "records")
    assert "2 images of S6 state the Bayer phase GBRG and not the usual GRBG" in " ".join(
        data.notes
    )
    batch = everything(data, "test")
    lowest = batch["clean"][batch["camera"] == data.cameras.index("S6")].min((0, 1, 2))
    assert (abs(lowest - list(LEVELS.values())) < 2 * (DOWN + ACROSS)).all()


def test_fingerprints_follow_the_content_and_records_the_files(own_tree, tree, data, tmp_path):
    copied = read(own_tree.root, tmp_path)
    assert copied.fingerprint == data.fingerprint
    assert read(own_tree.root, tmp_path) == copied
    folder = own_tree.data / "0004_001_S6_00100_00060_3200_L"
    own_tree.write(folder, "GT", "010", mosaic("GRBG", Tree.size) + np.float32(1e-3))
    edited = read(own_tree.root, tmp_path)
    assert edited.folder != copied.folder and edited.fingerprint != copied.fingerprint


def test_a_source_that_changes_while_it_is_read_is_refused(own_tree, tmp_path, monkeypatch):
    folder = own_tree.data / "0004_001_S6_00100_00060_3200_L"
    plain = builder.facts

    def facts(config):
        own_tree.write(folder, "GT", "010", mosaic("GRBG", (26, 40)))
        return plain(config)

    monkeypatch.setattr(builder, "facts", facts)
    with pytest.raises(DataError, match="changed"):
        read(own_tree.root, tmp_path / "records")
    assert not (tmp_path / "records").exists()


def spoil(tree: Tree, kind: str, change) -> None:
    path = tree.data / "0054_001_S6_00100_00060_3200_L" / f"0054_{kind}_RAW_011.MAT"
    content = change(path.read_bytes())
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


def write(tree: Tree, image: np.ndarray, kind: str = "NOISY") -> None:
    tree.write(tree.data / "0054_001_S6_00100_00060_3200_L", kind, "011", image)


def rename(tree: Tree, instance: str, old: str, new: str) -> None:
    (found,) = tree.data.glob(f"{instance}_*")
    found.rename(found.with_name(found.name.replace(old, new)))


DAMAGES = {
    "noisy missing": (
        lambda t: spoil(t, "NOISY", lambda _: None),
        "0054_NOISY_RAW_011.MAT is miss",
    ),
    "clean missing": (lambda t: spoil(t, "GT", lambda _: None), "0054_GT_RAW_011.MAT is missing"),
    "metadata missing": (
        lambda t: spoil(t, "METADATA", lambda _: None),
        "0054_METADATA_RAW_011.MAT is missing",
    ),
    "noisy cut": (lambda t: spoil(t, "NOISY", lambda c: c[: len(c) // 2]), "NOISY_RAW_011.MAT can"),
    "clean empty": (lambda t: spoil(t, "GT", lambda c: b""), "GT_RAW_011.MAT is no MAT file"),
    "metadata cut": (lambda t: spoil(t, "METADATA", lambda c: c[:200]), "METADATA_RAW_011.MAT can"),
    "metadata of text": (lambda t: spoil(t, "METADATA", lambda c: b"text"), "is no MAT file"),
    "out of range": (lambda t: write(t, np.full(Tree.size, 300, "f4")), "from 300 to 300"),
    "infinite": (lambda t: write(t, np.full(Tree.size, np.inf, "f4")), "from inf to inf"),
    "all NaN": (lambda t: write(t, np.full(Tree.size, np.nan, "f4")), "most values"),
    "integers": (lambda t: write(t, np.zeros(Tree.size, "u2")), "holds uint16 values"),
    "colour": (lambda t: write(t, np.zeros((24, 40, 3), "f4")), "holds no image"),
    "odd": (lambda t: write(t, np.zeros((24, 39), "f4")), "24x39 pixels"),
    "other size": (lambda t: write(t, np.zeros((24, 42), "f4")), "12x21 and 12x20"),
    "small": (
        lambda t: (write(t, np.zeros((6, 40), "f4")), write(t, np.zeros((6, 40), "f4"), "GT")),
        "less than a patch of 4",
    ),
    "wild profile": (
        lambda t: t.describe(
            t.data / "0054_001_S6_00100_00060_3200_L", "011", t51041=[np.nan, 0.0]
        ),
        "noise profile .nan, 0.0",
    ),
    "camera unknown": (lambda t: rename(t, "0054", "S6", "XX"), "camera 'XX'"),
    "instance twice": (lambda t: t.add(54, "S6", 400), "are one scene instance"),
    "no test": (
        lambda t: (rename(t, "0054", "0054", "0999"), rename(t, "0055", "0055", "0998")),
        "0 of the 22 scene instances",
    ),
    "nothing": (lambda t: (t.remove(), t.root.mkdir()), "holds no folders such as"),
    "no folder": (lambda t: t.remove(), "there is no folder"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_one_sentence_and_nothing_is_written(name, own_tree, tmp_path):
    change, words = DAMAGES[name]
    change(own_tree)
    with pytest.raises(DataError, match=words) as caught:
        read(own_tree.root, tmp_path / "deep" / "records")
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert not (tmp_path / "deep").exists()


def test_the_first_frame_alone_is_read_where_no_scene_has_a_second(own_tree, tmp_path):
    for path in own_tree.data.glob("*/*_011.MAT"):
        path.unlink()
    assert read(own_tree.root, tmp_path).sizes["test"] == 30


def test_wrong_requests_are_sentences(tree, tmp_path):
    with pytest.raises(UsageError, match="--source"):
        open_dataset("sidd_raw", data_dir=tmp_path)
    with pytest.raises(UsageError, match="at least 1 pixel"):
        open_dataset("sidd_raw", source=tree.root, data_dir=tmp_path, patch_size=0)
    with pytest.raises(UsageError, match="sidd_raw/published"):
        open_dataset("sidd_raw/other", source=tree.root, data_dir=tmp_path)
    with pytest.raises(UsageError, match="at least one patch"):
        builder.make_config(tree.root, patches_per_image=0)


def test_a_model_is_trained_on_it(tree, tmp_path, capsys, without_figures):
    from train.engine.program import main

    small = (
        *("--steps", "3", "--batch-size", "8", "--evaluate-every", "3", "--patch-size", str(PATCH)),
        *("--start-patches", "64", "--validation-patches", "16", "--test-patches", "16"),
        *("--arch", "S-G-CAM", "--compare", "none", "--accelerator", "cpu", "--no-images"),
    )
    places = ("--data-dir", str(tmp_path / "records"), "--workdir", str(tmp_path / "run"))
    source = ("--dataset", "sidd_raw", "--source", str(tree.root))
    assert main("train.noiseflow", [*small, *places, *source]) == 0
    assert "S-G-CAM" in capsys.readouterr().out
    report = (tmp_path / "run" / "report.html").read_text()
    assert "normalised by black and white level" in report


def test_the_metadata_of_a_real_image(real_images: Path):
    path = real_images / "data" / "metadata" / "0001_METADATA_RAW_010.MAT"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with MatReader() as reader:
        found = read_metadata(reader, path)
    # The published table says 4.79e-4 for this camera and ISO.
    assert found.phase == PATTERNS["S6"]
    assert found.noise_profile == (pytest.approx(4.79e-4, abs=5e-7), 1e-6)
