"""Pairs of series to score: simulated, and measured where the station data are there."""

import pandas as pd
import pytest
import xarray as xr

from tests.metrics.samples import series
from xsm import tutorial


@pytest.fixture(scope="session")
def osse() -> tuple[xr.DataArray, xr.DataArray]:
    """Simulated AMSR2 and the soil moisture in the ground, (cell, time), with swath gaps."""
    ds = tutorial.open_dataset("amsr2-iberia", days=75, resolution=2, covariates=False)
    ds = ds.stack(cell=("lat", "lon")).transpose("cell", "time")
    seen = (ds.soil_moisture.notnull() & ds.soil_moisture_ground.notnull()).sum("time")
    ds = ds.isel(cell=seen.values >= 30).drop_vars(["cell", "lat", "lon"])
    assert ds.sizes["cell"] >= 10 and seen.min() < 75
    return ds.soil_moisture, ds.soil_moisture_ground


@pytest.fixture(scope="session")
def stations(real_data) -> tuple[xr.DataArray, xr.DataArray]:
    """Two sensors at one depth of each of a few stations, (cell, time)."""
    folder = real_data / "insitu"
    if not (folder / "us_stations_daily.csv.gz").exists():
        pytest.skip(f"no station data in {folder}; set XSM_DATA")
    listed = pd.read_csv(folder / "us_stations.csv")
    daily = pd.read_csv(folder / "us_stations_daily.csv.gz", parse_dates=["date"])
    daily = daily.pivot(index="date", columns="sensor_id", values="value")
    sites = [g.sensor_id.values[:2] for _, g in listed.groupby(["station", "depth_from"])]
    sites = [ids for ids in sites if len(ids) == 2][:6]
    assert len(sites) >= 3
    first, second = (daily[[ids[k] for ids in sites]].values.T for k in (0, 1))
    return series(first, str(daily.index[0])), series(second, str(daily.index[0]))


@pytest.fixture(params=["osse", "stations"])
def pairs(request) -> tuple[xr.DataArray, xr.DataArray]:
    """Estimate and reference (cell, time): simulated, then measured."""
    return request.getfixturevalue(request.param)
