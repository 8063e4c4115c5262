"""Functions are short and flat and take few positional arguments, but for those named here."""

import ast
from collections.abc import Iterator

import pytest

from tests.processes import ROOT

pytestmark = pytest.mark.fast

LONGEST_BODY, MOST_POSITIONAL = 60, 6
DEEP, WIDE = "a closure in a closure", "7 positional parameters"
EXCEPTIONS = {
    # One bisection for each of the two middle ranks.
    ("jaxnoise/distances/bandwidth.py", "_median.smallest.halve", DEEP),
    # Each branch of a condition maps over sets with the kernels of that branch.
    ("jaxnoise/distances/exact.py", "_distances.sums.own", DEEP),
    ("jaxnoise/distances/exact.py", "_distances.sums.cross", DEEP),
    ("jaxnoise/distances/exact.py", "_gradient.sums.accumulate", DEEP),
    # What custom_vjp hands on, which knows no keywords, and the cotangent.
    ("jaxnoise/distances/exact.py", "_gradient", WIDE),
    # The numbers that two figures share, made once.
    ("train/report/noise_by_condition.py", "_variances", WIDE),
}


def test_functions_are_short_and_flat_and_take_few_positional_arguments():
    found = set()
    for path in sorted(ROOT.glob("*/**/*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.split("/")[0] in ("jaxnoise", "train", "datasets"):
            tree = ast.parse(path.read_text())
            found |= {(name, *oddity) for oddity in oddities(tree, outside=(), around=0)}
    assert found <= EXCEPTIONS


def oddities(node: ast.AST, *, outside: tuple[str, ...], around: int) -> Iterator[tuple[str, str]]:
    """Functions that are too long, too deep or too wide: their dotted names and what is wrong.

    Args:
        node: to look into.
        outside: names of the classes and functions that it is in.
        around: how many of these are functions.
    """
    for child in ast.iter_child_nodes(node):
        within, depth = outside, around
        if isinstance(child, ast.ClassDef):
            within = (*outside, child.name)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            within, depth = (*outside, child.name), around + 1
            body = child.body[ast.get_docstring(child) is not None :]
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if lines > LONGEST_BODY:
                yield ".".join(within), f"a body of {lines} lines"
            if around > 1:
                yield ".".join(within), DEEP
            names = [each.arg for each in (*child.args.posonlyargs, *child.args.args)]
            if (count := len(names) - (names[:1] in (["self"], ["cls"]))) > MOST_POSITIONAL:
                yield ".".join(within), f"{count} positional parameters"
        yield from oddities(child, outside=within, around=depth)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f():\n" + "    x = 1\n" * 60, []),
        ("def f():\n    'Says.'\n" + "    x = 1\n" * 60, []),
        ("def f():\n" + "    x = 1\n" * 61, [("f", "a body of 61 lines")]),
        ("def f(a, b, c, d, e, f, *, g, h): pass", []),
        ("class A:\n    def f(self, a, b, c, d, e, f): pass", []),
        ("class A:\n    def f(self, a, b, c, d, e, f, g): pass", [("A.f", WIDE)]),
        ("def f(a, b, c, /, d, e, f, g): pass", [("f", WIDE)]),
        ("def f():\n    if 1:\n        def g(): pass", []),
        ("def f():\n    def g():\n        def h(): pass", [("f.g.h", DEEP)]),
    ],
)
def test_a_planted_oddity_is_found(source, expected):
    assert list(oddities(ast.parse(source), outside=(), around=0)) == expected
