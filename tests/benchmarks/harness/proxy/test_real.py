"""How denoisers are judged: numbers of known errors, and which images count."""

import numpy as np
import pytest

from benchmarks.harness.proxy import real
from jaxnoise.io import write_image

pytestmark = pytest.mark.fast


def test_an_offset_counts_in_one_psnr_and_not_in_the_other():
    clean = np.full((16, 16, 3), 0.5, np.float32)
    checks = 0.01 * (-1.0) ** np.add.outer(np.arange(16), np.arange(16))[..., None]
    found = real.quality(clean + checks + np.array([0.1, -0.1, 0.0]), clean)
    # Squared errors: of the checks 1e-4, of the offsets 2/3 of 1e-2.
    assert found["psnr"] == pytest.approx(-10 * np.log10(1e-4 + 2 / 3 * 1e-2), abs=1e-4)
    assert found["psnr_without_offset"] == pytest.approx(40.0, abs=1e-4)


def test_estimates_are_clipped_as_images_are():
    clean = np.ones((16, 16, 3), np.float32)
    assert real.quality(clean + 0.5, clean)["psnr"] == np.inf


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    lines = ["noisy,clean,camera,iso,scene,split"]
    for place, split in enumerate(["train", "train", "train", "test"]):
        clean = random.integers(60, 190, (16, 16, 3), np.uint8)
        noisy = clean + random.integers(0, 9, clean.shape, np.uint8)
        for name, image in (("clean", clean), ("noisy", noisy)):
            write_image(tmp_path / f"{place}_{name}.png", image, format="PNG")
        lines.append(f"{place}_noisy.png,{place}_clean.png,c,100,scene {place},{split}")
    (tmp_path / "index.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_all_images_are_judged_and_a_perfect_denoiser_has_the_mean_of_its_numbers(folder):
    (found,) = real.open_sets([folder])
    judged = real.judge(lambda noisy: noisy, [found])[folder.name]
    assert len(judged["images"]) == 4
    each = [row[0] for row in judged["images"].values()]
    assert judged["psnr"] == pytest.approx(np.mean(each), abs=1e-3)
    brighter = real.judge(lambda noisy: noisy + 0.05, [found])[folder.name]
    assert brighter["psnr"] < judged["psnr"]
    assert brighter["psnr_without_offset"] == pytest.approx(judged["psnr_without_offset"], abs=1e-4)


def test_the_split_that_validates_counts_as_training(folder):
    (found,) = real.open_sets([folder])
    assert {pair.split for pair in found.pairs} == {"train", "validation", "test"}
    assert [pair.scene for pair in found.only("test").pairs] == ["scene 3"]
    assert len(found.only("train").pairs) == 3
