"""Simulated stations: in their cells, like the ground there, and not quite."""

import numpy as np
import pytest
import xarray as xr

from xsm.errors import InputError
from xsm.osse.simulated_stations import simulate_stations


@pytest.fixture(scope="module")
def ground():
    """A stand-in for a simulated data set: 400 days of 6 x 8 cells, sea in one corner."""
    rng = np.random.default_rng(3)
    days = np.arange(400)
    wave = 0.25 + 0.1 * np.sin(2 * np.pi * days / 100)[:, None, None]
    values = wave + 0.03 * rng.standard_normal((1, 6, 8))
    values = np.broadcast_to(values, (400, 6, 8)).copy()
    values[:, :2, :2] = np.nan
    return xr.Dataset(
        {"soil_moisture_ground": (("time", "lat", "lon"), values.astype(np.float32))},
        coords={
            "time": np.datetime64("2015-01-01", "ns") + days * np.timedelta64(1, "D"),
            "lat": 43.0 - np.arange(6),
            "lon": -5.0 + np.arange(8),
        },
    )


def test_stations_lie_in_land_cells_of_their_own(ground):
    ds = simulate_stations(ground, 20, seed=1)
    assert dict(ds.sizes) == {"station": 20, "time": 400}
    rows = np.abs(ds.lat.values[:, None] - ground.lat.values).argmin(1)
    columns = np.abs(ds.lon.values[:, None] - ground.lon.values).argmin(1)
    assert len(set(zip(rows, columns, strict=True))) == 20
    assert ground.soil_moisture_ground.notnull().values[0, rows, columns].all()
    assert set(ds.network.values) == {"SIM-NORTH", "SIM-WEST", "SIM-EAST"}


def test_good_values_follow_the_ground(ground):
    ds = simulate_stations(ground, 30)
    good = ds.soil_moisture.where(ds.flag == 1)
    truth = ground.soil_moisture_ground.sel(lat=ds.lat, lon=ds.lon, method="nearest")
    r = xr.corr(good, truth.drop_vars(["lat", "lon"]), "time")
    assert float(r.min()) > 0.8
    offsets = (good - truth.drop_vars(["lat", "lon"])).mean("time")
    assert 0.02 < float(offsets.std()) < 0.06
    faulty = ds.soil_moisture.where(ds.flag == 2)
    assert float((faulty - truth.drop_vars(["lat", "lon"])).mean()) > 0.1
    share = float(ds.soil_moisture.isnull().mean())
    assert 0.05 < share < 0.15


def test_same_seed_same_stations(ground):
    first, same, other = (simulate_stations(ground, 5, seed=seed) for seed in (2, 2, 3))
    xr.testing.assert_identical(first, same)
    assert not first.lat.equals(other.lat)


def test_all_the_land_there_is(ground):
    assert simulate_stations(ground, 1000).sizes["station"] == 44


def test_wrong_input_says_so(ground):
    with pytest.raises(InputError, match="soil_moisture_ground"):
        simulate_stations(ground.drop_vars("soil_moisture_ground"))
    with pytest.raises(InputError, match="n=0"):
        simulate_stations(ground, 0)
    with pytest.raises(InputError, match="no land"):
        simulate_stations(ground * np.nan)
    with pytest.raises(InputError, match="has the dimensions .*'latitude'"):
        simulate_stations(ground.rename(lat="latitude"))
    with pytest.raises(InputError, match=r"expected time, lat and lon.*isel\(time=\[0\]\)"):
        simulate_stations(ground.isel(time=0))


def test_the_order_of_rows_and_columns_does_not_move_stations(ground):
    stations = simulate_stations(ground, np.int64(7), seed=3)
    for flipped in (ground.isel(lat=slice(None, None, -1)), ground.isel(lon=slice(None, None, -1))):
        xr.testing.assert_identical(simulate_stations(flipped, 7, seed=3), stations)
