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


def test_seasons_and_months_hold_their_own_days(year):
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


def test_periods_are_years_or_named_spans(year):
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


def test_latitude_bands_hold_their_own_stations(year):
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


@pytest.mark.parametrize(
    "options",
    [
        {"anomalies": "moving_window"},
        {"scaling": {"method": "mean_std", "to": "estimate"}},
        {"scaling": {"method": "mean_std", "to": "wet"}},
    ],
)
@pytest.mark.parametrize("kind", ["stations", "product"])
def test_wetness_is_that_of_the_observed_reference(year, options, kind):
    ds, ref = year
    if kind == "product":
        ref = ds.isel(lat=[1, 16])
        ds = ds.isel(lat=[1, 16]) * 1.2
        ds.soil_moisture.attrs["units"] = "m3 m-3"
    if options.get("scaling", {}).get("to") == "wet":
        ds = {"own": ds, "wet": (ds + 0.3).map(lambda da: da.assign_attrs(units="m3 m-3"))}
    plain = validate(ds, ref, by={"wetness": 0.3})
    changed = validate(ds, ref, by={"wetness": 0.3}, **options)
    assert (plain.n_obs > 100).all()
    np.testing.assert_array_equal(changed.n_obs, plain.n_obs)


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


def test_categories_are_any_coordinate_of_the_stations(year):
    ds, ref = year
    codes = ("station", [2, 1], {"flag_values": [1, 2], "flag_meanings": "sand clay"})
    ref = ref.assign_coords(mine=("station", ["x", "y"]), soil_texture=codes)
    scores = validate(ds, ref, by={"land_cover": "mine"})
    assert scores.land_cover.values.tolist() == ["x", "y"]
    assert scores.n_obs.values.tolist() == [[731, 0], [0, 731]]
    assert scores.mine.values.tolist() == ["x", "y"]
    several = validate({"a": ds, "b": ds}, [ref], by={"land_cover": "mine"})
    assert several.n_obs.sel(product="b").values.tolist() == [[731, 0], [0, 731]]
    texture = validate(ds, ref, by="soil_texture")
    assert texture.soil_texture.values.tolist() == ["clay", "sand"]
    assert texture.n_obs.sel(soil_texture="sand").values.tolist() == [0, 731]
    with pytest.raises(InputError, match="land_cover='igb': neither the data nor the reference"):
        validate(ds, ref, by={"land_cover": "igb"})


@pytest.mark.parametrize("labels", [["p", "q"], [7, 8], [7.0, 8.0]])
def test_arrays_of_the_stations_are_matched_by_their_labels(year, labels):
    ds, ref = year
    ref = ref.assign_coords(station=labels)
    turned = xr.DataArray(["south", "north"], {"station": labels[::-1]}, dims="station")
    scores = validate(ds, ref, by={"land_cover": turned})
    assert scores.lat.values.tolist() == [42.0, 12.0]
    assert scores.n_obs.sel(land_cover="north").values.tolist() == [731, 0]
    assert scores.n_obs.sel(land_cover="south").values.tolist() == [0, 731]
    # one more than is scored; without labels values are in the order of the stations
    more = xr.DataArray(["a", "b", "c"], {"station": [*labels, labels[0] * 9]}, dims="station")
    scores = validate(ds, ref, by={"land_cover": more})
    assert scores.n_obs.sel(land_cover="b").values.tolist() == [0, 731]
    plain = turned.drop_vars("station")
    scores = validate(ds, ref, by={"land_cover": plain})
    assert scores.n_obs.sel(land_cover="south").values.tolist() == [731, 0]
    with pytest.raises(InputError, match="land_cover has the stations u, v: expected"):
        validate(ds, ref, by={"land_cover": turned.assign_coords(station=["u", "v"])})
    with pytest.raises(InputError, match="for each of the 2 stations that are scored"):
        validate(ds, ref, by={"land_cover": more.drop_vars("station")})


def test_unknown_strata_are_named(year):
    with pytest.raises(InputError, match="'weekday' is no stratum.*season.*winter"):
        validate(*year, by="weekday")
    assert set(STRATA) == {
        "season", "month", "land_cover", "climate_zone", "latitude_band", "wetness", "network",
        "period", "winter", "window", "depth", "frm_class", "soil_texture",
    }  # fmt: skip


def test_labels_of_codes_and_texts():
    codes = xr.DataArray(np.array([1.0, np.nan, 14.0]), dims="x")
    assert labels_of(codes).values.tolist() == ["1", "", "14"]
    texts = xr.DataArray(np.array(["Csa", "", "nan"], dtype=object), dims="x")
    assert labels_of(texts).values.tolist() == ["Csa", "", ""]


@pytest.mark.parametrize("definition", [[1, 2], -3, True, 1.5])
def test_overlap_of_seasons_and_months_is_a_number_of_days(year, definition):
    for name in ("season", "month"):
        with pytest.raises(InputError, match=f"by: {name}=.*expected the days"):
            validate(*year, by={name: definition})


def test_seasons_overlap_by_days(year):
    """Counted by hand: 15 days on each side of a season; 2015 and 2016 are 731 days."""
    ds, ref = year
    overlap = validate(ds, ref, metrics="bias", by={"season": 15}).n_obs.isel(station=0)
    dates = ds.time.to_index()
    spans = {"MAM": ("02-15", "06-15"), "JJA": ("05-17", "09-15"), "SON": ("08-17", "12-15")}
    for season, (first, last) in spans.items():
        inside = (dates.strftime("%m-%d") >= first) & (dates.strftime("%m-%d") <= last)
        assert overlap.sel(season=season).item() == inside.sum()
    winter = (dates.strftime("%m-%d") >= "11-16") | (dates.strftime("%m-%d") <= "03-15")
    assert overlap.sel(season="DJF").item() == winter.sum()


def test_own_windows_may_overlap_and_hold_new_year(year):
    ds, ref = year
    windows = {
        "growing": ("04-01", "09-30"),
        "summer": ("06-01", "08-31"),
        "cold": ("11-15", "02-29"),
    }
    scores = validate(ds, ref, metrics="bias", by={"window": windows})
    assert scores.window.values.tolist() == list(windows)
    text = ds.time.dt.strftime("%m-%d").values
    cold = (text >= "11-15") | (text <= "02-29")
    expected = [((text >= "04-01") & (text <= "09-30")).sum(), 184, cold.sum()]
    assert scores.n_obs.isel(station=0).values.tolist() == expected
    with pytest.raises(InputError, match="'02-30' is no month and day; expected a mapping"):
        validate(ds, ref, by={"window": {"a": ("02-30", "03-01")}})
    with pytest.raises(InputError, match="window=None: expected a mapping"):
        validate(ds, ref, by="window")


def test_days_of_other_calendars_belong_to_their_month(year):
    ds, _ = year
    time = xr.date_range("2015-01-01", periods=720, calendar="360_day", use_cftime=True)
    ds = ds.isel(time=slice(0, 720)).assign_coords(time=time)
    scores = validate(ds, ds + 0.01, metrics="bias", by="month")
    # 29 and 30 February are no dates in 2015, 30 February none in 2016
    expected = [60, 57, *[60] * 10]
    np.testing.assert_array_equal(scores.n_obs[0, 0], expected)
    seasons = validate(ds, ds + 0.01, metrics="bias", by="season").n_obs[0, 0]
    assert seasons.values.tolist() == [177, 180, 180, 180]


def test_layers_and_classes_of_the_stations(year):
    ds, ref = year
    ref = ref.assign_coords(
        depth_from=("station", [0.0, 0.0]), depth_to=("station", [0.3, 0.05]),
        frm_class=("station", ["very representative", "undeducible"]),
        soil_texture=("station", ["loam", "sand"]),
    )  # fmt: skip
    options = {"metrics": "bias", "stations": {"depth": None}}
    scores = validate(ds, ref, by="depth", **options)
    assert scores.depth.values.tolist() == ["0 to 0.05 m", "0 to 0.3 m"]
    assert scores.n_obs.values.tolist() == [[0, 731], [731, 0]]
    scores = validate(ds, ref, by={"depth": [0, 0.1, 0.4]}, **options)
    assert scores.depth.values.tolist() == ["0 to 0.1 m", "0.1 to 0.4 m"]
    assert scores.n_obs.values.tolist() == [[0, 731], [731, 0]]
    scores = validate(ds, ref, by=["frm_class", "soil_texture"], **options)
    assert scores.n_obs.sel(soil_texture="loam").values.tolist() == [[0, 731], [0, 0]]
    with pytest.raises(InputError, match="no depth of the sensors"):
        validate(*year, by="depth")
    with pytest.raises(InputError, match="increasing depths"):
        validate(ds, ref, by={"depth": [0.1]}, **options)


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
