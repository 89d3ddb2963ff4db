"""A fill does not depend on tiles, storage order or the date line; its memory does not grow."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.gapfilling import statistics

pytestmark = pytest.mark.usefixtures("network")
SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"


def close(a: xr.Dataset, b: xr.Dataset) -> None:
    for name in (SM, UNC, FLAG):
        xr.testing.assert_allclose(a[name], b[name].transpose(*a[name].dims), rtol=1e-6)


@pytest.mark.parametrize("tile", [(1, 1, 1), (3, 2, 5), (100, 2, 2), (1, 100, 100)])
@pytest.mark.parametrize("whole", [100, 10_000_000])
def test_tiles_equal_the_whole(record, tile, whole, monkeypatch):
    options = {"max_gap": 3, "fallback": "climatology"}
    expected = record.sm.gapfill(**options)
    monkeypatch.setattr("xsm.blockwise.tiling.SERIES_VALUES", whole)
    with xsm.set_options(tile=tile):
        close(record.sm.gapfill(**options), expected)


@pytest.mark.parametrize("shift", [1, 7, 15])
def test_rolled_longitudes_give_rolled_results(record, shift):
    rolled = record.roll(lon=shift, roll_coords=True)
    close(rolled.sm.gapfill(), record.sm.gapfill().roll(lon=shift, roll_coords=True))


def test_longitudes_of_0_to_360_give_the_same(record):
    east = record.assign_coords(lon=record["lon"] % 360).sortby("lon")
    expected = record.sm.gapfill()
    out = east.sm.gapfill()
    out = out.assign_coords(lon=(out["lon"] + 180) % 360 - 180).sortby("lon")
    close(out, expected)


def test_date_line_is_no_edge(record):
    """A cell at the edge of the array has the same neighbours as in the middle."""
    region = record.isel(lon=slice(1, 16))  # a column less: an edge
    edge, whole = region.sm.gapfill(), record.sm.gapfill()
    here = {"lon": whole["lon"].values[-1]}
    gap = (whole[FLAG].sel(here) == 1).values
    assert (edge[SM].sel(here).values[gap] != whole[SM].sel(here).values[gap]).mean() > 0.5


@pytest.mark.parametrize("dims", [("lon", "lat", "time"), ("lat", "time", "lon")])
def test_order_of_dimensions_does_not_matter(record, dims):
    out = record.transpose(*dims).sm.gapfill()
    assert out[SM].dims == dims
    close(out, record.sm.gapfill())


def test_names_of_dimensions_do_not_matter(record):
    names = {"time": "day", "lat": "Latitude", "lon": "Longitude"}
    out = record.rename(names).sm.gapfill()
    close(out.rename({new: old for old, new in names.items()}), record.sm.gapfill())


def test_south_first_is_north_first_turned_over(record):
    south = record.isel(lat=slice(None, None, -1))
    out = south.sm.gapfill()
    assert out["lat"].equals(south["lat"])
    close(out.isel(lat=slice(None, None, -1)), record.sm.gapfill())


def test_projected_grid(record):
    projected = record.isel(lon=slice(2, 12)).rename(lat="y", lon="x").drop_vars(["y", "x"])
    lat, lon = np.meshgrid(np.linspace(60, 40, 9), np.linspace(0, 20, 10), indexing="ij")
    projected = projected.assign_coords(
        latitude=(("y", "x"), lat + lon / 10), longitude=(("y", "x"), lon + lat / 10)
    )
    out = projected.sm.gapfill()
    expected = record.isel(lon=slice(2, 12)).sm.gapfill()
    np.testing.assert_allclose(out[SM], expected[SM], rtol=1e-6)
    assert set(out[SM].coords) == {"time", "latitude", "longitude"}


def test_other_dimensions_are_filled_one_by_one(record):
    pair = xr.concat([record, record.roll(time=3) * 0.5], "orbit").transpose("lat", "orbit", ...)
    pair[SM].attrs = record[SM].attrs
    out = pair.sm.gapfill()
    assert out[SM].dims == pair[SM].dims
    for orbit in (0, 1):
        one = pair.isel(orbit=orbit)
        close(out.isel(orbit=orbit), one.sm.gapfill())


def test_nothing_to_do_costs_nothing(record, network):
    full = record.copy(deep=True)
    full[SM][:] = 0.3
    full.sm.gapfill()
    empty = record.copy(deep=True)
    empty[SM][:] = np.nan
    empty.sm.gapfill()
    assert network.fill_block == 0
    one_gap = full.copy(deep=True)
    one_gap[SM][5, 4, 4] = np.nan
    network.values.clear()
    one_gap.sm.gapfill()
    assert network.fill_block == 1
    assert 9 * 5 * 5 in network.values  # no more than the neighbours of that cell


def test_peak_memory_does_not_grow_with_the_record(monkeypatch):
    monkeypatch.setattr("xsm.blockwise.tiling.SERIES_VALUES", 24_000)
    # tiles as small as these would be mostly halo; the seasonal cycle is a tenth of the record
    whole = statistics.record_statistics
    monkeypatch.setattr(
        "xsm.gapfilling.fill.record_statistics", lambda values, dates=None: whole(values)[:5]
    )
    monkeypatch.setattr("xsm.gapfilling.fill.HALO", 1)

    def beyond_output(days: int) -> int:
        values = np.random.default_rng(5).random((days, 40, 40), np.float32)
        values[values < 0.4] = np.nan
        when = np.datetime64("2015-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D")
        da = xr.DataArray(values, dims=("time", "y", "x"), coords={"time": when}, name=SM)
        with xsm.set_options(tile=(8, 16, 16)):
            da[:9].sm.gapfill()  # imports and caches
            tracemalloc.start()
            out = da.sm.gapfill(max_gap=5)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return peak - sum(out[name].nbytes for name in (SM, UNC, FLAG))

    assert beyond_output(240) < 1.2 * beyond_output(60)
