"""Filling departures from a background."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.errors import InputError, TimeAxisError
from xsm.gapfilling.background import background_departure


@pytest.fixture(scope="module")
def iberia() -> xr.Dataset:
    return xsm.tutorial.open_dataset("amsr2-iberia", days=45, resolution=0.5)


def error(filled: xr.Dataset, ds: xr.Dataset) -> float:
    """RMSE in the gaps, of departures from the mean difference of each cell."""
    gaps = ds["soil_moisture"].isnull() & filled["soil_moisture"].notnull()
    difference = (filled["soil_moisture"] - ds["soil_moisture_truth"]).where(gaps)
    return float(((difference - difference.mean("time")) ** 2).mean() ** 0.5)


def test_the_regression_of_a_cell():
    rng = np.random.default_rng(0)
    b = rng.normal(size=(400, 3, 3))
    data = 0.2 + 0.05 * b + 0.001 * rng.normal(size=b.shape)
    data[rng.random(b.shape) < 0.4] = np.nan
    departure = background_departure(data, 7.0 + 3.0 * b)
    np.testing.assert_allclose(departure - departure.mean(0), 0.05 * (b - b.mean(0)), atol=2e-3)
    residual = data - departure
    assert np.nanstd(residual, axis=0).max() < 2e-3
    assert (background_departure(data, -b) == 0).all()  # never against the record
    gap = 7.0 + 3.0 * b
    gap[10:20] = np.nan
    departure = background_departure(data, gap)
    assert (departure[10:20] == 0).all() and np.isfinite(departure).all()


def test_a_cell_without_observations_has_no_departure():
    data = np.full((20, 1, 2), np.nan)
    data[:, 0, 0] = np.linspace(0.1, 0.3, 20)
    departure = background_departure(data, np.random.default_rng(0).normal(size=data.shape))
    assert (departure[:, 0, 1] == 0).all()


def test_a_reanalysis_improves_the_fill(iberia):
    plain = iberia.sm.gapfill()
    with_background = iberia.sm.gapfill(background="swvl1")
    assert error(with_background, iberia) < 0.92 * error(plain, iberia)
    observed = iberia["soil_moisture"].notnull().values
    np.testing.assert_array_equal(
        with_background["soil_moisture"].values[observed], iberia["soil_moisture"].values[observed]
    )
    np.testing.assert_array_equal(
        np.isfinite(with_background["soil_moisture"]), np.isfinite(plain["soil_moisture"])
    )
    assert "background='swvl1'" in with_background.attrs["history"]


def test_on_dask_on_another_grid_and_in_another_order(iberia):
    field = iberia["swvl1"].sortby("lat").transpose("lon", "lat", "time")
    expected = iberia.sm.gapfill(background="swvl1")
    out = iberia.sm.gapfill(background=field)
    xr.testing.assert_allclose(out.drop_attrs(), expected.drop_attrs(), atol=1e-6)
    pytest.importorskip("dask", reason="needs xsm[dask]")
    lazy = iberia.chunk(time=20).sm.gapfill(background=field.chunk(time=15))
    assert lazy["soil_moisture"].chunks is not None
    for name in ("soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"):
        np.testing.assert_allclose(lazy[name], expected[name], atol=1e-5)
    coarse = iberia["swvl1"].coarsen(lat=2, lon=2, boundary="trim").mean(keep_attrs=True)
    assert error(iberia.sm.gapfill(background=coarse), iberia) < error(iberia.sm.gapfill(), iberia)


def test_a_background_that_does_not_fit_is_refused(iberia):
    with pytest.raises(InputError, match="background='none' is no variable"):
        iberia.sm.gapfill(background="none")
    later = iberia["swvl1"].assign_coords(time=iberia.time + np.timedelta64(500, "D"))
    with pytest.raises(TimeAxisError, match="background: .* no day in common"):
        iberia.sm.gapfill(background=later)


def test_a_background_with_nothing_in_it_changes_nothing(iberia):
    nothing = iberia["swvl1"].where(False).assign_attrs(iberia["swvl1"].attrs)
    out, plain = iberia.sm.gapfill(background=nothing), iberia.sm.gapfill()
    np.testing.assert_allclose(out["soil_moisture"], plain["soil_moisture"], atol=1e-6)
