"""Code in the documentation names only what is there, with arguments that are there."""

import ast
import builtins
import inspect
import re
from pathlib import Path

import pytest

import xsm

ROOT = Path(__file__).resolve().parents[1]
# What a reader brings along.
OWN = {
    "baselines.md": {"patterns", "allowed", "elevation", "slope", "other"},
    "estimate.md": {"predictors"},
}
PAGES = [page for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
         if "```python" in page.read_text()]  # fmt: skip


def parsed(page: Path) -> ast.Module:
    return ast.parse("".join(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.S | re.M)))


def called(node: ast.Call):
    """The function of xsm that is called, or None."""
    match node.func:
        case ast.Attribute(value=ast.Attribute(attr="sm"), attr=name):
            return getattr(xsm, name)
        case ast.Attribute(value=ast.Name(id="xsm"), attr=name):
            return getattr(xsm, name)
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="xsm"), attr=part), attr=name):
            return getattr(getattr(xsm, part), name)
        case ast.Attribute(value=ast.Attribute(attr="plot"), attr=name):
            return getattr(xsm.plotting, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_are_defined_before_they_are_used(page):
    known = {*dir(builtins), *OWN.get(page.name, ())}
    for statement in parsed(page).body:
        nodes = list(ast.walk(statement))
        used = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        assert used <= known, f"line {statement.lineno} of the code: {used - known}"
        known |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        known |= {a.asname or a.name for n in nodes if hasattr(n, "names") for a in n.names}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_calls_fit_their_signatures(page):
    for node in ast.walk(parsed(page)):
        if isinstance(node, ast.Call) and (function := called(node)) is not None:
            taken = inspect.signature(function).parameters
            given = {word.arg for word in node.keywords if word.arg}
            assert given <= set(taken) or any(p.kind is p.VAR_KEYWORD for p in taken.values())
