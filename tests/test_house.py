"""The house rules that a machine can check: where files lie, how long they are, their names."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

TOP_LEVEL = {
    ".ci",
    ".github",
    ".gitignore",
    ".pre-commit-config.yaml",
    ".readthedocs.yaml",
    ".zenodo.json",
    "CITATION.cff",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "benchmarks",
    "conda",
    "constraints.txt",
    "docs",
    "kernels",
    "pyproject.toml",
    "tests",
    "xsm",
}
LINE_BUDGET = 600
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "core", "manager", "managers"}
MAY_PRINT = {Path("xsm/demo/__main__.py")}
# A folder or file that only a tool of this repository makes.
GENERATED = {"build", "dist", "__pycache__"}


def project_files() -> list[Path]:
    """What git tracks or would track, relative to the root; without git, a walk of the folder."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode == 0 and listing.stdout:
        found = {Path(line) for line in listing.stdout.splitlines()}
    else:
        found = {path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()}
        hidden = (".git", ".venv", ".mypy", ".ruff", ".pytest", ".hypothesis", ".import")
        found = {
            path
            for path in found
            if not GENERATED & set(path.parts)
            and (path.parts[0] in TOP_LEVEL or not path.parts[0].startswith(hidden))
        }
    return sorted(path for path in found if (ROOT / path).is_file())


FILES = project_files()
PYTHON = [path for path in FILES if path.suffix == ".py"]
SHIPPED = [
    path
    for path in PYTHON
    if path.parts[0] == "xsm" or path.parts[:2] == ("kernels", "xsm_kernels")
]


def test_project_files_are_found():
    assert Path("pyproject.toml") in FILES
    assert len(SHIPPED) > 10


def test_top_level_is_the_agreed_list():
    assert {path.parts[0] for path in FILES} == TOP_LEVEL


def test_kernels_is_a_folder_and_not_a_package():
    assert not (ROOT / "kernels" / "__init__.py").exists()


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.suffix in {".py", ".md", ".toml"}], ids=str
)
def test_file_is_within_the_line_budget(path):
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert lines <= LINE_BUDGET, f"{path} has {lines} lines: split it, one idea to a file"


@pytest.mark.parametrize("path", PYTHON, ids=str)
def test_module_name_says_what_is_inside(path):
    names = {part.removesuffix(".py").strip("_").removeprefix("test_") for part in path.parts}
    assert not names & VAGUE_NAMES


@pytest.mark.parametrize("path", [path for path in SHIPPED if path not in MAY_PRINT], ids=str)
def test_library_never_prints(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    calls = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"print", "pprint"}
    ]
    assert calls == [], f"{path} prints on lines {calls}: use logging or a progress bar"


@pytest.mark.parametrize("path", SHIPPED, ids=str)
def test_shipped_code_imports_nothing_that_is_not_shipped(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            imported.add(node.module.split(".")[0])
    assert not imported & {"tests", "benchmarks", "kernels"}
