"""What the report says first: computed from its tables, ties included."""

import numpy as np
import pytest

from train.report.denoiser_numbers import DenoiserResult, noisy_result
from train.report.denoiser_section import best_rows as best_denoisers
from train.report.denoiser_section import denoiser_section
from train.report.noise_numbers import ModelResult
from train.report.noise_section import MARGIN_OVER_WHITE, noise_section
from train.report.report import report_of_patches
from train.report.test_set import TestSet

COUNT = 8


@pytest.fixture(scope="module")
def test_patches():
    generator = np.random.default_rng(0)
    shape = (COUNT, 16, 16, 3)
    return TestSet(
        clean=generator.uniform(0.2, 0.5, shape).astype(np.float32),
        noise=(0.02 * generator.normal(size=shape)).astype(np.float32),
        camera=np.zeros(COUNT, np.int32),
        iso=np.full(COUNT, 100, np.float32),
        cameras=("aster",),
    )


def denoised(test, *estimates):
    results = [DenoiserResult(f"net {i}", 5, found) for i, found in enumerate(estimates)]
    return denoiser_section(test, [noisy_result(test), *results], history={}, show_images=False)


def compared(test, *levels, trained=(False, False, True)):
    """A section on white noise, another baseline and a trained model with these NLLs."""
    names = ("white", "curve", "flow", "flow 2")
    draws = 0.02 * np.random.default_rng(1).normal(size=test.noise.shape).astype(np.float32)
    results = [
        ModelResult(name, 1, np.full(COUNT, level), draws, is_white=name == "white", is_trained=own)
        for name, level, own in zip(names, levels, trained, strict=False)
    ]
    return noise_section(test, results, history={}, show_images=False)


def test_a_denoiser_that_ties_with_its_input_is_not_the_best(test_patches):
    section = denoised(test_patches, test_patches.clean + test_patches.noise)
    assert section.verdict.startswith("No denoiser is better than the noisy images themselves")
    assert [row["name"] for row in best_denoisers(section.numbers)] == ["noisy", "net 0"]
    assert 'class="best"' not in section.html


def test_the_noisy_input_is_never_the_best_denoiser(test_patches):
    worse = test_patches.clean + 2 * test_patches.noise
    section = denoised(test_patches, worse)
    assert section.verdict.startswith("No denoiser is better than the noisy images themselves")
    assert "best" not in section.verdict and 'class="best"' not in section.html


def test_denoisers_that_the_table_cannot_tell_apart_are_both_the_best(test_patches):
    half = test_patches.clean + 0.5 * test_patches.noise
    nearly = test_patches.clean + np.float32(0.50001) * test_patches.noise
    section = denoised(test_patches, half, nearly, test_patches.clean + 0.9 * test_patches.noise)
    assert section.verdict.startswith("net 0 and net 1 are the best denoisers")
    assert section.html.count('class="best"') == 2
    assert "25.0 %" in section.verdict


def test_one_best_denoiser(test_patches):
    section = denoised(test_patches, test_patches.clean + 0.5 * test_patches.noise)
    assert section.verdict.startswith("net 0 is the best denoiser: 39.98 dB")


def test_a_trained_model_that_no_baseline_reaches(test_patches):
    section = compared(test_patches, -2.0, -2.5, -2.6)
    assert section.verdict.startswith("flow has the best likelihood: −2.6000 nats")
    assert "worse" not in section.verdict and not section.failed


def test_no_trained_model_is_better_than_a_baseline(test_patches):
    section = compared(test_patches, -2.0, -2.6, -2.5)
    assert section.verdict.startswith("curve has the best likelihood: −2.6000")
    assert "; what was trained here has a worse one" in section.verdict
    assert not section.failed


def test_models_that_the_table_cannot_tell_apart_share_the_verdict(test_patches):
    section = compared(test_patches, -2.0, -2.60001, -2.6)
    assert section.verdict.startswith("curve and flow have the best likelihood: −2.6000")
    assert "worse" not in section.verdict
    assert section.html.count('class="best"') == 2


@pytest.mark.parametrize("level", [-2.0 + 2 * MARGIN_OVER_WHITE, np.nan])
def test_a_trained_model_that_white_noise_beats_has_failed(test_patches, level):
    section = compared(test_patches, -2.0, -1.0, level)
    assert len(section.failed) == 1
    assert section.failed[0].startswith("flow explains the test noise worse than white noise")


def test_chance_and_baselines_do_not_fail_a_run(test_patches):
    assert not compared(test_patches, -2.0, -1.0, -2.0 + MARGIN_OVER_WHITE / 2).failed


def test_models_without_a_likelihood_are_no_verdict(test_patches):
    section = compared(test_patches, np.nan, np.nan, np.nan)
    assert section.verdict == "No model has a finite likelihood on the test patches."


def test_what_failed_comes_first_on_the_page_and_is_escaped(
    tmp_path, test_patches, without_figures
):
    section = compared(test_patches, -2.0, -2.5, -1.0, -1.5, trained=(False, False, True, True))
    report = report_of_patches("Noise", test_patches, [section], notes=[], show_images=False)
    assert report.failed == list(section.failed) and len(report.failed) == 2
    failed = ["<b>broken</b> & gone.", *report.failed]
    report.write(tmp_path, failed=failed)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    places = [page.index(text) for text in ("</h1>", "&lt;b&gt;broken&lt;/b&gt; &amp; gone.")]
    places += [page.index(sentence) for sentence in report.failed]
    places += [page.index(section.verdict[:30]), page.index("held-out"), page.index("<table")]
    assert places == sorted(places)
