"""The section of restored images: numbers against scikit-image, verdicts, and what is left out."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from train.report.restoration_numbers import Restoration, RestorationTest, evaluate
from train.report.restoration_section import restoration_section


@pytest.fixture
def crops():
    random = np.random.default_rng(3)
    targets = random.uniform(0.2, 0.8, (6, 12, 16, 3)).astype(np.float32)
    inputs = random.uniform(0, 1, (6, 6, 8, 4)).astype(np.float32)
    return RestorationTest(inputs, targets, np.array([0, 0, 0, 4, 4, 9]), "joint demosaicing")


def restoration(crops, name, sigma, **more):
    noise = np.random.default_rng(len(name)).normal(0, sigma, crops.targets.shape)
    return Restoration(name, 123, (crops.targets + noise).clip(0, 1).astype(np.float32), **more)


@pytest.mark.fast
def test_psnr_ssim_and_gain_are_means_over_crops(crops):
    results = [
        restoration(crops, "Menon", 0.1, is_input=True),
        restoration(crops, "network", 0.05),
    ]
    found = evaluate(crops, results)
    assert (found["crops"], found["images"]) == (6, 3)
    decibels = {}
    for result, row in zip(results, found["restored"], strict=True):
        pairs = list(zip(crops.targets, result.estimate, strict=True))
        values = [peak_signal_noise_ratio(*pair, data_range=1) for pair in pairs]
        seen = [structural_similarity(*pair, data_range=1, channel_axis=-1) for pair in pairs]
        assert row["psnr"] == pytest.approx(np.mean(values), abs=1e-4)
        assert row["psnr_standard_error"] == pytest.approx(
            np.std(values, ddof=1) / 6**0.5, rel=1e-3
        )
        assert row["ssim"] == pytest.approx(np.mean(seen), abs=1e-5)
        decibels[result.name] = np.array(values)
    start, trained = found["restored"]
    difference = decibels["network"] - decibels["Menon"]
    assert start["gain"] is None and trained["gain"] == pytest.approx(difference.mean(), abs=1e-4)
    error = np.std(difference, ddof=1) / 6**0.5
    assert trained["gain_standard_error"] == pytest.approx(error, rel=1e-3)


@pytest.mark.fast
def test_an_exact_crop_and_one_that_is_too_small_leave_numbers(crops):
    exact = Restoration("exact", None, crops.targets)
    assert evaluate(crops, [exact])["restored"][0]["psnr"] == 100
    small = RestorationTest(crops.inputs, crops.targets[:, :6], crops.image, "denoising")
    (row,) = evaluate(small, [Restoration("small", None, crops.targets[:, :6])])["restored"]
    assert row["ssim"] is None and row["gain"] is None


@pytest.mark.fast
@pytest.mark.parametrize(
    ("sigma", "sentence", "set_off"),
    [
        (0.05, "network has the highest PSNR", True),
        (0.3, "Nothing is better than the input itself (Menon)", False),
    ],
)
def test_the_verdict_is_that_of_the_table(crops, sigma, sentence, set_off):
    results = [
        restoration(crops, "Menon", 0.1, is_input=True),
        restoration(crops, "network", sigma),
    ]
    history = {"network": [{"step": 0, "validation_psnr": 20.0}, {"step": 5, "validation_psnr": 2}]}
    section = restoration_section(crops, results, history=history, show_images=True)
    assert sentence in section.verdict
    assert ('class="best"' in section.html) == set_off
    names = [picture.name for picture in section.pictures]
    assert names == ["denoising-training", "restored", "restored-crops"]
    assert section.pictures[0].title == "Training of the network"
    lines = section.text.splitlines()
    assert len(lines) == 4 and lines[0].startswith("joint demosaicing")
    hidden = restoration_section(crops, results, history={}, show_images=False)
    assert [picture.name for picture in hidden.pictures] == ["restored-crops"]


@pytest.mark.fast
def test_without_a_row_of_the_input_nothing_is_compared_with_it(crops):
    results = [restoration(crops, "network", 0.1)]
    section = restoration_section(crops, results, history={}, show_images=False)
    assert section.pictures == () and section.verdict.endswith(" dB.")
