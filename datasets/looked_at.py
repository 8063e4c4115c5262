"""What some patches of stored records show of the scale of their numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from datasets.as_float import Batch
from datasets.clipping import has_clipping, valid_pixels
from datasets.quantisation import STEPS, fraction_of_scale, step_of
from datasets.records import Records
from datasets.whole_images import GridPatches

SHOTS = ("noisy", "noisy2")

PATCHES_LOOKED_AT = 512


@dataclass(frozen=True)
class LookedAt:
    """The scale of the numbers of a data set.

    Attributes:
        left_out: part of the pixels where noise is clipped; None where it is not.
        step: largest distance between neighbouring numbers of noisy images, as a fraction of full
            scale.
        kind: type of the stored numbers; "" where there was nothing to look at.
        brightest: largest value of clean images, or of noisy ones where there are none, as a
            fraction of full scale; 0 where there was nothing to look at.
    """

    left_out: float | None
    step: float
    kind: str
    brightest: float


def look_at(records: Mapping[str, Records | GridPatches]) -> LookedAt:
    """Looks at patches of every split; whole images are passed over.

    Args:
        records: by split.
    """
    clipped, step, valid, kind, brightest = False, 0.0, [], "", 0.0
    for found in records.values():
        if isinstance(found, GridPatches) or not set(SHOTS) & set(found.fields):
            continue
        # Patches of all parts of a split stand for it: a look at each would take a second.
        count = min(len(found), PATCHES_LOOKED_AT)
        taken = found.take(np.linspace(0, len(found) - 1, count).astype(int))
        shots, steps = shots_of(taken)
        light = taken.get("clean", shots[0])
        kind, scale = light.dtype.name, fraction_of_scale(1.0, light.dtype) or 1.0
        brightest = max(brightest, float(light.max()) * scale)
        if "truth" in found.fields:
            continue  # noise of a known density is not clipped
        clipped = clipped or has_clipping(shots, steps)
        for shot, known in zip(shots, steps, strict=True):
            coarsest = step_of(shot) if known is None else max(known.max(), step_of(shot))
            step = max(step, fraction_of_scale(float(coarsest), shot.dtype))
        valid.append(valid_pixels(shots, steps).ravel())
    left_out = 1.0 - float(np.concatenate(valid).mean()) if clipped else None
    return LookedAt(left_out, step, kind, brightest)


def shots_of(batch: Batch) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """Noisy images of a batch as they are stored, and the step between the numbers of each.

    Args:
        batch: stacked records.
    """
    names = [name for name in SHOTS if name in batch]
    return [batch[name] for name in names], [batch.get(STEPS[name]) for name in names]
