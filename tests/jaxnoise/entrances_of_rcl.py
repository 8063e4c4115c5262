"""Public functions, what they take and some of what not: those of residual contrastive learning."""

import numpy as np

from jaxnoise import losses
from jaxnoise.loaded import Loaded
from jaxnoise.models import denoiser, rcl
from tests.jaxnoise.entrances import (
    CHANNELS,
    FLAGS,
    GREY,
    IMAGE,
    IMAGES,
    INTEGERS,
    KEY,
    KEYS,
    Fault,
    Row,
    batches,
)

COLOUR = np.linspace(0, 1, 1152, dtype=np.float32).reshape(2, 16, 12, 3)


def rows() -> dict[str, Row]:
    """All rows of this file, by the functions' names."""
    pair = {"first": IMAGES, "second": IMAGES, "scale": 255.0}
    pairs: list[Fault] = [
        ({"first": IMAGE}, r"first .*\(8, 6, 4\)"),
        ({"second": IMAGES[:1]}, r"second .*\(1, 8, 6, 4\).*\(2, 8, 6, 4\)"),
        ({"second": INTEGERS}, "second .*uint16"),
        ({"scale": CHANNELS}, r"scale .*\(4,\)"),
    ]
    width: list[Fault] = [({"distance": "mmd", "bandwidth": CHANNELS}, r"bandwidth .*\(4,\)")]
    masks: list[Fault] = [({"negatives": np.ones(2, bool)}, r"\(2,\).*\(2, 2\)")]
    heat: list[Fault] = [({"temperature": CHANNELS}, r"temperature .*\(4,\)")]
    weights: list[Fault] = [
        ({"consistency": CHANNELS}, r"consistency .*\(4,\)"),
        ({"alpha": True}, "alpha .*bool"),
    ]
    square = {"distances": np.eye(2, dtype=np.float32)}
    matrices: list[Fault] = [
        ({"distances": CHANNELS}, r"\(4,\)"),
        ({"distances": np.ones((2, 2), bool)}, r"\(2, 2\).*bool"),
        *masks,
    ]
    raw = {"noisy": IMAGES, "image": COLOUR}
    raws: list[Fault] = [
        ({"noisy": IMAGE}, r"noisy .*\(8, 6, 4\)"),
        ({"noisy": INTEGERS}, "noisy .*uint16"),
        ({"image": IMAGES}, r"image .*\(2, 8, 6, 4\)"),
        ({"image": COLOUR[:, :8]}, r"image .*\(2, 8, 12, 3\).*\(2, 16, 12, 3\)"),
    ]
    table = {
        "residual_distances": (pair, [*pairs, *width]),
        "residual_loss": (pair, [*pairs, *width, *masks, *heat]),
        "objective": ({**pair, "consistency": 0.1}, [*pairs, *masks, *heat, *weights]),
        "gaps": (square, matrices),
        "differences": (square, matrices),
        "raw_residual": (raw, raws),
        "raw_consistency": ({**raw, "form": "smooth"}, raws),
    }
    rows = {
        f"jaxnoise.models.rcl.{name}": Row(getattr(rcl, name), *row) for name, row in table.items()
    }
    rows |= {**of_networks(), **of_losses()}
    drawn = {**raw, "key": None}
    rows["jaxnoise.models.rcl.raw_consistency by neighbours"] = Row(
        rcl.raw_consistency, drawn, KEYS
    )
    return rows


def of_networks() -> dict[str, Row]:
    """Functions of models with variables; none of the faults reaches these."""
    config, small = rcl.Config(task="jdd"), denoiser.Config(features=2, depth=2)
    given = {"variables": {}, "config": config, "degraded": IMAGES}
    fresh = {"key": KEY, "config": config}
    own = {"variables": {}, "config": small, "images": IMAGES}
    name = "jaxnoise.models.rcl"
    loaded = Loaded("rcl", config, {})
    wrong: list[Fault] = [
        ({"degraded": GREY}, r"degraded .*\(2, 8, 6, 1\)"),
        ({"degraded": INTEGERS}, "degraded .*uint16"),
    ]
    return {
        f"{name}.init": Row(rcl.init, fresh, KEYS),
        f"{name}.restore": Row(rcl.restore, given, batches("degraded")),
        f"{name}.restore_and_update": Row(rcl.restore_and_update, given, batches("degraded")),
        f"{name}.with_fresh_head": Row(rcl.with_fresh_head, {**fresh, "backbone": {}}, KEYS),
        f"{name}.with_fresh_last": Row(
            rcl.with_fresh_last, {"key": KEY, "config": small, "variables": {}}, KEYS
        ),
        "jaxnoise.models.denoiser.features": Row(denoiser.features, own, batches("images")),
        "jaxnoise.loaded.Loaded.restore": Row(loaded.restore, {"degraded": IMAGES}, wrong),
    }


def of_losses() -> dict[str, Row]:
    """Losses without clean images."""
    mosaics: list[Fault] = [
        ({"estimate": IMAGES}, r"estimate .*\(2, 8, 6, 4\)"),
        ({"estimate": COLOUR[:, :8]}, r"estimate .*\(2, 8, 12, 3\).*\(2, 16, 12, 3\)"),
        ({"other": COLOUR}, r"other .*\(2, 16, 12, 3\)"),
        ({"other": INTEGERS}, "other .*uint16"),
    ]
    masks: list[Fault] = [
        ({"hidden": FLAGS[:, :4]}, r"\(2, 4, 6, 1\).*\(2, 8, 6, 1\)"),
        ({"hidden": np.float32(FLAGS)}, "float32"),
        ({"noisy": IMAGE}, r"noisy .*\(8, 6, 4\)|\(8, 6, 4\) and estimate"),
        ({"noisy": INTEGERS}, "noisy .*uint16"),
    ]
    colour: list[Fault] = [
        ({"image": IMAGES}, r"image .*\(2, 8, 6, 4\)"),
        ({"image": COLOUR[0]}, r"image .*\(16, 12, 3\)"),
        ({"image": COLOUR[:, 1:]}, r"image .*\(2, 15, 12, 3\)"),
    ]
    hidden = {"noisy": IMAGES, "hidden": FLAGS}
    table = {
        "packed_mosaic": ({"image": COLOUR}, colour),
        "mosaic2mosaic_error": ({"estimate": COLOUR, "other": IMAGES, "shift": (1, 0)}, mosaics),
        "filled_in": (hidden, masks),
        "noise2self_error": ({**hidden, "estimate": IMAGES}, masks),
        "grid_mask": (
            {"size": (8, 6), "number": np.int32(3)},
            [({"number": CHANNELS}, r"number .*\(4,\)"), ({"number": True}, "number .*bool")],
        ),
    }
    return {
        f"jaxnoise.losses.{name}": Row(getattr(losses, name), *row) for name, row in table.items()
    }
