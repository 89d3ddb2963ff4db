"""`import xsm` is cheap: it brings its own few modules and none of the heavy ones."""

import json
import subprocess
import sys

import pytest

# Each of these arrives on first use, or never.
HEAVY = {
    "array_api_compat",
    "cf_xarray",
    "dask",
    "global_land_mask",
    "h5netcdf",
    "lightgbm",
    "llvmlite",
    "matplotlib",
    "netCDF4",
    "numba",
    "pint",
    "pydineof",
    "pytesmo",
    "safetensors",
    "scipy",
    "sklearn",
    "torch",
    "tqdm",
    "triton",
}
MODULE_BUDGET = 28

PROBE = """
import json, sys
import xarray
before = set(sys.modules)
import xsm
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def run_python(code: str, *flags: str) -> str:
    """Standard output of ``code`` in a fresh interpreter, warnings as errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *flags, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def added() -> list[str]:
    return json.loads(run_python(PROBE))


def test_import_brings_no_heavy_module(added):
    assert not HEAVY & {name.split(".")[0] for name in added}


def test_import_brings_few_modules(added):
    assert "xsm" in added
    assert len(added) <= MODULE_BUDGET, added


def test_import_registers_the_accessor():
    code = (
        "import xarray as xr, xsm\n"
        "print(hasattr(xr.Dataset, 'sm'), hasattr(xr.DataArray, 'sm'), xsm.__version__)"
    )
    dataset, array, version = run_python(code).split()
    assert (dataset, array) == ("True", "True")
    assert version[0].isdigit()


def test_import_says_nothing():
    assert run_python("import xsm") == ""
