"""The order in which rows, columns and dimensions are stored changes no value of any function."""

import numpy as np
import pytest
import xarray as xr

from tests.conventions.test_record import STORED
from tests.estimation.worlds import any_model, world

ORDERS = list(STORED)[1:]
AXES = ["lat", "lon"]


@pytest.fixture
def region(record) -> xr.Dataset:
    """Sixteen columns across Greenwich, stored north first and west first."""
    return record.assign_coords(lon=("lon", (352.5 + 0.75 * np.arange(16)) % 360))


def in_one_order(ds: xr.Dataset) -> xr.Dataset:
    ds = ds.drop_attrs()
    axes = [dim for dim in AXES if dim in ds.dims]
    return ds.sortby(axes).transpose(..., "lat", "lon", missing_dims="ignore").compute()


def assert_same(a: xr.Dataset, b: xr.Dataset) -> None:
    xr.testing.assert_identical(in_one_order(a), in_one_order(b))


@pytest.fixture
def sites(region) -> xr.Dataset:
    picked = region["soil_moisture"].isel(
        lat=xr.DataArray([4, 6, 8], dims="station"), lon=xr.DataArray([1, 7, 12], dims="station")
    )
    picked = (0.9 * picked.transpose("station", "time") + 0.01).assign_attrs(units="m3 m-3")
    return picked.fillna(0.2).assign_coords(station=["a", "b", "c"]).to_dataset()


@pytest.mark.parametrize("order", ORDERS)
def test_validation(region, sites, network, order):
    stored = STORED[order](region)
    options = {"stations": {"match": "nearest"}}
    assert_same(stored.sm.validate(sites, **options), region.sm.validate(sites, **options))
    assert_same(stored.sm.validate(region * 0.9), region.sm.validate(region * 0.9))
    gaps = {"n_realizations": 1, "gap_patterns": ("block", "cell")}
    assert_same(stored.sm.validate(gaps=gaps), region.sm.validate(gaps=gaps))


@pytest.mark.parametrize("order", ORDERS)
def test_options_on_the_grid(region, network, order):
    stored = STORED[order](region)
    land = region["soil_moisture"].notnull().any("time")
    assert_same(stored.sm.gapfill(land=land), region.sm.gapfill(land=land))
    assert_same(
        stored.sm.gapfill(max_gap=2, fallback="climatology"),
        region.sm.gapfill(max_gap=2, fallback="climatology"),
    )
    assert_same(stored.sm.screen(), region.sm.screen())


@pytest.mark.parametrize("order", ["south first", "east first", "transposed"])
def test_estimates(order):
    ds, model = world(), any_model()
    given = {"sand": ds["sand"]}  # stays in its own order
    stored = STORED[order](ds).drop_vars("sand")
    a, b = (x.sm.estimate(model=model, features=given) for x in (stored, ds))
    assert_same(a.drop_attrs(), b.drop_attrs())
