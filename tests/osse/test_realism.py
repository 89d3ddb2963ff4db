"""The statistics of the realism script, and the swaths against the real ones."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.skill.osse_realism import statistics

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("XSM_DATA", ROOT.parent / "shared" / "data"))
REAL = DATA / "amsr2_lprm" / "lprm_amsr2_x_descending_201504_partial.nc"


def test_statistics_of_a_known_field():
    rng = np.random.default_rng(0)
    lat, lon = np.arange(40) * 0.25, np.arange(60) * 0.25
    mean = rng.normal(0.3, 0.05, (40, 60))
    values = [rng.normal(0, 0.02, (40, 60))]
    for _ in range(199):  # AR(1) with 0.6 from day to day
        values.append(0.6 * values[-1] + 0.8 * rng.normal(0, 0.02, (40, 60)))
    out = statistics(mean + np.array(values), lat, lon, np.ones((40, 60), bool))
    assert out["mean"] == pytest.approx(0.3, abs=0.005)
    assert out["spatial std of cell means"] == pytest.approx(0.05, rel=0.1)
    assert out["temporal std, median cell"] == pytest.approx(0.02, rel=0.1)
    assert out["autocorrelation, 1 d"] == pytest.approx(0.6, abs=0.03)
    assert out["e-folding time (d)"] == pytest.approx(-1 / np.log(0.6), abs=0.15)
    assert out["correlation 1 cells east"] == pytest.approx(0, abs=0.02)
    # four independent neighbours: sqrt(1 + 1/4)
    assert out["single cell from 4 neighbours, RMSE"] == pytest.approx(0.02 * 1.118, rel=0.03)


@pytest.mark.skipif(not REAL.exists(), reason=f"the real month is not in {DATA}: set XSM_DATA")
def test_swaths_fall_where_the_real_ones_did():
    import xarray as xr

    from xsm.osse import observed_mask

    with xr.open_dataset(REAL) as ds:
        part = ds["soil_moisture_x"].isel(time=slice(0, 30, 6)).sel(lat=slice(20, -30))
        observed = part.notnull().values
        swath = observed_mask(part.lat, part.lon, ds.time.values, "amsr2").values[::6]
    often = observed.sum(0) >= 2
    assert (swath | ~observed)[:, often].mean() > 0.97  # nothing observed outside the swaths
    assert (observed | ~swath)[:, often].mean() > 0.85  # a part of the real month was removed
