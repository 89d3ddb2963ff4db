"""Scores of a Zarr store that does not fit into the memory allowed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (480, 280, 280)  # two records of 150 MB
ALLOWED_MB = 200
PROBE = """
import resource, sys
import dask, xarray as xr
from xsm import metrics

dask.config.set(scheduler="threads", num_workers=1)
ds = xr.open_zarr(sys.argv[1], consolidated=False)
names = ["bias", "rmsd", "mae", "pearson_r", "kge"]

def scored(ds):
    found = metrics.scores(ds.est, ds.ref, dim="time", metrics=names)
    return dask.compute(found)[0]

scored(ds.isel(time=slice(0, 64), lat=slice(0, 20)))  # compiles, opens, starts threads
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
limit = used + int(sys.argv[2]) * 1_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
scored(ds).to_netcdf(sys.argv[3])
try:  # last: what was read before it failed may stay in the threads of Zarr
    ds.load()
except MemoryError:
    print("too large to load")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.parametrize("days", [1, 64])
def test_scores_of_a_store_larger_than_memory(tmp_path, days):
    pytest.importorskip("zarr")
    rng = np.random.default_rng(0)
    ref = rng.random(SHAPE, dtype=np.float32)
    est = (0.8 * ref + 0.05 * rng.random(SHAPE, dtype=np.float32)).astype(np.float32)
    est[rng.random(SHAPE[0]) < 0.3, :140] = np.nan
    ds = xr.Dataset({name: (("time", "lat", "lon"), v) for name, v in (("est", est), ("ref", ref))})
    encoding = {name: {"chunks": (days, *SHAPE[1:]), "compressors": None} for name in ds}
    ds.to_zarr(tmp_path / "large.zarr", consolidated=False, encoding=encoding)
    env = os.environ | {"MALLOC_ARENA_MAX": "1", "NUMBA_NUM_THREADS": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    out = tmp_path / "scores.nc"
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path / "large.zarr"), str(ALLOWED_MB), str(out)],
        capture_output=True, text=True, env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "too large to load\n"
    found = xr.load_dataset(out)
    apart = est.astype(float) - ref
    np.testing.assert_allclose(found.bias, np.nanmean(apart, axis=0), atol=1e-9)
    np.testing.assert_allclose(found.rmsd, np.sqrt(np.nanmean(apart**2, axis=0)), atol=1e-9)
    assert (found.n_obs == np.isfinite(est).sum(axis=0)).all()
