"""Cells that were never observed: land or sea, filled or not."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.conventions.cf import BY_NETWORK, NEVER_OBSERVED, NOT_FILLED, NOT_LAND, OBSERVED
from xsm.errors import GridError, InputError

pytestmark = pytest.mark.usefixtures("network")


@pytest.fixture
def amazon() -> xr.DataArray:
    """Five days over the mouth of the Amazon, the western and the eastern third never observed."""
    values = np.full((5, 6, 12), 0.3, np.float32)
    values[:, :, :4] = values[:, :, 8:] = np.nan
    values[1:4, 2, 5] = np.nan
    return xr.DataArray(
        values,
        dims=("time", "lat", "lon"),
        name="sm",
        attrs={"units": "m3 m-3"},
        coords={
            "time": pd.date_range("2020-01-01", periods=5),
            "lat": np.linspace(-1, -6, 6),
            "lon": np.linspace(-62, -29, 12),
        },
    )


def test_land_never_observed_differs_from_the_sea(amazon):
    out = amazon.sm.gapfill()
    flag = out["sm_flag"].values[0]
    assert (flag[:, :4] == NEVER_OBSERVED).all()  # Amazonia
    assert (flag[:, 10:] == NOT_LAND).all()  # Atlantic
    assert np.isnan(out["sm"].values[:, flag != OBSERVED]).all()
    assert out["sm_flag"].attrs["flag_meanings"].split()[NEVER_OBSERVED] == "never_observed"


def test_gaps_of_an_observed_cell_are_not_never_observed(amazon):
    out = amazon.sm.gapfill(max_gap=2)
    assert out["sm_flag"].values[:, 2, 5].tolist() == [0, NOT_FILLED, NOT_FILLED, NOT_FILLED, 0]


@pytest.mark.parametrize("lon", ["0 to 360", "2-D", "south first"])
def test_flags_are_the_same_on_any_layout(amazon, lon):
    expected = amazon.sm.gapfill()["sm_flag"].values
    if lon == "0 to 360":
        actual = amazon.assign_coords(lon=amazon["lon"] % 360).sm.gapfill()["sm_flag"].values
    elif lon == "south first":
        actual = amazon[:, ::-1].sm.gapfill()["sm_flag"].values[:, ::-1]
    else:
        lat, east = xr.broadcast(amazon["lat"], amazon["lon"])
        projected = amazon.rename(lat="y", lon="x").drop_vars(["y", "x"])
        coords = {"latitude": (("y", "x"), lat.values), "longitude": (("y", "x"), east.values)}
        actual = projected.assign_coords(coords).sm.gapfill()["sm_flag"].values
        sure = np.r_[:8, 10:12]  # of the coast each grid has its own
        expected, actual = expected[..., sure], actual[..., sure]
    np.testing.assert_array_equal(actual, expected)


def test_without_coordinates_nothing_is_called_sea(amazon):
    out = amazon.rename(lat="y", lon="x").drop_vars(["y", "x"]).sm.gapfill()
    assert (out["sm_flag"].values[:, :, 8:] == NEVER_OBSERVED).all()


def test_a_mask_that_is_given_decides(amazon):
    land = np.zeros((6, 12), bool)
    land[:, 2:6] = True
    flag = amazon.sm.gapfill(land=land)["sm_flag"].values
    assert (flag[:, :, :2] == NOT_LAND).all() and (flag[:, :, 8:] == NOT_LAND).all()
    assert not (flag[:, :, 2:6] == NOT_LAND).any()


def test_globe_by_name_fills_land_that_was_never_observed(amazon):
    out = amazon.sm.gapfill(land="globe")
    flag = out["sm_flag"].values
    assert (flag[:, :, 3] == BY_NETWORK).all()  # within reach of the stand-in for the network
    assert (flag[:, :, 0] == NEVER_OBSERVED).all()  # beyond
    assert (flag[:, :, 10:] == NOT_LAND).all()
    observed = np.isfinite(amazon.values)
    np.testing.assert_array_equal(out["sm"].values[observed], amazon.values[observed])


def test_a_variable_of_that_name_comes_first(amazon):
    mask = xr.zeros_like(amazon[0], bool).drop_vars("time")
    out = amazon.to_dataset().assign(globe=mask).sm.gapfill(land="globe")
    assert not (out["sm_flag"] == BY_NETWORK).any()


def test_globe_needs_latitudes_and_longitudes(amazon):
    with pytest.raises(GridError, match="no latitudes and longitudes"):
        amazon.rename(lat="y", lon="x").drop_vars(["y", "x"]).sm.gapfill(land="globe")
    with pytest.raises(InputError, match="land='mask' is no variable.*'globe'"):
        amazon.sm.gapfill(land="mask")


@pytest.mark.parametrize("options", [{}, {"land": "globe"}], ids=str)
def test_dask_reads_no_mask_by_the_call(amazon, options, monkeypatch):
    dask = pytest.importorskip("dask", reason="needs xsm[dask]")
    from xsm.conventions import globe_land

    expected = amazon.sm.gapfill(**options)
    reads = []
    table = globe_land.cumulative_land
    monkeypatch.setattr(globe_land, "cumulative_land", lambda: reads.append(1) or table())
    lazy = amazon.chunk(time=2, lat=3, lon=5).sm.gapfill(**options)
    assert reads == []
    with dask.config.set(scheduler="synchronous"):
        done = lazy.compute()
    assert reads == [1]
    np.testing.assert_array_equal(done["sm_flag"], expected["sm_flag"])
    np.testing.assert_allclose(done["sm"], expected["sm"], rtol=2e-6)


def test_the_mask_is_not_read_where_all_cells_were_observed(amazon, monkeypatch):
    monkeypatch.setattr("xsm.conventions.globe_land.cumulative_land", None)
    xsm.gapfill(amazon.fillna(0.2))
