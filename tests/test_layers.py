"""Imports go one way: every file imports only what its part of the project may."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[1]

FREE = {"numpy", "jax", "jaxtyping"} | set(sys.stdlib_module_names)
OWN = {"jaxnoise", "train", "datasets", "tests", "benchmarks", "in_venv"}
VOCABULARY = {
    f"jaxnoise.{name}"
    for name in (
        "abilities",
        "errors",
        "image_protocols",
        "batch",
        "conditions",
        "curve",
        "causal",
        "checks",
        "process",
        "protocols",
        "sigma",
        "tasks",
        "tiles",
        "tracing",
    )
}
SYSTEMS = {"noiseflow", "noise2noiseflow", "noisetransfer", "cono", "rcl", "denoiser"}
READERS = {"PIL", "tifffile", "imagecodecs", "h5py", "scipy", "rawpy", "safetensors"}
STARTS_SLOWLY = {"jax", "flax", "distrax", "orbax", "grain", "optax"}


@dataclass(frozen=True)
class Rule:
    """What one part may import besides FREE, the vocabulary modules and itself."""

    own: set[str] = field(default_factory=set)  # parts of this project
    packages: set[str] = field(default_factory=set)  # other people's packages


BELOW_MODELS = {
    f"jaxnoise.{part}"
    for part in ("raw", "noise", "distances", "metrics", "losses", "io", "nets", "bijectors")
}
RULES = {
    **{name: Rule() for name in VOCABULARY},
    # jaxnoise/__init__.py, in functions and for type checkers: what it imports at its top is tried.
    "jaxnoise": Rule(
        own={*BELOW_MODELS, *(f"jaxnoise.{n}" for n in ("models", "interop", "loaded"))}
    ),
    "jaxnoise.loaded": Rule(own={*BELOW_MODELS, "jaxnoise.models"}),
    "jaxnoise.__main__": Rule(own={"jaxnoise.cli"}),
    "jaxnoise.raw": Rule(packages={"colour_demosaicing"}),
    "jaxnoise.noise": Rule(),
    "jaxnoise.distances": Rule(),
    "jaxnoise.metrics": Rule(),
    "jaxnoise.losses": Rule(own={"jaxnoise.distances"}),
    "jaxnoise.io": Rule(packages=READERS),
    "jaxnoise.nets": Rule(packages={"flax"}),
    "jaxnoise.bijectors": Rule(packages={"distrax"}),
    "jaxnoise.models": Rule(own=BELOW_MODELS, packages={"flax"}),
    "jaxnoise.interop": Rule(own={*BELOW_MODELS, "jaxnoise.models"}),
    "jaxnoise.cli": Rule(
        own={*BELOW_MODELS, "jaxnoise.models", "jaxnoise.interop", "jaxnoise"}, packages={"tqdm"}
    ),
    "datasets": Rule(
        own={"jaxnoise.raw", "jaxnoise.io", "jaxnoise.noise"},
        packages={"array_record", "grain", "tensorflow_datasets", "skimage", "PIL", "tqdm"},
    ),
    "train": Rule(),
    "train.engine": Rule(own={"jaxnoise.io", "datasets"}, packages={"orbax", "tqdm", "absl"}),
    "train.densities": Rule(own={"train.engine", "jaxnoise.metrics"}),
    "train.steps": Rule(
        own={*BELOW_MODELS, "jaxnoise.models", "train.engine", "train.densities"},
        packages={"optax"},
    ),
    "train.report": Rule(
        own={*BELOW_MODELS, "jaxnoise.models", "train.engine", "train.densities"},
        packages={"matplotlib", "jinja2", "markupsafe"},
    ),
    **{
        f"train.{name}": Rule(
            own={
                *BELOW_MODELS,
                "jaxnoise.models",
                "jaxnoise.interop",
                "datasets",
                *(f"train.{part}" for part in ("engine", "densities", "steps", "report")),
            },
            packages={"optax"},
        )
        for name in SYSTEMS
    },
}

# Reading a model folder needs the Config class of the model it names, and gets it by that name.
REGISTRY, USES_REGISTRY = "jaxnoise.models", {"jaxnoise.io"}

# A package that one file alone may import, so that it can be exchanged there.
GATES = {
    "colour_demosaicing": "jaxnoise/raw/demosaicing.py",
    "distrax": "jaxnoise/bijectors/_distrax.py",
    "grain": "datasets/pipeline.py",
    "orbax": "train/engine/checkpoint.py",
}


@dataclass(frozen=True)
class Import:
    """One imported module, by its full dotted name."""

    name: str
    line: int
    at_top: bool  # happens when the file is imported, not only in a function or a type checker


def imports(path: Path, root: Path) -> Iterator[Import]:
    """Every import of a file, also those inside functions and by importlib with a literal name."""

    def walk(node: ast.AST, at_top: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            inside |= isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            for name in imported_names(child, path, root):
                yield Import(name, child.lineno, at_top)
            yield from walk(child, at_top and not inside)

    yield from walk(ast.parse(path.read_text()), True)


def imported_names(node: ast.AST, path: Path, root: Path) -> list[str]:
    """Full names of the modules that one statement or call imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = (node.module or "").split(".") if node.module else []
        if node.level:
            package = path.relative_to(root).parent.parts
            base = [*package[: len(package) - node.level + 1], *base]
        names = [".".join([*base, alias.name]) for alias in node.names]
        # `from package import thing`: a module where there is such a file, else a name in package.
        return [name if is_module(name, root) else ".".join(base) for name in names]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
            return [node.args[0].value]
    return []


def is_module(name: str, root: Path) -> bool:
    """Whether a dotted name is a file or folder of the project."""
    place = root.joinpath(*name.split("."))
    return place.with_suffix(".py").exists() or place.is_dir()


def part_of(name: str) -> str:
    """The part of the project that a module belongs to: two names deep in jaxnoise and train."""
    pieces = name.split(".")
    return ".".join(pieces[:2]) if pieces[0] in ("jaxnoise", "train") else pieces[0]


def module_of(path: Path, root: Path) -> str:
    """Dotted name of a file."""
    pieces = path.relative_to(root).with_suffix("").parts
    return ".".join(pieces[:-1] if pieces[-1] == "__init__" else pieces)


def violations(root: Path) -> list[str]:
    """One line for every import below `root` that breaks a rule."""
    found = []
    for path in sorted(root.glob("*/**/*.py")):
        if path.relative_to(root).parts[0] not in ("jaxnoise", "train", "datasets"):
            continue
        module = module_of(path, root)
        entries = list(imports(path, root))
        for entry in entries:
            for complaint in complaints(module, path.relative_to(root).as_posix(), entry):
                found.append(f"{path.relative_to(root)}:{entry.line}: {complaint}")
        if module.startswith(("train.", "jaxnoise.models.")) and defines_config(path):
            for entry in entries:
                if entry.at_top and entry.name.split(".")[0] in STARTS_SLOWLY:
                    found.append(
                        f"{path.relative_to(root)}:{entry.line}: a module with a Config imports "
                        f"{entry.name} at its top"
                    )
    return found


def complaints(module: str, path: str, entry: Import) -> Iterator[str]:
    """What is wrong with one import."""
    part, package = part_of(module), entry.name.split(".")[0]
    rule = RULES.get(part)
    if rule is None:
        yield f"{part} has no rule: add it to RULES"
        return
    if package in OWN:
        target = part_of(entry.name)
        by_registry = entry.name == REGISTRY and part in USES_REGISTRY and not entry.at_top
        if target not in VOCABULARY | rule.own | {part} and not by_registry:
            yield f"{part} may not import {target}"
        for kind, parent in (("model", "jaxnoise.models."), ("trainer", "train.")):
            papers = paper_of(module, parent), paper_of(entry.name, parent)
            if None not in papers and papers[0] != papers[1]:
                yield f"one {kind} imports another, {entry.name}"
    elif package not in FREE | rule.packages:
        yield f"{part} may not import {package}"
    if GATES.get(package, path) != path:
        yield f"only {GATES[package]} may import {package}"
    if path == "datasets/pipeline.py" and package == "jax":
        yield "the workers of the data feed import numpy only, not jax"
    if module in ("jaxnoise", "jaxnoise.errors") and entry.at_top and package == "jax":
        yield "importing jaxnoise must not import jax"
    if module == "jaxnoise" and entry.at_top and package == "jaxnoise":
        yield "jaxnoise/__init__.py must import no other part at its top"


def paper_of(module: str, parent: str) -> str | None:
    """Which paper's model (below "jaxnoise.models.") or trainer (below "train.") a module is."""
    name = module.removeprefix(parent).split(".")[0]
    return name if module.startswith(parent) and name in SYSTEMS else None


def defines_config(path: Path) -> bool:
    """Whether a file defines the dataclass Config."""
    tree = ast.parse(path.read_text())
    return any(isinstance(node, ast.ClassDef) and node.name == "Config" for node in tree.body)


def test_every_import_obeys_the_rules():
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    "module",
    [
        "jaxnoise",
        "jaxnoise.__main__",
        *sorted(f"jaxnoise.cli.{path.stem}" for path in ROOT.glob("jaxnoise/cli/[a-z]*.py")),
        *sorted(f"train.{path.parent.name}.config" for path in ROOT.glob("train/*/config.py")),
    ],
)
def test_importing_it_starts_nothing_slow(module):
    # What the rules above cannot see: imports by way of other files.
    program = f"import sys, {module}; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert STARTS_SLOWLY & set(run.stdout.split()) == set()


PLANTED = [
    ("jaxnoise/raw/a.py", "import jaxnoise.noise", "jaxnoise.raw may not import jaxnoise.noise"),
    (
        "jaxnoise/raw/a.py",
        "def f():\n    import colour_demosaicing",
        "only jaxnoise/raw/demosaicing.py",
    ),
    ("jaxnoise/raw/a.py", "from ..noise import b", "jaxnoise.raw may not import jaxnoise.noise"),
    ("jaxnoise/metrics/a.py", "from jaxnoise import io", "may not import jaxnoise.io"),
    ("jaxnoise/metrics/a.py", "import flax.linen", "jaxnoise.metrics may not import flax"),
    ("jaxnoise/losses/a.py", "from jaxnoise.nets import b", "may not import jaxnoise.nets"),
    ("jaxnoise/nets/a.py", "def f():\n    import distrax", "may not import distrax"),
    ("jaxnoise/bijectors/a.py", "import distrax", "only jaxnoise/bijectors/_distrax.py"),
    (
        "jaxnoise/io/a.py",
        "import importlib\nimportlib.import_module('train.engine')",
        "import train",
    ),
    ("jaxnoise/io/a.py", "from jaxnoise.models import get", "may not import jaxnoise.models"),
    ("jaxnoise/io/a.py", "def f():\n    from jaxnoise.models import rcl", "may not import"),
    ("jaxnoise/models/cono.py", "from . import rcl", "one model imports another"),
    ("jaxnoise/models/cono/net.py", "def f():\n    from ..rcl import g", "imports another"),
    ("jaxnoise/models/cono.py", "def f():\n    import grain", "may not import grain"),
    ("jaxnoise/models/rcl.py", "import tensorflow_datasets", "may not import tensorflow_datasets"),
    ("jaxnoise/__init__.py", "import jax", "importing jaxnoise must not import jax"),
    ("jaxnoise/__init__.py", "from jaxnoise import io", "must import no other part at its top"),
    ("jaxnoise/new/a.py", "import numpy", "jaxnoise.new has no rule"),
    ("train/rcl/system.py", "from train import cono", "one trainer imports another"),
    ("train/rcl/step.py", "from train.cono.step import f", "train.rcl may not import train.cono"),
    ("train/engine/a.py", "def f():\n    import orbax.checkpoint", "only train/engine/check"),
    ("train/rcl/a.py", "import jax\nclass Config: pass", "a module with a Config imports jax"),
    ("train/engine/a.py", "from train.steps import b", "train.engine may not import train.steps"),
    ("train/engine/a.py", "from jaxnoise import models", "may not import jaxnoise.models"),
    ("train/report/a.py", "from train.steps import b", "train.report may not import train.steps"),
    ("train/report/a.py", "import optax", "train.report may not import optax"),
    ("train/steps/a.py", "from train.report import b", "train.steps may not import train.report"),
    ("train/new/a.py", "import numpy", "train.new has no rule"),
    ("datasets/a.py", "import grain", "only datasets/pipeline.py may import grain"),
    (
        "datasets/a.py",
        "from jaxnoise.models import cono",
        "may not import jaxnoise.models",
    ),
    ("datasets/pipeline.py", "def f():\n    import jax", "numpy only, not jax"),
]


@pytest.mark.parametrize(("path", "source", "expected"), PLANTED)
def test_a_planted_violation_is_found(tmp_path, path, source, expected):
    for name in ("noise/b", "nets/b", "io/__init__", "models/rcl", "models/cono"):
        write(tmp_path / f"jaxnoise/{name}.py", "")
    for name in ("cono/step", "steps/b", "report/b"):
        write(tmp_path / f"train/{name}.py", "")
    write(tmp_path / path, source)
    found = violations(tmp_path)
    assert found and all(line.startswith(path) for line in found)
    assert any(expected in line for line in found), found


ALLOWED = [
    ("jaxnoise/metrics/a.py", "import math, jax.numpy\nfrom jaxnoise.errors import DataError"),
    ("jaxnoise/losses/a.py", "from jaxnoise.distances import b"),
    ("jaxnoise/bijectors/_distrax.py", "import distrax"),
    ("jaxnoise/models/cono.py", "from jaxnoise.bijectors import b\nfrom jaxnoise import noise"),
    ("jaxnoise/io/a.py", "def load():\n    from jaxnoise.models import get"),
    ("jaxnoise/models/__init__.py", "def get(name):\n    from jaxnoise.models import cono"),
    ("train/rcl/config.py", "from train.engine import options\nclass Config: pass"),
    ("train/rcl/system.py", "from train.steps import a\nfrom train.report import b\nimport jax"),
    ("jaxnoise/__init__.py", "def load(folder):\n    from jaxnoise.models import get"),
    ("datasets/pipeline.py", "import grain"),
    ("jaxnoise/models/cono/net.py", "from jaxnoise.models.cono import config"),
]


@pytest.mark.parametrize(("path", "source"), ALLOWED)
def test_an_allowed_import_passes(tmp_path, path, source):
    for name in ("noise/__init__", "models/__init__"):
        write(tmp_path / f"jaxnoise/{name}.py", "")
    write(tmp_path / path, source)
    assert violations(tmp_path) == []


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
