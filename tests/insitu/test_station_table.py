"""Tables of stations in the forms that people have."""

import gzip
import logging

import numpy as np
import pandas as pd
import pytest

import xsm
from tests.validation.samples import grid
from xsm.errors import InputError, TimeAxisError, UnitError
from xsm.insitu import open_stations
from xsm.validate import validate

LONG = """station,time,soil_moisture,lat,lon,depth
A,2015-04-01 00:00,0.10,43.1,-4.8,0.05
A,2015-04-01 06:00,0.12,43.1,-4.8,0.05
A,2015-04-01 00:00,0.20,43.1,-4.8,0.20
B,2015-04-01 06:00,0.30,42.1,-3.8,0.05
"""
HERE = {"lat": 43.1, "lon": -4.8}


def written(folder, text, name="sites.csv"):
    path = folder / name
    path.write_text(text)
    return path


def series(ds, station=0):
    """Times and values of a sensor without the missing ones."""
    one = ds.soil_moisture.isel(station=station).dropna("time")
    return one.time.values.astype("datetime64[m]").astype(str).tolist(), one.values.tolist()


def frame(values=(0.1, 0.2, 0.3), name="soil_moisture", **more):
    times = pd.date_range("2015-04-01", periods=len(values), freq="6h")
    return pd.DataFrame({"time": times, name: list(values), **more})


def test_one_row_for_each_value(tmp_path):
    ds = open_stations(written(tmp_path, LONG))
    assert dict(ds.sizes) == {"station": 3, "time": 2}
    assert ds.soil_moisture.dims == ("station", "time")
    assert ds.soil_moisture.attrs["units"] == "m3 m-3" and ds.soil_moisture.dtype == np.float32
    assert ds.station_name.values.tolist() == ["A", "A", "B"]
    assert ds.depth_to.values.tolist() == [0.05, 0.2, 0.05]
    assert ds.lat.values.tolist() == [43.1, 43.1, 42.1]
    np.testing.assert_allclose(
        ds.soil_moisture.values, [[0.1, 0.12], [0.2, np.nan], [np.nan, 0.3]], rtol=1e-6
    )
    assert "flag" not in ds and "values_removed" not in ds.attrs
    scores = validate(grid(), ds)
    assert scores.station.values.tolist() == ["A", "B"]
    assert scores.attrs["stations_dropped"] == "stations: 1 of 3 sensors outside 0-0.05 m"
    assert xsm.open_stations is open_stations


@pytest.mark.parametrize("text", [
    LONG.replace(",", ";"),
    LONG.replace(",", "\t"),
    LONG.replace(",", ";").replace("0.", "0,").replace(".1,", ",1,").replace("4.8", "4,8")
        .replace("43.1", "43,1").replace("42.1", "42,1").replace("3.8", "3,8"),
    "\ufeff" + LONG,
    "# made by a logger\n# version: 3\n" + LONG,
    LONG.replace("\n", "\r\n"),
    LONG.replace("station,time,soil_moisture,lat,lon,depth",
                 "Site ID, Date Time (UTC),Soil Moisture [m3/m3],LATITUDE,Longitude (°),Depth (m)"),
    LONG.replace("station,", '"station",').replace("A,", '"A",'),
    LONG.replace("lon,depth", "lon,depth [cm]").replace("0.05\n", "5\n").replace("0.20\n", "20\n"),
    LONG.replace("lon,depth", "lon,depth_inch").replace("0.05\n", "2\n").replace("0.20\n", "8\n"),
    LONG.replace("soil_moisture", "VWC (%)").replace(",0.10,", ",10,").replace(",0.12,", ",12,")
        .replace(",0.20,4", ",20,4").replace(",0.30,", ",30,"),
])  # fmt: skip
def test_the_same_table_in_other_spellings(tmp_path, text):
    ds = open_stations(written(tmp_path, text))
    expected = open_stations(written(tmp_path, LONG, "plain.csv"))
    np.testing.assert_allclose(ds.soil_moisture, expected.soil_moisture, rtol=1e-6)
    np.testing.assert_allclose(ds.depth_to, expected.depth_to, rtol=0.02)
    for name in ("station_name", "lat", "lon", "time"):
        assert ds[name].values.tolist() == expected[name].values.tolist()


def test_gzipped_lists_and_folders(tmp_path):
    head, *rows = LONG.splitlines()
    for i, row in enumerate(rows):
        (tmp_path / f"{i}.csv.gz").write_bytes(gzip.compress(f"{head}\n{row}\n".encode()))
    for table in (tmp_path, sorted(tmp_path.glob("*.gz"))):
        ds = open_stations(table)
        assert ds.sizes["station"] == 3  # two files hold parts of one series
        assert series(ds)[1] == pytest.approx([0.1, 0.12])


def test_data_frames_and_their_index():
    long = pd.DataFrame({
        "station": ["A", "A"], "time": pd.to_datetime(["2015-04-01", "2015-04-02"]),
        "soil_moisture": [0.1, 0.2], "lat": 43.1, "lon": -4.8,
    })  # fmt: skip
    before = long.copy()
    for table in (long, long.set_index(["station", "time"]), long.set_index("time")):
        assert series(open_stations(table))[1] == pytest.approx([0.1, 0.2])
    pd.testing.assert_frame_equal(long, before)
    unnamed = long.set_index("time").rename_axis(None)
    assert series(open_stations([unnamed]))[0][0] == "2015-04-01T00:00"


def test_one_column_for_each_depth():
    table = pd.DataFrame({
        "Date": ["2015-04-01", "2015-04-02"], "SM_5cm (%)": [10.0, 11], "SM_0-10cm (%)": [20.0, 21],
        "Soil Moisture Percent -8in (pct)": [30.0, 31], "SM_5cm_std": 1, "soil_temp_5cm": 9,
    })  # fmt: skip
    ds = open_stations(table, lat=43.1, lon=-4.8, network="MINE")
    assert ds.depth_from.values.tolist() == [0.05, 0.0, 0.2032]
    assert ds.depth_to.values.tolist() == [0.05, 0.1, 0.2032]
    np.testing.assert_allclose(ds.soil_moisture[:, 0], [0.1, 0.2, 0.3], rtol=1e-6)
    assert set(ds.network.values) == {"MINE"} and ds.sensor.values[0] == "SM_5cm (%)"
    given = open_stations(table, depth={"SM_5cm (%)": (0, 0.07)}, lat=43.1, lon=-4.8)
    assert given.depth_to.values.tolist() == [0.07, 0.1, 0.2032]
    with pytest.raises(InputError, match="depth: no column of soil moisture 'SM_6cm'"):
        open_stations(table, depth={"SM_6cm": 0.06}, lat=43.1, lon=-4.8)


def test_centimetres_of_the_climate_reference_network():
    table = pd.DataFrame({
        "WBANNO": [3047, 3047], "LST_DATE": [20150401, 20150402], "LONGITUDE": -102.8,
        "LATITUDE": 31.6, "SOIL_MOISTURE_5_DAILY": [-99.0, 0.11],
        "SOIL_MOISTURE_10_DAILY": [0.2, 0.21], "SOIL_TEMP_5_DAILY": [10.0, 11],
    })  # fmt: skip
    ds = open_stations(table)
    assert ds.depth_to.values.tolist() == [0.05, 0.1]
    assert ds.station_name.values.tolist() == ["3047", "3047"]
    assert series(ds) == (["2015-04-02T00:00"], [pytest.approx(0.11)])
    assert ds.attrs["values_removed"] == "1 codes of missing values such as -99"


FLUXNET = """TIMESTAMP_START,TIMESTAMP_END,SWC_F_MDS_1,SWC_F_MDS_1_QC,SWC_F_MDS_2,SWC_F_MDS_2_QC
201504010000,201504010030,15.0,0,25.0,0
201504010030,201504010100,16.0,1,26.0,0
201504010100,201504010130,-9999,-9999,27.0,2
201504010130,201504010200,18.0,3,-9999,-9999
"""


def test_fluxnet_half_hours(tmp_path, caplog):
    path = written(tmp_path, FLUXNET, "FLX_US-Var_FLUXNET2015_FULLSET_HH_2000-2014_1-4.csv")
    with caplog.at_level(logging.WARNING, "xsm"):
        ds = open_stations(path, lat=38.4, lon=-120.95, timezone="UTC-8")
    assert "SWC_F_MDS_2: depth unknown, left out" in caplog.text
    assert ds.station_name.values.tolist() == ["US-Var"]
    assert "depth_to" not in ds.coords
    times, values = series(ds)
    assert times[0] == "2015-04-01T08:00" and values == pytest.approx([0.15, 0.16, 0.18])
    meanings = np.array(ds.flag.attrs["flag_meanings"].split())
    assert meanings[ds.flag[0]].tolist() == ["G", "filled_good", "filled_poor"]
    with caplog.at_level(logging.WARNING, "xsm"):
        both = open_stations(path, lat=38.4, lon=-120.95,
                             depth={"SWC_F_MDS_1": 0.0, "SWC_F_MDS_2": 0.1})  # fmt: skip
    assert "times are taken as UTC" in caplog.text
    assert both.depth_to.values.tolist() == [0.0, 0.1]
    assert both.attrs["values_removed"] == "2 codes of missing values such as -9999"
    lone = open_stations(path, lat=38.4, lon=-120.95, timezone=-8, depth={"SWC_F_MDS_2": 0.1})
    assert lone.depth_to.values.tolist() == [0.1]


def test_fluxnet_days_and_ameriflux(tmp_path, caplog):
    days = "TIMESTAMP,SWC_F_MDS_1,SWC_F_MDS_1_QC\n20150401,15,1\n20150402,16,0.2\n"
    path = written(tmp_path, days, "FLX_AU-Tum_FLUXNET2015_FULLSET_DD_2001-2014_2-4.csv")
    ds = open_stations(path, lat=-35.7, lon=148.2, timezone="UTC+10")
    assert ds.time.values.astype("datetime64[D]").astype(str).tolist() == [
        "2015-04-01",
        "2015-04-02",
    ]
    meanings = np.array(ds.flag.attrs["flag_meanings"].split())
    assert meanings[ds.flag[0]].tolist() == ["G", "filled_poor"]
    base = (
        "# Site: US-Ton\n# Version: 12-5\nTIMESTAMP_START,TIMESTAMP_END,SWC_1_1_1,SWC_2_1_1,"
        "SWC_1_2_1\n201504010000,201504010030,15,16,30\n201504010030,201504010100,17,18,31\n"
    )
    path = written(tmp_path, base, "AMF_US-Ton_BASE_HH_12-5.csv")
    metadata = pd.DataFrame({"SITE_ID": ["US-Ton"], "LOCATION_LAT": [38.4], "LOCATION_LONG": [-121],
                             "UTC_OFFSET": [-8], "IGBP": ["WSA"]})  # fmt: skip
    ds = open_stations(path, metadata=metadata)
    assert ds.sensor.values.tolist() == ["SWC_1_1_1", "SWC_2_1_1"]
    assert series(ds)[0][0] == "2015-04-01T08:00"
    assert ds.land_cover.values.tolist() == ["WSA", "WSA"] and "flag" not in ds
    fractions = written(
        tmp_path, base.replace("15,16,30", ".1,.1,.3").replace("17,18,31", ".1,.1,.3")
    )
    with pytest.raises(UnitError, match="SWC_1_1_1 is in percent by convention.*largest.*0.1"):
        open_stations(fractions, metadata=metadata)


def test_one_column_for_each_station(tmp_path):
    table = "date,Alpha,B1\n2015-04-01,0.1,0.3\n2015-04-02,0.2,\n"
    metadata = "name;latitude;longitude;depth_cm\nb1;42.0;-3.0;10\nALPHA;43.0;-4.0;5\n"
    ds = open_stations(written(tmp_path, table), metadata=written(tmp_path, metadata, "meta.txt"))
    assert ds.lat.values.tolist() == [43.0, 42.0] and ds.depth_to.values.tolist() == [0.05, 0.1]
    assert series(ds)[1] == pytest.approx([0.1, 0.2]) and series(ds, 1)[1] == pytest.approx([0.3])


def test_metadata_by_a_number_of_the_sensor():
    days = ["2015-04-01", "2015-04-01", "2015-04-02"]
    table = pd.DataFrame({"sensor_id": [0, 1, 1], "date": days, "value": [0.1, 0.2, 0.3]})
    metadata = pd.DataFrame({"sensor_id": [1, 0], "station": ["S", "R"], "network": ["N", "N"],
                             "lat": [41, 42], "lon": [1, 2], "sensor": ["x", "y"]})  # fmt: skip
    ds = open_stations(table, metadata=metadata)
    assert ds.station_name.values.tolist() == ["R", "S"]
    assert ds.lat.values.tolist() == [42, 41] and ds.sensor.values.tolist() == ["y", "x"]
    with pytest.raises(InputError, match="no latitude and longitude of 0"):
        open_stations(table, metadata=metadata[:1])
    with pytest.raises(InputError, match="none of the stations '0', '1' is in it"):
        open_stations(table, metadata=metadata.assign(sensor_id=[7, 8]))
    with pytest.raises(InputError, match="metadata has no columns of latitude"):
        open_stations(table, metadata=metadata.drop(columns="lat"))


def test_columns_units_and_depth_as_stated():
    table = frame((10, 20, 30), "Theta_1").rename(columns={"time": "Datum"})
    with pytest.raises(InputError, match="no column of soil moisture among"):
        open_stations(frame((1, 2), "wetness_index"), **HERE)
    columns = {"time": "Datum", "soil_moisture": "Theta_1"}
    ds = open_stations(table, columns=columns, units="%", depth=0.05, **HERE)
    assert series(ds)[1] == pytest.approx([0.1, 0.2, 0.3]) and ds.depth_from.item() == 0.05
    assert open_stations(table, columns=columns, units="%", depth=(0, 0.1), **HERE).depth_to == 0.1
    with pytest.raises(InputError, match="columns: unknown 'sm'"):
        open_stations(table, columns={"sm": "Theta_1"}, **HERE)
    with pytest.raises(InputError, match="no column 'Theta' in the table"):
        open_stations(table, columns={"soil_moisture": "Theta"}, **HERE)


def test_depths_without_a_unit():
    with pytest.raises(InputError, match=r"depth holds 5 and has no.*'depth \(cm\)'"):
        open_stations(frame(depth=5), **HERE)
    with pytest.raises(InputError, match=r"depth holds 5 and has no.*'depth \(cm\)'"):
        metadata = pd.DataFrame({"station": ["A"], "lat": 1, "lon": 2, "depth": 5})
        open_stations(frame(station="A"), metadata=metadata)


def test_a_position_above_the_header(tmp_path):
    text = "# Site: Foo\n# Latitude: 43.1\n# Longitude = -4.8\n# Network: N\ntime,sm\n"
    ds = open_stations(written(tmp_path, text + "2015-04-01,0.1\n"))
    assert [ds[n].item() for n in ("station_name", "lat", "lon", "network")] == [
        "Foo", 43.1, -4.8, "N",
    ]  # fmt: skip


def test_units_that_do_not_fit():
    with pytest.raises(UnitError, match=r"no unit and values from 10 to 30: state it"):
        open_stations(frame((10, 20, 30)), **HERE)
    with pytest.raises(UnitError, match=r"3 of 3 values of vwc.* in 'm3/m3' are outside"):
        open_stations(frame((10, 20, 30), "vwc (m3/m3)"), **HERE)
    with pytest.raises(UnitError, match="vwc"):
        open_stations(frame((10, 20, 30), "vwc [mm]"), **HERE)


def test_what_becomes_missing_is_counted(caplog):
    values = [0.1] * 30 + [-9999.0, -999, -0.01, np.nan]
    with caplog.at_level(logging.WARNING, "xsm"):
        ds = open_stations(frame(values, "vwc (m3/m3)"), **HERE)
    text = "2 codes of missing values such as -9999, 1 values outside 0..1 m3 m-3"
    assert ds.attrs["values_removed"] == text and text in caplog.text
    assert ds.soil_moisture.count() == 30
    words = open_stations(frame(["0.1", "NA", "-"]), **HERE)
    assert words.soil_moisture.count() == 1
    with pytest.raises(InputError, match="soil_moisture holds '<0.01': expected numbers"):
        open_stations(frame(["0.1", "<0.01", "0.2"]), **HERE)


def test_repeated_times_are_an_error_unless_the_first_or_the_mean_is_asked_for():
    table = frame().assign(time=pd.to_datetime(["2015-04-01", "2015-04-02", "2015-04-02"]))
    with pytest.raises(InputError, match=r"'station' has 0.2 and 0.3 at 2015-04-02"):
        open_stations(table, **HERE)
    first = open_stations(table, duplicates="first", **HERE)
    assert series(first)[1] == pytest.approx([0.1, 0.2])
    assert first.attrs["values_removed"] == "1 values at repeated times"
    assert series(open_stations(table, duplicates="mean", **HERE))[1] == pytest.approx([0.1, 0.25])
    equal = table.assign(soil_moisture=[0.1, 0.2, 0.2])
    assert open_stations(equal, **HERE).attrs["values_removed"] == "1 values at repeated times"
    with pytest.raises(InputError, match="duplicates='last': expected one of 'error"):
        open_stations(table, duplicates="last", **HERE)


@pytest.mark.parametrize("flags", [["G", "D01", "G", "D01"], ["D01", "G", "D01", "G"]])
def test_a_mean_of_repeated_times_is_of_the_good_values(flags):
    times = pd.to_datetime(["2015-04-01", "2015-04-01", "2015-04-02", "2015-04-03"])
    values = [0.2 if flag == "G" else 0.9 for flag in flags]
    table = frame(values, flag=flags).assign(time=times)
    ds = open_stations(table, duplicates="mean", **HERE)
    assert series(ds)[1] == pytest.approx([0.2, *values[2:]])
    meanings = np.array(ds.flag.attrs["flag_meanings"].split())
    assert meanings[ds.flag[0]].tolist() == ["G", *flags[2:]]


def test_flags_of_valid_values():
    table = frame(flag=[0, 1, 0])
    ds = open_stations(table, good_flags=[0], **HERE)
    meanings = np.array(ds.flag.attrs["flag_meanings"].split())
    assert meanings[ds.flag[0]].tolist() == ["G", "1", "G"]
    with pytest.raises(InputError, match=r"none of the 3 values has one of them.*'0' \(2 values"):
        validate(grid(), open_stations(table, **HERE))
    assert open_stations(frame(flag=["OK", "O", "K"]), good_flags="OK", **HERE).flag.attrs[
        "flag_meanings"
    ] == "none G K O"  # fmt: skip
    own = frame(soil_moisture_qc=["ok", "", "out of range"])
    ds = open_stations(own, good_flags=["ok", ""], **HERE)
    assert np.array(ds.flag.attrs["flag_meanings"].split())[ds.flag[0]].tolist() == [
        "G", "G", "out_of_range",
    ]  # fmt: skip


@pytest.mark.parametrize("times, options, expected", [
    (["2015-04-01T06:00Z", "2015-04-01T07:00Z"], {}, "2015-04-01T06:00"),
    (["2015-04-01 06:00+02:00", "2015-04-01 07:00+02:00"], {}, "2015-04-01T04:00"),
    (["2015-04-01 06:00+02:00", "2015-04-01 07:00+01:00"], {}, "2015-04-01T04:00"),
    (["2015-04-01 06:00", "2015-04-01 07:00"], {"timezone": "Europe/Berlin"}, "2015-04-01T04:00"),
    (["2015-04-01 06:00", "2015-04-01 07:00"], {"timezone": -7}, "2015-04-01T13:00"),
    (["2015-04-01", "2015-04-02"], {"timezone": "Asia/Tokyo"}, "2015-04-01T00:00"),
    (["2015-04-01 00:00+09:00", "2015-04-02 00:00+09:00"], {}, "2015-04-01T00:00"),
    (["13/04/2015 06:00", "14/04/2015 06:00"], {}, "2015-04-13T06:00"),
    (["04/13/2015 06:00", "04/14/2015 06:00"], {}, "2015-04-13T06:00"),
    (["03/04/2015", "04/04/2015"], {"time_format": "%d/%m/%Y"}, "2015-04-03T00:00"),
    ([20150401, 20150402], {}, "2015-04-01T00:00"),
    ([201504010630.0, 201504010700.0], {}, "2015-04-01T06:30"),
    (["Apr 1 2015 6:00", "Apr 2 2015 6:00"], {}, "2015-04-01T06:00"),
    (pd.period_range("2015-04", periods=2, freq="h"), {}, "2015-04-01T00:00"),
    (pd.date_range("2015-04-01 06:00", periods=2, tz="America/Denver"), {}, "2015-04-01T12:00"),
])  # fmt: skip
def test_times_are_utc(times, options, expected):
    table = pd.DataFrame({"time": times, "soil_moisture": [0.1, 0.2]})
    assert series(open_stations(table, **HERE, **options))[0][0] == expected


def test_values_without_a_time_are_counted(caplog):
    hours = ["2015-10-25 01:00", "2015-10-25 02:00", "2015-10-25 03:00", None, None]
    values = [0.1, 0.2, 0.3, 0.4, np.nan]  # 2:00 occurs twice in Berlin
    table = pd.DataFrame({"time": hours, "soil_moisture": values})
    with caplog.at_level(logging.WARNING, "xsm"):
        ds = open_stations(table, timezone="Europe/Berlin", **HERE)
    text = "2 values whose time is missing, or occurs twice or never in its time zone"
    assert ds.attrs["values_removed"] == text and text in caplog.text
    assert series(ds)[0] == ["2015-10-24T23:00", "2015-10-25T02:00"]
    ds = open_stations(table[:3], **HERE)
    assert "values_removed" not in ds.attrs and ds.sizes["time"] == 3


def test_times_in_several_columns():
    for columns in (
        {"year": [2015, 2015], "month": 4, "day": 1, "hour": [6, 7], "minute": 30},
        {"year": [2015, 2015], "doy": 91, "hour": [6, 7], "minute": 30},
        {"date": ["2015-04-01"] * 2, "time": ["06:30", "07:30"]},
        {"Date": [20150401] * 2, "HH:MM": ["06:30", "07:30"]},
    ):
        table = pd.DataFrame(columns | {"vwc": [0.1, 0.2]})
        assert series(open_stations(table, **HERE))[0] == ["2015-04-01T06:30", "2015-04-01T07:30"]


@pytest.mark.parametrize(
    "dates, clocks, options, minutes",
    [
        ([20150101] * 3, [0, 30, 1330], {}, [0, 30, 810]),
        ([20150101] * 3, [0.0, 30.0, 2400.0], {}, [0, 30, 1440]),
        ([20150101] * 3, ["0000", "0030", "2400"], {}, [0, 30, 1440]),
        (["2015-01-01"] * 3, [1, 6, 24], {}, [60, 360, 1440]),
        (["2015-01-01"] * 3, ["01:00", "06:30", "24:00"], {}, [60, 390, 1440]),
        ([20150101] * 3, [0, 30, 1330], {"time_format": "%Y%m%d %H%M"}, [0, 30, 810]),
        (["01/01/2015"] * 2, ["6:00", "24:00"], {"time_format": "%d/%m/%Y %H:%M"}, [360, 1440]),
        (["2015-01-01T23:00", "2015-01-01T24:00:00"], None, {}, [1380, 1440]),
        (["31.01.2015 23:00", "31.01.2015 24:00"], None, {}, [44580, 44640]),
        # all at the end of the day: daily values, of the days that end
        (["2015-01-01 24:00", "2015-01-02 24:00"], None, {}, [0, 1440]),
    ],
)
def test_clocks_are_hours_and_minutes_up_to_24(dates, clocks, options, minutes):
    table = pd.DataFrame({"date": dates, "soil_moisture": 0.2})
    if clocks is not None:
        table["time"] = clocks
    ds = open_stations(table, lat=40.0, lon=-5.0, depth=0.05, **options)
    found = (ds.time.values - np.datetime64("2015-01-01")) / np.timedelta64(1, "m")
    assert found.tolist() == minutes


def test_what_is_no_date_is_an_error():
    for times, message in (
        (["03/04/2015", "04/04/2015"], "month is ambiguous.*time_format"),
        (["soon", "later"], "holds 'soon' and the like, which are no dates"),
        ([1, 2], "holds '1' and the like"),
    ):
        with pytest.raises(TimeAxisError, match=message):
            open_stations(pd.DataFrame({"time": times, "soil_moisture": [0.1, 0.2]}), **HERE)
    with pytest.raises(TimeAxisError, match="no column of times among 'soil_moisture'"):
        open_stations(pd.DataFrame({"soil_moisture": [0.1]}), **HERE)
    with pytest.raises(InputError, match="timezone='Mars/Base'"):
        open_stations(frame(), timezone="Mars/Base", **HERE)


def test_a_station_without_one_position_is_an_error():
    with pytest.raises(InputError, match="no latitude and longitude of station"):
        open_stations(frame())
    with pytest.raises(InputError, match="expected both or none"):
        open_stations(frame(), lat=1.0)
    two = frame(station=["A", "B", "B"])
    with pytest.raises(InputError, match=r"one position for 2 stations \(A, B\)"):
        open_stations(two, **HERE)
    moved = frame(station="A", lat=[40.0, 40.0, 41.0], lon=-4.8)
    with pytest.raises(InputError, match="station 'A' has several positions: lat from 40 to 41"):
        open_stations(moved)


@pytest.mark.parametrize("table, given", [
    (frame(lat=140.0, lon=35.0), {}), (frame(), {"lat": 140.0, "lon": 35.0}),
    (frame(), {"lat": 43.1, "lon": 512000.0}),
])  # fmt: skip
def test_positions_are_on_earth(table, given):
    with pytest.raises(InputError, match=r"latitude (140|43.1) and the longitude (35|512000): exp"):
        open_stations(table, **given)


def test_bad_tables_are_left_out_and_named(tmp_path, caplog):
    written(tmp_path, LONG)
    written(tmp_path, "nothing here\n", "a_notes.csv")
    with caplog.at_level(logging.WARNING, "xsm"):
        ds = open_stations(tmp_path)
    assert ds.sizes["station"] == 3
    assert ds.attrs["skipped_files"].splitlines()[0] == "1 of 2 files"
    assert "a_notes.csv" in ds.attrs["skipped_files"] and "1 of 2 files" in caplog.text
    with pytest.raises(InputError, match=r"no line of a_notes.csv names a time .*'Theta'\}\.$"):
        open_stations(tmp_path / "a_notes.csv")
    with pytest.raises(InputError, match="is not there"):
        open_stations(tmp_path / "none.csv")


def test_a_table_of_many_sensors(real_data):
    folder = real_data / "insitu"
    if not (folder / "us_stations.csv").exists():
        pytest.skip("no us_stations.csv")
    from benchmarks.validation.us_stations import us_stations

    ds = open_stations(folder / "us_stations_daily.csv.gz", metadata=folder / "us_stations.csv")
    expected = us_stations(folder)
    assert ds.sizes["station"] == 331
    order = np.lexsort([ds.sensor, ds.depth_to, ds.station_name, ds.network])
    same = np.lexsort([expected.sensor, expected.depth_to, expected.station_name, expected.network])
    ours, theirs = ds.isel(station=order), expected.isel(station=same)
    for name in ("network", "station_name", "sensor", "lat", "lon", "depth_from", "depth_to"):
        assert ours[name].values.tolist() == theirs[name].values.tolist()
    np.testing.assert_array_equal(
        ours.soil_moisture.reindex(time=theirs.time),
        theirs.soil_moisture.where(theirs >= 0).soil_moisture,
    )
