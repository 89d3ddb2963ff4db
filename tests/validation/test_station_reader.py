"""Stations as they are read: dimension, flags, layers."""

import numpy as np
import pytest

from tests.validation.samples import cell, grid, stations
from xsm.errors import InputError
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
