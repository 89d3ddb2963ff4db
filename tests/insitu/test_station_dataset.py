"""Series of sensors on one time axis."""

import logging

import numpy as np
import pandas as pd
import pytest

from xsm.insitu.station_dataset import (
    NO_FLAG,
    Sensor,
    daily_mean,
    has_flag,
    station_dataset,
    text_column,
)


def sensor(days, values, flags, **metadata) -> Sensor:
    times = np.array(days, "datetime64[ns]")
    return Sensor(metadata, times, np.array(values, np.float32), np.array(flags))


def test_series_of_different_times_share_an_axis():
    ds = station_dataset(
        [
            sensor(["2015-04-01", "2015-04-03"], [0.1, 0.3], ["G", "D03"], network="A", lat=41.0),
            sensor(["2015-04-02"], [0.2], ["G"], network="B", elevation=700),
        ],
        source="test",
    )
    np.testing.assert_array_equal(
        ds.soil_moisture, np.float32([[0.1, np.nan, 0.3], [np.nan, 0.2, np.nan]])
    )
    meanings = ds.flag.attrs["flag_meanings"].split()
    assert meanings[0] == NO_FLAG
    assert np.array(meanings)[ds.flag.values].tolist() == [
        ["G", NO_FLAG, "D03"],
        [NO_FLAG, "G", NO_FLAG],
    ]
    assert ds.network.values.tolist() == ["A", "B"]
    np.testing.assert_array_equal(ds.lat, [41.0, np.nan])
    np.testing.assert_array_equal(ds.elevation, [np.nan, 700.0])
    assert "sensor" not in ds.coords and ds.attrs["source"] == "test"


def test_flags_of_several_words_and_missing_flags():
    ds = station_dataset(
        [
            sensor(["2015-04-01", "2015-04-02"], [0.1, 0.3], ["out of range", ""]),
            Sensor({}, np.array(["2015-04-02"], "datetime64[ns]"), np.float32([0.2]),
                   pd.Categorical([None], ["G"])),
        ],
        source="test",
    )  # fmt: skip
    meanings = np.array(ds.flag.attrs["flag_meanings"].split())
    assert meanings[ds.flag.values].tolist() == [["out_of_range", NO_FLAG], [NO_FLAG, NO_FLAG]]


def test_daily_means_of_valid_values():
    times = ["2015-04-01T00", "2015-04-01T23", "2015-04-02T00", "2015-04-03T05", "2015-04-04T01"]
    one = sensor(times, [0.1, 0.2, 0.3, np.nan, 0.4], ["G", "G", "G", "G", "D01"])
    day = daily_mean(one, ["G"])
    assert day.time.astype("datetime64[D]").astype(str).tolist() == ["2015-04-01", "2015-04-02"]
    np.testing.assert_allclose(day.values, [0.15, 0.3], rtol=1e-6)
    assert daily_mean(one, None).values.size == 3
    assert daily_mean(one, ["D05"]).values.size == 0
    assert has_flag(one.flags, ["D01"]).tolist() == [False] * 4 + [True]


def test_a_large_dataset_warns(monkeypatch, caplog):
    monkeypatch.setattr("xsm.insitu.station_dataset.LARGE", 4)
    with caplog.at_level(logging.WARNING, "xsm"):
        station_dataset([sensor(["2015-04-01"], [0.1], ["G"])], source="test")
    assert "1 sensors at 1 times" in caplog.text and "daily means" in caplog.text


@pytest.mark.parametrize("values, texts", [
    (np.array([2001, 2057]), ["2001", "2057"]),
    (np.array([2001.0, 20.5]), ["2001", "20.5"]),
    (np.array([b"Yanco", b"M1"]), ["Yanco", "M1"]),
    (np.array([b"Yanco", "M1", 7, None, np.nan], object), ["Yanco", "M1", "7", "", ""]),
    (pd.Series(["a", None], dtype="string").array, ["a", ""]),
    (pd.Categorical(["b", "a"]), ["b", "a"]),
])  # fmt: skip
def test_names_of_any_dtype_are_texts(values, texts):
    assert text_column(values).tolist() == texts
