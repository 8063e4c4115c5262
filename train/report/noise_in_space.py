"""Figures of the noise in the plane: pictures of it, autocorrelation and spectrum."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from train.report.noise_by_condition import condition_label, conditions
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
    widths,
)
from train.report.test_set import TestSet

DATA = "data"
"""Key of the noise of the data, next to the models' names."""
LAGS = 4
_PATCHES = 256
_ROWS = 4
_INTENSITY_BINS = 12


@styled
def pictures_of_noise(test: TestSet, results: list[ModelResult]) -> Picture:
    """Clean patch, its noise and each model's noise side by side, for a few conditions."""

    def images_of(patch: int) -> list[np.ndarray]:
        counted = True if test.valid is None else test.valid[patch]
        inside = test.values(test.noise, patch)
        scale = max(6 * float(inside.std()), 1e-6) if inside.size else 1.0
        noises = (test.noise, *(result.noise for result in results))
        return [
            photograph(test.clean[patch]),
            *(_colour(np.where(counted, noise[patch], 0)) / scale + 0.5 for noise in noises),
        ]

    titles = [test.clean_name, test.origin, *(result.name for result in results)]
    return Picture(
        "noise",
        f"{test.origin.capitalize()} and the noise of the models",
        f"A patch with its noise and one draw of each model. Each row has one colour scale, three "
        f"standard deviations of the {test.origin} either way. Look for grain of the same size and "
        "strength; draws differ pixel by pixel."
        + (" Pixels that do not count are grey." if test.left_out else ""),
        grid_of_pictures(test, titles, images_of, side=1.1 * max(8 / len(titles), 1)),
        dpi=150,
        whole=True,
    )


@styled
def grid_of_pictures(
    test: TestSet,
    titles: list[str],
    images_of: Callable[[int], list[np.ndarray]],
    *,
    side: float,
) -> Figure:
    """A row of pictures for each of a few conditions, of a patch with middling detail.

    Args:
        test: the test patches.
        titles: of the columns.
        images_of: from a patch's number to its pictures, one for each title, in [0, 1].
        side: height of a row in inches.
    """
    pairs, index = conditions(test)
    patches = []
    for i in evenly(len(pairs), _ROWS):
        members = np.flatnonzero(index == i)
        detail = test.clean[members].std(axis=(1, 2, 3))
        patches.append((pairs[i], int(members[np.argsort(detail)[len(members) // 2]])))
    figure, axes = new_figure(side * len(patches), len(patches), len(titles))
    for row, (condition, patch) in zip(axes, patches, strict=True):
        for axis, image in zip(row, images_of(patch), strict=True):
            axis.imshow(np.clip(np.nan_to_num(image), 0, 1), interpolation="none")
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            axis.spines[:].set_visible(False)
        camera, _, iso = condition_label(test, condition).rpartition(", ")
        row[0].set_ylabel(f"{camera}\n{iso}", fontsize=8)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(shown(title, 16), fontsize=8.5)
    return figure


def _colour(image: np.ndarray) -> np.ndarray:
    """Three channels to show: packed raw as red, mean green and blue, RGB as it is, else grey."""
    channels = image.shape[-1]
    if channels == 4:
        red, green, blue = image[..., 0], image[..., 1:3].mean(axis=-1), image[..., 3]
        return np.stack([red, green, blue], axis=-1)
    return image if channels == 3 else np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)


def photograph(image: np.ndarray, *, like: np.ndarray | None = None) -> np.ndarray:
    """An image to show, brightened when it is raw, which is dark and linear.

    Args:
        image: shape (H, W, C), fraction of full scale.
        like: the image that sets the brightness; None for the image itself.
    """
    shown_image = np.clip(_colour(image), 0, None)
    if image.shape[-1] == 3:
        return shown_image
    brightest = np.quantile(np.clip(_colour(image if like is None else like), 0, None), 0.99)
    return (shown_image / max(float(brightest), 1e-6)) ** (1 / 2.2)


def groups_of(test: TestSet) -> np.ndarray:
    """The camera, ISO, channel and intensity bin of each value that counts, as one number."""
    _, condition = conditions(test)
    channels = test.clean.shape[-1]
    edges = np.quantile(test.values(test.clean), np.linspace(0, 1, _INTENSITY_BINS + 1)[1:-1])
    group = np.searchsorted(edges, test.clean, side="right")
    group += _INTENSITY_BINS * (condition.reshape(-1, 1, 1, 1) * channels + np.arange(channels))
    return test.values(group)


def normalised(noise: np.ndarray, test: TestSet, group: np.ndarray) -> np.ndarray:
    """Noise of mean 0 and variance 1 at every camera, ISO, channel and intensity.

    What is left is how pixels depend on each other.

    Args:
        noise: shape (N, P, P, C), noise of the test patches or of a model.
        test: those patches.
        group: of `groups_of`, the same for all noise of these patches.

    Returns:
        Float32, same shape; 0 where a pixel does not count.
    """
    inside = test.values(noise)
    size = np.maximum(np.bincount(group), 1)
    mean = np.bincount(group, weights=inside) / size
    variance = np.bincount(group, weights=inside**2) / size - mean**2
    scale = 1 / np.sqrt(np.maximum(variance, 1e-12))
    values = (inside - mean[group].astype(np.float32)) * scale[group].astype(np.float32)
    if test.valid is None:
        return values.reshape(noise.shape)
    result = np.zeros(noise.shape, np.float32)
    result[np.broadcast_to(test.valid, noise.shape)] = values
    return result


def correlation_map(
    values: np.ndarray, lags: int = LAGS, *, valid: np.ndarray | None = None
) -> np.ndarray:
    """Autocorrelation at every shift up to `lags`, averaged over patches and channels.

    Args:
        values: shape (N, H, W, C), mean 0 and variance 1; H and W larger than `lags`.
        lags: largest shift.
        valid: shape (N, H, W, 1), False where a value is missing, which is then 0; None for none.

    Returns:
        Shape (2 lags + 1, 2 lags + 1), vertical shift first, 1 at the centre.
    """
    height, width = values.shape[1:3]
    result = np.ones((2 * lags + 1, 2 * lags + 1))
    count = values.size if valid is None else int(valid.sum()) * values.shape[-1]
    power = float(np.sum(values**2, dtype=np.float64)) / max(count, 1) or 1.0
    for down in range(lags + 1):
        for right in range(-lags, lags + 1):
            if down == 0 and right <= 0:
                continue
            here = np.s_[:, : height - down, max(-right, 0) : width - max(right, 0)]
            there = np.s_[:, down:, max(right, 0) : width - max(-right, 0)]
            pairs = values[here].size
            if valid is not None:
                pairs = max(int((valid[here] & valid[there]).sum()), 1) * values.shape[-1]
            value = float(np.einsum("nhwc,nhwc->", values[here], values[there])) / pairs / power
            result[lags + down, lags + right] = result[lags - down, lags - right] = value
    return result


def radial_spectrum(
    values: np.ndarray, *, valid: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Power against spatial frequency, averaged over directions, patches and channels.

    Args:
        values: shape (N, H, W, C), mean 0 and variance 1.
        valid: as for `correlation_map`; with values missing, the spectrum is smoothed by theirs.

    Returns:
        Frequencies in cycles per pixel and the power there; white noise has power 1.
    """
    height, width = values.shape[1:3]
    transform = np.fft.fft2(values, axes=(1, 2))
    power = (np.abs(transform) ** 2).mean(axis=(0, 3)) / (height * width)
    if valid is not None:
        power /= max(float(valid.mean(dtype=np.float64)), 1 / valid.size)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    side = min(height, width)
    index = (radius * side).round().astype(int).ravel()
    size = np.bincount(index)
    mean = np.bincount(index, weights=power.ravel()) / np.maximum(size, 1)
    kept = np.flatnonzero(size)[1:]
    return kept / side, mean[kept]


def spatial_statistics(
    test: TestSet, results: list[ModelResult]
) -> dict[str, dict[str, np.ndarray]]:
    """Correlation between pixels and channels, and spectrum, of the noise without its variance.

    Args:
        test: the test patches, of which at most 256 are used.
        results: one entry per model.

    Returns:
        For `DATA` and each model's name: "map" as of `correlation_map`, "channels" of shape (C, C),
        "frequency" and "power" as of `radial_spectrum`.
    """
    kept = evenly(len(test.noise), _PATCHES)
    part = test.part(kept)
    lags = min(LAGS, min(test.noise.shape[1:3]) - 1)
    statistics, group = {}, groups_of(part)
    draws = [(DATA, part.noise), *((result.name, result.noise[kept]) for result in results)]
    for name, noise in draws:
        values = normalised(np.asarray(noise, np.float32), part, group)
        flat = values.reshape(-1, values.shape[-1])
        count = len(flat) if part.valid is None else max(int(part.valid.sum()), 1)
        frequency, power = radial_spectrum(values, valid=part.valid)
        statistics[name] = {
            "map": correlation_map(values, lags, valid=part.valid),
            "channels": flat.T @ flat / count,
            "frequency": frequency,
            "power": power,
        }
    return statistics


@styled
def correlations(statistics: dict[str, dict[str, np.ndarray]], origin: str) -> list[Picture]:
    """Lags and spectrum in one figure, correlation maps in another.

    Args:
        statistics: of `spatial_statistics`.
        origin: what the noise of the data is called.
    """
    return [_lags(statistics, origin), _maps(statistics, origin)]


def _lags(statistics, origin) -> Picture:
    figure, axes = new_figure(3.1, 1, 3)
    colour = colours([name for name in statistics if name != DATA])
    for width, (name, values) in zip([7.0, *widths(len(colour))], statistics.items(), strict=True):
        lags = len(values["map"]) // 2
        steps = np.arange(1, lags + 1)
        style = {"color": colour.get(name, INK), "linewidth": width}
        style["alpha"] = 0.25 if name == DATA else 1.0
        axes[0, 0].plot(steps, values["map"][lags, lags + 1 :], **style)
        axes[0, 1].plot(steps, values["map"][lags + 1 :, lags], **style)
        axes[0, 2].plot(values["frequency"], values["power"], **style)
    top = max(axis.get_ylim()[1] for axis in axes[0, :2])
    bottom = min(axis.get_ylim()[0] for axis in axes[0, :2])
    for axis, title in zip(axes[0], ("to the right", "downwards"), strict=False):
        axis.set_title(f"correlation with pixels {title}", loc="left")
        axis.set_xlabel("distance, pixels")
        axis.set_xticks(np.arange(1, lags + 1))
        axis.set_ylim(min(bottom, -0.02), max(top, 0.05))
    axes[0, 2].set_title("power spectrum", loc="left")
    axes[0, 2].set_xlabel("frequency, cycles per pixel")
    axes[0, 2].set_ylim(bottom=0)
    handles = [
        Line2D(
            [],
            [],
            color=colour.get(name, INK),
            alpha=0.25 if name == DATA else 1.0,
            linewidth=6 if name == DATA else 2,
            label=origin if name == DATA else shown(name),
        )
        for name in statistics
    ]
    legend_below(figure, handles)
    return Picture(
        "correlation",
        "Autocorrelation and spectrum",
        "Correlation between pixels of a row, of a column, and power against frequency, of noise "
        "divided by its standard deviation at that camera, ISO, channel and intensity. The wide "
        f"grey line is the {origin}. A model of independent pixels lies at 0 and at 1.",
        figure,
    )


def _maps(statistics, origin) -> Picture:
    several = len(statistics[DATA]["channels"]) > 1
    figure, axes = new_figure(3.4 if several else 1.9, 2 if several else 1, len(statistics))
    lags = len(statistics[DATA]["map"]) // 2
    # The 1 at no shift and of a channel with itself would leave no colour for all the rest.
    shown_part = {
        name: [_without_ones(values["map"]), _without_ones(values["channels"])]
        for name, values in statistics.items()
    }
    limits = [
        1.1 * max(0.05, *(_largest(maps[row]) for maps in shown_part.values()))
        for row in range(2 if several else 1)
    ]
    for column, (name, maps) in enumerate(shown_part.items()):
        for row, limit in enumerate(limits):
            axis = axes[row, column]
            image = axis.imshow(
                maps[row], cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="none"
            )
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            axis.spines[:].set_visible(False)
            if column == len(statistics) - 1:
                figure.colorbar(image, ax=axes[row], shrink=0.85, pad=0.01, aspect=14)
        axes[0, column].set_title(shown(origin if name == DATA else name, 16), fontsize=8.5)
    axes[0, 0].set_ylabel("shift")
    if several:
        axes[1, 0].set_ylabel("channel")
    return Picture(
        "correlation-maps",
        "Correlation maps",
        f"Top: correlation with the pixel shifted by up to {lags} either way, no shift in the "
        "middle. "
        + ("Bottom: correlation between channels. " if several else "")
        + f"Each model should look like the {origin} on the left.",
        figure,
        dpi=130,
        whole=True,
    )


def _largest(values: np.ndarray) -> float:
    return float(np.max(np.abs(values), where=np.isfinite(values), initial=0))


def _without_ones(correlation: np.ndarray) -> np.ndarray:
    return np.where(correlation > 1 - 1e-3, np.nan, correlation)
