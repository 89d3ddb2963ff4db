"""Products in stores that do not fit into the memory allowed, opened without chunks."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (480, 280, 280)  # two records of 150 MB
ALLOWED_MB = 200
PROBE = """
import resource, sys
import dask, xarray as xr
from xsm.validate import validate

est, ref, allowed, out = sys.argv[1:]
dask.config.set(scheduler="threads", num_workers=1)

def opened(path):
    return xr.open_zarr(path, chunks=None, consolidated=False)

few = {"time": slice(0, 64), "lat": slice(0, 80)}
validate(opened(est).isel(few).load(), opened(ref).isel(few))  # compiles, imports
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
limit = used + int(allowed) * 1_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
scores = validate(opened(est), opened(ref))
assert scores.bias.chunks is None
scores = scores[["bias", "rmsd", "n_obs", "summary_spatial_r"]]
third = {"time": slice(0, 160)}
products = {"a": opened(est).isel(third), "b": opened(ref).isel(third)}
options = {"metrics": "bias", "several": {"triples": False}}
both = validate(products, opened(ref).isel(third), **options)
scores.assign(both=both.bias, n_both=both.n_obs).to_netcdf(out)
try:  # last: what was read before it failed may stay in the threads of Zarr
    [opened(path).load() for path in (est, ref)]
except MemoryError:
    print("too large to load")
"""


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """Two stores, and what is in them."""
    pytest.importorskip("zarr")
    rng = np.random.default_rng(0)
    ref = rng.random(SHAPE, dtype=np.float32)
    est = (0.8 * ref + 0.05 * rng.random(SHAPE, dtype=np.float32)).astype(np.float32)
    est[rng.random(SHAPE[0]) < 0.3, :140] = np.nan
    folder = tmp_path_factory.mktemp("products")
    axes = {
        "time": pd.date_range("2015-04-01", periods=SHAPE[0], unit="ns"),
        "lat": np.linspace(60, 30, SHAPE[1]),
        "lon": np.linspace(-10, 30, SHAPE[2]),
    }
    paths = []
    for name, values in (("est", est), ("ref", ref)):
        da = xr.DataArray(values, axes, tuple(axes), "soil_moisture", {"units": "m3 m-3"})
        paths.append(folder / f"{name}.zarr")
        encoding = {"soil_moisture": {"chunks": (8, *SHAPE[1:]), "compressors": None}}
        da.to_dataset().to_zarr(paths[-1], consolidated=False, encoding=encoding)
    return paths, est, ref


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
def test_products_larger_than_memory(products, tmp_path):
    (est_path, ref_path), est, ref = products
    env = os.environ | {"MALLOC_ARENA_MAX": "1", "NUMBA_NUM_THREADS": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    out = tmp_path / "scores.nc"
    arguments = [str(est_path), str(ref_path), str(ALLOWED_MB), str(out)]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "too large to load\n"
    found = xr.load_dataset(out)
    apart = est.astype(float) - ref
    np.testing.assert_allclose(found.bias, np.nanmean(apart, axis=0), atol=1e-7)
    np.testing.assert_allclose(found.rmsd, np.sqrt(np.nanmean(apart**2, axis=0)), atol=1e-7)
    assert (found.n_obs == np.isfinite(est).sum(axis=0)).all()
    assert found.summary_spatial_r.notnull().all()
    # several products, on the pairs that both have
    third = np.nanmean(apart[:160], axis=0)
    np.testing.assert_allclose(found.both.sel(product="a"), third, atol=1e-7)
    assert (found.both.sel(product="b") == 0).all()
    assert (found.n_both == np.isfinite(est[:160]).sum(axis=0)).all()
