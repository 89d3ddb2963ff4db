"""Strata: one dimension each, and the pairs that belong."""

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import cell, grid, stations
from xsm.errors import InputError
from xsm.validate import validate
from xsm.validation.strata import STRATA, labels_of


@pytest.fixture
def year():
    """Two years of a grid, and two stations, one north of 30 N and one in the tropics."""
    ds = grid(731, "2015-01-01", lat=np.arange(44.0, 0, -2.0), lon=np.arange(0.0, 6.0, 2.0))
    values = [cell(ds, 1, 1, 0.01), cell(ds, 16, 1, 0.02)]
    month = ds.time.dt.month.values
    values = [v + 0.1 * (month == 1).astype(np.float32) for v in values]
    about = {"network": ["A", "B"], "station_name": ["n", "t"], "land_cover": ["grass", ""]}
    return ds, stations([42.0, 12.0], [2.0, 2.0], ds.time, values, **about)


def test_seasons_and_months(year):
    scores = validate(*year, by="season")
    assert scores.bias.dims == ("station", "season")
    assert scores.season.values.tolist() == ["DJF", "MAM", "JJA", "SON"]
    np.testing.assert_allclose(scores.bias.sel(season="JJA"), [-0.01, -0.02], atol=1e-6)
    days = year[0].time.dt.month.isin([12, 1, 2]).sum().item()
    assert scores.n_obs.sel(season="DJF").values.tolist() == [days, days]
    months = validate(*year, by="month")
    assert months.month.values.tolist()[:2] == ["Jan", "Feb"]
    np.testing.assert_allclose(months.bias.sel(month="Jan"), [-0.11, -0.12], atol=1e-6)


def test_two_strata_make_two_dimensions(year):
    scores = validate(*year, by=["network", "season"])
    assert scores.bias.dims == scores.status.dims == ("station", "network", "season")
    own = scores.sel(station="A/n", network="A")
    np.testing.assert_allclose(own.bias.sel(season="SON"), -0.01, atol=1e-6)
    assert scores.station_network.values.tolist() == ["A", "B"]
    other = scores.sel(station="A/n", network="B")
    assert other.bias.isnull().all() and (other.n_obs == 0).all() and (other.status == 3).all()
    medians = scores.pearson_r.sel(season="MAM").median("station")
    assert medians.notnull().all() and medians.dims == ("network",)


def test_periods(year):
    years = validate(*year, by="period")
    assert years.period.values.tolist() == ["2015", "2016"]
    assert years.n_obs.values.tolist() == [[365, 366]] * 2
    spans = {"first half": ("2015-01-01", "2015-06-30"), "late": ("2016", "2016")}
    named = validate(*year, by={"period": spans})
    assert named.n_obs.sel(period="first half").values.tolist() == [181, 181]
    assert named.n_obs.sel(period="late").values.tolist() == [366, 366]
    assert validate(*year, by={"period": [2016]}).period.values.tolist() == ["2016"]
    with pytest.raises(InputError, match="no pair is in any period"):
        validate(*year, by={"period": [1999]})
    with pytest.raises(InputError, match="period='2015'"):
        validate(*year, by={"period": "2015"})


def test_latitude_bands(year):
    scores = validate(*year, by="latitude_band")
    assert scores.latitude_band.values.tolist() == ["0 to 30N", "30N to 60N"]
    assert scores.n_obs.values.tolist() == [[0, 731], [731, 0]]
    own = validate(*year, by={"latitude_band": [0, 12, 42]})
    assert own.n_obs.values.tolist() == [[731], [731]]
    with pytest.raises(InputError, match="increasing latitudes"):
        validate(*year, by={"latitude_band": [10, 0]})


def test_wetness_is_of_the_reference(year):
    ds, ref = year
    scores = validate(ds, ref, by="wetness")
    assert scores.wetness.values.tolist() == ["up to 0.4", "above 0.4"]
    wet = (ref.soil_moisture > 0.4).sum("time").values
    np.testing.assert_array_equal(scores.n_obs.sel(wetness="above 0.4"), wet)
    np.testing.assert_array_equal(scores.n_obs.sum("wetness"), [731, 731])
    both = validate(ds, ref, by={"wetness": 0.3, "season": None})
    np.testing.assert_array_equal(both.n_obs.sum(["wetness", "season"]), [731, 731])
    with pytest.raises(InputError, match="wetness='wet'"):
        validate(ds, ref, by={"wetness": "wet"})


def test_winter_is_of_the_north_and_of_many_pairs(year):
    scores = validate(*year, by="winter")
    assert scores.winter.values.tolist() == ["all year", "winter"]
    assert scores.n_obs.sel(station="A/n").values.tolist() == [731, 181]
    assert scores.pearson_r.sel(station="A/n").notnull().all()
    assert scores.pearson_r.sel(station="B/t").isnull().all()
    few = validate(year[0].isel(time=slice(0, 365)), year[1], by="winter")
    assert few.n_obs.sel(station="A/n", winter="winter") == 90
    assert few.pearson_r.isnull().all() and (few.status == 3).all()


def test_categories_from_stations_record_and_arrays(year):
    ds, ref = year
    own = validate(ds, ref, by="land_cover")
    assert own.land_cover.values.tolist() == ["grass"]
    assert own.n_obs.values.tolist() == [[731], [0]]
    codes = xr.DataArray(
        np.where(ds.lat > 20, 1, 2)[:, None] * np.ones((1, 3), "int8"),
        dims=("lat", "lon"), coords={"lat": ds.lat, "lon": ds.lon},
        attrs={"flag_values": [1, 2], "flag_meanings": "arid tropical"},
    )  # fmt: skip
    for spec, data in (("zone", ds.assign(zone=codes)), (codes, ds), (np.array([1, 2]), ds)):
        scores = validate(data, ref, by={"climate_zone": spec})
        assert scores.n_obs.values.tolist() == [[731, 0], [0, 731]]
    assert validate(ds, ref, by={"climate_zone": codes}).climate_zone.values.tolist() == [
        "arid", "tropical"]  # fmt: skip
    coarse = codes.isel(lat=slice(None, None, 3), lon=[1])
    with pytest.raises(InputError, match="shape"):
        validate(ds, ref, by={"climate_zone": np.ones(5)})
    found = validate(ds, ref, by={"climate_zone": coarse}).climate_zone.values.tolist()
    assert found == ["arid", "tropical"]
    with pytest.raises(InputError, match="no climate_zone was found"):
        validate(ds, ref, by="climate_zone")


def test_unknown_strata_are_named(year):
    with pytest.raises(InputError, match="'weekday' is no stratum.*season.*winter"):
        validate(*year, by="weekday")
    assert set(STRATA) == {
        "season", "month", "land_cover", "climate_zone", "latitude_band", "wetness", "network",
        "period", "winter",
    }  # fmt: skip


def test_labels_of_codes_and_texts():
    codes = xr.DataArray(np.array([1.0, np.nan, 14.0]), dims="x")
    assert labels_of(codes).values.tolist() == ["1", "", "14"]
    texts = xr.DataArray(np.array(["Csa", "", "nan"], dtype=object), dims="x")
    assert labels_of(texts).values.tolist() == ["Csa", "", ""]


def test_a_definition_where_there_is_none_is_refused(year):
    for name in ("season", "month"):
        with pytest.raises(InputError, match=f"{name}=.*has no definition"):
            validate(*year, by={name: [1, 2]})


BACKWARDS = slice(None, None, -1)


@pytest.mark.parametrize("flip", [{}, {"lat": BACKWARDS}, {"lon": BACKWARDS}])
def test_arrays_of_categories_have_the_order_of_the_input(year, flip):
    ds, ref = year
    values = np.where(ds.lat > 20, 1, 2)[:, None] * np.array([1, 1, 3])
    codes = xr.DataArray(values, dims=("lat", "lon")).isel(flip)
    ds = ds.isel(flip)
    for spec in (codes, codes.values, codes.assign_coords(lat=ds.lat, lon=ds.lon)):
        by = {"land_cover": spec}
        at_stations = validate(ds, ref, by=by, metrics="bias")
        assert at_stations.n_obs.values.tolist() == [[731, 0], [0, 731]]
        maps = validate(ds, ds.sortby("lat"), by=by, metrics="bias")
        assert maps.land_cover.values.tolist() == ["1", "2", "3", "6"]
        assert maps.lat.equals(ds.lat) and maps.lon.equals(ds.lon)
        for label in maps.land_cover.values:
            np.testing.assert_array_equal(maps.n_obs.sel(land_cover=label) > 0, codes == int(label))
