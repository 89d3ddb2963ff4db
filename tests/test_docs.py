"""Code in the documentation names only what is there, with arguments that are there."""

import ast
import builtins
import inspect
import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

import xsm
import xsm_kernels
from xsm.command_line.program import parser

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


def command_lines() -> list[str]:
    """Calls of the program in blocks and in lines of text; those with "..." are not whole."""
    pages = (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
    text = "\n".join(page.read_text() for page in pages)
    blocks = re.findall(r"^```(.*)\n((?s:.*?))^```$", text, re.M)
    shell = "\n".join(block for language, block in blocks if not language)
    lines = re.findall(r"^xsm [a-z].*", shell, re.M) + re.findall(r"`(xsm [a-z]+ [^`\n]+)`", text)
    return [line for line in dict.fromkeys(lines) if "..." not in line]


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_are_those_of_the_program(line):
    program, *arguments = shlex.split(line, comments=True)
    parsed = parser().parse_args(arguments)  # leaves by SystemExit where they do not fit
    assert program == "xsm" and parsed.command == arguments[0]


def public_functions():
    for module in (xsm, xsm.metrics, xsm.plotting, xsm.insitu, xsm.osse, xsm.tutorial,
                   xsm.experiments, xsm.validation):  # fmt: skip
        for name, value in inspect.getmembers(module, inspect.isfunction):
            own = [name] if value.__module__ == module.__name__ else []
            if not name.startswith("_") and name in getattr(module, "__all__", own):
                yield pytest.param(value, id=f"{module.__name__}.{name}")


@pytest.mark.parametrize("function", list(public_functions()))
def test_every_argument_of_a_public_function_is_documented(function):
    text = inspect.getdoc(function) or ""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n---|\Z)", text, re.M | re.S)
    heads = re.findall(r"^[\w*].*", section[1] if section else "", re.M)
    names = {n.strip(" *") for head in heads for n in head.partition(" :")[0].split(",")}
    assert {*inspect.signature(function).parameters} <= names


def rows_of(page: str, head: str) -> list[list[str]]:
    """Cells of the table that has this head."""
    _, _, after = (ROOT / page).read_text().partition(head + "\n")
    table = re.match(r"(\|.*\n)+", after)
    assert table, f"no table with this head in {page}"
    lines = table[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_backends_of_the_operations_of_networks():
    head = "| operation | `numba` | `reference` | `torch` | `triton` | used by |"
    rows = rows_of("docs/explanation/networks.md", head)
    assert len(rows) == 3
    for names, *has, _ in rows:
        for op in re.findall(r"`(\w+)`", names):
            backends = xsm_kernels.backends(op)
            for backend, word in zip(("numba", "reference", "torch", "triton"), has, strict=True):
                assert word == ("yes" if backend in backends else "no"), (op, backend)


def test_operations_of_the_backends():
    rows = rows_of("kernels/README.md", "| name | arrays | dtypes | gradients |")
    operations = {op for op, _ in xsm_kernels.dispatch.TABLE}
    assert {re.match(r"`(\w+)`", name)[1] for name, *_ in rows} == {
        backend for _, backend in xsm_kernels.dispatch.TABLE
    }
    for name, *_ in rows:
        backend, *listed = re.findall(r"`(\w+)`", name)
        has = {op for op in operations if backend in xsm_kernels.backends(op)}
        assert has == (set(listed) or operations), backend


def test_names_of_the_kernels_are_in_their_table():
    text = (ROOT / "kernels/README.md").read_text().partition("## Semantics")[0]
    types = {"Schedule", "RingBuffer", "ArgumentError", "BackendError", "KernelError"}
    assert set(xsm_kernels.__all__) - types <= set(re.findall(r"`(\w+)", text))


def test_the_example_of_hidden_errors_has_the_methods_of_a_call():
    ds = xsm.tutorial.open_dataset("amsr2-iberia", days=40, resolution=1.0, covariates=False)
    shown = xsm.gapfill(ds)["soil_moisture"].attrs["gapfill_hidden_rmse"]
    page = (ROOT / "docs/how-to/gapfill.md").read_text()
    (example,) = re.findall(r"^    (network .*)$", page, re.M)
    method = r"([\w-]+) \d\.\d{4}"
    assert re.findall(method, example) == re.findall(method, shown)


def test_layers_are_those_that_are_checked():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(c["layers"] for c in contracts["contracts"] if c["type"] == "layers")
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("```\ncommand_line")
    line_of: dict[str, int] = {}
    for number, line in enumerate("".join(text[1:]).splitlines()):
        for name in re.findall(r"\w+", line.split("   ")[0] or line):
            line_of.setdefault(name, number)
    lines = [[line_of[name] for name in re.findall(r"\w+", layer)] for layer in layers]
    for upper, lower in pairwise(lines):
        assert max(upper) < min(lower)


def test_options_of_validate_are_on_their_page():
    page = "docs/how-to/validate.md"
    _, _, text = (ROOT / page).read_text().partition("## Common options")
    names = {name for row in re.findall(r"^\| (`.*?) \|", text, re.M) for name in row.split("`")}
    taken = set(inspect.signature(xsm.validate).parameters)
    assert taken - names == {
        "obj", "reference", "stations", "product", "gaps", "several", "progress"
    }  # fmt: skip
    cells = re.findall(r"^\| (`.*?) \|", (ROOT / page).read_text(), re.M)
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    for kind in ("Station", "Product", "Gap", "Several"):
        options = getattr(xsm.validation, f"{kind}Options")
        assert set(inspect.signature(options).parameters) <= listed
