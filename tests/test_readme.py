"""The README is short, and the code and commands of it and of docs/ run or are understood."""

import argparse
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.processes import ROOT, environment

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINES, WORDS = 150, 1300
TRAINED = "runs/noiseflow/model"
PUBLISHED = "published"


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python_of(path: Path) -> str:
    """The Python blocks of a page, which follow one another as the cells of a notebook."""
    return "\n".join(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))


def commands_of(path: Path) -> list[list[str]]:
    """The words of every command of a page's indented blocks and of its inline code."""
    text = re.sub(r" *\\\n *", " ", path.read_text())
    lines = re.findall(r"^    (.+)$", text, re.MULTILINE)
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]
    wanted = re.compile(
        r"(?:[A-Z_]+=\S+ )?(?:python3? (?:in_venv\.py )?-m [\w.]+|jaxnoise [a-z]+ )"
    )
    return [shlex.split(line, comments=True) for line in lines if wanted.match(line)]


EXAMPLES = [name(path) for path in PAGES if python_of(path)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with small models where the pages have trained and converted ones."""
    import jax

    from jaxnoise.io import save_model
    from jaxnoise.models import noiseflow
    from jaxnoise.noise.camera import CAMERAS, ISOS

    folder = tmp_path_factory.mktemp("clone")
    known = {"cameras": tuple(camera.name for camera in CAMERAS), "isos": ISOS}
    for place, options in (
        (TRAINED, {"arch": "N-W-K3"}),
        (PUBLISHED, {"arch": "S-G-Ax1-CAM", "normalisation": "batch"}),
    ):
        config = noiseflow.Config(**options, **known)
        save_model(folder / place, "noiseflow", config, noiseflow.init(jax.random.key(0), config))
    return folder


def run(arguments: list[str], folder: Path) -> None:
    """Runs Python in a folder; it must succeed and say nothing on standard error."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**environment(), "XDG_CACHE_HOME": str(folder / "cache")},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_examples_are_where_they_are_expected():
    assert "README.md" in EXAMPLES and len(EXAMPLES) >= 4


def test_the_examples_of_every_page_run(trained, tmp_path):
    # In one process, since its start is most of the time; no page sees the names of another.
    paths = [tmp_path / page.replace("/", "-").replace(".md", ".py") for page in EXAMPLES]
    for path, page in zip(paths, EXAMPLES, strict=True):
        path.write_text(python_of(ROOT / page))
    program = "import runpy, sys\nfor path in sys.argv[1:]: runpy.run_path(path)"
    run(["-c", program, *map(str, paths)], trained)


def test_the_picture_of_the_readme_can_be_made(trained, tmp_path):
    run([str(ROOT / "docs/figures/before_after.py"), "--output", str(tmp_path / "a.jpg")], trained)
    assert (tmp_path / "a.jpg").read_bytes().startswith(b"\xff\xd8")


@pytest.mark.fast
@pytest.mark.parametrize("page", [name(path) for path in PAGES])
def test_the_commands_of_a_page_are_understood(page):
    for words in commands_of(ROOT / page):
        if words[0] == "jaxnoise":
            understand_jaxnoise(words[1:])
        elif (module := words[words.index("-m") + 1]).startswith("train."):
            understand_trainer(module, words[words.index(module) + 1 :])


def understand_jaxnoise(arguments: list[str]) -> None:
    from jaxnoise.cli import _commands, _parser

    if len(arguments) > 1:  # else the text names a subcommand and gives no command line
        assert isinstance(_parser(_commands()).parse_args(arguments), argparse.Namespace)


def understand_trainer(module: str, arguments: list[str]) -> None:
    from train.engine.options import parse

    commands = import_module(f"{module}.config").COMMANDS
    if set(commands) == {""}:
        command = commands[""]
    elif not arguments:  # the text names the trainer and gives no command line
        return
    else:
        command, arguments = commands[arguments[0]], arguments[1:]
    parse(command.options, arguments, program=module, presets=command.presets)


@pytest.mark.fast
def test_commands_are_found_in_blocks_and_sentences(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "    python3 in_venv.py -m train.denoiser --steps 1  # comment\n"
        "    jaxnoise sample a --output b \\\n        --shot 0 --read 0\n\n"
        "Or `python -m\ntrain.noiseflow`, and `jaxnoise.load(folder)`.\n"
    )
    assert commands_of(page) == [
        ["python3", "in_venv.py", "-m", "train.denoiser", "--steps", "1"],
        ["jaxnoise", "sample", "a", "--output", "b", "--shot", "0", "--read", "0"],
        ["python", "-m", "train.noiseflow"],
    ]


@pytest.mark.fast
def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= LINES
    assert len(text.split()) <= WORDS


@pytest.mark.fast
def test_the_first_screen_of_the_readme_says_what_to_type():
    first = "\n".join((ROOT / "README.md").read_text().splitlines()[:30])
    assert "![" in first and "```python" in first
    assert "in_venv.py -m train." in first and "in_venv.py -m pytest" in first


@pytest.mark.fast
def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages - set(re.findall(r"\]\(([\w-]+\.md)", index)) == set()


@pytest.mark.fast
@pytest.mark.parametrize("page", [name(path) for path in PAGES])
def test_links_to_headings_lead_somewhere(page):
    path = ROOT / page
    broken = []
    for target, heading in re.findall(r"\]\(([\w./-]*\.md)?#([\w-]+)\)", path.read_text()):
        text = (path.parent / target if target else path).read_text()
        headings = {anchor(line) for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
        if heading not in headings:
            broken.append(f"{target}#{heading}")
    assert broken == []


def anchor(heading: str) -> str:
    """What forges and MyST make of a heading in a link."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.fast
def test_the_pages_stand_by_themselves():
    # They are also built into a site, where links out of docs/ would lead nowhere.
    outside = [
        f"{name(path)}: {target}"
        for path in PAGES[1:]
        for target in re.findall(r"\]\((\.\./[^)]*)\)", path.read_text())
    ]
    assert outside == []
