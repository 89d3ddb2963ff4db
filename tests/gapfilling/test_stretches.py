"""Long gaps between days are not worked on, and the result is that of the whole calendar."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.gapfilling import stretches
from xsm.gapfilling.seasonal_cycle import KNOT, cycle_of_day
from xsm.gapfilling.statistics import STATISTICS, record_statistics
from xsm.gapfilling.stretches import positions_and_dates, shorten_gaps

SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"
YEARS = np.concatenate([np.arange(3, 23), np.arange(400, 412), [413, 1500, 1501]]) - 3


@pytest.mark.parametrize("days", [[0], [0, 1, 2], [0, 5, 90, 91, 181]])
def test_records_without_long_gaps_stay_as_they_are(days):
    days = np.array(days)
    positions, dates = positions_and_dates(days)
    np.testing.assert_array_equal(positions, days)
    np.testing.assert_array_equal(dates, np.arange(days[-1] + 1))


@pytest.mark.parametrize("seed", range(5))
def test_positions_of_any_days(seed):
    rng = np.random.default_rng(seed)
    days = np.cumsum(rng.choice([1, 2, 30, 92, 99, 100, 101, 1000], 60))
    days -= days[0]
    positions, dates = positions_and_dates(days)
    np.testing.assert_array_equal(dates[positions], days)
    assert dates.size == positions[-1] + 1
    steps = np.diff(days)
    np.testing.assert_array_equal(np.diff(positions)[steps < 90], steps[steps < 90])
    cut = np.diff(positions)[steps > 90]
    assert cut.min() >= 11 and cut.max() <= 29
    # knots at the days where the calendar has them, on both sides of each day
    np.testing.assert_array_equal(dates[::KNOT] % KNOT, 0)
    after = np.minimum(positions // KNOT * KNOT + KNOT, positions[-1])
    assert (dates[after] - dates[positions // KNOT * KNOT] <= KNOT).all()


def test_shortened_gaps_are_as_much_too_long_as_before():
    days = np.array([0, 1, 6, 12, 800])
    for limit in (3, 4, 5, 6):
        absent, before = (np.diff(x) - 1 for x in (shorten_gaps(days, limit), days))
        np.testing.assert_array_equal(absent > limit, before > limit)
        np.testing.assert_array_equal(absent[before <= limit], before[before <= limit])


def test_statistics_are_those_of_the_calendar():
    """The seasonal cycle knows how long the gaps are."""
    positions, dates = positions_and_dates(YEARS)
    rng = np.random.default_rng(0)
    values = (0.2 + 0.05 * rng.standard_normal((YEARS.size, 5, 6))).astype(np.float32)
    values += (0.1 * np.cos(2 * np.pi * YEARS / 365))[:, None, None].astype(np.float32)
    values[rng.random(values.shape) < 0.4] = np.nan
    whole = np.full((YEARS[-1] + 1, 5, 6), np.nan, np.float32)
    short = np.full((dates.size, 5, 6), np.nan, np.float32)
    whole[YEARS], short[positions] = values, values
    expected = record_statistics(whole)
    actual = record_statistics(short, dates=dates)
    n = len(STATISTICS)
    np.testing.assert_allclose(actual[:n], expected[:n], rtol=1e-4, atol=1e-6)
    for day, position in zip(YEARS, positions, strict=True):
        np.testing.assert_allclose(
            cycle_of_day(actual[n:], position), cycle_of_day(expected[n:], day), atol=1e-6
        )


@pytest.fixture
def with_gaps(record) -> xr.Dataset:
    time = np.datetime64("2015-04-04", "ns") + YEARS * np.timedelta64(1, "D")
    return record.isel(time=np.arange(YEARS.size) % 12).assign_coords(time=time)


@pytest.mark.parametrize(
    "options", [{}, {"max_gap": 5}, {"max_gap": "400D", "fallback": "climatology"}], ids=str
)
def test_a_fill_is_that_of_the_calendar(with_gaps, network, monkeypatch, options):
    outs = [with_gaps.sm.gapfill(**options)]
    if pytest.importorskip("dask", reason="needs xsm[dask]"):
        for chunks in (1, 10):
            outs.append(with_gaps.chunk(time=chunks).sm.gapfill(**options).compute())
    monkeypatch.setattr(stretches, "MIN_ABSENT", 10_000)
    expected = with_gaps.sm.gapfill(**options)
    for out in outs:
        for name in (SM, UNC):
            np.testing.assert_allclose(out[name], expected[name], rtol=2e-5, atol=1e-6)
        np.testing.assert_array_equal(out[FLAG], expected[FLAG])


def test_days_between_stretches_are_not_worked_on(record, network):
    """Three days, two of them three years later: as much work as a few weeks."""
    three = record.isel(time=slice(3))
    start = np.datetime64("2015-04-01", "ns")
    far = three.assign_coords(time=start + np.array([0, 1095, 1096]) * np.timedelta64(1, "D"))
    far.sm.gapfill(max_gap=20)
    worked_on = sum(network.values) / (9 * 16)
    network.values.clear()
    near = three.assign_coords(time=start + np.array([0, 20, 21]) * np.timedelta64(1, "D"))
    near.sm.gapfill(max_gap=20)
    assert worked_on <= 1.5 * sum(network.values) / (9 * 16)


def test_no_day_between_stretches_on_dask(record, network):
    dask = pytest.importorskip("dask", reason="needs xsm[dask]")
    start = np.datetime64("2015-04-01", "ns")
    far = record.isel(time=slice(3)).assign_coords(
        time=start + np.array([0, 1095, 1096]) * np.timedelta64(1, "D")
    )
    out = far.chunk(time=1).sm.gapfill(max_gap=20)
    with dask.config.set(scheduler="synchronous"):
        out.compute()
    assert sum(network.values) <= 35 * (9 + 4) * (16 + 4)  # days, rows and columns with their halo


def test_reindexed_days_give_the_same(with_gaps, network):
    """Empty days in the record are days, however many."""
    some = with_gaps.isel(time=slice(20, 33))
    whole = some.resample(time="1D").asfreq()
    whole[SM].attrs = some[SM].attrs
    expected = xsm.gapfill(some)
    xr.testing.assert_allclose(
        xsm.gapfill(whole)[SM].sel(time=some["time"]), expected[SM], rtol=1e-6
    )
