"""The whole way with the shipped network: seams, the date line and Dask change nothing."""

import numpy as np
import pytest
import xarray as xr

import xsm

SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def globe() -> xr.Dataset:
    """Fourteen days of 24 x 40 cells around the globe, half of them missing in blocks."""
    if "default" not in xsm.models():
        pytest.skip("no shipped network: make train-gapfill")
    rng = np.random.default_rng(11)
    day, lat, lon = np.meshgrid(np.arange(14), np.arange(24), np.arange(40), indexing="ij")
    values = 0.25 + 0.1 * np.sin(day / 2 + lat / 5) + 0.1 * np.cos(2 * np.pi * lon / 40)
    gaps = np.kron(rng.random((14, 6, 10)) < 0.5, np.ones((1, 4, 4), bool))
    values = np.where(gaps, np.nan, values + 0.01 * rng.standard_normal(values.shape))
    values[:, :8, 5:15] = np.nan
    return xr.Dataset(
        {SM: (("time", "lat", "lon"), values.astype(np.float32), {"units": "m3 m-3"})},
        coords={
            "time": np.datetime64("2015-04-01", "ns") + np.arange(14) * np.timedelta64(1, "D"),
            "lat": 60.0 - 4 * np.arange(24),
            "lon": -175.5 + 9.0 * np.arange(40),
        },
    )


@pytest.fixture(scope="module")
def filled(globe) -> xr.Dataset:
    return globe.sm.gapfill()


def close(a: xr.Dataset, b: xr.Dataset) -> None:
    for name in (SM, UNC):
        np.testing.assert_allclose(a[name].values, b[name].values, **CLOSE)
    np.testing.assert_array_equal(a[FLAG].values, b[FLAG].values)


def test_gaps_are_filled_better_than_by_the_mean(globe, filled):
    day, lat, lon = np.meshgrid(np.arange(14), np.arange(24), np.arange(40), indexing="ij")
    truth = 0.25 + 0.1 * np.sin(day / 2 + lat / 5) + 0.1 * np.cos(2 * np.pi * lon / 40)
    mean = np.broadcast_to(globe[SM].mean("time").values, truth.shape)
    alone = globe.sm.gapfill(calibrate=False)
    assert set(np.unique(alone[FLAG])) == {0, 1, 4, 5}
    # a field as smooth as this one is interpolated in space and time where that is better
    assert set(np.unique(filled[FLAG])) == {0, 1, 4, 5, 6}
    gap = (alone[FLAG] == 1).values
    np.testing.assert_array_equal(gap, filled[FLAG].isin([1, 6]))
    of_network, of_all, of_mean = (
        np.sqrt(np.mean((values - truth)[gap] ** 2))
        for values in (alone[SM].values, filled[SM].values, mean)
    )
    assert of_network < 0.6 * of_mean
    assert of_all < of_network


def test_tiles_change_nothing(globe, filled):
    with xsm.set_options(tile=(5, 9, 11)):
        close(globe.sm.gapfill(), filled)


def test_rolled_longitudes_give_rolled_results(globe, filled):
    rolled = globe.roll(lon=13, roll_coords=True).sm.gapfill()
    close(rolled, filled.roll(lon=13, roll_coords=True))


def test_dask_changes_nothing(globe, filled):
    dask = pytest.importorskip("dask", reason="needs xsm[dask]")
    lazy = globe.chunk(time=6, lat=24, lon=20).sm.gapfill()
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler):
            close(lazy.compute(), filled)


def test_days_alone_equal_the_record_around_them(globe):
    """A window of nine days gives its middle day as the record does, statistics given."""
    from functools import partial
    from types import SimpleNamespace

    from xsm.blockwise.tiling import DailyArray
    from xsm.conventions.windows import take_cells
    from xsm.gapfilling.fill import predict_needed, tiled_statistics
    from xsm.networks.block_inference import fill_block, load_model

    filled = globe.sm.gapfill(calibrate=False)  # by the network alone
    record = DailyArray(globe[SM].values, 1.0, np.arange(14), True)
    model = load_model()
    task = SimpleNamespace(
        predict=partial(fill_block, model=model), halo=model.halo, dates=np.arange(14)
    )
    stats, limits = tiled_statistics(record, task.dates)
    _, rows, columns = model.halo
    around = take_cells(stats, slice(-rows, 24 + rows), slice(-columns, 40 + columns), True)
    for day in (0, 6, 13):
        window = (slice(day, day + 1), slice(0, 24), slice(0, 40))
        need = (filled[FLAG].values == 1)[window]
        values = record.read(window, model.halo)
        mean, _ = predict_needed(values, around, need, day, task)
        mean = np.clip(mean, *limits)
        np.testing.assert_allclose(mean[need], filled[SM].values[window][need], **CLOSE)


@pytest.fixture(scope="module")
def islands() -> tuple[xr.Dataset, np.ndarray]:
    """Two cells in the sea on 600 days, three of four missing; and the truth."""
    rng = np.random.default_rng(2)
    anomaly = rng.standard_normal((600, 2))
    for day in range(1, 600):
        anomaly[day] = 0.5 * anomaly[day - 1] + 0.75**0.5 * anomaly[day]
    noise = 0.05 * rng.standard_normal(anomaly.shape)
    truth = (0.3 + 0.1 * anomaly + noise).clip(0.1, 0.44).astype(np.float32)
    values = np.full((600, 4, 4), np.nan, np.float32)
    values[:, 2:, 2] = np.where(rng.random(truth.shape) < 0.25, truth, np.nan)
    return xr.Dataset(
        {SM: (("time", "lat", "lon"), values, {"units": "m3 m-3"})},
        coords={
            "time": np.datetime64("2005-01-01", "ns") + np.arange(600) * np.timedelta64(1, "D"),
            "lat": 20 - 0.25 * np.arange(4),
            "lon": -30 + 0.25 * np.arange(4),
        },
    ), truth


def test_islands_are_filled_with_what_they_have_shown(islands):
    """Where the day has no other observation a network extrapolates to 0 and 1."""
    ds, truth = islands
    out = ds.sm.gapfill(calibrate=False)
    gap = (out[FLAG] == 1).values
    filled, std = out[SM].values[gap], out[UNC].values[gap]
    assert filled.min() > 0.05 and filled.max() < 0.5
    assert 0 < std.min() and std.max() < 0.45
    error = (out[SM].values[:, 2:, 2] - truth)[gap[:, 2:, 2]]
    assert np.sqrt(np.mean(error**2)) < 1.15 * truth.std()
    lazy = ds.chunk(time=70, lat=2).sm.gapfill(calibrate=False).compute()
    close(lazy, out)
    with xsm.set_options(tile=(40, 3, 3)):
        close(ds.sm.gapfill(calibrate=False), out)
