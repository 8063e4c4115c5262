import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from jaxnoise.metrics import marginal_kl, patch_marginal_kl
from train.report.noise_in_space import (
    correlation_map,
    groups_of,
    normalised,
    radial_spectrum,
)
from train.report.noise_numbers import ModelResult
from train.report.noise_section import format_table, noise_section
from train.report.report import Report, report_of_patches
from train.report.test_set import TestSet

CAMERAS = ("aster", "birch <script>alert('$x_1$')</script> & co")
PATCHES, SIZE, CHANNELS = 60, 16, 4


def make_test_set(*, patches=PATCHES, channels=CHANNELS, seed=0):
    """Two cameras and two ISOs, white noise of known variance, and its true likelihood."""
    generator = np.random.default_rng(seed)
    shape = (patches, SIZE, SIZE, channels)
    clean = generator.uniform(0.01, 0.5, shape).astype(np.float32)
    camera = (np.arange(patches) % 2).astype(np.int32)
    iso = np.where(np.arange(patches) // 2 % 2, 100.0, 1600.0).astype(np.float32)
    variance = 1e-6 * (1 + camera * 2.0) * iso
    scale = np.sqrt(variance.reshape(-1, 1, 1, 1) * clean)
    noise, noise2, drawn = scale * generator.normal(size=(3, *shape))
    density = 0.5 * np.log(2 * np.pi * scale**2) + noise**2 / (2 * scale**2)
    test = TestSet(
        clean=clean,
        noise=noise.astype(np.float32),
        camera=camera,
        iso=iso,
        cameras=CAMERAS,
        truth=density.mean(axis=(1, 2, 3)),
        noise2=noise2.astype(np.float32),
    )
    return test, drawn.astype(np.float32), scale


def make_results(test, drawn):
    """The true model, and white noise of one variance."""
    spread = float(test.noise.std())
    white = np.random.default_rng(1).normal(scale=spread, size=test.noise.shape)
    density = 0.5 * np.log(2 * np.pi * spread**2) + test.noise**2 / (2 * spread**2)
    return [
        ModelResult(
            "AWGN",
            1,
            density.mean(axis=(1, 2, 3)),
            white.astype(np.float32),
            is_white=True,
            is_trained=False,
        ),
        ModelResult("S-G-CAM", 12, test.truth.copy(), drawn),
    ]


def write_report(folder, *, title, test, results, history, notes, show_images=True):
    """Writes a report on noise models and returns what evaluation.json holds."""
    section = noise_section(test, results, history=history, show_images=show_images)
    report = report_of_patches(title, test, [section], notes=notes, show_images=show_images)
    report.write(folder, failed=report.failed)
    return json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))


def make_history():
    rows = [{"step": step, "nll": -2.0 + 1 / (1 + step)} for step in range(1000)]
    for row in rows[::100]:
        row["validation_nll"] = row["nll"] + 0.01
        row["parameters"] = {"beta1": 0.1, "beta2": 1e-4, "gain/100": 1.0, "camera/aster": 1.2}
    rows[5]["nll"] = None
    return {"S-G-CAM": rows}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    test, drawn, _ = make_test_set()
    evaluation = write_report(
        folder,
        title="Noise & <models>",
        test=test,
        results=make_results(test, drawn),
        history=make_history(),
        notes=["Noise is in fractions of full scale, 8-bit data < 1/255 apart."],
    )
    return folder, evaluation, test, drawn


def texts(page):
    return " ".join(" ".join(page.itertext()).split())


def test_the_page_is_well_formed_and_needs_nothing_else(written):
    folder = written[0]
    source = (folder / "report.html").read_text(encoding="utf-8")
    page = ElementTree.fromstring(source.removeprefix("<!DOCTYPE html>"))
    for element in page.iter():
        assert element.tag.rpartition("}")[2] not in {"script", "link", "iframe", "object"}
        for key, value in element.attrib.items():
            if key.rpartition("}")[2] in {"src", "href", "srcset", "data"}:
                assert value.startswith(("data:", "#")), value[:80]
    assert not re.search(r"url\((?!#)", source)
    assert "@import" not in source
    identifiers = re.findall(r'\bid="([^"]*)"', source)
    assert len(identifiers) == len(set(identifiers))
    used = set(re.findall(r'href="#([^"]*)"', source)) | set(re.findall(r"url\(#([^)]*)\)", source))
    assert used <= set(identifiers)


def test_the_page_names_models_conditions_and_notes_and_escapes_them(written):
    folder = written[0]
    source = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in source
    words = texts(ElementTree.fromstring(source.removeprefix("<!DOCTYPE html>")))
    for word in ("AWGN", "S-G-CAM", "truth", "aster", "birch <script>", "ISO 100", "ISO 1600"):
        assert word in words
    for heading in ("Noise & <models>", "Training", "Histograms", "Variance", "Autocorrelation"):
        assert heading in words
    assert "8-bit data < 1/255 apart" in words


def test_figures_and_numbers_are_written(written):
    folder, evaluation, _, _ = written
    names = {path.name for path in (folder / "figures").iterdir()}
    assert names >= {
        f"{name}.png"
        for name in ("training", "noise", "histograms", "variance", "variance-ratio")
        + ("correlation", "correlation-maps", "parameters-1")
    }
    for path in (folder / "figures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "evaluation.json").read_text(encoding="utf-8")) == evaluation


def test_the_numbers_are_those_of_the_metrics(written):
    _, evaluation, test, drawn = written
    awgn, model = evaluation["models"]
    truth = evaluation["truth"]
    assert model["nll"] == pytest.approx(test.truth.mean())
    assert model["above_truth"] == 0 and model["above_truth_standard_error"] == 0
    assert awgn["above_truth"] == pytest.approx(awgn["nll"] - truth["nll"])
    assert awgn["improvement_over_awgn"] == 0
    assert model["improvement_over_awgn"] == pytest.approx(np.exp(awgn["nll"] - model["nll"]) - 1)
    for variant in ("smoothed", "dropped"):
        assert model[f"kl_{variant}"] == pytest.approx(
            marginal_kl(test.noise, drawn, variant=variant)
        )
        assert model[f"patch_kl_{variant}"] == pytest.approx(
            patch_marginal_kl(test.noise, drawn, variant=variant).mean()
        )
        assert evaluation["floor"][f"kl_{variant}"] == pytest.approx(
            marginal_kl(test.noise, test.noise2, variant=variant)
        )
    group = evaluation["groups"]["camera"][1]
    mask = test.camera == 1
    assert group["label"] == CAMERAS[1]
    assert group["values"] == test.noise[mask].size
    assert group["kl_smoothed"][1] == pytest.approx(marginal_kl(test.noise[mask], drawn[mask]))
    bins = evaluation["groups"]["intensity"]
    assert sum(row["values"] for row in bins) == test.noise.size
    edges = np.quantile(test.clean, [0, 1 / 6])
    inside = (test.clean >= edges[0]) & (test.clean < edges[1])
    assert bins[0]["kl_smoothed"][1] == pytest.approx(
        marginal_kl(test.noise[inside], drawn[inside]), rel=1e-3
    )


def test_the_true_model_is_at_the_floor_and_white_noise_is_not(written):
    _, evaluation, _, _ = written
    awgn, model = evaluation["models"]
    floor = evaluation["floor"]
    # n KL is chi-squared: with k bins, two draws of it differ by 2 sqrt(k - 1) standard deviation.
    values = PATCHES * SIZE * SIZE * CHANNELS
    assert abs(model["kl_smoothed"] - floor["kl_smoothed"]) < 5 * 2 * np.sqrt(65) / values
    spread = np.hypot(
        model["patch_kl_smoothed_standard_error"], floor["patch_kl_smoothed_standard_error"]
    )
    assert abs(model["patch_kl_smoothed"] - floor["patch_kl_smoothed"]) < 5 * spread
    assert awgn["kl_smoothed"] > 20 * floor["kl_smoothed"]
    for rows in evaluation["groups"].values():
        for row in rows:
            allowed = 5 * 2 * np.sqrt(65) / row["values"]
            assert abs(row["kl_smoothed"][1] - row["floor_smoothed"]) < allowed, row["label"]


def test_the_terminal_table_is_narrow_and_holds_every_model(written):
    table = format_table(written[1])
    assert all(len(line) <= 100 for line in table.splitlines())
    for word in ("AWGN", "S-G-CAM", "truth", "sampling floor"):
        assert word in table


def test_a_wide_table_stays_within_a_terminal():
    row = {"name": "N" * 60, "parameters": 264_000, "nll": -123.4567, "above_truth": 12.34567}
    row |= {"above_truth_standard_error": 0.00012, "improvement_over_awgn": 123.4}
    row |= {"kl_smoothed": 1.23e-7, "patch_kl_smoothed": 0.12345, "ks": 0.98765}
    table = format_table({"models": [row], "truth": row, "floor": {"kl_smoothed": 1e-5}})
    assert max(len(line) for line in table.splitlines()) <= 100


def test_one_camera_no_iso_no_truth_and_no_history(tmp_path):
    test, drawn, _ = make_test_set(patches=12, channels=3)
    plain = replace(
        test,
        camera=np.zeros(12, np.int32),
        iso=np.zeros(12, np.float32),
        cameras=("unknown",),
        truth=None,
        noise2=None,
    )
    results = [
        ModelResult("NLF", 2, np.full(12, -2.0), drawn),
        ModelResult("broken", 3, np.full(12, np.nan), np.full_like(drawn, np.nan)),
    ]
    evaluation = write_report(
        tmp_path,
        title="pairs",
        test=plain,
        results=results,
        history={},
        notes=[],
        show_images=False,
    )
    assert evaluation["truth"] is None
    assert list(evaluation["groups"]) == ["intensity"]
    assert "multinomial" in evaluation["floor_source"]
    assert evaluation["floor"]["kl_smoothed"] > 0
    assert evaluation["models"][1]["nll"] is None
    assert evaluation["models"][1]["kl_smoothed"] is None
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert "noise" not in names and "training" not in names
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Real and synthetic noise" not in source
    words = texts(ElementTree.fromstring(source.removeprefix("<!DOCTYPE html>")))
    assert "ISO not stated" in words and "left out" in words
    assert "AWGN" not in format_table(evaluation).replace("over AWGN", "")


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_number_of_channels_can_be_shown(tmp_path, channels):
    test, drawn, _ = make_test_set(patches=4, channels=channels)
    write_report(
        tmp_path,
        title="channels",
        test=test,
        results=make_results(test, drawn),
        history={},
        notes=[],
    )
    assert (tmp_path / "figures" / "noise.png").exists()


def test_names_in_other_scripts_and_with_control_characters_do_no_harm(tmp_path):
    test, drawn, _ = make_test_set(patches=4)
    named = replace(test, cameras=("写真\x00機", "x" * 400))
    write_report(
        tmp_path,
        title="names",
        test=named,
        results=make_results(test, drawn),
        history={},
        notes=["bell\x07"],
    )
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    ElementTree.fromstring(source.removeprefix("<!DOCTYPE html>"))


def test_results_of_other_patches_and_no_results_are_refused(tmp_path):
    test, drawn, _ = make_test_set(patches=4)
    options = {"title": "t", "test": test, "history": {}, "notes": []}
    with pytest.raises(ValueError, match="at least one model"):
        Report(title="t", subject="", sections=[]).write(tmp_path)
    with pytest.raises(ValueError, match="evaluate it on all"):
        write_report(tmp_path, results=[ModelResult("NLF", 2, np.zeros(4), drawn[:3])], **options)
    assert not list(tmp_path.iterdir())


def test_normalised_noise_has_no_variance_left_to_explain():
    test, _, scale = make_test_set()
    values = normalised(test.noise, test, groups_of(test))
    expected = test.noise / scale
    # Within a bin the variance varies with intensity, by which a ratio of scales stays near 1.
    assert np.corrcoef(values.ravel(), expected.ravel())[0, 1] > 0.97
    for iso in np.unique(test.iso):
        assert values[test.iso == iso].var() == pytest.approx(1, abs=0.01)


def test_correlation_and_spectrum_of_a_moving_average_are_those_of_theory():
    generator = np.random.default_rng(0)
    white = generator.normal(size=(200, 33, 33, 2))
    noise = white[:, 1:, 1:] + 0.5 * white[:, 1:, :-1] + 0.25 * white[:, :-1, 1:]
    power = 1 + 0.25 + 0.0625
    noise /= np.sqrt(power)
    # Shifts are (down, right); the filter is 1, 0.5 from the left, 0.25 from above.
    expected = {(0, 1): 0.5, (1, 0): 0.25, (1, -1): 0.125, (1, 1): 0.0, (0, 2): 0.0}
    result = correlation_map(noise, 2)
    assert result.shape == (5, 5) and result[2, 2] == 1
    bound = 5 * 2 / np.sqrt(noise.size)
    for (down, right), value in expected.items():
        assert result[2 + down, 2 + right] == pytest.approx(value / power, abs=bound)
        assert result[2 - down, 2 - right] == result[2 + down, 2 + right]
    frequency, spectrum = radial_spectrum(generator.normal(size=(200, 32, 32, 2)))
    assert frequency[0] == pytest.approx(1 / 32) and frequency[-1] <= np.sqrt(0.5) + 1 / 64
    # The rarest radius averages at least one frequency of 400 transforms.
    np.testing.assert_allclose(spectrum, 1, atol=5 / np.sqrt(400))
    _, filtered = radial_spectrum(noise)
    assert filtered[0] > 1.5 > 0.7 > filtered[-1]
