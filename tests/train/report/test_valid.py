"""Pixels that do not count are in no number and in no figure."""

import json
from dataclasses import replace

import numpy as np
import pytest

from jaxnoise.metrics import marginal_kl, psnr
from train.report import denoiser_numbers
from train.report.denoiser_section import denoiser_section
from train.report.noise_in_space import correlation_map, radial_spectrum
from train.report.noise_numbers import ModelResult, evaluate
from train.report.noise_section import noise_section
from train.report.report import report_of_patches
from train.report.test_set import TestSet

SHAPE = (40, 16, 16, 4)


def make(valid, *, spoil, seed=0):
    """White noise whose values at the pixels that do not count are `spoil`."""
    generator = np.random.default_rng(seed)
    clean = generator.uniform(0.01, 0.5, SHAPE).astype(np.float32)
    draws = 0.01 * generator.normal(size=(4, *SHAPE)).astype(np.float32)
    noise, noise2, drawn, white = (np.where(valid, draw, np.float32(spoil)) for draw in draws)
    test = TestSet(
        clean=np.where(valid, clean, np.float32(0.9)),
        noise=noise,
        camera=(np.arange(len(clean)) % 2).astype(np.int32),
        iso=np.full(len(clean), 100, np.float32),
        cameras=("aster", "birch"),
        truth=generator.normal(size=len(clean)),
        noise2=noise2,
        valid=valid,
    )
    nll = generator.normal(size=(2, len(clean)))
    results = [
        ModelResult("AWGN", 1, nll[0], white, is_white=True, is_trained=False),
        ModelResult("flow", 2, nll[1], drawn),
    ]
    return test, results


def some_valid():
    valid = np.random.default_rng(1).random((*SHAPE[:3], 1)) < 0.8
    valid[3] = False
    return valid


def section_of(test, results):
    return noise_section(test, results, history={}, show_images=True)


def points(section):
    """What the figures draw: lines and pictures."""
    found = []
    for picture in section.pictures:
        for axes in picture.figure.axes:
            found += [np.asarray(line.get_xydata(), float) for line in axes.lines]
            found += [np.ma.filled(image.get_array(), np.nan) for image in axes.images]
    return found


def test_what_does_not_count_changes_nothing():
    sections = [section_of(*make(some_valid(), spoil=spoil)) for spoil in (0.0, 0.4)]
    assert sections[0].numbers == sections[1].numbers
    for first, second in zip(*map(points, sections), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_numbers_are_those_of_the_values_that_count():
    valid = some_valid()
    test, results = make(valid, spoil=0.4)
    numbers = evaluate(test, results)
    counted = np.broadcast_to(valid, SHAPE)
    weights = counted.sum((1, 2, 3))
    row = numbers["models"][1]
    assert row["kl_smoothed"] == pytest.approx(
        marginal_kl(test.noise[counted], results[1].noise[counted])
    )
    assert numbers["models"][0]["improvement_over_awgn"] == 0
    assert row["nll"] == pytest.approx(np.average(results[1].nll, weights=weights))
    assert row["above_truth"] == pytest.approx(
        np.average(results[1].nll - test.truth, weights=weights)
    )
    assert sum(group["values"] for group in numbers["groups"]["camera"]) == counted.sum()
    patches = [
        marginal_kl(test.noise[i][counted[i]], results[1].noise[i][counted[i]])
        for i in np.flatnonzero(weights)
    ]
    assert row["patch_kl_smoothed"] == pytest.approx(np.mean(patches))


def test_a_mask_of_ones_is_no_mask():
    test, results = make(np.ones((*SHAPE[:3], 1), bool), spoil=0)
    numbers, unmasked = (evaluate(one, results) for one in (test, replace(test, valid=None)))
    for row, other in zip(numbers["models"], unmasked["models"], strict=True):
        for key, value in other.items():
            assert row[key] == (pytest.approx(value, rel=1e-9) if key != "name" else value)


def test_a_likelihood_that_is_not_a_number_counts_only_where_pixels_do():
    test, results = make(some_valid(), spoil=0.4)
    results[1].nll[3] = np.nan
    assert evaluate(test, results)["models"][1]["nll"] is not None
    results[1].nll[4] = np.nan
    assert evaluate(test, results)["models"][1]["nll"] is None


def test_correlation_and_spectrum_of_filtered_noise_with_values_missing():
    generator = np.random.default_rng(0)
    white = generator.normal(size=(300, 33, 32, 1))
    noise = (white[:, 1:] + 0.5 * white[:, :-1]) / np.sqrt(1.25)
    valid = generator.random(noise.shape) < 0.7
    masked = np.where(valid, noise, 0)
    pairs = 0.5 * noise.size
    found = correlation_map(masked, 2, valid=valid)
    assert found[3, 2] == pytest.approx(0.4, abs=5 * 1.2 / np.sqrt(pairs))
    assert found[2, 3] == pytest.approx(0, abs=5 * 1.2 / np.sqrt(pairs))
    # White noise with values missing still has power 1 at every frequency.
    gaps = np.where(valid, white[:, 1:], 0)
    np.testing.assert_allclose(radial_spectrum(gaps, valid=valid)[1], 1, atol=5 / np.sqrt(300))


def test_denoisers_are_measured_where_pixels_count():
    valid = some_valid()
    found = []
    for spoil in (0.0, 0.4):
        test, _ = make(valid, spoil=spoil)
        estimate = np.where(valid, test.clean + 0.5 * test.noise, np.float32(spoil))
        result = denoiser_numbers.DenoiserResult("net", 5, estimate)
        rows = denoiser_numbers.evaluate(test, [denoiser_numbers.noisy_result(test), result])
        found.append(rows["denoisers"][1])
    for key in ("psnr", "psnr_standard_error", "error_ratio"):
        assert found[0][key] == found[1][key]
    assert found[0]["error_ratio"] == pytest.approx(0.25, rel=1e-4)
    counted = np.broadcast_to(valid, SHAPE)
    expected = [
        psnr(estimate[i][counted[i]][None, None, None], test.clean[i][counted[i]][None, None, None])
        for i in np.flatnonzero(valid.any((1, 2, 3)))
    ]
    assert found[1]["psnr"] == pytest.approx(np.mean(expected), rel=1e-5)


def test_denoisers_are_measured_on_pairs_where_pixels_count():
    valid = some_valid()
    found = []
    for spoil in (0.0, 0.4):
        test, _ = make(valid, spoil=spoil)
        shots = tuple(test.clean + noise for noise in (test.noise, test.noise2))
        pairs = replace(test, shots=shots)
        estimate = np.where(valid, test.clean, np.float32(spoil))
        result = denoiser_numbers.DenoiserResult("net", 5, estimate)
        found.append(denoiser_numbers.evaluate(pairs, [result])["denoisers"][0])
    assert found[0] == found[1]
    # The error of an exact estimate, estimated: 0 but for chance.
    assert abs(found[0]["error_ratio"]) < 5 * np.sqrt(2 / (0.75 * np.prod(SHAPE))) * 2


def test_the_share_left_out_is_said(tmp_path, without_figures):
    valid = some_valid()
    test, results = make(valid, spoil=0.4)
    sections = [
        section_of(test, results),
        denoiser_section(
            test, [denoiser_numbers.noisy_result(test)], history={}, show_images=False
        ),
    ]
    report = report_of_patches("masked", test, sections, notes=[], show_images=True)
    report.write(tmp_path)
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    assert evaluation["left_out"] == pytest.approx(1 - valid.mean())
    share = f"{100 * (1 - valid.mean()):.2g} % of the test pixels"
    assert share in " ".join(evaluation["notes"])
    assert share in (tmp_path / "report.html").read_text()
