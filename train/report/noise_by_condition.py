"""Figures of the noise as a function of camera, ISO and intensity."""

import numpy as np
from matplotlib.lines import Line2D

from train.report.history import sequence
from train.report.noise_numbers import ModelResult
from train.report.style import (
    INK,
    Picture,
    colours,
    evenly,
    legend_below,
    new_figure,
    shown,
    styled,
)
from train.report.test_set import TestSet, camera_label, iso_label

_BINS = 10
_SMALLEST_GROUP = 400
_PATCHES = 1500
_CAMERAS = 6


def conditions(test: TestSet) -> tuple[list[tuple[int, float]], np.ndarray]:
    """The (camera, ISO) pairs of the test set in order, and each patch's index into them."""
    pairs = np.stack([test.camera.astype(np.float64), test.iso.astype(np.float64)], axis=1)
    unique, index = np.unique(pairs, axis=0, return_inverse=True)
    return [(int(camera), float(iso)) for camera, iso in unique], index.ravel()


def condition_label(test: TestSet, condition: tuple[int, float]) -> str:
    """Camera and ISO in words."""
    return f"{shown(camera_label(test, condition[0]), 22)}, {iso_label(condition[1])}"


@styled
def histograms(test: TestSet, results: list[ModelResult]) -> Picture:
    """Histograms of the noise, pooled and for the quietest, a middle and the loudest condition."""
    pairs, index = conditions(test)
    chosen = [("all test patches", np.ones(len(index), bool))]
    if len(pairs) > 1:
        spread = [_spread(test.values(test.noise, index == i)) for i in range(len(pairs))]
        order = np.argsort(spread)
        for i in sorted({int(order[k]) for k in evenly(len(order), 3)}, key=lambda i: spread[i]):
            chosen.append((condition_label(test, pairs[i]), index == i))
    figure, axes = new_figure(3.1, 1, len(chosen))
    colour = colours([result.name for result in results])
    for axis, (label, mask) in zip(axes[0], chosen, strict=True):
        found = test.values(test.noise, mask)
        limit = max(5 * _spread(found), 1e-6)
        edges = np.linspace(-limit, limit, 81)
        density = _density(found, limit)
        axis.stairs(density, edges, color=INK, fill=True, alpha=0.15)
        axis.stairs(density, edges, color=INK, linewidth=1.2, baseline=None)
        for result in results:
            middles = (edges[:-1] + edges[1:]) / 2
            axis.plot(
                middles,
                _density(test.values(result.noise, mask), limit),
                color=colour[result.name],
                linewidth=1.2,
            )
        axis.set_yscale("log")
        axis.set_ylim(np.nanmax(density) * 1e-5, np.nanmax(density) * 2.5)
        axis.set_title(label, loc="left")
        axis.set_xlabel("noise, fraction of full scale")
        axis.locator_params(axis="x", nbins=5)
    axes[0, 0].set_ylabel("density (log scale)")
    legend_below(figure, _handles(test, results, colour))
    return Picture(
        "histograms",
        "Histograms of the noise",
        f"Density of the noise, all patches and single conditions; the filled shape is the "
        f"{test.origin}. A model that is right lies on its outline, in the tails too, which the "
        "log scale shows.",
        figure,
    )


def _spread(values: np.ndarray) -> float:
    return float(values.std()) if values.size else 0.0


def _density(noise: np.ndarray, limit: float) -> np.ndarray:
    bins = 80
    scaled = (noise + limit) * (bins / (2 * limit))
    scaled = scaled[(scaled >= 0) & (scaled < bins)]
    counts = np.bincount(scaled.astype(np.int32), minlength=bins)[:bins].astype(np.float64)
    # Empty bins have no place on a log scale.
    return np.where(counts > 0, counts, np.nan) / (max(noise.size, 1) * 2 * limit / bins)


def _handles(test: TestSet, results: list[ModelResult], colour: dict[str, str]) -> list[Line2D]:
    handles = [Line2D([], [], color=INK, linewidth=2, label=test.origin)]
    return handles + [
        Line2D([], [], color=colour[result.name], linewidth=2, label=shown(result.name))
        for result in results
    ]


@styled
def variance_by_intensity(test: TestSet, results: list[ModelResult]) -> list[Picture]:
    """Variance against intensity per camera and ISO, and how far each model is from the data's.

    Args:
        test: the test patches.
        results: of which the one with the best NLL is drawn next to the noise of the data.

    Returns:
        Two figures.
    """
    pairs, condition = conditions(test)
    kept = evenly(len(condition), _PATCHES)
    clean = test.values(test.clean, kept)
    edges = np.unique(np.quantile(clean, np.linspace(0, 1, _BINS + 1)[1:-1]))
    group = np.searchsorted(edges, test.clean[kept], side="right")
    group += (len(edges) + 1) * condition[kept].reshape(-1, 1, 1, 1)
    group = test.part(kept).values(group)
    shape = (len(pairs), len(edges) + 1)
    size = np.bincount(group, minlength=shape[0] * shape[1]).reshape(shape)

    def mean(values):
        total = np.bincount(group, weights=values, minlength=size.size).reshape(shape)
        return np.where(size >= _SMALLEST_GROUP, total / np.maximum(size, 1), np.nan)

    intensity = mean(clean)
    draws = (
        test.values(noise, kept) for noise in (test.noise, *(result.noise for result in results))
    )
    found, *drawn = (mean(noise**2) - mean(noise) ** 2 for noise in draws)
    likely = np.array([np.nan_to_num(test.mean(r.nll), nan=np.inf) for r in results])
    return [
        _variances(test, pairs, intensity, found, drawn, results, int(np.argmin(likely))),
        _ratios(test, pairs, intensity, found, drawn, results),
    ]


def _variances(test, pairs, intensity, found, drawn, results, best) -> Picture:
    cameras = sorted({camera for camera, _ in pairs})[:_CAMERAS]
    isos = sorted({iso for _, iso in pairs})
    columns = len(cameras) if len(cameras) <= 5 else 3
    rows = -(-len(cameras) // columns)
    figure, axes = new_figure(3.0 * rows + 0.3, rows, columns, sharey=True, sharex=True)
    for axis in axes.flat[len(cameras) :]:
        axis.set_visible(False)
    for axis, camera in zip(axes.flat, cameras, strict=False):
        for index, (other, iso) in enumerate(pairs):
            if other == camera:
                tint = sequence(isos.index(iso), len(isos))
                axis.plot(intensity[index], drawn[best][index], color=tint, linewidth=1.4)
                axis.plot(intensity[index], found[index], "o", color=tint, markersize=3.2)
        axis.set_yscale("log")
        axis.set_title(shown(camera_label(test, camera), 22), loc="left")
        axis.set_xlabel("clean intensity")
        # On a narrow page every panel stands by itself.
        axis.tick_params(labelleft=True, labelbottom=True)
        axis.locator_params(axis="x", nbins=4)
    for axis in axes[:, 0]:
        axis.set_ylabel("variance")
    handles = [
        Line2D([], [], color=INK, marker="o", linestyle="", markersize=3.5, label=test.origin),
        Line2D([], [], color=INK, label=shown(results[best].name)),
    ]
    handles += [
        Line2D([], [], color=sequence(i, len(isos)), linewidth=3, label=iso_label(iso))
        for i, iso in enumerate(isos)
    ]
    legend_below(figure, handles)
    left_out = len({camera for camera, _ in pairs}) - len(cameras)
    return Picture(
        "variance",
        "Variance against intensity",
        "Variance of the noise against the intensity of the clean image, one panel per camera. "
        f"Dots are the {test.origin}, lines are {results[best].name}, the model with the best "
        "likelihood. Lines should run through the dots for every camera and ISO."
        + (f" {left_out} more cameras are not drawn." if left_out else ""),
        figure,
    )


def _ratios(test, pairs, intensity, found, drawn, results) -> Picture:
    isos = sorted({iso for _, iso in pairs})
    columns = min(len(results), 6)
    rows = -(-len(results) // columns)
    figure, axes = new_figure(2.4 * rows + 0.4, rows, columns, sharey=True, sharex=True)
    for axis in axes.flat[len(results) :]:
        axis.set_visible(False)
    for axis, result, variance in zip(axes.flat, results, drawn, strict=False):
        axis.axhline(1, color=INK, linewidth=0.8)
        for index, (_, iso) in enumerate(pairs):
            tint = sequence(isos.index(iso), len(isos))
            ratio = np.clip(variance[index] / np.maximum(found[index], 1e-12), 1 / 4, 4)
            axis.plot(intensity[index], ratio, color=tint, linewidth=1, alpha=0.75)
        axis.set_yscale("log", base=2)
        axis.set_ylim(1 / 4.3, 4.3)
        axis.set_yticks([1 / 4, 1 / 2, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
        axis.set_title(shown(result.name, 20), loc="left")
        axis.set_xlabel("clean intensity")
        # On a narrow page every panel stands by itself.
        axis.tick_params(labelleft=True, labelbottom=True)
        axis.locator_params(axis="x", nbins=3)
    for axis in axes[:, 0]:
        axis.set_ylabel("variance, model / data")
    handles = [
        Line2D([], [], color=sequence(i, len(isos)), linewidth=3, label=iso_label(iso))
        for i, iso in enumerate(isos)
    ]
    legend_below(figure, handles)
    return Picture(
        "variance-ratio",
        f"Variance of each model relative to the {test.origin}",
        f"Variance of a model's noise over that of the {test.origin}, against the intensity of the "
        "clean image. One line per camera and ISO, all at 1 for a model that is right; ratios "
        "beyond 4 are drawn at 4. A fan of colours means that the model has the wrong noise for "
        "some ISO.",
        figure,
    )
