"""Series of sensors on one time axis."""

import numpy as np

from xsm.insitu.station_dataset import NO_FLAG, Sensor, station_dataset


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
