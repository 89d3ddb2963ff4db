"""Text files of SMAP core validation sites, in the form of their names and column headers."""

import numpy as np
import pytest

from tests.validation.samples import grid
from xsm.errors import InputError
from xsm.insitu import open_smap_core
from xsm.validate import validate

HEAD = "SMAP core site\nYr, Mo, Day, Hr, Min, SM-1, Q-FLG-1, WASM, N\n-, -, -, -, -, m3/m3\n"
LOCATIONS = {"1601": (43.25, -4.25), "48010901": (41.0, -2.0)}


def written(folder, pixel="16010901", product="SMAPL2SMPE", values=(0.11, -9999.0, 0.13)):
    rows = [f"2015, 4, {k + 1}, 13, 4{k}, 0.2, 8, {value}, 12" for k, value in enumerate(values)]
    path = folder / f"NSIDC-0712_{pixel}_{product}_R16010_20150401_20180323.txt"
    path.write_text(HEAD + "\n\n" + "\n".join(rows) + "\n")
    return path


def test_a_file_is_a_station_with_its_metadata(tmp_path):
    ds = open_smap_core(written(tmp_path), LOCATIONS)
    np.testing.assert_allclose(ds.soil_moisture.values, [[0.11, np.nan, 0.13]], rtol=1e-6)
    assert ds.soil_moisture.attrs["units"] == "m3 m-3"
    assert ds.time.values[1] == np.datetime64("2015-04-02T13:41")
    names = ("network", "station_name", "sensor", "lat", "lon", "depth_from", "depth_to", "grid")
    assert [ds[name].item() for name in names] == [
        "SMAP core sites", "16010901", "SMAPL2SMPE", 43.25, -4.25, 0.0, 0.05, 9,
    ]  # fmt: skip


def test_a_folder_and_one_of_its_grids(tmp_path):
    written(tmp_path)
    (tmp_path / "more").mkdir()
    written(tmp_path / "more", pixel="16013602", product="SMAPL2SMP")
    written(tmp_path, pixel="48010901", values=[0.3])
    ds = open_smap_core(tmp_path, LOCATIONS)
    assert ds.station_name.values.tolist() == ["16010901", "48010901", "16013602"]
    assert ds.lat.values.tolist() == [43.25, 41.0, 43.25]
    nine = open_smap_core(tmp_path, LOCATIONS, grid=9)
    assert nine.station_name.values.tolist() == ["16010901", "48010901"]
    with pytest.raises(InputError, match=r"grid=3: the pixels there are of \[9, 36\] km"):
        open_smap_core(tmp_path, LOCATIONS, grid=3)


def test_a_bad_file_is_left_out_and_named(tmp_path):
    written(tmp_path)
    bad = written(tmp_path, pixel="48010901")
    bad.write_text("")
    ds = open_smap_core(tmp_path, LOCATIONS)
    assert ds.station_name.values.tolist() == ["16010901"] and ds.grid.values.tolist() == [9]
    assert bad.name in ds.attrs["skipped_files"] and "flag" not in ds


def test_a_pixel_of_9_km_against_the_mean_of_four_cells(tmp_path):
    ds = grid(days=3)
    values = ds.soil_moisture.values[:, 1:3, 1:3].mean((1, 2))
    sites = open_smap_core(written(tmp_path, values=values), LOCATIONS)
    scores = validate(ds, sites, stations={"match": "mean_2x2"})
    assert scores.network.values.tolist() == ["SMAP core sites"]
    np.testing.assert_allclose(scores.rmsd, 0, atol=1e-6)


def test_what_is_no_such_file_says_so(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        open_smap_core(tmp_path / "none.txt", LOCATIONS)
    with pytest.raises(InputError, match="no file named like NSIDC-0712_"):
        open_smap_core(tmp_path, LOCATIONS)
    with pytest.raises(InputError, match="locations holds neither '16010901' nor '1601'"):
        open_smap_core(written(tmp_path), {"0401": (0, 0)})
    path = written(tmp_path)
    path.write_text("Yr, Mo, Day\n1, 2, 3\n")
    with pytest.raises(InputError, match="name no columns Yr, Mo, Day, Hr, Min and WASM"):
        open_smap_core(path, LOCATIONS)


def test_of_repeated_times_the_first_value_is_taken_and_the_others_are_counted(tmp_path, caplog):
    path = written(tmp_path, values=(-9999.0, 0.11, 0.13, 0.12, 0.14))
    text = path.read_text()
    for day, minute in ((2, 41), (4, 43)):  # days 1 and 2 at one time, and days 3 and 4
        text = text.replace(f"4, {day}, 13, {minute}", f"4, {day - 1}, 13, {minute - 1}")
    path.write_text(text)
    ds = open_smap_core(tmp_path, LOCATIONS)
    np.testing.assert_allclose(ds.soil_moisture.values, [[0.11, 0.13, 0.14]], rtol=1e-6)
    assert ds.attrs["values_removed"] == "1 values at repeated times"
    assert "1 values at repeated times" in caplog.text


@pytest.mark.parametrize("place", [(-110.0, 31.7), "31.7 -110", (41.0,), (np.nan, 0.0)])
def test_a_location_is_a_latitude_and_a_longitude(tmp_path, place):
    with pytest.raises(InputError, match=r"locations\['1601'\]=.*expected a latitude of -90 to 90"):
        open_smap_core(written(tmp_path), {"1601": place})
