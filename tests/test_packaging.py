"""What installers, archives and the site are told agrees with pyproject.toml and the package."""

import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

import xsm

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def load(path: str):
    """A script of the repository that is in no package."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def test_every_dependency_has_a_lowest_version():
    lowest = load(".ci/lowest_versions.py").lowest
    versions = lowest(["test"])
    assert versions["xarray"] == "2025.1.2" and versions["zarr"] == "3.0.8"  # of an extra's extra
    assert {"numba", "torch", "pytest"} <= set(versions)
    assert ("xgboost-cpu" in versions) != (sys.platform == "darwin")


def test_a_dependency_without_a_lowest_version_is_an_error(monkeypatch, tmp_path):
    module = load(".ci/lowest_versions.py")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["numpy"]\n[project.optional-dependencies]\n'
    )
    monkeypatch.setattr(module, "PYPROJECT", tmp_path / "pyproject.toml")
    with pytest.raises(ValueError, match="'numpy' has no lower bound"):
        module.lowest([])


def test_the_conda_recipe_has_the_same_dependencies():
    recipe = (ROOT / "conda" / "recipe" / "recipe.yaml").read_text()
    run = re.search(r"^  run:\n((?:    - .*\n)+)", recipe, re.M)[1]
    theirs = dict(re.findall(r"- ([\w-]+) >=([\w.]+)", run))
    theirs.pop("python")
    ours = dict(line.split(">=") for line in PROJECT["dependencies"])
    assert {normal(k): v for k, v in theirs.items()} == {normal(k): v for k, v in ours.items()}


def test_citation_archive_and_recipe_have_the_version_and_the_licence():
    citation = (ROOT / "CITATION.cff").read_text()
    recipe = (ROOT / "conda" / "recipe" / "recipe.yaml").read_text()
    assert f"\nversion: {xsm.__version__}\n" in citation
    assert f'version: "{xsm.__version__}"' in recipe
    archive = json.loads((ROOT / ".zenodo.json").read_text())
    assert archive["license"] == PROJECT["license"] == "Apache-2.0"
    assert "license: Apache-2.0" in citation and archive["title"] in citation


@pytest.mark.parametrize("path", sorted(ROOT.glob(".github/**/*.yml")), ids=lambda p: p.name)
def test_workflows_and_issue_forms_are_yaml(path):
    yaml = pytest.importorskip("yaml")
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_every_public_name_has_a_line_in_the_api_reference():
    pages = sorted((ROOT / "docs" / "reference" / "api").glob("*.rst"))
    listed = set()
    for page in pages:
        module = ""
        for line in page.read_text().splitlines():
            if match := re.match(r"\.\. (?:module|currentmodule):: ([\w.]+)", line):
                module = match[1]
                listed.add(module)
            elif match := re.match(r"   ([A-Za-z_][\w.]*)$", line):
                listed.add(f"{module}.{match[1]}")
    missing = load("docs/public_names.py").public_names() - listed
    assert not missing


def test_the_entry_point_exists():
    module, _, name = PROJECT["scripts"]["xsm"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
