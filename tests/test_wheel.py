"""What `pip install xsm` puts on a disk: two packages, the weights, and nothing else."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    pytest.importorskip("hatch_fancy_pypi_readme", reason="the wheel is built here, offline")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def test_top_level_is_exactly_two_packages(wheel):
    top = {name.split("/")[0] for name in wheel.namelist()}
    packages = {name for name in top if not name.endswith(".dist-info")}
    assert packages == {"xsm", "xsm_kernels"}
    assert len(top) == 3


def test_the_long_description_is_the_readme_with_whole_addresses(metadata):
    """PyPI has no files beside it: a relative link or figure would be dead there."""
    text = metadata.get_payload()
    assert metadata["Description-Content-Type"] == "text/markdown"
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)\s]+)\)", text)
    assert links and all(target.startswith("https://") for _, target in links)
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    source = pyproject["project"]["urls"]["Source"]
    assert f"Project-URL: Source, {source}" in metadata.as_string()
    own = [(image, target) for image, target in links if target.startswith(source)]
    for image, target in own:
        view = f"{source}/{'raw' if image else 'blob'}/main/"
        assert target.startswith(view)
        assert (ROOT / target.removeprefix(view).partition("#")[0]).exists(), target
    readme = (ROOT / "README.md").read_text()
    relative = re.findall(r"\]\((?!https://|#)([^)\s]+)\)", readme)
    assert len(own) == len(relative) > 5
    for view in ("raw", "blob"):
        text = text.replace(f"{source}/{view}/main/", "")
    assert text.strip() == readme.strip()


@pytest.mark.parametrize(
    "package, folder", [("xsm", "xsm"), ("xsm_kernels", "kernels/xsm_kernels")]
)
def test_every_module_is_inside(wheel, package, folder):
    source = ROOT / folder
    expected = {f"{package}/{path.relative_to(source).as_posix()}" for path in source.rglob("*.py")}
    assert expected
    assert expected <= set(wheel.namelist())


def test_type_hints_are_announced(wheel):
    assert "xsm/py.typed" in wheel.namelist()


def test_weights_and_their_cards_are_inside(wheel):
    folder = ROOT / "xsm" / "networks" / "weights"
    shipped = [*folder.glob("*.safetensors"), *folder.glob("*.json")]
    if not shipped:
        pytest.skip("no weights in this checkout yet")
    names = set(wheel.namelist())
    for path in shipped:
        name = f"xsm/networks/weights/{path.name}"
        assert name in names
        assert wheel.read(name) == path.read_bytes()


def test_nothing_but_code_weights_a_style_sheet_and_the_coast_is_shipped(wheel):
    names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    suffixes = {Path(name).suffix for name in names}
    assert suffixes <= {".py", ".typed", ".safetensors", ".json", ".css", ".npz"}
    (coast,) = [name for name in names if name.endswith(".npz")]
    assert coast == "xsm/plotting/natural_earth_110m.npz"
    assert wheel.getinfo(coast).file_size < 100_000


def test_the_plain_install_needs_no_torch(metadata):
    required = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert any(line.startswith("xarray") for line in required)
    for name in ("torch", "triton", "matplotlib", "dask", "lightgbm"):
        assert not any(line.startswith(name) for line in required)


def test_license_is_stated_and_shipped(wheel, metadata):
    assert metadata["License-Expression"] == "Apache-2.0"
    (name,) = [name for name in wheel.namelist() if name.endswith("LICENSE")]
    assert b"Apache License" in wheel.read(name)
