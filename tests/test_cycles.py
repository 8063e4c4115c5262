"""No two files import each other, however long the way round; no question imports another."""

from pathlib import Path

import pytest

from tests.test_layers import imports, module_of, write

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[1]
TOPS = ("jaxnoise", "train", "datasets", "benchmarks")


def graph(root: Path) -> dict[str, set[str]]:
    """The modules that each module imports, at its top or inside a function."""
    paths = [path for top in TOPS for path in root.glob(f"{top}/**/*.py")]
    modules = {module_of(path, root): path for path in paths}
    return {
        name: {entry.name for entry in imports(path, root)} & modules.keys() - {name}
        for name, path in modules.items()
    }


def cycle(edges: dict[str, set[str]]) -> list[str]:
    """The modules of one cycle, or none."""
    state: dict[str, str] = {}

    def visit(name: str, way: list[str]) -> list[str]:
        if state.get(name) == "open":
            return way[way.index(name) :]
        if name in state:
            return []
        state[name] = "open"
        for other in sorted(edges[name]):
            if found := visit(other, [*way, name]):
                return found
        state[name] = "done"
        return []

    return next(filter(None, (visit(name, []) for name in edges)), [])


def test_there_is_no_cycle():
    assert cycle(graph(ROOT)) == []


def test_only_the_harness_is_shared_by_benchmarks():
    questions = {f"benchmarks.{path.stem}" for path in ROOT.glob("benchmarks/*.py")}
    assert {
        name: others & questions for name, others in graph(ROOT).items() if others & questions
    } == {}


@pytest.mark.parametrize(
    "imported", ["import benchmarks.a", "def f():\n    from benchmarks import a"]
)
def test_a_planted_cycle_is_found(tmp_path, imported):
    write(tmp_path / "benchmarks/a.py", "from benchmarks.harness import b")
    write(tmp_path / "benchmarks/harness/b.py", "import benchmarks.harness.c")
    write(tmp_path / "benchmarks/harness/c.py", "import math")
    assert cycle(graph(tmp_path)) == []
    write(tmp_path / "benchmarks/harness/c.py", imported)
    assert set(cycle(graph(tmp_path))) == {
        *("benchmarks.a", "benchmarks.harness.b", "benchmarks.harness.c"),
    }
