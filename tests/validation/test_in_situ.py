"""Scores at stations: cells, days, sensors, and a status where there is none."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.validation.samples import UNITS, cell, grid, stations
from xsm.errors import InputError, TimeAxisError, UnitError, VariableNotFoundError
from xsm.validate import validate

STATUS = ["ok", "no_overlap_in_time", "outside_the_grid", "too_few_pairs", "constant_series"]


def status(scores):
    names = scores.status.attrs["flag_meanings"].split()
    return [names[code] for code in scores.status.values.ravel()]


def test_scores_of_daily_stations():
    ds = grid()
    ref = stations(
        [43.1, 41.0], [-4.8, -2.0], ds.time, [cell(ds, 2, 0, 0.05), cell(ds, 6, 6)],
        network=["A", "B"], station_name=["one", "two"],
    )  # fmt: skip
    scores = validate(ds, ref)
    assert scores.bias.dims == ("station",)
    np.testing.assert_allclose(scores.bias, [-0.05, 0], atol=1e-7)
    np.testing.assert_allclose(scores.ubrmsd, 0, atol=1e-7)
    np.testing.assert_allclose(scores.pearson_r, 1, atol=1e-6)
    assert scores.n_obs.values.tolist() == [60, 60] and status(scores) == ["ok", "ok"]
    assert scores.bias.attrs["units"] == "m3 m-3" and scores.pearson_r.attrs["units"] == "1"
    assert scores.network.values.tolist() == ["A", "B"]
    assert scores.station.values.tolist() == ["A/one", "B/two"]
    assert scores.attrs["xsm_scores"] == "in_situ"
    assert scores.attrs["estimate_name"] == "soil_moisture"


def test_pairs_are_kept_if_asked_for():
    ds = grid()
    scores = validate(
        ds, stations(43.1, -4.8, ds.time[10:30], cell(ds, 2, 0)[10:30]), keep_pairs=True
    )
    assert scores.estimate.dims == scores.reference.dims == ("station", "time")
    both = scores.estimate.notnull() & scores.reference.notnull()
    assert int(both.sum()) == 20
    np.testing.assert_array_equal(scores.reference.values[both], cell(ds, 2, 0)[10:30])


def test_hourly_stations_are_averaged_to_the_days_of_the_product():
    ds = grid(days=20)
    hours = pd.date_range("2015-04-01", periods=20 * 24, freq="h", unit="ns")
    wave = np.tile(0.01 * np.sin(2 * np.pi * np.arange(24) / 24), 20)
    ref = stations(43.1, -4.8, hours, np.repeat(cell(ds, 2, 0), 24) + wave)
    scores = validate(ds, ref)
    np.testing.assert_allclose(scores.rmsd, 0, atol=1e-6)
    nearest = validate(ds, ref, stations={"pairing": "nearest", "overpass": "06:00"})
    # 6 h local solar time at 4.8 W is 6.32 h UTC; the nearest is 6 h, where the wave is highest
    np.testing.assert_allclose(nearest.bias, -0.01, atol=1e-6)
    assert nearest.n_obs.item() == 20


def test_area_means_of_cells():
    ds = grid()
    values = ds.soil_moisture.values[:, 1:3, 1:3].mean((1, 2))
    scores = validate(ds, stations(43.2, -4.2, ds.time, values), stations={"match": "mean_2x2"})
    np.testing.assert_allclose(scores.rmsd, 0, atol=1e-6)


def test_percent_against_fraction():
    ds = grid()
    ref = stations(43.1, -4.8, ds.time, cell(ds, 2, 0) * 100)
    ref.soil_moisture.attrs["units"] = "percent"
    np.testing.assert_allclose(validate(ds, ref).rmsd, 0, atol=1e-6)
    ref.soil_moisture.attrs["units"] = "K"
    with pytest.raises(UnitError, match="soil_moisture has units 'K'"):
        validate(ds, ref)


def test_only_good_flags_count():
    ds = grid()
    values = cell(ds, 2, 0).copy()
    values[:10] = 0.9
    ref = stations(43.1, -4.8, ds.time, values)
    text = np.where(np.arange(60) < 10, "D03", "G").reshape(1, -1)
    coded = (("station", "time"), np.where(text == "G", 7, 3).astype("int8"),
             {"flag_values": np.array([3, 7], "int8"), "flag_meanings": "D03 G"})  # fmt: skip
    for flag in ((("station", "time"), text), coded):
        scores = validate(ds, ref.assign(flag=flag))
        assert scores.n_obs.item() == 50
        np.testing.assert_allclose(scores.rmsd, 0, atol=1e-7)
        assert validate(ds, ref.assign(flag=flag), stations={"flags": None}).n_obs.item() == 60
        assert validate(ds, ref.assign(flag=flag), stations={"flags": "D03"}).n_obs.item() == 10
    with pytest.raises(InputError, match="flags=.*flag_meanings"):
        validate(ds, ref.assign(flag=(coded[0], coded[1])))


def test_depths_are_chosen_and_cosmic_ray_probes_kept_apart():
    ds = grid()
    series = cell(ds, 2, 0)
    ref = stations(
        [43.1] * 3, [-4.8] * 3, ds.time, [series, series + 0.1, series + 0.2],
        network=["A", "A", "COSMOS"], station_name=["one", "one", "probe"],
        depth_from=[0.05, 0.2, 0.0], depth_to=[0.05, 0.2, 0.19],
    )  # fmt: skip
    top = validate(ds, ref)
    assert top.depth_to.values.tolist() == [0.05]
    every = validate(ds, ref, stations={"depth": None})
    np.testing.assert_allclose(every.bias, [0, -0.1, -0.2], atol=1e-6)
    assert every.depth_to.values.tolist() == [0.05, 0.2, 0.19]
    assert len(set(every.station.values)) == 3
    with pytest.raises(InputError, match=r"depth=\(0.3, 0.5\).*0-0.19"):
        validate(ds, ref, stations={"depth": (0.3, 0.5)})
    with pytest.raises(InputError, match="expected .from, to."):
        validate(ds, ref, stations={"depth": (0.3, 0.1)})
    for depth in (5, "a", (0.0, 0.05, 0.1)):
        with pytest.raises(InputError, match=r"depth=.*expected \(from, to\) in m"):
            validate(
                ds,
                ref.drop_vars(["depth_from", "depth_to"], errors="ignore"),
                stations={"depth": depth},
            )
    for overpass in (6, "25:00"):
        with pytest.raises(InputError, match=f"overpass={overpass!r}: expected a local solar"):
            validate(ds, ref, stations={"overpass": overpass})


def test_a_dimension_depth_is_taken_apart():
    ds = grid()
    series = cell(ds, 2, 0)
    values = np.stack([series, series + 0.1])[None]
    ref = xr.Dataset(
        {"soil_moisture": (("station", "depth", "time"), values, UNITS)},
        {"lat": ("station", [43.1]), "lon": ("station", [-4.8]), "depth": [0.05, 0.2],
         "time": ds.time},
    )  # fmt: skip
    np.testing.assert_allclose(validate(ds, ref).bias, [0], atol=1e-7)
    np.testing.assert_allclose(
        validate(ds, ref, stations={"depth": None}).bias, [0, -0.1], atol=1e-6
    )


def test_sensors_of_one_station_are_averaged_or_each_for_itself():
    ds = grid()
    series = cell(ds, 2, 0)
    second = series + 0.1
    second[:30] = np.nan
    ref = stations(
        [43.1, 43.1], [-4.8, -4.8], ds.time, [series, second],
        network=["A", "A"], station_name=["one", "one"], sensor=["x", "y"],
    )  # fmt: skip
    mean = validate(ds, ref)
    assert mean.n_sensors.values.tolist() == [2]
    np.testing.assert_allclose(mean.bias, [-0.025], atol=1e-6)
    each = validate(ds, ref, stations={"sensors": "each"})
    np.testing.assert_allclose(each.bias, [0, -0.1], atol=1e-6)
    assert each.station.values.tolist() == ["A/one", "A/one #2"]


def test_only_sensors_of_one_place_are_one_station(caplog):
    ds = grid()
    series = [cell(ds, 2, 0), cell(ds, 2, 0, 0.1), cell(ds, 6, 6, 0.2)]
    about = {"network": ["A"] * 3, "station_name": ["one"] * 3}
    # 0.005 degrees are 0.6 km; the third is hundreds of km away
    ref = stations([43.1, 43.105, 41.0], [-4.8, -4.8, -2.0], ds.time, series, **about)
    scores = validate(ds, ref)
    assert scores.station.values.tolist() == ["A/one", "A/one #2"]
    np.testing.assert_allclose(scores.bias, [-0.05, -0.2], atol=1e-6)
    assert scores.n_sensors.values.tolist() == [2, 1]
    assert "more than 1 km apart are scored separately: one (2 places)" in caplog.text
    # names that are missing are not one name
    unnamed = ref.assign_coords(station_name=("station", ["", "", "two"]))
    scores = validate(ds, unnamed)
    assert scores.station.values.tolist() == ["A/station 1", "A/station 2", "A/two"]
    np.testing.assert_allclose(scores.bias, [0, -0.1, -0.2], atol=1e-6)


def test_sets_of_stations_keep_what_only_one_of_them_tells():
    ds = grid()
    about = {"station_name": "one", "depth_from": 0.05, "depth_to": 0.05}
    first = stations(43.1, -4.8, ds.time, cell(ds, 2, 0, 0.1), network="A", **about)
    second = stations(41.0, -2.0, ds.time, cell(ds, 6, 6, 0.2), station_name="one")
    scores = validate(ds, [first, second])
    assert scores.station.values.tolist() == ["A/one", "one"]
    np.testing.assert_allclose(scores.bias, [-0.1, -0.2], atol=1e-6)
    assert scores.network.values.tolist() == ["A", ""]
    np.testing.assert_array_equal(scores.depth_to, [0.05, np.nan])
    by_network = validate(ds, [first, second], by="network")
    assert by_network.network.values.tolist() == ["A"]
    # sensors of one station in other layers stay apart, though the other set has no depths
    about |= {"depth_from": 0.2, "depth_to": 0.2}
    deep = stations(43.1, -4.8, ds.time, cell(ds, 2, 0, 0.3), network="A", **about)
    scores = validate(ds, [first, deep, second], stations={"depth": None})
    np.testing.assert_allclose(scores.bias, [-0.1, -0.3, -0.2], atol=1e-6)


def test_a_cell_across_the_date_line_has_the_mean_position_of_its_stations():
    ds = grid(lat=[1.0, 0.0], lon=np.arange(-180.0, 180.0, 1.0))
    series = [cell(ds, 1, 0), cell(ds, 1, 0)]
    ref = stations([0.1, 0.1], [179.9, -179.7], ds.time, series, station_name=["a", "b"])
    scores = validate(ds, ref, stations={"sensors": "cell_mean"})
    np.testing.assert_allclose((scores.lon + 360) % 360, [180.1])


def test_stations_that_are_all_outside_the_grid_are_warned_of(caplog):
    ds = grid()
    ref = stations([-105.0, -104.0], [43.0, 42.0], ds.time, [cell(ds, 2, 0)] * 2)
    assert status(validate(ds, ref)) == ["outside_the_grid"] * 2
    assert "longitudes of -5 to -0.5: the stations have latitudes of -105 to -104" in caplog.text
    caplog.clear()
    validate(ds, stations([43.0, 60.0], [-5.0, -5.0], ds.time, [cell(ds, 2, 0)] * 2))
    assert "outside" not in caplog.text


def test_a_station_without_position_has_a_status_with_an_overpass():
    ds = grid(days=20)
    hours = pd.date_range("2015-04-01", periods=20 * 24, freq="h", unit="ns")
    series = np.repeat(cell(ds, 2, 0), 24)
    ref = stations([43.1, 43.1], [-4.8, np.nan], hours, [series, series])
    scores = validate(ds, ref, stations={"overpass": "06:00", "window": "3h"})
    assert status(scores) == ["ok", "outside_the_grid"]


def test_every_trouble_has_a_status():
    ds = grid()
    ds.soil_moisture[:, 0, 0] = np.nan  # the sea
    ds.soil_moisture[:, 0, 9] = 0.2
    few = cell(ds, 2, 0).copy()
    few[2:] = np.nan
    late = np.full(60, np.nan, np.float32)
    series = [cell(ds, 2, 0), cell(ds, 2, 0), cell(ds, 2, 0), few, late, np.full(60, 0.3)]
    series += [cell(ds, 2, 0)]
    lat = [43.0, 44.0, 60.0, 43.0, 43.0, 43.0, 44.0]
    lon = [-5.0, -5.0, -5.0, -5.0, -5.0, -5.0, -0.5]
    scores = validate(ds, stations(lat, lon, ds.time, series))
    assert status(scores) == [
        "ok", "all_missing", "outside_the_grid", "too_few_pairs", "all_missing",
        "constant_series", "constant_series",
    ]  # fmt: skip
    assert scores.pearson_r.notnull().values.tolist() == [True] + [False] * 6
    assert scores.n_obs.values.tolist() == [60, 0, 0, 2, 0, 60, 60]
    assert scores.bias.notnull().values[[5, 6]].all()
    assert validate(ds, stations(43.0, -5.0, ds.time, few), min_pairs=2).n_obs.item() == 2


def test_no_overlap_in_time_is_a_status():
    ds = grid()
    other = stations(43.0, -5.0, ds.time + np.timedelta64(1000, "D"), cell(ds, 2, 0))
    assert status(validate(ds, other)) == ["no_overlap_in_time"]
    # one station within the period of the other, which the product shares
    half = np.where(np.arange(60) < 30, np.nan, cell(ds, 2, 0))
    both = stations([43.0, 43.0], [-5.0, -5.0], ds.time, [half, cell(ds, 2, 0)])
    assert status(validate(ds.isel(time=slice(0, 30)), both)) == ["no_overlap_in_time", "ok"]


def test_several_sets_of_stations_are_joined():
    ds = grid()
    daily = stations(43.1, -4.8, ds.time, cell(ds, 2, 0), network="A", station_name="one")
    hours = pd.date_range("2015-04-01", periods=240, freq="h", unit="ns")
    hourly = stations(
        41.0, -2.0, hours, np.repeat(cell(ds, 6, 6, 0.1)[:10], 24), network="B",
        station_name="two", depth_to=0.05,
    )  # fmt: skip
    scores = validate(ds, [daily, hourly])
    assert scores.n_obs.values.tolist() == [60, 10]
    np.testing.assert_allclose(scores.bias, [0, -0.1], atol=1e-6)
    assert scores.network.values.tolist() == ["A", "B"]


def test_scaling_and_anomalies_come_before_the_scores():
    ds = grid()
    ref = stations(43.1, -4.8, ds.time, 2 * cell(ds, 2, 0) + 0.1)
    assert float(validate(ds, ref).rmsd[0]) > 0.2
    np.testing.assert_allclose(validate(ds, ref, scaling="mean_std").rmsd, 0, atol=1e-6)
    short = validate(ds, ref, anomalies="moving_window", metrics=["bias", "pearson_r"])
    assert abs(float(short.bias[0])) < 0.01
    np.testing.assert_allclose(short.pearson_r, 1, atol=1e-5)


def test_intervals_and_p_values():
    ds = grid()
    noise = np.random.default_rng(1).normal(0, 0.03, 60)
    ref = stations([43.1, 60], [-4.8, 0], ds.time, [cell(ds, 2, 0) + noise] * 2)
    options = {"method": "percentile", "n": 200}
    scores = validate(ds, ref, metrics=["bias", "pearson_r"], ci=options, p_values=True)
    for name in ("bias", "pearson_r"):
        low, value, high = (float(scores[f"{name}{end}"][0]) for end in ("_low", "", "_high"))
        assert low < value < high
        assert np.isnan(scores[f"{name}_low"][1])
    assert 0 <= float(scores.p_pearson_r[0]) < 0.01
    again = validate(ds, ref, metrics=["bias", "pearson_r"], ci=options, p_values=True)
    xr.testing.assert_equal(scores, again)
    other = validate(ds, ref, metrics="bias", ci=options, seed=1)
    assert float(other.bias_low[0]) != float(scores.bias_low[0])


def test_dask_records_and_references():
    pytest.importorskip("dask")
    ds = grid()
    ref = stations([43.1, 41.0], [-4.8, -2.0], ds.time, [cell(ds, 2, 0, 0.05), cell(ds, 6, 6)])
    lazy = validate(ds.chunk(time=7, lat=3), ref.chunk(time=20))
    xr.testing.assert_identical(
        lazy.drop_attrs(deep=False), validate(ds, ref).drop_attrs(deep=False)
    )


def test_what_is_wrong_with_stations_is_said():
    ds = grid()
    ref = stations(43.1, -4.8, ds.time, cell(ds, 2, 0))
    with pytest.raises(InputError, match="no coordinates of the stations"):
        validate(ds, ref.drop_vars("lat"))
    with pytest.raises(InputError, match="reference is or holds a single series.*isel"):
        validate(ds, ref.isel(station=0))
    with pytest.raises(InputError, match="reference: soil_moisture has no values.*'station': 0"):
        validate(ds, ref.isel(station=[]))
    with pytest.raises(VariableNotFoundError, match="^reference: .*reference_var='name'"):
        validate(ds, ref.rename(soil_moisture="theta"))
    with pytest.raises(VariableNotFoundError, match="^reference: reference_var='x' is no data"):
        validate(ds, ref, reference_var="x")
    with pytest.raises(TimeAxisError, match="repeated or unsorted"):
        validate(ds, ref.isel(time=[0, 1, 1, 2]))
    with pytest.raises(TimeAxisError, match="has 1 repeated day"):
        validate(ds.isel(time=[0, 1, 1, 2]), ref)
    for wrong in ({"pairing": "median"}, {"sensors": "best"}, {"window": "x"}, {"match": "far"}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            validate(ds, ref, stations=wrong)


@pytest.mark.parametrize("scaling", ["mean_std", "min_max", "linear", "cdf"])
def test_what_cannot_be_scaled_says_why(scaling):
    ds = grid()
    ds.soil_moisture[:, 0, 9] = 0.2
    few = np.where(np.arange(60) < 2, cell(ds, 2, 0), np.nan)
    ref = stations(
        [43.0, 44.0, 43.0], [-5.0, -0.5, -5.0], ds.time, [cell(ds, 2, 0), cell(ds, 2, 0), few]
    )
    scores = validate(ds, ref, scaling=scaling, by="season")
    assert status(scores.isel(season=0)) == ["ok", "constant_series", "too_few_pairs"]
    other = ds.assign(soil_moisture=ds.soil_moisture.copy(data=ds.soil_moisture.values[:, ::-1]))
    maps = validate(ds, other, scaling=scaling, metrics="rmsd")
    assert maps.status.values[0, 9] == 4 and (maps.status.values == 0).sum() == 78


def test_sensing_depths_that_change_are_kept_per_network_as_their_mean():
    ds = grid()
    series = cell(ds, 2, 0)
    ref = stations(
        [43.1] * 3, [-4.8] * 3, ds.time, [series, series + 0.1, series + 0.2],
        network=["COSMOS", "COSMOS-UK", "COSMOS-Europe"], station_name=["a", "b", "c"],
        depth_from=[0.0, 0.0, 0.0],
    )  # fmt: skip
    sensed = np.array([[0.19], [0.12], [0.3]]) + np.linspace(-0.05, 0.05, 60)
    ref = ref.assign_coords(depth_to=(("station", "time"), sensed))
    with pytest.raises(InputError, match="none of the 3 sensors is within"):
        validate(ds, ref)
    scores = validate(ds, ref, stations={"depth": None}, by="network")
    np.testing.assert_allclose(scores.depth_to, [0.19, 0.12, 0.3])
    own = {n: scores.bias.sel(network=n).values for n in ("COSMOS", "COSMOS-UK", "COSMOS-Europe")}
    np.testing.assert_allclose(
        [own["COSMOS-UK"][1], own["COSMOS-Europe"][2]], [-0.1, -0.2], atol=1e-6
    )
    assert np.isnan(own["COSMOS"][1:]).all()


def test_a_table_of_values_becomes_stations(tmp_path):
    ds = grid(days=5)
    rows = pd.DataFrame({"time": np.tile(ds.time.values, 2), "station": np.repeat(["a", "b"], 5)})
    rows["soil_moisture"] = np.concatenate([cell(ds, 2, 0), cell(ds, 6, 6, 0.1)])
    rows["lat"], rows["lon"] = np.repeat([43.1, 41.0], 5), np.repeat([-4.8, -2.0], 5)
    rows.drop(index=7).to_csv(tmp_path / "sites.csv", index=False)
    table = pd.read_csv(tmp_path / "sites.csv", parse_dates=["time"])
    sites = table.set_index(["station", "time"])[["soil_moisture"]].to_xarray()
    sites["soil_moisture"].attrs["units"] = "m3 m-3"
    places = table.groupby("station")[["lat", "lon"]].first().to_xarray()
    scores = validate(ds, sites.assign_coords(lat=places["lat"], lon=places["lon"]))
    assert scores.station.values.tolist() == ["a", "b"]
    assert scores.n_obs.values.tolist() == [5, 4]
    np.testing.assert_allclose(scores.bias, [0, -0.1], atol=1e-6)
