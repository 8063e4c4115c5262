"""Public functions, arguments that they take, and some that they do not take: those of arrays."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from jaxnoise import bijectors, distances, losses, metrics, raw
from jaxnoise.batch import NoiseBatch, mean_valid, only_valid, whole_cells
from jaxnoise.curve import Curve
from jaxnoise.raw.demosaicing import demosaic_bands
from tests.jaxnoise.entrances import (
    CHANNELS,
    FLAGS,
    GREY,
    IMAGE,
    IMAGES,
    INTEGERS,
    KEY,
    KEYS,
    MASKS,
    SETS,
    TEMPERATURES,
    Fault,
    Row,
    batches,
    single,
)


def layer(kind: type, *backwards: str) -> Callable[..., Any]:
    """From arguments of a layer and the noise to the latent, or from the latent to the noise."""

    def apply(noise: Any, **arguments: Any) -> Any:
        built = kind(**arguments)
        return (built.forward_and_log_det if backwards else built.inverse_and_log_det)(noise)

    return apply


def of_bijectors() -> dict[str, Row]:
    taps = np.zeros((4, 4, 4), np.float32)
    curve = Curve(CHANNELS, CHANNELS, np.zeros((4, 3)), np.zeros((4, 3)))
    narrow = Curve(*(np.zeros(np.shape(one)[1:] + (1,) * (one.ndim - 1)) for one in curve))
    triangle, single_one = np.zeros(6, np.float32), np.zeros(1, np.float32)
    three = np.zeros((3, 4), np.float32)

    def network(kept: Any) -> Any:
        return np.zeros((8, 6, 1), np.float32), np.zeros((8, 6, 2), np.float32)

    table: dict[str, tuple[dict[str, Any], list[Fault]]] = {
        "SignalDependent": (
            {"clean": IMAGES, "log_beta1": np.zeros(2), "log_beta2": 0.0},
            [
                ({"clean": GREY}, r"\(8, 6, 1\).*\(2, 8, 6, 4\)"),
                ({"clean": IMAGES[:, :1]}, r"\(1, 6, 4\).*\(2, 8, 6, 4\)"),
                ({"clean": INTEGERS}, "uint16"),
                ({"log_beta1": np.zeros(3)}, r"\(3,\).*\(2, 8, 6, 4\)"),
            ],
        ),
        "NoiseCurve": (
            {"clean": IMAGES, "curve": curve},
            [
                ({"clean": GREY}, r"4 channel.*\(2, 8, 6, 1\)"),
                ({"curve": narrow}, r"\(4,\)|\(\)"),
                ({"curve": curve._replace(log_read=single_one)}, r"\(4,\), \(1,\)"),
            ],
        ),
        "Gain": (
            {"log_gain": np.zeros(2)},
            [({"log_gain": np.zeros(3)}, r"\(3,\).*\(2, 8, 6, 4\)")],
        ),
        "AffineCoupling": (
            {"conditioner": lambda kept: (kept, kept)},
            [({"conditioner": network}, r"shift of shape \(8, 6, 1\).*\(2, 8, 6, 2\)")],
        ),
        "Conv1x1": (
            {
                "permutation": np.eye(4, dtype=np.float32),
                "lower": triangle,
                "upper": triangle,
                "sign": CHANNELS + 1,
                "log_diagonal": CHANNELS,
            },
            [
                ({"lower": triangle[:3]}, r"\(6,\).*\(3,\)"),
                ({"sign": single_one}, r"4 channels.*\(1,\)"),
            ],
        ),
        "ActNorm": (
            {"log_scale": CHANNELS, "shift": CHANNELS},
            [
                ({"log_scale": single_one, "shift": single_one}, r"1 channel.*\(2, 8, 6, 4\)"),
                ({"log_scale": three, "shift": three}, r"\(3,\).*\(2, 8, 6, 4\)"),
                ({"shift": single_one}, r"\(1,\).*\(4,\)"),
            ],
        ),
        "Squeeze": ({}, [({"noise": IMAGES[:, :7, :5]}, r"\(2, 7, 5, 4\)|uns")]),
        "CausalConv": (
            {"taps": taps, "lower": triangle, "log_scale": CHANNELS},
            [
                ({"taps": taps[..., :1]}, r"4 channels.*\(4, 4, 1\)"),
                ({"lower": triangle[:1]}, r"6 entries.*\(1,\)"),
                ({"log_scale": single_one}, r"1 channels.*\(4, 4, 4\)"),
            ],
        ),
    }
    rows = {}
    for name, (fits, faults) in table.items():
        kind = getattr(bijectors, name)
        applied: list[Fault] = [
            *faults,
            ({"noise": INTEGERS}, r"\(2, 8, 6, 4\).*uint16"),
            ({"noise": IMAGES[0, 0]}, r"\(6, 4\)"),
        ]
        if name not in ("Gain", "AffineCoupling", "Squeeze"):
            applied.append(({"noise": GREY}, r"\(2, 8, 6, 1\)"))
        if name != "Squeeze":
            mask = np.ones((2, 8, 6, 4), bool)
            applied.append(({"valid": mask}, r"mask .*\(2, 8, 6, 4\)"))
        rows[f"jaxnoise.bijectors.{name}"] = Row(layer(kind), {**fits, "noise": IMAGES}, applied)
        if name != "Squeeze":
            forward = Row(layer(kind, "back"), {**fits, "noise": IMAGES}, applied)
            rows[f"jaxnoise.bijectors.{name} to noise"] = forward
    return rows


def of_distances() -> dict[str, Row]:
    vectors = SETS.reshape(2, 3, 2)
    wide = {"bandwidth": 1.0}
    shaped: list[Fault] = [
        ({"bandwidth": np.ones((2, 2))}, r"bandwidth .*\(2, 2\)"),
        ({"bandwidth": True}, "bandwidth .*bool"),
    ]
    directed = {"directions": np.eye(2, dtype=np.float32)}
    askew: list[Fault] = [
        ({"directions": np.eye(3)}, r"directions .*\(3, 3\)"),
        ({"directions": np.eye(2, dtype=bool)}, r"\(2, 2\).*bool"),
    ]
    rows = {}
    for name, options, faults, samples in (
        ("bhattacharyya", {}, [], SETS),
        ("emd", {}, [], SETS),
        ("mmd2", wide, shaped, SETS),
        ("mmd2_exact", wide, shaped, vectors),
        ("sliced_emd", directed, askew, vectors),
        ("sliced_mmd2", {**wide, **directed}, [*shaped, *askew], vectors),
    ):
        for prefix, names, given in (
            ("", ("x", "y"), samples[0]),
            ("pairwise_", ("xs", "ys"), samples),
        ):
            own: list[Fault] = [
                ({names[0]: given[0, ..., 0] if given.ndim > 1 else given[0]}, "shape"),
                ({names[1]: given[:0]}, r"\(0"),
                ({names[1]: np.ones(given.shape, bool)}, "bool"),
                ({names[0]: given.astype(complex)}, "complex"),
            ]
            fits = {names[0]: given, names[1]: given, **options}
            function = getattr(distances, f"{prefix}{name}")
            rows[f"jaxnoise.distances.{prefix}{name}"] = Row(function, fits, [*own, *faults])
    flags = np.ones(6, bool)
    rows["jaxnoise.distances.mmd2_nodes"] = Row(
        distances.mmd2_nodes,
        {"xs": SETS, "ys": SETS, **wide},
        [({"xs": flags}, r"\(6,\).*bool"), shaped[0]],
        True,
    )
    rows["jaxnoise.distances.median_bandwidth"] = Row(
        lambda samples, **options: distances.median_bandwidth(samples, **options),
        {"samples": SETS},
        [({"samples": flags}, r"\(6,\).*bool")],
    )
    rows["jaxnoise.distances.random_directions"] = Row(
        distances.random_directions, {"key": KEY, "number": 2, "dimension": 3}, KEYS
    )
    return rows


def of_losses() -> dict[str, Row]:
    square = np.eye(3, dtype=np.float32)
    temperature = {"temperature": 0.1}
    pairs = {"estimate1": IMAGES, "estimate2": IMAGES, "valid": FLAGS}
    shots = {**pairs, "noisy1": IMAGES, "noisy2": IMAGES}
    targets = {**pairs, "target1": IMAGES, "target2": IMAGES}
    supervised = {"estimate": IMAGES, "target": IMAGES, "valid": FLAGS}

    def grey(*names: str) -> list[Fault]:
        return [*MASKS, *batches(*names)]

    two = np.full(2, 0.1, np.float32)
    return {
        "jaxnoise.losses.alignment": Row(
            losses.alignment,
            {"noise": IMAGES, "sigma": two, "intensity": IMAGES, "scope": "batch"},
            [
                ({"noise": IMAGE}, r"noise .*\(8, 6, 4\)"),
                ({"noise": INTEGERS}, "noise .*uint16"),
                ({"intensity": GREY}, r"\(2, 8, 6, 1\).*\(2, 8, 6, 4\)"),
                ({"sigma": two[:1]}, r"sigma .*\(1,\).*\(2,\)"),
                ({"sigma": two > 0}, r"sigma .*\(2,\).*bool"),
                ({"floor": CHANNELS}, r"floor .*\(4,\)"),
            ],
        ),
        "jaxnoise.losses.contrastive": Row(
            losses.contrastive,
            {"distances": square, **temperature},
            [
                ({"distances": square[0]}, r"\(3,\)"),
                ({"distances": square > 0}, r"\(3, 3\).*bool"),
                ({"negatives": np.ones(3, bool)}, r"\(3,\).*\(3, 3\)"),
                *TEMPERATURES,
            ],
        ),
        "jaxnoise.losses.info_nce": Row(
            losses.info_nce,
            {"queries": square, "positives": square, **temperature},
            [
                ({"positives": square[:2]}, r"\(3, 3\), \(2, 3\)"),
                ({"queries": square[0]}, r"\(3,\)"),
                ({"queries": square > 0}, r"\(3, 3\).*bool"),
                *TEMPERATURES,
            ],
        ),
        "jaxnoise.losses.squared_error": Row(losses.squared_error, supervised, grey("target")),
        "jaxnoise.losses.absolute_error": Row(losses.absolute_error, supervised, grey("target")),
        "jaxnoise.losses.noise2noise_error": Row(
            losses.noise2noise_error, shots, grey("noisy1", "noisy2")
        ),
        "jaxnoise.losses.two_shot_mse": Row(
            losses.two_shot_mse, targets, grey("target1", "target2")
        ),
        "jaxnoise.losses.half_sum_per_image": Row(
            losses.half_sum_per_image,
            {"error": IMAGES, "valid": FLAGS},
            [({"error": IMAGE}, r"error .*\(8, 6, 4\)"), *MASKS],
        ),
        "jaxnoise.batch.mean_valid": Row(mean_valid, {"values": IMAGES, "valid": FLAGS}, MASKS),
        "jaxnoise.batch.only_valid": Row(only_valid, {"values": IMAGES, "valid": FLAGS}, MASKS),
        "jaxnoise.batch.whole_cells": Row(
            lambda valid: whole_cells(valid, 2),
            {"valid": FLAGS},
            [({"valid": FLAGS[0]}, r"\(8, 6, 1\)"), MASKS[1], ({"valid": FLAGS + IMAGES > 0}, "4")],
        ),
        "jaxnoise.batch.NoiseBatch": Row(
            lambda **images: NoiseBatch.noise.fget(SimpleNamespace(**images)),
            {"noisy": IMAGES, "clean": IMAGES},
            [({"noisy": GREY}, r"\(2, 8, 6, 4\).*\(2, 8, 6, 1\)")],
        ),
    }


def of_metrics() -> dict[str, Row]:
    nats = {"log_prob": CHANNELS[:2], "shape": (8, 6, 4), "valid": FLAGS}
    masks: list[Fault] = [
        ({"valid": np.ones((2, 8, 6, 4), bool)}, r"\(2, 8, 6, 4\).*\(2, 8, 6, 1\)"),
        ({"shape": (8, 8, 4)}, r"\(2, 8, 6, 1\).*\(2, 8, 8, 1\)"),
    ]
    images: list[Fault] = [
        ({"a": GREY}, r"\(2, 8, 6, 1\).*\(2, 8, 6, 4\)"),
        ({"a": IMAGES[0, 0], "b": IMAGES[0, 0]}, r"\(6, 4\)"),
        ({"a": INTEGERS, "b": INTEGERS}, r"\(2, 8, 6, 4\).*uint16.*data_range"),
        ({"a": IMAGES.astype(complex)}, "complex"),
        ({"data_range": CHANNELS}, r"data_range .*\(4,\)"),
    ]
    other: list[Fault] = [
        ({"real": INTEGERS}, r"real .*\(2, 8, 6, 4\).*uint16"),
        ({"synthetic": INTEGERS}, r"synthetic .*\(2, 8, 6, 4\).*uint16"),
        ({"synthetic": FLAGS}, r"synthetic .*bool"),
    ]
    noises = {"real": 0.05 * IMAGES, "synthetic": 0.05 * IMAGES}
    return {
        "jaxnoise.metrics.nll_per_dim": Row(
            lambda log_prob, valid, shape: metrics.nll_per_dim(log_prob, shape, valid),
            nats,
            [*masks, ({"log_prob": CHANNELS}, r"\(2, 8, 6, 1\).*\(4, 8, 6, 1\)")],
        ),
        "jaxnoise.metrics.mean_nll_per_dim": Row(
            lambda log_prob, valid, shape: metrics.mean_nll_per_dim(log_prob, shape, valid),
            nats,
            [*masks, ({"log_prob": CHANNELS}, r"\(2, 8, 6, 1\).*\(4, 8, 6, 1\)")],
        ),
        "jaxnoise.metrics.valid_dimensions": Row(
            lambda valid, shape: metrics.valid_dimensions(valid, shape),
            {"valid": FLAGS, "shape": (8, 6, 4)},
            masks,
        ),
        "jaxnoise.metrics.marginal_kl": Row(metrics.marginal_kl, noises, other),
        "jaxnoise.metrics.patch_marginal_kl": Row(
            metrics.patch_marginal_kl,
            noises,
            [*other, ({"real": 0.05 * IMAGES[:1]}, r"\(2, 8, 6, 4\).*\(1, 8, 6, 4\)")],
        ),
        "jaxnoise.metrics.ks": Row(metrics.ks, noises, other),
        "jaxnoise.metrics.psnr": Row(metrics.psnr, {"a": IMAGES, "b": IMAGES}, images),
        "jaxnoise.metrics.ssim": Row(
            lambda **given: metrics.ssim(**given, preset="skimage"),
            {"a": IMAGES, "b": IMAGES},
            [*images, ({}, r"8 x 6 .*7 x 7")],
        ),
    }


def of_raw() -> dict[str, Row]:
    levels = {"black_level": 64, "white_level": 1023}
    grey: list[Fault] = [({"mosaic": IMAGES[0, 0, 0]}, r"\(4,\)")]
    rows = {
        "align": ({"mosaic": IMAGES[..., 0], "phase": "RGGB"}, grey),
        "pack": ({"mosaic": IMAGES[..., 0]}, grey),
        "unpack": ({"packed": IMAGES}, [({"packed": GREY}, r"\(2, 8, 6, 1\)")]),
        "mosaic_to_packed": (
            {"mosaic": IMAGES[..., 0], "phase": "RGGB"},
            [*grey, ({"mosaic": IMAGES[0, ..., :1]}, r"\(8, 6, 1\)")],
        ),
        "packed_to_mosaic": (
            {"packed": IMAGE, "phase": "RGGB", "size": (16, 12)},
            [({"packed": IMAGE[..., :1]}, r"\(8, 6, 1\)")],
        ),
        "mosaic_rgb": ({"image": IMAGES[..., :3]}, [({"image": GREY}, r"\(2, 8, 6, 1\)")]),
        "demosaic": (
            {"mosaic": IMAGE[..., 0]},
            [({"mosaic": IMAGE}, r"\(8, 6, 4\)"), ({"mosaic": INTEGERS[0, ..., 0]}, "uint16")],
        ),
        "to_fraction": (
            {"stored": INTEGERS[0], **levels},
            [
                ({"stored": INTEGERS}, r"stored .*\(2, 8, 6, 4\)"),
                ({"stored": INTEGERS[0, 0]}, r"stored .*\(6, 4\)"),
                ({"white_level": CHANNELS}, r"white_level .*\(4,\)"),
            ],
        ),
        "from_fraction": ({"fraction": IMAGE, "dtype": np.uint16, **levels}, single("fraction")),
        "add_noise": (
            {"stored": INTEGERS[0], "noise": IMAGE, **levels},
            [
                ({"noise": IMAGE[..., :1]}, r"\(8, 6, 4\).*\(8, 6, 1\)|1\).*4\)"),
                ({"noise": INTEGERS[0]}, r"noise .*uint16"),
            ],
        ),
    }
    named = {name: Row(getattr(raw, name), *row, True) for name, row in rows.items()}
    named["demosaicing.demosaic_bands"] = Row(demosaic_bands, *rows["demosaic"], True)
    return {f"jaxnoise.raw.{name}": row for name, row in named.items()}


def rows() -> dict[str, Row]:
    """All rows of this file, by the functions' names."""
    return {**of_bijectors(), **of_distances(), **of_losses(), **of_metrics(), **of_raw()}
