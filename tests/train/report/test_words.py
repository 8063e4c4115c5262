"""What the report calls the noise that models are compared on, and what a small distance means."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from train.report.candidates import Candidate, includes
from train.report.denoiser_numbers import noisy_result
from train.report.denoiser_section import denoiser_section
from train.report.noise_numbers import ModelResult
from train.report.noise_section import noise_section
from train.report.report import report_of_patches
from train.report.test_set import TestSet

MACHINERY = "tests the machinery there, and is no result about cameras"


def make(**fields):
    generator = np.random.default_rng(0)
    shape = (12, 16, 16, 4)
    clean = generator.uniform(0.01, 0.5, shape).astype(np.float32)
    noise, noise2, drawn = 0.01 * generator.normal(size=(3, *shape)).astype(np.float32)
    test = TestSet(
        clean=clean,
        noise=noise,
        camera=np.zeros(12, np.int32),
        iso=np.full(12, 100, np.float32),
        cameras=("aster",),
        noise2=noise2,
        **fields,
    )
    return test, [ModelResult("flow", 2, np.full(12, -2.0), drawn, family="N-W-K3")]


def everything_said(test, results, folder):
    """All text of the page, the figures in it and evaluation.json."""
    sections = [
        noise_section(test, results, history={}, show_images=True),
        denoiser_section(test, [noisy_result(test)], history={}, show_images=True),
    ]
    report = report_of_patches("Noise", test, sections, notes=[], show_images=True)
    report.write(folder, failed=report.failed)
    page = (folder / "report.html").read_text(encoding="utf-8")
    page = re.sub(r'href="data:[^"]*"', "", page)
    return page + (folder / "evaluation.json").read_text(encoding="utf-8")


def test_simulated_noise_is_never_called_real(tmp_path):
    words = everything_said(*make(simulated=True), tmp_path)
    assert not re.search(r"\breal\b", words, re.IGNORECASE)
    assert "simulated noise" in words and "with simulated noise" in words


def test_noise_of_cameras_is_called_real(tmp_path):
    words = everything_said(*make(), tmp_path)
    assert "real noise" in words and "simulated" not in words.replace("contain_the_simulator", "")
    assert "data" in json.loads((tmp_path / "evaluation.json").read_text())["correlation"]


def test_a_clean_image_that_is_an_estimate_is_called_so(tmp_path):
    test, results = make()
    shots = (test.clean + test.noise, test.clean + np.asarray(test.noise2))
    words = everything_said(replace(test, shots=shots, noise2=None), results, tmp_path)
    assert "mean estimate" in words and "an estimate stands for it" in words


@pytest.mark.parametrize(
    ("families", "family", "said"),
    [
        (("N-K3",), "N-W-K3", True),
        (("N-K3",), "N-K4", True),
        (("N-K3",), "N-W-K2", False),
        (("N-K3",), "", False),
        (("N-K3",), "S-Ax4-G-Ax4-CAM", False),
        (("N-W", "N-K1"), "N-W", True),
        (("N-W", "N-K1"), "W-N", False),
        ((), "N-W-K3", False),
    ],
)
def test_a_model_that_contains_the_simulator_is_no_result_about_cameras(families, family, said):
    test, results = make(simulated=True, families=families)
    section = noise_section(
        test, [replace(results[0], family=family)], history={}, show_images=False
    )
    assert (MACHINERY in section.html) == said
    assert section.numbers["contain_the_simulator"] == (["flow"] if said else [])


def test_a_squeezed_layer_is_another_one():
    assert not includes("N-Q-K3", "N-K3", channels=4)


def test_only_normal_flows_and_linear_predictions_have_a_family():
    from jaxnoise.models import noiseflow
    from jaxnoise.noise import autoregressive, nlf

    def family(model, **options):
        return Candidate("any", model, model.Config(**options), {}).family

    assert family(noiseflow, arch="N-W-K3") == "N-W-K3"
    assert family(noiseflow, arch="N-W-K3", base="student_t") == ""
    assert family(autoregressive) == "N-K3"
    assert family(nlf) == ""
