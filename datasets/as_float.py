"""Stored records as the floats that models take."""

import numpy as np

from datasets.quantisation import STEPS

IMAGES = ("clean", "noisy", "noisy2")
NUMBERS = {
    "camera": np.int32,
    "iso": np.float32,
    "truth": np.float32,
    "noise_profile": np.float32,
    "image": np.int32,
    "scene": np.int32,
}

Batch = dict[str, np.ndarray]


def as_float(batch: Batch, streams: list[np.random.Generator]) -> Batch:
    """Batch in full-scale float32; noisy values are spread uniformly over the step between them.

    Args:
        batch: stacked records, with the steps of their images where they have them; without one, 8
            bits have a step of 1 and all others none.
        streams: one generator for the batch, or one for each example.
    """
    result: Batch = {}
    for key in IMAGES:
        if key not in batch:
            continue
        values = batch[key]
        scale = 1.0 if values.dtype == np.float32 else float(np.iinfo(values.dtype).max)
        if key != "clean" and (step := _step(batch, key)).any():
            parts = np.split(values, len(streams))
            spread = [
                g.random(part.shape, np.float32) - 0.5
                for g, part in zip(streams, parts, strict=True)
            ]
            values = values + np.concatenate(spread) * step[:, None, None, None]
        result[key] = (values / np.float32(scale)).astype(np.float32, copy=False)
    for key, kind in NUMBERS.items():
        if key in batch:
            result[key] = batch[key].astype(kind)
    return result


def _step(batch: Batch, key: str) -> np.ndarray:
    """Width of the noise that each image of a kind gets, in stored units, (N,)."""
    count, usual = len(batch[key]), float(batch[key].dtype == np.uint8)
    return np.asarray(batch.get(STEPS[key], np.full(count, usual)), np.float32)
