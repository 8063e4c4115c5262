"""What holds for the files as such: links, commands, lengths, pins, records of measurements."""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

import in_venv

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[1]
SKIPPED = {"runs", "build", "dist", "node_modules"}
TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".cff", ".json"}
LONGEST = 350
PROGRAMS = {"pytest", "ruff", "pyright", "pip", "pre_commit", "venv", "build"}


def files(*suffixes: str) -> list[Path]:
    """Files of the project, without environments, caches and run folders."""
    found = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") or part in SKIPPED for part in parts)
        if not hidden and not any("egg-info" in part for part in parts):
            if path.suffix in suffixes and path.is_file():
                found.append(path)
    return sorted(found)


def name(path: Path) -> str:
    """A file's path inside the project."""
    return path.relative_to(ROOT).as_posix()


def test_python_files_stay_short():
    lengths = {name(path): len(path.read_text().splitlines()) for path in files(".py")}
    assert {path: length for path, length in lengths.items() if length >= LONGEST} == {}


def test_no_file_runs_code_that_it_reads():
    found = []
    for path in files(".py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = getattr(node, "module", None) or ""
                modules = {alias.name.split(".")[0] for alias in node.names} | {
                    module.split(".")[0]
                }
                unsafe = modules & {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
                # TensorFlow is not needed anywhere and takes seconds to import.
                unsafe |= modules & {"tensorflow"}
            elif isinstance(node, ast.Call):
                called = getattr(node.func, "id", "")
                unsafe = {called} & {"eval", "exec"}
                unsafe |= {word.arg for word in node.keywords if word.arg == "allow_pickle"}
            else:
                continue
            found += [f"{name(path)}:{node.lineno}: {word}" for word in sorted(unsafe)]
    assert found == []


def test_no_file_names_a_place_on_one_machine():
    # Written in pieces, so that this file does not find itself.
    place = re.compile(
        r"(?<![\w.~])/(?:" + "|".join(("ro" + "ot", "wo" + "rk", "ho" + "me")) + ")/"
    )
    found = [
        f"{name(path)}: {match.group(0)}"
        for path in [*files(*TEXT), *(ROOT / ".ci").iterdir()]
        for match in place.finditer(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize("document", [name(path) for path in files(".md")])
def test_links_lead_somewhere(document):
    path = ROOT / document
    broken = []
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        if not re.match("https?://|mailto:", target) and not (path.parent / target).exists():
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", [name(path) for path in files(".md")])
def test_documented_commands_exist(document):
    text = (ROOT / document).read_text()
    missing = [
        module
        for module in re.findall(r"(?:python3?|in_venv\.py) -m ([\w.]+)", text)
        if module.split(".")[0] not in PROGRAMS
        and not (ROOT / (module.replace(".", "/") + ".py")).exists()
        and not (ROOT / module.replace(".", "/") / "__main__.py").exists()
    ]
    missing += [
        script
        for script in re.findall(r"(?:python3?|in_venv\.py) ([\w./]+\.py)", text)
        if not (ROOT / script).exists()
    ]
    assert missing == []


def test_supported_pythons_agree_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (oldest, newest) = in_venv.OLDEST, in_venv.NEWEST
    assert project["requires-python"] == f">=3.{oldest[1]},<3.{newest[1] + 1}"
    expected = {f"python3.{minor}.txt" for minor in range(oldest[1], newest[1] + 1)}
    assert {path.name for path in (ROOT / "constraints").iterdir()} == expected


@pytest.mark.parametrize("constraints", [name(path) for path in (ROOT / "constraints").iterdir()])
def test_every_dependency_has_an_exact_version(constraints):
    lines = (ROOT / constraints).read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    pinned = {canonical(line.split("==")[0]) for line in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    options = project["optional-dependencies"]
    asked = [*project["dependencies"]]
    asked += [text for name in ("demosaic", "train", "dev") for text in options[name]]
    names = {canonical(re.match(r"[\w.-]+", text).group(0)) for text in asked}
    assert names - pinned - {"jaxnoise"} == set()
    assert "torch" not in pinned


def canonical(package: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


@pytest.mark.parametrize(
    "result", [name(path) for path in files(".json") if path.parent.name == "results"]
)
def test_results_say_how_they_were_made(result):
    record = json.loads((ROOT / result).read_text())
    assert {"command", "commit", "date", "machine", "versions", "results"} <= set(record)
