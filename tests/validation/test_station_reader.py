"""Stations as they are read: dimension, flags, layers."""

import datetime
import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.validation.samples import cell, grid, stations
from xsm.errors import InputError, UnitError
from xsm.validate import validate
from xsm.validation.station_reader import read_stations, station_dim


def with_flags(words, count=1):
    """Stations of 60 days; `words` are the flags of one after the other, repeated."""
    ds = grid()
    flags = np.resize(np.array(words), (count, 60))
    values = [cell(ds, 2, 0)] * count
    ref = stations([43.1] * count, [-4.8] * count, ds.time, values)
    return ds, ref.assign(flag=(("station", "time"), flags))


def test_stations_are_told_by_their_dimension():
    ds, ref = with_flags(["G"])
    assert station_dim(ref) == "station" and station_dim(ds) is None and station_dim("x") is None
    assert station_dim(ref.rename(station="site")) == "site"
    assert station_dim(ref.rename(station="site").soil_moisture) == "site"


def test_flags_that_no_value_has_are_an_error():
    ds, ref = with_flags(["good", "good", "frozen"])
    with pytest.raises(
        InputError, match=r"flags=\('G',\): none of the 60 values.*'good' \(40.*'frozen' \(20"
    ):
        validate(ds, ref)
    assert validate(ds, ref, stations={"flags": "good"}).n_obs.item() == 40
    assert validate(ds, ref, stations={"flags": None}).n_obs.item() == 60


def test_codes_that_no_value_has_are_an_error_with_their_meanings():
    ds, ref = with_flags(np.array([1, 2], "int8"))
    ref.flag.attrs = {"flag_values": [0, 1, 2], "flag_meanings": "G D01 D02"}
    with pytest.raises(InputError, match=r"flags=\('G',\).*'D01' \(30 values\).*'D02' \(30"):
        validate(ds, ref)
    assert validate(ds, ref, stations={"flags": ("D01", "D02")}).n_obs.item() == 60


def test_flags_of_missing_values_do_not_count():
    _, ref = with_flags(["G", "D01"])
    missing = ref.where(ref.flag == "D01", drop=False).assign(flag=ref.flag)
    with pytest.raises(InputError, match=r"none of the 30 values has one of them"):
        read_stations(missing)
    nothing = ref.assign(soil_moisture=ref.soil_moisture * np.nan, flag=ref.flag.where(False, "X"))
    nothing.soil_moisture.attrs["units"] = "m3 m-3"
    assert read_stations(nothing).isnull().all()


def test_one_station_without_valid_values_is_a_status():
    ds, ref = with_flags(["G"], count=2)
    ref.flag[1] = "D01"
    scores = validate(ds, ref)
    assert scores.n_obs.values.tolist() == [60, 0] and scores.status.values.tolist() == [0, 5]


def test_dask_stations_give_the_same():
    pytest.importorskip("dask")
    _, ref = with_flags(["G", "D01"], count=3)
    lazy = read_stations(ref.chunk(time=11))
    assert lazy.chunks is None
    np.testing.assert_array_equal(lazy, read_stations(ref))


def at_depths(depths, network=None, **attrs):
    """Stations on one cell, a sensor for each depth."""
    ds = grid()
    count = len(depths)
    about = {} if network is None else {"network": network}
    ref = stations([43.1] * count, [-4.8] * count, ds.time, [cell(ds, 2, 0)] * count, **about)
    return ds, ref.assign_coords(depth=("station", depths, attrs))


@pytest.mark.parametrize("depths, attrs", [
    ([0.05, 0.0508, 0.1016], {}),
    ([5, 5.08, 10.16], {"units": "cm"}),
    ([2, 2, 4], {"units": "inch"}),
    ([-2, -2, -4], {"units": "inch"}),
    ([-0.05, -0.0508, -0.1], {"units": "m", "positive": "up"}),
    (np.array([0.05, 0.0508, 0.1], object), {}),
])  # fmt: skip
def test_depths_in_any_unit_and_direction(depths, attrs):
    _, ref = at_depths(depths, **attrs)
    assert read_stations(ref).sizes["station"] == 2
    np.testing.assert_allclose(read_stations(ref, depth=None).depth_to[:2], 0.05, atol=1e-3)


def test_a_dimension_of_depths_in_centimetres():
    _, ref = at_depths([0.05])
    levels = ref.drop_vars("depth").expand_dims(depth=[5.0, 20.0])
    levels["depth"].attrs["units"] = "cm"
    assert read_stations(levels).depth_to.values.tolist() == [0.05]
    levels["depth"].attrs = {}
    with pytest.raises(InputError, match="depth holds 20 and has no attribute 'units'"):
        read_stations(levels)


def test_one_depth_for_all_and_layers_below_zero():
    _, ref = at_depths([0.05, 0.05])
    assert (
        read_stations(ref.drop_vars("depth").assign_coords(depth=0.1), depth=(0, 0.1)).size == 120
    )
    with pytest.raises(InputError, match="none of the 2 sensors is within.*0.1-0.1 m"):
        read_stations(ref.drop_vars("depth").assign_coords(depth=0.1))
    upside = ref.drop_vars("depth").assign_coords(
        depth_from=("station", [0.0, -0.1]), depth_to=("station", [-0.05, -0.3])
    )
    out = read_stations(upside, depth=None)
    assert out.depth_from.values.tolist() == [0, 0.1] and out.depth_to.values.tolist() == [
        0.05,
        0.3,
    ]


def test_what_a_selection_drops_is_reported_per_network(caplog):
    ds, ref = at_depths([0.05, 0.2, 0.1, 0.05, 0.05], ["SCAN", "SCAN", "SCAN", "ARM", "COSMOS"])
    flags = np.full((5, 60), "G", object)
    flags[0, :7] = "D01"
    flags[1] = "D01"  # dropped by its depth already
    flags[3, :9] = "D02"
    ref = ref.assign(flag=(("station", "time"), flags))
    text = (
        "SCAN: 2 of 3 sensors outside 0-0.05 m, 7 of 60 values without flag G; "
        "ARM: 9 of 60 values without flag G"
    )
    with caplog.at_level(logging.INFO, "xsm"):
        scores = validate(ds, ref)
    assert scores.attrs["stations_dropped"] == text
    assert text in caplog.text
    both = validate(ds, [ref, at_depths([0.05, 0.5])[1]])
    assert both.attrs["stations_dropped"] == text + "; stations: 1 of 2 sensors outside 0-0.05 m"
    everything = validate(ds, ref, stations={"depth": None, "flags": None})
    assert "stations_dropped" not in everything.attrs
    triple = validate(ds, (ds.rename(soil_moisture="sm"), ref))
    assert triple.attrs["stations_dropped"] == text


@pytest.mark.parametrize("ids, texts", [
    (np.array([2001, 2057]), ["2001", "2057"]),
    (np.array([2001.0, 2057.0]), ["2001", "2057"]),
    (np.array([b"Yanco", b"M1"]), ["Yanco", "M1"]),
    (np.array([2001, "M1"], object), ["2001", "M1"]),
    (np.array(["a", "b"]), ["a", "b"]),
])  # fmt: skip
def test_ids_of_any_dtype_name_the_scores(ids, texts):
    ds, ref = at_depths([0.05, 0.05])
    scores = validate(ds, ref.assign_coords(station=ids))
    assert scores.station.values.tolist() == texts
    assert scores.station_name.values.tolist() == texts
    named = ref.assign_coords(station=ids, station_name=("station", [b"A", "B"]))
    scores = validate(ds, named)
    assert scores.station.values.tolist() == ["A", "B"]
    assert scores.station_id.values.tolist() == texts
    by_role = ref.assign_coords(code=("station", ids, {"cf_role": "timeseries_id"}))
    assert validate(ds, by_role).station.values.tolist() == texts


def test_metadata_of_object_dtype():
    ds, ref = at_depths([0.05, 0.05], network=np.array([b"ARM", b"ARM"]))
    objects = {n: ("station", np.array(ref[n].values, object)) for n in ("lat", "lon")}
    objects["elevation"] = ("station", np.array([10, "20.5"], object))
    scores = validate(ds, ref.assign_coords(objects))
    assert scores.lat.dtype == float and scores.elevation.values.tolist() == [10.0, 20.5]
    assert scores.network.values.tolist() == ["ARM", "ARM"]
    with pytest.raises(InputError, match=r"lat holds \['north', 'south'\]: expected numbers"):
        validate(ds, ref.assign_coords(lat=("station", ["north", "south"])))


def utc_hours(ds):
    """Six-hourly stations in UTC, whose daily means differ from those of another zone."""
    time = pd.date_range("2015-04-01", periods=240, freq="6h", unit="ns")
    values = 0.2 + 0.1 * np.sin(np.arange(240.0) / 2)
    return time, stations([43.1], [-4.8], time, [values])


@pytest.mark.parametrize("convert", [
    lambda time: time.tz_localize("UTC"),
    lambda time: time.tz_localize("UTC").tz_convert("America/Denver"),
    lambda time: time.to_period("h"),
    lambda time: np.array([t.to_pydatetime(warn=False) for t in time], object),
    lambda time: np.array([
        t.to_pydatetime(warn=False).replace(tzinfo=datetime.UTC) for t in time
    ], object),
])  # fmt: skip
def test_times_of_any_dtype_are_utc(convert):
    ds = grid()
    time, ref = utc_hours(ds)
    out = read_stations(ref.assign_coords(time=convert(time)))
    np.testing.assert_array_equal(out.time.values.astype("datetime64[ns]"), time.values)
    expected = validate(ds, ref, keep_pairs=True)
    scores = validate(ds, ref.assign_coords(time=convert(time)), keep_pairs=True)
    np.testing.assert_array_equal(scores.reference, expected.reference)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Denver", "UTC"])
def test_days_of_a_zone_keep_their_date(zone):
    ds, ref = at_depths([0.05])
    local = ref.assign_coords(time=ref.indexes["time"].tz_localize(zone))
    assert read_stations(local).time.values[0] == np.datetime64("2015-04-01")
    np.testing.assert_allclose(validate(ds, local).rmsd, 0, atol=1e-6)


def test_the_stations_do_not_change():
    _, ref = at_depths(np.array([-5.0, -10]), units="cm")
    before = ref.copy(deep=True)
    read_stations(ref)
    xr.testing.assert_identical(ref, before)


def test_codes_of_missing_values_are_an_error_that_names_the_station():
    ds, ref = at_depths([0.05] * 3, ["N"] * 3)
    ref = ref.assign_coords(station=[11, 12, 13])
    ref.soil_moisture[1, 5] = -9999
    for obj in (ref, ref.chunk(time=7)):
        with pytest.raises(UnitError, match=r"stations: 12: soil_moisture.*-9999"):
            validate(ds, obj)
    flags = np.full((3, 60), "G")
    flags[1, 5] = "M"
    flagged = ref.assign(flag=(("station", "time"), flags))
    assert validate(ds, flagged).n_obs.values.tolist() == [60, 59, 60]
    percent = ref.assign(soil_moisture=(ref.soil_moisture * 100).assign_attrs(units="m3 m-3"))
    with pytest.raises(UnitError, match=r"stations: 11, 12, 13: soil_moisture.*percent"):
        validate(ds, percent)


def test_declared_ranges_of_stations_count():
    ds, ref = at_depths([0.05])
    ref.soil_moisture[0, :4] = 0.9
    ref.soil_moisture.attrs["valid_max"] = 0.6
    assert validate(ds, ref).n_obs.values.tolist() == [56]


def test_flags_are_found_beside_a_variable_and_along_fewer_dimensions():
    ds, ref = with_flags(["G", "D01"], count=2)
    assert validate(ds, ref.set_coords("flag").soil_moisture).n_obs.values.tolist() == [30, 30]
    of_stations = ref.assign(flag=("station", ["D01", "G"]))
    assert validate(ds, of_stations).n_obs.values.tolist() == [0, 60]
    of_days = ref.assign(flag=("time", np.resize(["G", "D01", "D01"], 60)))
    assert validate(ds, of_days).n_obs.values.tolist() == [20, 20]


def test_blanks_around_a_flag_do_not_count():
    ds, ref = with_flags([b"G ", b"D01"])
    assert validate(ds, ref).n_obs.item() == 30


def test_sensors_at_one_depth_in_other_units_and_dtypes_are_in_one_layer():
    ds, ref = with_flags(["G"])

    def sensor(name, depth, units="m"):
        depth = ("station", np.atleast_1d(depth), {"units": units})
        return ref.assign_coords(station_name=("station", [name]), depth=depth)

    # as numbers these are three: 0.07, 0.07000000000000001 and 0.07000000029802322
    same = [
        sensor("A", 0.07), sensor("B", 7.0, "cm"), sensor("A", np.float32(0.07)),
    ]  # fmt: skip
    options = {"stations": {"depth": None}, "metrics": "bias"}
    scores = validate(ds, same, by="depth", **options)
    assert scores.station.values.tolist() == ["A", "B"]
    assert scores.depth.values.tolist() == ["0.07 m"]
    assert scores.n_obs.values.tolist() == [[60], [60]]
    edges = validate(ds, same, by={"depth": [0, 0.07, 0.2]}, **options)
    assert edges.n_obs.values.tolist() == [[60], [60]]
