"""Denoisers that learn from a few real pairs, with and without what they learnt before."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.cells import Cells
from benchmarks.harness.proxy import table_1
from benchmarks.harness.proxy.clean import write_index
from benchmarks.harness.proxy.real import RealSet, judge_model
from benchmarks.harness.proxy.teachers import Teacher
from benchmarks.harness.proxy.trainings import (
    Plan,
    commit_of,
    curve,
    pairs_folder,
    remove_pairs,
    trained_denoiser,
    tried,
)
from datasets.pairs.splits import Pair

FRESH, ORACLE = "no pre-training", "all scenes, no pre-training"
AGAIN = "again_"
"""Before the names of training images that stand where validation images have to."""
TRIED_SCENES = 2
"""On which learning rates are tried; all the other training scenes decide."""
PAPER = {
    "without CoNo": {"DND": [34.07, 0.851], "SIDD": [32.59, 0.861]},
    "with CoNo": {"DND": [34.67, 0.865], "SIDD": [33.28, 0.867]},
    "oracle": {"DND": [38.08, 0.936], "SIDD": [38.41, 0.909]},
}
"""PSNR and SSIM of the paper's Table 2."""


@dataclass(frozen=True)
class Few:
    """The experiment.

    Attributes:
        real: the pairs.
        scenes: for training, each by itself.
        steps: of the training on real pairs.
        before: cells of Table 1, whose denoisers training starts from.
    """

    real: RealSet
    scenes: tuple[str, ...]
    steps: int
    before: Cells


def training_scenes(real: RealSet) -> list[str]:
    """Scenes that are not of the test, sorted."""
    return sorted({pair.scene for pair in real.only("train").pairs})


def chosen_scenes(scenes: Sequence[str], count: int) -> tuple[str, ...]:
    """Scenes at equal distances.

    Args:
        scenes: to choose from.
        count: how many.

    Raises:
        SystemExit: there are not as many.
    """
    if not 1 <= count <= len(scenes):
        raise SystemExit(
            f"--scenes {count}: there are {len(scenes)} training scenes to choose from."
        )
    return tuple(scenes[place * len(scenes) // count] for place in range(count))


def divided(real: RealSet, trained: Sequence[str], *, tries: bool) -> tuple[Pair, ...]:
    """The pairs with their splits in one training.

    Args:
        real: all pairs.
        trained: scenes to train on.
        tries: whether the other training scenes validate, to choose a learning rate. Otherwise the
            images that are trained on do, as copies, so that no other real pair plays a part.

    Returns:
        Pairs without camera and ISO; those of the test as they are.
    """
    pairs = []
    for pair in real.pairs:
        pair = replace(pair, camera="", iso=0)
        if pair.split == "test":
            pairs.append(pair)
        elif pair.scene not in trained:
            pairs += [replace(pair, split="validation")] if tries else []
        else:
            pairs.append(replace(pair, split="train"))
            if not tries:
                copy = {name: AGAIN + getattr(pair, name) for name in ("noisy", "clean", "scene")}
                pairs.append(replace(pair, split="validation", **copy))
    return tuple(pairs)


def write_divided(folder: Path, real: RealSet, pairs: Sequence[Pair]) -> None:
    """A folder of real pairs for the data set `pairs`, unless it is there already.

    Args:
        folder: where it goes.
        real: where the files are.
        pairs: of `divided`.
    """
    if (folder / "index.csv").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for pair in pairs:
        for name in (pair.noisy, pair.clean):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(real.folder / name.removeprefix(AGAIN), folder / name)
        row = {"noisy": pair.noisy, "clean": pair.clean, "camera": "", "iso": ""}
        rows.append({**row, "scene": pair.scene, "split": pair.split})
    write_index(folder, rows)


def further(
    plan: Plan, few: Few, start: Teacher | None, *, scene: str, seed: int, tries: bool, rate: float
) -> Path:
    """Folder of the run of a denoiser that is trained on real pairs.

    Args:
        plan: of the trainings.
        few: the experiment.
        start: the teacher whose denoiser it begins from; None for fresh weights.
        scene: to train on; `ORACLE` for all of them.
        seed: of this training and of the one before.
        tries: as for `divided`.
        rate: the highest learning rate.
    """
    scenes = training_scenes(few.real)
    label = "all" if scene == ORACLE else scene
    # Where all train, one has to be left out for others to be tried on it.
    trained = [scene] if scene != ORACLE else scenes[:-1] if tries else scenes
    source = plan.folder / "few" / (f"try-{label}" if tries else label)
    begun = start.name if start else "fresh"
    name = f"few-{begun}-{'try-' if tries else ''}{label}-{seed}-{rate:g}"
    model = None if start is None else _before(plan, few, start, seed) / "model"
    return trained_denoiser(
        plan,
        name,
        source,
        seed=seed,
        steps=few.steps,
        rate=rate,
        start=model,
        prepare=partial(write_divided, source, few.real, divided(few.real, trained, tries=tries)),
    )


def fill(plan: Plan, cells: Cells, few: Few, starts: Sequence[Teacher]) -> None:
    """Makes all cells of the table that are not there yet.

    Args:
        plan: of the trainings.
        cells: of this table.
        few: the experiment.
        starts: teachers whose denoisers are trained further, beside a fresh one.
    """
    cells.keep(table_1.NOISY, lambda: table_1.noisy_cell([_test(few)]))
    for seed in plan.seeds:
        for teacher in starts:
            alone = partial(_alone, plan, few, teacher, seed)
            cells.keep(f"{teacher.name} alone, seed {seed}", alone)
        for start in (None, *starts):
            for scene in few.scenes:
                _keep(plan, cells, few, start, scene=scene, seed=seed)
        _keep(plan, cells, few, None, scene=ORACLE, seed=seed)


def _keep(
    plan: Plan, cells: Cells, few: Few, start: Teacher | None, *, scene: str, seed: int
) -> None:
    """One cell, and before it the learning rate of its row."""
    begun = start.name if start else "fresh"
    before = f"{start.title} before" if start else FRESH
    row, tries, name = f"one scene, {before}", few.scenes[:TRIED_SCENES], begun
    if scene == ORACLE:
        row, tries, name = ORACLE, (ORACLE,), "all"

    def make() -> dict[str, Any]:
        first = plan.seeds[0]
        trainings = [_at_rate(plan, few, start, one, first) for one in tries]
        chosen = cells.keep(
            f"rate of {name}",
            lambda: {"seed": first, "scenes": tries, **tried(plan.rates, trainings)},
        )
        options = {"scene": scene, "seed": seed, "tries": False, "rate": chosen["rate"]}
        run = further(plan, few, start, **options)
        return {
            **{"row": row, "seed": seed, "scene": scene, "training_psnr": curve(run)},
            **{"commit": commit_of(run), "sets": judge_model(run / "model", [_test(few)])},
        }

    cells.keep(f"{begun}, {scene}, seed {seed}", make)


def _test(few: Few) -> RealSet:
    return few.real.only("test")


def _at_rate(plan: Plan, few: Few, start: Teacher | None, scene: str, seed: int) -> Any:
    def train(rate: float) -> Path:
        return further(plan, few, start, scene=scene, seed=seed, tries=True, rate=rate)

    return train


def _alone(plan: Plan, few: Few, teacher: Teacher, seed: int) -> dict[str, Any]:
    """The numbers of a denoiser of Table 1 as it is."""
    run = _before(plan, few, teacher, seed)
    sets = judge_model(run / "model", [_test(few)])
    return {"row": f"no scene, {teacher.title}", "seed": seed, "sets": sets}


def _before(plan: Plan, few: Few, teacher: Teacher, seed: int) -> Path:
    run = table_1.denoiser(plan, few.before, teacher, seed)
    remove_pairs(pairs_folder(plan, teacher, seed))
    return run
