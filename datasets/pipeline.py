"""Batches of noisy patches, with their clean ones or a second shot.

In training a batch is a pure function of (seed, step); in evaluation batches come in fixed order.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from datasets.as_float import IMAGES, NUMBERS, Batch, as_float
from datasets.clipping import valid_pixels
from datasets.looked_at import look_at, shots_of
from datasets.opening import Opened, open_records_of
from datasets.quantisation import STEPS
from datasets.records import Records, open_records
from datasets.registry import NAMES, SPLITS
from datasets.source_files import AS_USUAL, Reading
from datasets.whole_images import GridPatches, WholeImages, open_images
from jaxnoise.errors import UsageError
from jaxnoise.noise.camera import generator

__all__ = ["NAMES", "SPLITS", "NoiseData", "open_dataset"]


@dataclass(frozen=True)
class NoiseData:
    """Patches of one dataset.

    Attributes:
        name: name the data were opened by.
        fingerprint: sha256 of all that the records depend on, in hexadecimal.
        folder: folder of the records; its name carries the fingerprint.
        cameras: names of the cameras; `camera` of a batch indexes them; "unknown" where the source
            does not state it.
        isos: ISO numbers that occur; 0 means not stated.
        channels: channels of a patch.
        patch_size: side of a patch in pixels (packed pixels for raw).
        notes: sentences for a report: unit, dequantisation, how splits were made.
        doubts: sentences on what looks wrong in the source; also among the notes.
        sizes: number of patches of each split: train, validation and test; 0 where a data set for
            evaluation only has none.
        has_truth: whether batches carry the true negative log-likelihood.
        clean_splits: the splits whose batches carry clean patches; all but for data of noisy pairs.
        fields: names of what the batches of each split carry, `mask` aside.
        independent_draws: whether noisy2 is a second draw over the same clean patch, independent of
            noisy.
        scenes: names of the scenes; `scene` of a batch indexes them; () where they are not known.
        simulated: whether a simulation has drawn the noise.
        families: architectures of noise flows whose families contain the simulated noise; see
            `datasets.registry.Entry`.
        has_clipping: whether batches have `valid`, since some pixels are clipped.
        step: largest distance between neighbouring numbers of noisy images, as a fraction of full
            scale; 0 where they are floats.
        kind: type of the stored numbers, such as uint16; "" where it was not looked for.
        brightest: largest value of the clean images, or of the noisy ones where there are none, in
            the patches looked at, as a fraction of full scale; 0 where it was not looked for.
    """

    name: str
    fingerprint: str
    folder: Path
    cameras: tuple[str, ...]
    isos: tuple[int, ...]
    channels: int
    patch_size: int
    notes: tuple[str, ...]
    doubts: tuple[str, ...]
    sizes: dict[str, int]
    has_truth: bool
    clean_splits: tuple[str, ...]
    fields: dict[str, tuple[str, ...]]
    independent_draws: bool
    scenes: tuple[str, ...]
    simulated: bool
    families: tuple[str, ...]
    has_clipping: bool
    step: float
    kind: str
    brightest: float
    _records: Mapping[str, Records | GridPatches] = field(repr=False, compare=False)

    def batch(self, split: str, *, seed: int, step: int, batch_size: int) -> Batch:
        """Shuffled training batch that depends on (seed, step) alone.

        Args:
            split: train, validation or test.
            seed: seed of order and dequantisation, 0 to 2^32 - 1.
            step: number of the batch, from 0; every pass over the data has its own order.
            batch_size: N, at least 1.

        Returns:
            What `fields` names for the split. noisy, clean and, with a second shot, noisy2:
            (N, P, P, C) float32, full scale 1; camera (N,) int32; iso (N,) float32; image (N,)
            int32, the number of the image that the patch is of; scene (N,) int32; truth (N,)
            float32, nats per patch; noise_profile (N, 2) float32, the shot and read noise that the
            camera states; where the data are clipped, valid (N, P, P, 1) bool, True where a pixel
            counts, see `datasets.clipping`.
        """
        batch = self._split(split).take(self.order(split, seed, step, batch_size))
        streams = [generator("dequantise", split, seed, step)]
        return as_float(batch, streams) | self._valid(batch)

    def order(self, split: str, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Places in a split of the patches of a batch."""
        records = self._split(split)
        _check_sizes(batch_size=batch_size, seed=seed, step=step)
        return np.asarray(_shuffled(len(records), seed, batch_size)[step])

    def true_nll(self, split: str) -> np.ndarray:
        """True negative log-likelihood of every patch of a split, in nats per dimension.

        Only where `fields` of the split has "truth".
        """
        records = self._split(split)
        assert isinstance(records, Records)  # whole images have no true likelihood
        return records.column("truth") / (self.channels * self.patch_size**2)

    def batches(self, split: str, *, batch_size: int, limit: int | None = None) -> Iterator[Batch]:
        """One pass over a split in fixed order.

        Args:
            split: train, validation or test.
            batch_size: N, at least 1.
            limit: number of patches to stop after; None for all.

        Yields:
            The fields of `batch` and `mask`, (N,) bool: False on the rows that fill up the last
            batch.
        """
        records = self._split(split)
        _check_sizes(batch_size=batch_size)
        count = len(records) if limit is None else min(limit, len(records))
        for start in range(0, count, batch_size):
            places = np.arange(start, start + batch_size)
            # Padding repeats the last patch, so that padded rows are finite and of a known camera.
            indices = np.minimum(places, count - 1)
            streams = [generator("dequantise", split, int(index)) for index in indices]
            batch = records.take(indices)
            yield as_float(batch, streams) | self._valid(batch) | {"mask": places < count}

    def _valid(self, batch: Batch) -> Batch:
        shots, steps = shots_of(batch)
        return {"valid": valid_pixels(shots, steps)} if self.has_clipping and shots else {}

    def _split(self, split: str) -> Records | GridPatches:
        if split not in self._records:
            choice = ", ".join(name for name in SPLITS if name in self._records)
            raise UsageError(f"{self.name} has no split '{split}': choose one of {choice}.")
        return self._records[split]


def open_dataset(
    name: str,
    *,
    source: Path | None = None,
    data_dir: Path | None = None,
    patch_size: int | None = None,
    seed: int = 0,
    reading: Reading = AS_USUAL,
) -> NoiseData:
    """Dataset of a name, whose records are built first where they are absent.

    Args:
        name: camera_sim/exact, camera_sim/exact-white, camera_sim/exact-wide, camera_sim/full,
            pairs, sidd_raw, sidd_raw/published (in the layout that the published Noise Flow was
            trained on), sidd_full (pairs of consecutive shots), sidd_val (the validation images of
            ISO 100 to 3200), sidd_val/all, images (whole clean images of any size, cut into
            patches side by side) or images/noisy.
        source: folder of the user's files: images and index.csv for pairs, SIDD-Medium Raw for
            sidd_raw, SIDD-Full Raw for sidd_full, the two files of validation blocks for sidd_val,
            images for images, which without one are the photographs that scikit-image carries.
        data_dir: folder of prepared records; None for a folder in the user's cache.
        patch_size: side of the patches in pixels; None for the dataset's default.
        seed: seed of the simulated draws (camera_sim only).
        reading: how files of `source` are read, for pairs and images.

    Raises:
        UsageError: if the name, the options or the folder of records are wrong.
        DataError: if the images are missing, damaged or contradict their index.
    """
    opened = open_records_of(
        name,
        source=source,
        data_dir=data_dir,
        patch_size=patch_size,
        seed=seed,
        reading=reading,
    )
    if opened.entry.whole_images:
        side = opened.config.patch_size
        grids = {split: GridPatches(images, side) for split, images in whole_images(opened).items()}
        return _noise_data(opened, grids, side)
    return _noise_data(opened, _patches(opened), opened.facts["patch_size"])


def whole_images(opened: Opened) -> dict[str, WholeImages]:
    """Images of each split of a data set of whole images."""
    features = opened.builder.info.features
    return {
        split: open_images(
            opened.builder.as_data_source(split=split),
            tuple(key for key in IMAGES if key in features),
            tuple(key for key in NUMBERS if key in features),
            sizes,
            opened.folder,
        )
        for split, sizes in opened.facts["image_sizes"].items()
    }


def _patches(opened: Opened) -> dict[str, Records]:
    """Records of each split of a data set of patches."""
    info, facts = opened.builder.info, opened.facts
    fields = tuple(key for key in (*IMAGES, *NUMBERS, *STEPS.values()) if key in info.features)
    with_clean = facts.get("clean_splits", SPLITS)
    stored = {
        split: open_records(
            opened.builder.as_data_source(split=split),
            tuple(key for key in fields if key != "clean" or split in with_clean),
            opened.folder,
            block=facts.get("block", 1),
        )
        for split in SPLITS
        if split in info.splits
    }
    # A split may have no records of its own and repeat another.
    same_as = facts.get("same_as", {})
    return {
        split: stored[same_as.get(split, split)]
        for split in SPLITS
        if same_as.get(split, split) in stored
    }


def _noise_data(
    opened: Opened, records: Mapping[str, Records | GridPatches], patch_size: int
) -> NoiseData:
    facts = opened.facts
    fields = {
        split: tuple(name for name in found.fields if name not in STEPS.values())
        for split, found in records.items()
    }
    looked = look_at(records)
    doubts = facts.get("doubts", [])
    notes = [*facts["notes"], *doubts]
    if looked.left_out is not None:
        fields = {split: (*names, "valid") for split, names in fields.items()}
        notes.append(
            f"Pixels where the noise is clipped count nowhere: {100 * looked.left_out:.1f} % of "
            "those of the patches looked at."
        )
    return NoiseData(
        name=opened.entry.name,
        fingerprint=opened.fingerprint,
        folder=opened.folder,
        cameras=tuple(facts["cameras"]),
        isos=tuple(facts["isos"]),
        channels=facts["channels"],
        patch_size=patch_size,
        notes=tuple(notes),
        doubts=tuple(doubts),
        sizes={split: len(records[split]) if split in records else 0 for split in SPLITS},
        has_truth=any("truth" in names for names in fields.values()),
        clean_splits=tuple(split for split, names in fields.items() if "clean" in names),
        fields=fields,
        independent_draws=opened.entry.independent_draws,
        scenes=tuple(facts.get("scenes", ())),
        simulated=opened.entry.simulated,
        families=opened.entry.families,
        has_clipping=looked.left_out is not None,
        step=looked.step,
        kind=looked.kind,
        brightest=looked.brightest,
        _records=records,
    )


@lru_cache(maxsize=16)
def _shuffled(length: int, seed: int, batch_size: int) -> Any:
    """Endless sequence of batches of indices, a new order for every pass, by random access."""
    import grain

    return grain.MapDataset.range(length).seed(seed).shuffle().repeat().batch(batch_size)


def _check_sizes(*, batch_size: int, seed: int = 0, step: int = 0) -> None:
    if batch_size < 1:
        raise UsageError(
            f"a batch has at least one patch, not {batch_size}: give a larger --batch-size."
        )
    if not 0 <= seed < 2**32:
        raise UsageError(f"a seed lies between 0 and 2^32 - 1, not {seed}: give another --seed.")
    if step < 0:
        raise UsageError(f"steps count from 0, not from {step}.")
