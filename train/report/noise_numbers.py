"""The numbers of a report: likelihoods, KL divergences and the floors of these."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnoise.metrics import (
    NOISE_EDGES,
    floor_from_counts,
    grouped_counts,
    kl_from_counts,
    ks_from_counts,
    paired_difference,
    relative_improvement,
)
from train.report.section import plain
from train.report.test_set import TestSet, camera_label, iso_label

VARIANTS = ("smoothed", "dropped")
INTENSITY_BINS = 6
_CHUNK = 256
_KS_EDGES = np.linspace(-1, 1, 257)[1:-1]


@dataclass(eq=False)
class ModelResult:
    """What one model made of the test patches.

    Attributes:
        name: shown in tables and legends.
        parameters: number of trained parameters.
        nll: shape (N,), negative log-likelihood of each patch, nats per dimension that counts.
        noise: shape (N, P, P, C), one draw of the model for each patch.
        is_white: whether it is the white noise that the improvements are relative to.
        is_trained: whether this run trained it, rather than fitted it in closed form to compare.
        family: architecture of a noise flow that can be whatever the model can be; "" for none.
    """

    name: str
    parameters: int
    nll: np.ndarray
    noise: np.ndarray
    is_white: bool = False
    is_trained: bool = True
    family: str = ""


def evaluate(test: TestSet, results: list[ModelResult]) -> dict[str, Any]:
    """Every number that the report shows.

    Args:
        test: the test patches.
        results: one entry per model, each for the same patches.

    Returns:
        A dictionary that JSON can hold (numbers that are not finite are None): "models", one row of
        the table each; "truth", the row of the true distribution or None; "floor", the KL of two
        finite draws of the noise of the data; "groups", the KL per camera, ISO and intensity.

    Raises:
        ValueError: when a result is not about these patches.
    """
    for result in results:
        if result.noise.shape != test.noise.shape or result.nll.shape != test.noise.shape[:1]:
            raise ValueError(
                f"{result.name} has noise {result.noise.shape} and nll {result.nll.shape} for "
                f"{test.noise.shape} test patches: evaluate it on all of them."
            )
    edges = np.unique(np.quantile(test.values(test.clean), np.linspace(0, 1, INTENSITY_BINS + 1)))
    bins = max(len(edges) - 1, 1)
    intensity = np.searchsorted(edges[1:-1], test.clean, side="right").astype(np.int16)
    found, *drawn = (
        _counts(noise, test, intensity, bins) for noise in (test.noise, *(r.noise for r in results))
    )
    second = None if test.noise2 is None else _counts(test.noise2, test, intensity, bins)
    weights = test.weights
    kept: Any = slice(None) if weights is None else weights > 0

    steps = _ks_counts(test.noise, test)[kept]
    awgn = next((result for result in results if result.is_white), None)
    models = []
    for result, synthetic in zip(results, drawn, strict=True):
        row = {"name": result.name, "parameters": int(result.parameters)}
        row["trained"] = result.is_trained
        row |= _likelihood(test, result.nll, test.truth, None if awgn is None else awgn.nll)
        row |= _divergences(found[kept], synthetic[kept])
        row["ks"] = float(np.mean(ks_from_counts(steps, _ks_counts(result.noise, test)[kept])))
        models.append(row)
    truth = None
    if test.truth is not None:
        truth = {"name": "truth", "parameters": None}
        truth |= _likelihood(test, test.truth, None, None if awgn is None else awgn.nll)
    floor = _divergences(found[kept], None if second is None else second[kept])
    if test.noise2 is not None:
        floor["ks"] = float(np.mean(ks_from_counts(steps, _ks_counts(test.noise2, test)[kept])))
    if truth is not None and second is not None:
        truth |= floor
    evaluation = {
        "patches": len(test.noise),
        "patch_shape": list(test.noise.shape[1:]),
        "floor_source": (
            f"two multinomial draws from the histogram of the {test.origin}, which takes "
            "neighbouring pixels as independent"
            if second is None
            else f"a second independent draw of the {test.origin} (one pair of draws, uncertain by "
            "about a fifth)"
        ),
        "models": models,
        "truth": truth,
        "floor": floor,
        "groups": _groups(test, edges, found, drawn, second, [r.name for r in results]),
    }
    return plain(evaluation)


def _counts(
    noise: np.ndarray,
    test: TestSet,
    intensity: np.ndarray,
    bins: int,
    edges: np.ndarray = NOISE_EDGES,
) -> np.ndarray:
    """Counts per patch, intensity bin and noise bin: all that the KL divergences need."""
    parts = []
    for start in range(0, len(noise), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        values = noise[chunk]
        patch = np.arange(len(values)).reshape(-1, *[1] * (noise.ndim - 1))
        group, groups = bins * patch + intensity[chunk], bins * len(values)
        if test.valid is not None:
            # What does not count has a group of its own, the last.
            group = np.where(test.valid[chunk], group, groups)
        group = np.broadcast_to(group, values.shape)
        counted = grouped_counts(values, group, groups + (test.valid is not None), edges=edges)
        parts.append(counted[:groups].reshape(len(values), bins, -1))
    counts, expected = np.concatenate(parts), noise.size
    if (weights := test.weights) is not None:
        expected = weights.sum()
    # Empty counts, whose KL is NaN, when NaN values of the noise were not counted.
    return counts if counts.sum() == expected else np.zeros_like(counts)


def _ks_counts(noise: np.ndarray, test: TestSet) -> np.ndarray:
    everywhere = np.zeros((len(noise), *[1] * (noise.ndim - 1)), np.int16)
    return _counts(noise, test, everywhere, 1, _KS_EDGES)[:, 0]


def _likelihood(test: TestSet, nll, truth, awgn) -> dict[str, float]:
    mean, error = _mean_and_error(nll, test.weights)
    row = {"nll": mean, "nll_standard_error": error}
    if truth is not None:
        difference = nll.astype(np.float64) - truth.astype(np.float64)
        mean, error = _mean_and_error(difference, test.weights)
        row |= {"above_truth": mean, "above_truth_standard_error": error}
    if awgn is not None:
        # Averaged first: the paper's figure is the ratio of exp(-mean NLL).
        row["improvement_over_awgn"] = float(relative_improvement(test.mean(awgn), row["nll"]))
    return row


def _mean_and_error(values: np.ndarray, weights: np.ndarray | None) -> tuple[float, float]:
    """Mean over patches, each with its weight, and its standard error."""
    if weights is None:
        _, error = paired_difference(values, np.zeros_like(values))
        return float(np.mean(values, dtype=np.float64)), float(error)
    kept = weights > 0
    values, share = values[kept].astype(np.float64), weights[kept] / weights[kept].sum()
    mean, count = float(np.average(values, weights=weights[kept])), len(values)
    if count < 2:
        return mean, math.nan
    spread = np.sum((share * (values - mean)) ** 2) * count / (count - 1)
    return mean, float(np.sqrt(spread))


def _divergences(found: np.ndarray, synthetic: np.ndarray | None) -> dict[str, float]:
    """Pooled and per-patch KL in both variants, or their multinomial floor."""
    row = {}
    for variant in VARIANTS:
        patches = np.asarray(_kl(found.sum(axis=1), synthetic, variant, repeats=2))
        row[f"kl_{variant}"] = float(_kl(found.sum(axis=(0, 1)), synthetic, variant))
        row[f"patch_kl_{variant}"] = float(np.mean(patches))
        row[f"patch_kl_{variant}_standard_error"] = _mean_and_error(patches, None)[1]
    return row


def _kl(found: np.ndarray, synthetic: np.ndarray | None, variant, repeats: int = 16):
    """KL of pooled counts, or their floor; `synthetic` is pooled over the same leading axes."""
    if synthetic is None:
        return floor_from_counts(found, variant=variant, repeats=repeats)
    pooled = synthetic.sum(axis=1) if found.ndim == 2 else synthetic.sum(axis=(0, 1))
    return kl_from_counts(found, pooled, variant=variant)


def _groups(test, edges, found, drawn, second, names) -> dict[str, list[dict[str, Any]]]:
    """KL per camera, per ISO and per intensity bin. A condition that does not vary is left out."""
    selections: dict[str, list[tuple[str, Any]]] = {"camera": [], "iso": [], "intensity": []}
    for camera in np.unique(test.camera):
        selections["camera"].append((camera_label(test, int(camera)), test.camera == camera))
    for iso in np.unique(test.iso):
        selections["iso"].append((iso_label(float(iso)), test.iso == iso))
    for index, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        selections["intensity"].append((f"{low:.3f} to {high:.3f}", (slice(None), index)))
    groups: dict[str, list[dict[str, Any]]] = {}
    for kind, chosen in selections.items():
        if len(chosen) < 2:
            continue
        groups[kind] = []
        for label, selection in chosen:
            pooled = [_pool(counts, selection) for counts in (found, *drawn)]
            row = {"label": label, "values": int(pooled[0].sum())}
            for variant in VARIANTS:
                row[f"floor_{variant}"] = float(
                    floor_from_counts(pooled[0], variant=variant)
                    if second is None
                    else kl_from_counts(pooled[0], _pool(second, selection), variant=variant)
                )
                row[f"kl_{variant}"] = [
                    float(kl_from_counts(pooled[0], counts, variant=variant))
                    for counts in pooled[1:]
                ]
            groups[kind].append(row)
    return groups


def _pool(counts: np.ndarray, selection) -> np.ndarray:
    chosen = counts[selection]
    return chosen.reshape(-1, chosen.shape[-1]).sum(axis=0)
