"""The records of the simulated cameras: what they hold, what they depend on, how they are split."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from datasets.camera_sim import camera_sim_dataset_builder as builder
from datasets.camera_sim import patches, photographs
from datasets.pipeline import SPLITS, NoiseData, open_dataset
from jaxnoise.errors import DataError, UsageError
from jaxnoise.noise.camera import (
    CAMERAS,
    ISOS,
    MIXING,
    SIMULATIONS,
    draw,
    generator,
    noise_std,
    sensor_effects,
)


@pytest.fixture(scope="module", params=list(SIMULATIONS))
def data(request: pytest.FixtureRequest, few_patches: None, records: Path) -> NoiseData:
    return open_dataset(f"camera_sim/{request.param}", data_dir=records)


@pytest.fixture(scope="module", params=[s.name for s in SIMULATIONS.values() if s.has_truth])
def exact(request: pytest.FixtureRequest, few_patches: None, records: Path) -> NoiseData:
    return open_dataset(f"camera_sim/{request.param}", data_dir=records)


def everything(data: NoiseData, split: str) -> dict[str, np.ndarray]:
    (batch,) = data.batches(split, batch_size=data.sizes[split])
    return batch


def true_nll(noise: np.ndarray, clean: np.ndarray, camera: int, iso: float, taps) -> float:
    """Negative log-likelihood of noise by undoing the simulation pixel by pixel."""
    std = noise_std(clean, CAMERAS[camera], iso)
    mixed = np.linalg.solve(MIXING, (noise / std)[..., None])[..., 0]
    white = np.zeros_like(mixed)
    for y in range(white.shape[0]):
        for x in range(white.shape[1]):
            white[y, x] = mixed[y, x] - sum(
                weight * white[y - up, x - left]
                for (up, left), weight in taps.items()
                if (up, left) != (0, 0) and y >= up and 0 <= x - left < white.shape[1]
            )
    log_det = np.log(std).sum() + white[..., 0].size * np.log(np.linalg.det(MIXING))
    return 0.5 * (white**2).sum() + 0.5 * white.size * np.log(2 * np.pi) + log_det


def test_every_camera_and_iso_is_equally_frequent(data: NoiseData):
    assert data.sizes == {"train": 100, "validation": 25, "test": 50}
    assert (data.cameras, data.isos) == (tuple(c.name for c in CAMERAS), ISOS)
    for split in SPLITS:
        batch = everything(data, split)
        settings = np.stack([batch["camera"], batch["iso"]])
        _, counts = np.unique(settings, axis=1, return_counts=True)
        assert counts.tolist() == [data.sizes[split] // 25] * 25


@pytest.mark.fast
def test_types_shapes_and_units(data: NoiseData):
    batch = everything(data, "test")
    for key in ("clean", "noisy", "noisy2"):
        assert batch[key].shape == (50, 32, 32, 4) and batch[key].dtype == np.float32
    assert batch["camera"].dtype == np.int32 and batch["iso"].dtype == np.float32
    assert batch["clean"].min() >= 0 and batch["clean"].max() <= 1
    assert data.has_truth == ("truth" in batch) == ("exact" in data.name)
    assert (data.channels, data.patch_size) == (4, 32)


@pytest.mark.fast
def test_truth_is_the_likelihood_of_the_stored_noise(exact: NoiseData):
    taps = SIMULATIONS[exact.name.partition("/")[2]].taps
    batch = everything(exact, "test")
    for i in range(0, 50, 13):
        clean, noisy = batch["clean"][i].astype(float), batch["noisy"][i].astype(float)
        nll = true_nll(noisy - clean, clean, batch["camera"][i], batch["iso"][i], taps)
        # Float32 images round noise by 3e-8 against a standard deviation of 7e-4 and more: the
        # 4096 white values move by 1e-4 each, their sum of squares by sqrt(4096) 1e-4.
        assert abs(nll - batch["truth"][i]) < 0.05


@pytest.mark.fast
def test_the_two_draws_are_independent_and_alike(exact: NoiseData):
    batch = everything(exact, "train")
    first, second = ((batch[key].astype(float) - batch["clean"]) for key in ("noisy", "noisy2"))
    std = np.stack(
        [
            noise_std(clean, CAMERAS[camera], iso)
            for clean, camera, iso in zip(
                batch["clean"], batch["camera"], batch["iso"], strict=True
            )
        ]
    )
    first, second = first / std, second / std
    size = first[..., 0].size
    # Correlated neighbours make the effective sample smaller, by less than 4.
    assert abs((first[..., 0] * second[..., 0]).mean()) < 5 * np.sqrt(4 / size)
    assert abs((first**2).mean() / (second**2).mean() - 1) < 5 * np.sqrt(2 * 2 * 4 / first.size)


@pytest.mark.fast
def test_full_is_clipped_and_quantised(few_patches: None, records: Path):
    batch = everything(open_dataset("camera_sim/full", data_dir=records), "test")
    for noisy, camera in zip(batch["noisy"], batch["camera"], strict=True):
        levels = noisy.astype(float) * (2 ** CAMERAS[camera].bits - 1)
        # Float32 keeps 24 bits of a number of at most 12.
        np.testing.assert_allclose(levels, np.round(levels), atol=2.0**-10)
    assert batch["noisy"].min() >= 0 and batch["noisy"].max() <= 1


@pytest.mark.fast
def test_intensities_are_dark_and_bright(few_patches: None, records: Path):
    clean = everything(open_dataset("camera_sim/exact", data_dir=records), "train")["clean"]
    brightest = clean.max(axis=(1, 2, 3))
    assert brightest.min() < 0.15 and brightest.max() > 0.85
    assert len(np.unique(brightest)) == len(clean)


@pytest.mark.fast
def test_scenes_of_the_splits_are_different_photographs():
    scenes = [{p.scene for p in photographs.SPLITS[split]} for split in SPLITS]
    assert not scenes[0] & scenes[1] and not scenes[0] & scenes[2] and not scenes[1] & scenes[2]
    files = [p.path.read_bytes() for split in SPLITS for p in photographs.SPLITS[split]]
    assert len(set(files)) == len(files) == 9


@pytest.mark.fast
def test_each_split_reads_its_own_photographs(few_patches: None, records: Path, monkeypatch):
    data = open_dataset("camera_sim/exact", data_dir=records)
    read: list[str] = []
    plain = photographs.Photograph.read
    monkeypatch.setattr(
        photographs.Photograph, "read", lambda self: read.append(self.scene) or plain(self)
    )
    made = builder.builder(builder.make_config("exact"), "nowhere")
    for split in SPLITS:
        read.clear()
        list(made._generate_examples(split))
        assert set(read) == {p.scene for p in photographs.SPLITS[split]}
        batch = everything(data, split)
        assert {data.scenes[scene] for scene in batch["scene"]} == set(read)
        shown = [photographs.ALL[image] for image in batch["image"]]
        assert set(shown) == set(photographs.SPLITS[split])
        assert [p.scene for p in shown] == [data.scenes[scene] for scene in batch["scene"]]


def one_by_one(name: str, split: str, number: int, size: int) -> dict[str, np.ndarray]:
    """Patch of a number, made by the functions that take one patch."""
    random = generator(name, 5, split, number)
    camera, iso = number % 25 // 5, ISOS[number % 5]
    image = patches.photograph_of(split, number).read()
    clean, corner = photographs.raw_patch(image, size, random)
    made: dict = {"clean": clean, "camera": camera, "iso": iso}
    for key in ("noisy", "noisy2"):
        noise, truth = draw(clean, CAMERAS[camera], iso, taps=SIMULATIONS[name].taps, random=random)
        made[key] = (clean + noise).astype(np.float32)
        if SIMULATIONS[name].sensor_effects:
            made[key] = sensor_effects(
                clean, noise, CAMERAS[camera], iso, corner=corner, random=random
            ).astype(np.float32)
        elif key == "noisy":
            made["truth"] = np.float32(truth)
    return made


@pytest.mark.fast
@pytest.mark.parametrize("name", list(SIMULATIONS))
@pytest.mark.parametrize("together", [1, 7])
def test_how_many_are_made_together_changes_nothing(name: str, together: int, monkeypatch):
    monkeypatch.setattr(patches, "PIXELS_AT_ONCE", 3 * 16**2)
    numbers = range(40, 40 + together)
    made = patches.make_patches(name, 5, "train", numbers, patch_size=16, read=photographs.reader())
    for place, number in enumerate(numbers):
        alone = one_by_one(name, "train", number, 16)
        assert alone.keys() == made.keys()
        # The gains and the products of a matrix with many rows may round otherwise than with few.
        for key, value in alone.items():
            np.testing.assert_allclose(made[key][place], value, rtol=3e-7, atol=1e-7, err_msg=key)


@pytest.mark.fast
def test_patches_are_in_the_order_of_a_hash(few_patches: None, records: Path):
    batch = everything(open_dataset("camera_sim/exact", data_dir=records), "validation")
    keys = [hashlib.md5(f"validation{number}".encode()).hexdigest() for number in range(25)]
    order = sorted(range(25), key=lambda number: int(keys[number], 16))
    assert batch["camera"].tolist() == [number // 5 for number in order]
    assert batch["iso"].tolist() == [ISOS[number % 5] for number in order]


@pytest.mark.fast
def test_data_are_a_function_of_configuration_and_seed(few_patches: None, tmp_path: Path):
    first = open_dataset("camera_sim/exact-white", data_dir=tmp_path / "a", seed=1, patch_size=8)
    second = open_dataset("camera_sim/exact-white", data_dir=tmp_path / "b", seed=1, patch_size=8)
    third = open_dataset("camera_sim/exact-white", data_dir=tmp_path / "a", seed=2, patch_size=8)
    assert first.fingerprint == second.fingerprint != third.fingerprint
    one, two, other = (everything(data, "test") for data in (first, second, third))
    for key in one:
        np.testing.assert_array_equal(one[key], two[key])
    assert not np.array_equal(one["noisy"], other["noisy"])


@pytest.mark.fast
def test_patches_of_another_size(few_patches: None, tmp_path: Path):
    data = open_dataset("camera_sim/exact", data_dir=tmp_path, patch_size=8)
    assert everything(data, "test")["noisy"].shape == (50, 8, 8, 4)


@pytest.mark.fast
def test_fingerprint_changes_with_constants(monkeypatch):
    config = builder.make_config("exact")
    prints = {builder.fingerprint(config)}
    for name, value in (("VERSION", "9.9.9"), ("MIXING", 2 * MIXING), ("CAMERAS", CAMERAS[:4])):
        with monkeypatch.context() as patch:
            patch.setattr(builder, name, value)
            prints.add(builder.fingerprint(config))
    prints.add(builder.fingerprint(builder.make_config("exact-wide")))
    prints.add(builder.fingerprint(builder.make_config("exact", seed=1)))
    prints.add(builder.fingerprint(builder.make_config("exact", patch_size=16)))
    assert len(prints) == 7


@pytest.mark.fast
def test_a_missing_photograph_is_a_sentence(monkeypatch, tmp_path: Path):
    gone = {**photographs.SPLITS, "test": (photographs.Photograph("gone", "gone.png"),)}
    monkeypatch.setattr(photographs, "SPLITS", gone)
    with pytest.raises(DataError, match="gone.png"):
        open_dataset("camera_sim/exact", data_dir=tmp_path / "records")
    assert not (tmp_path / "records").exists()


@pytest.mark.fast
@pytest.mark.parametrize("size", [0, -3, 7, 129])
def test_a_patch_size_out_of_range_is_refused(size: int, tmp_path: Path):
    with pytest.raises(UsageError, match="8 to 128"):
        open_dataset("camera_sim/exact", data_dir=tmp_path / "records", patch_size=size)
    assert not (tmp_path / "records").exists()
