"""Public functions, what they take and some of what not: those of residual contrastive learning."""

import numpy as np

from jaxnoise.models import rcl
from tests.jaxnoise.entrances import CHANNELS, IMAGE, IMAGES, INTEGERS, KEYS, Fault, Row

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
        "packed_mosaic": (
            {"image": COLOUR},
            [({"image": IMAGES}, r"image .*\(2, 8, 6, 4\)"), ({"image": COLOUR[0]}, r"12, 3\)")],
        ),
        "raw_residual": (raw, raws),
        "raw_consistency": ({**raw, "form": "smooth"}, raws),
    }
    rows = {
        f"jaxnoise.models.rcl.{name}": Row(getattr(rcl, name), *row) for name, row in table.items()
    }
    drawn = {**raw, "key": None}
    rows["jaxnoise.models.rcl.raw_consistency by neighbours"] = Row(
        rcl.raw_consistency, drawn, KEYS
    )
    return rows
