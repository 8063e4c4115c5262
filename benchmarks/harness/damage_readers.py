"""What a run leaves behind, and how a run or a user would read each part of it again."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reader = Callable[[Path], str]
SAME, UNNOTICED = "same state", "UNNOTICED"
CAMERAS, ISOS, PAIRS, SIDE = ("one", "two"), (100, 800), 12, 24


def write_all(whole: Path, source: Path, *, seed: int) -> dict[str, Reader]:
    """Writes two checkpoints, a model, prepared records and the files that describe a run.

    Args:
        whole: folder for them.
        source: folder for the images of the records.
        seed: of all values.

    Returns:
        By folder below `whole`, a function that reads that part from a copy of `whole` and says
        what it found; it raises a sentence where it refuses.
    """
    return {
        "checkpoints": _checkpoints(whole, seed),
        "model": _model(whole, seed),
        "records": _records(whole, source, seed),
        "run": _run(whole),
    }


def _checkpoints(whole: Path, seed: int) -> Reader:
    from train.engine.checkpoint import Checkpoints

    _, template, trees = states(seed)
    written = Checkpoints(whole / "checkpoints", runs=["a run"])
    for step, tree in trees.items():
        written.save(step, tree, rows=f"rows of {step}")
    written.close()

    def read(copy: Path) -> str:
        said: list[str] = []
        opened = Checkpoints(copy / "checkpoints", report=said.append, runs=["a run"])
        found = opened.restore(template)
        opened.close()
        if found is None or not same(found[1], trees[found[0]]):
            return UNNOTICED
        if opened.rows != f"rows of {found[0]}":
            return UNNOTICED
        if found[0] == 2:
            return SAME
        return "put aside, step before used" if len(said) == 1 else UNNOTICED

    return read


def _model(whole: Path, seed: int) -> Reader:
    from jaxnoise.io import load_model, save_model

    config, _, trees = states(seed)
    save_model(whole / "model", "noiseflow", config, trees[2]["best"]["kept"])
    exported = load_model(whole / "model")

    def read(copy: Path) -> str:
        loaded = load_model(copy / "model")
        unchanged = loaded[:2] == exported[:2] and same(loaded.variables, exported.variables)
        return SAME if unchanged else UNNOTICED

    return read


def _records(whole: Path, source: Path, seed: int) -> Reader:
    import numpy as np

    from datasets.pipeline import open_dataset
    from jaxnoise.io import write_image

    random, lines = np.random.default_rng(seed), ["clean,noisy,camera,iso,scene"]
    source.mkdir()
    for number in range(PAIRS):
        clean = random.integers(2000, 50_000, (SIDE, SIDE, 3)).astype(np.uint16)
        noise = random.normal(0, 300, clean.shape)
        for name, image in (("clean", clean), ("noisy", (clean + noise).astype(np.uint16))):
            write_image(source / f"{name}{number}.png", image, format="PNG")
        camera, iso = CAMERAS[number % 2], ISOS[number // 2 % 2]
        lines.append(f"clean{number}.png,noisy{number}.png,{camera},{iso},{number}")
    (source / "index.csv").write_text("\n".join(lines) + "\n")

    def content(folder: Path) -> Any:
        data = open_dataset("pairs", source=source, data_dir=folder, patch_size=8)
        batches = {split: list(data.batches(split, batch_size=64)) for split in data.sizes}
        return batches, {"names": [data.cameras, data.isos, data.notes, data.fingerprint]}

    expected = content(whole / "records")

    def read(copy: Path) -> str:
        found = content(copy / "records")
        unchanged = found[1] == expected[1] and same(found[0], expected[0])
        return SAME if unchanged else UNNOTICED

    return read


def _run(whole: Path) -> Reader:
    from train.engine import folder, lock
    from train.engine.devices import start_jax
    from train.engine.manifest import read_manifest, runs_of
    from train.engine.metrics import Metrics, read_metrics
    from train.engine.options import Options

    place, options, known = whole / "run", Options(), {"fingerprint": "f" * 16, "facts": {}}
    folder.open_workdir(place, options, mesh=start_jax("cpu"), system="noiseflow", **known)
    lock.release()
    metrics = Metrics(place / "metrics.jsonl")
    for step in range(20):
        metrics.write(step, {"nll": -1.5 - step / 7, "parameters": {"gain": step / 3}}, {})
    metrics.close()
    digest, manifest, rows = (
        metrics.digest,
        read_manifest(place),
        read_metrics(place / "metrics.jsonl"),
    )
    runs = runs_of(place, options, **known)

    def read(copy: Path) -> str:
        place, said = copy / "run", io.StringIO()
        folder.check_workdir(place, options, system="noiseflow")
        found = read_manifest(place)
        if {name: found.get(name) for name in manifest} != manifest:
            # Without it the run is described anew; who reads it later sees that it was.
            return "described anew" if not found else UNNOTICED
        if runs_of(place, options, **known) != runs:
            return UNNOTICED
        with contextlib.redirect_stderr(said):
            Metrics(place / "metrics.jsonl", step=20, digest=digest).close()
        if said.getvalue():
            return "said, training as it was"
        return SAME if read_metrics(place / "metrics.jsonl") == rows else UNNOTICED

    return read


def states(seed: int) -> tuple[Any, Any, dict[int, Any]]:
    """What a training of a noise flow saves at two steps.

    Args:
        seed: of the values.

    Returns:
        The model's configuration, a template for reading, and the states by step.
    """
    import jax
    import numpy as np

    from jaxnoise import models
    from train.engine.guard import start_training
    from train.steps.optimisers import noise_model_adam

    model = models.get("noiseflow")
    config = model.Config(arch="N-W-Ax1-K1", cameras=("a", "b"), isos=(100, 400))
    optimiser = noise_model_adam(
        steps=10, learning_rate=1e-3, moments_learning_rate=1e-3, warm_up=0.0, clip=1.0
    )
    variables = model.init(jax.random.key(seed), config)
    training = start_training(
        {"variables": variables, "optimiser": optimiser.init(variables["params"])}
    )
    best = {"kept": variables, "score": np.float64(1.5), "step": np.int64(0)}
    template = jax.tree.map(np.asarray, {"training": training, "best": best})
    generator = np.random.default_rng(seed)

    def noisy(leaf: np.ndarray) -> np.ndarray:
        if leaf.dtype.kind != "f":
            return leaf
        return (leaf + generator.normal(0, 1, leaf.shape)).astype(leaf.dtype)

    return config, template, {step: jax.tree.map(noisy, template) for step in (1, 2)}


def same(one: Any, other: Any) -> bool:
    """Whether two trees agree in structure, types and every bit.

    Args:
        one: a tree of arrays.
        other: a tree of arrays.
    """
    import jax
    import numpy as np

    if jax.tree.structure(one) != jax.tree.structure(other):
        return False
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(
        np.asarray(a).dtype == np.asarray(b).dtype
        and np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in pairs
    )
