"""Triple collocation through validate, and representative stations."""

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import grid, stations
from xsm.errors import InputError
from xsm.validate import validate
from xsm.validation import representative

NOISE = (0.02, 0.03, 0.01)


@pytest.fixture(scope="module")
def three():
    """Three records of one truth, with independent errors of known size."""
    rng = np.random.default_rng(11)
    base = grid(days=1500, lat=np.array([43.0, 42.0]), lon=np.array([-5.0, -4.0]))
    truth = 0.25 + 0.06 * rng.standard_normal(base.soil_moisture.shape)
    noise = [size * rng.standard_normal(truth.shape) for size in NOISE]
    found = [truth + noise[0], truth + noise[1], truth + noise[2]]
    return [
        base.assign(soil_moisture=(base.soil_moisture.dims, v.astype(np.float32), {"units": "1"}))
        for v in found
    ]


def test_errors_of_three_products(three):
    scores = validate(three[0], (three[1], three[2]))
    assert scores.attrs["xsm_scores"] == "triple_collocation"
    assert set(scores.err_std.dims) == {"lat", "lon", "dataset"}
    found = scores.err_std.transpose("dataset", ...).values.reshape(3, -1)
    np.testing.assert_allclose(found, np.array(NOISE)[:, None] * np.ones((1, 4)), atol=0.004)


def test_intervals_of_errors(three):
    scores = validate(three[0], (three[1], three[2]), ci={"n": 100})
    inside = (scores.err_std_low <= scores.err_std) & (scores.err_std <= scores.err_std_high)
    assert inside.all()


def test_at_stations_the_station_is_the_third(three):
    ds = three[2]
    series = ds.soil_moisture.values
    bad = np.random.default_rng(4).normal(0, 0.2, 1500)
    ref = stations(
        [43.0, 42.0, 60.0], [-5.0, -4.0, 0.0], ds.time,
        [series[:, 0, 0], series[:, 1, 1] + bad, series[:, 0, 0]],
        network=["A", "A", "B"], station_name=["good", "bad", "far"],
    )  # fmt: skip
    for references in ((three[1], ref), (ref, three[1])):
        scores = validate(three[0], references)
        assert scores.sizes["station"] == 3
        errors = scores.err_std.transpose("station", "dataset").values
        np.testing.assert_allclose(errors[0], NOISE, atol=0.004)
        assert (scores.status.values[2] == 2).all()
        good = representative(scores)
        assert good.values.tolist() == [True, False, False]
        assert "0.5" in good.attrs["criterion"]
        assert not representative(scores, 0.999).any()
    plain = validate(three[0], ref)
    assert plain.isel(station=representative(plain)).station.values.tolist() == ["A/good"]


def test_what_is_not_for_triple_collocation(three):
    with pytest.raises(InputError, match="by, scaling and anomalies"):
        validate(three[0], (three[1], three[2]), by="season")
    with pytest.raises(InputError, match="reference holds 3 records"):
        validate(three[0], (three[1], three[2], three[1]))
    with pytest.raises(InputError, match="threshold=2"):
        representative(xr.Dataset({"pearson_r": ("station", [0.9])}), 2)
    with pytest.raises(InputError, match="expected scores of stations"):
        representative(xr.Dataset({"bias": ("lat", [0.9])}))


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_products_in_other_calendars_with_stations(three, calendar):
    days = slice(0, 700)
    first, second, ds = (one.isel(time=days) for one in three)
    axis = xr.date_range("2015-04-01", periods=700, calendar=calendar, use_cftime=True)
    cftime = {"time": axis}
    series = ds.soil_moisture.values[:, 0, 0]
    # the stations have the day of the product that has their date
    dates = [f"{t.year:04d}-{t.month:02d}-{t.day:02d}" for t in axis]
    valid = np.array([date not in ("2016-02-30", "2015-02-30", "2017-02-29") for date in dates])
    valid &= np.array([not date.endswith("02-30") for date in dates])
    time = np.array(np.array(dates)[valid], "datetime64[ns]")
    ref = stations(43.0, -5.0, time, series[valid])
    records = first.assign_coords(cftime), second.assign_coords(cftime)
    scores = validate(records[0], (records[1], ref))
    assert (scores.status == 0).all() and scores.n_obs.item() == valid.sum()
    np.testing.assert_allclose(scores.err_std.transpose("station", "dataset")[0], NOISE, atol=0.004)
    # one of the two in the standard calendar
    standard = second.isel(time=np.flatnonzero(valid)).assign_coords(time=time)
    for pair in ((records[0], standard), (standard, records[0])):
        mixed = validate(pair[0], (pair[1], ref))
        assert mixed.n_obs.item() == valid.sum()
    plain = validate(records[0], ref, by=["season", "period"])
    assert int(plain.n_obs.sum()) == valid.sum()


def test_rows_and_columns_have_the_order_of_the_input(three):
    stored = [ds.sortby("lat").sortby("lon", ascending=False) for ds in three]
    scores = validate(stored[0], (three[1], three[2]))
    assert scores.lat.values.tolist() == [42.0, 43.0] and scores.lon.values.tolist() == [-4, -5]
    expected = validate(three[0], (three[1], three[2])).err_std
    np.testing.assert_allclose(scores.err_std, expected.isel(lat=[1, 0], lon=[1, 0]), rtol=1e-6)
