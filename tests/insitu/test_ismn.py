"""Files of the ISMN in both formats, alone, in folders and zipped."""

import logging
import zipfile

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import grid
from xsm.errors import InputError, XsmError
from xsm.insitu import open_ismn
from xsm.validate import validate

HOURS = ["2015/04/01 00:00", "2015/04/01 01:00", "2015/04/01 02:00"]


def header_values(folder, network="NETA", station="one", start=0.05, end=0.05, lines=None):
    """Write a file in the format header + values."""
    lines = lines or [f"{hour} {0.1 + i / 100:8.4f} G M" for i, hour in enumerate(HOURS)]
    name = f"{network}_{network}_{station}_sm_{start:.6f}_{end:.6f}_Probe-X_20150401_20150402.stm"
    directory = folder / network / station
    directory.mkdir(parents=True, exist_ok=True)
    head = (
        f"{network}  {network}  {station}  41.50000  -3.25000 812.00 {start:.2f} {end:.2f} Probe-X"
    )
    (directory / name).write_text("\n".join([head, *lines]) + "\n")
    return directory / name


def ceop(folder, network="NETB", station="two"):
    """Write a file in the format CEOP in separate files: 15 columns, no header."""
    name = f"{network}_{network}_{station}_sm_0.000000_0.050000_Probe-Y_20150401_20150402.stm"
    directory = folder / network / station
    directory.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{hour} {hour} {network} {network} {station} 42.00000 -4.00000 700.00 0.00 0.05 "
        f"{0.2 + i / 100:.4f} {flag} M"
        for i, (hour, flag) in enumerate(zip(HOURS, ("G", "D03,D05", "G"), strict=True))
    ]
    (directory / name).write_text("\n".join(rows) + "\n")
    return directory / name


STATIC = """quantity_name;unit;depth_from[m];depth_to[m];value;description;quantity_source_name
land cover classification;unitless;;;130;Grassland;CCI_landcover_2010
climate classification;unitless;;;Csa;Temperate;koeppen_geiger_2007
"""


@pytest.fixture
def archive(tmp_path):
    """A folder with two networks, three sensors and the static variables of one station."""
    header_values(tmp_path, lines=[f"{HOURS[0]}   0.1100 G M", f"{HOURS[2]}   0.1300 U M"])
    header_values(tmp_path, start=0.2, end=0.2)
    ceop(tmp_path)
    (tmp_path / "NETA/one/NETA_NETA_one_static_variables.csv").write_text(STATIC)
    (tmp_path / "NETA/one/NETA_NETA_one_ts_0.050000_0.050000_T_20150401_20150402.stm").write_text(
        ""
    )
    return tmp_path


def flag_texts(ds):
    meanings = np.array(ds.flag.attrs["flag_meanings"].split())
    return meanings[ds.flag.values]


def test_header_and_values_alone(tmp_path):
    ds = open_ismn(header_values(tmp_path))
    assert ds.soil_moisture.dims == ("station", "time")
    np.testing.assert_allclose(ds.soil_moisture.values, [[0.10, 0.11, 0.12]], rtol=1e-6)
    assert ds.soil_moisture.attrs["units"] == "m3 m-3"
    assert ds.time.values[1] == np.datetime64("2015-04-01T01:00")
    about = {name: ds[name].item() for name in ("network", "station_name", "sensor")}
    assert about == {"network": "NETA", "station_name": "one", "sensor": "Probe-X"}
    location = [ds[n].item() for n in ("lat", "lon", "elevation", "depth_from", "depth_to")]
    assert location == [41.5, -3.25, 812.0, 0.05, 0.05]
    assert "land_cover" not in ds.coords


def test_ceop_in_separate_files_alone(tmp_path):
    ds = open_ismn(str(ceop(tmp_path)))
    np.testing.assert_allclose(ds.soil_moisture.values, [[0.20, 0.21, 0.22]], rtol=1e-6)
    assert flag_texts(ds).tolist() == [["G", "D03,D05", "G"]]
    assert [ds[n].item() for n in ("lat", "lon", "depth_to")] == [42.0, -4.0, 0.05]


def test_line_ends_of_old_machines(tmp_path):
    path = header_values(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r"))
    np.testing.assert_allclose(open_ismn(path).soil_moisture[0], [0.10, 0.11, 0.12], rtol=1e-6)


def test_folder_aligns_ragged_series_on_one_axis(archive):
    ds = open_ismn(archive)
    assert dict(ds.sizes) == {"station": 3, "time": 3}
    assert ds.network.values.tolist() == ["NETA", "NETA", "NETB"]
    assert ds.depth_from.values.tolist() == [0.05, 0.2, 0.0]
    np.testing.assert_allclose(ds.soil_moisture[0], [0.11, np.nan, 0.13], rtol=1e-6)
    assert flag_texts(ds)[0].tolist() == ["G", "none", "U"]
    assert ds.land_cover.values.tolist() == ["130", "130", ""]
    assert ds.climate_zone.values.tolist() == ["Csa", "Csa", ""]


def test_zip_reads_as_its_folder(archive, tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "data.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for file in sorted(archive.rglob("*.*")):
            packed.write(file, file.relative_to(archive).as_posix())
    xr.testing.assert_identical(
        open_ismn(path).drop_attrs(deep=False), open_ismn(archive).drop_attrs(deep=False)
    )


def test_networks_and_depth_choose(archive):
    assert open_ismn(archive, networks="NETB").station_name.values.tolist() == ["two"]
    assert open_ismn(archive, depth=(0, 0.05)).depth_to.values.tolist() == [0.05, 0.05]
    with pytest.raises(InputError, match=r"no network 'NETC'; the 3 sensors are of NETA, NETB\."):
        open_ismn(archive, networks=["NETA", "NETC"])
    with pytest.raises(InputError, match=r"depth=\(1, 2\).*none of the 3 sensors"):
        open_ismn(archive, depth=(1, 2))


def test_written_and_read_back(archive, tmp_path):
    ds = open_ismn(archive)
    ds.to_netcdf(tmp_path / "stations.nc")
    with xr.open_dataset(tmp_path / "stations.nc") as back:
        np.testing.assert_array_equal(back.soil_moisture.values, ds.soil_moisture.values)
        assert back.network.values.tolist() == ds.network.values.tolist()


def test_what_is_no_ismn_says_so(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        open_ismn(tmp_path / "nothing.zip")
    with pytest.raises(InputError, match=r"no file whose name ends in \.stm"):
        open_ismn(tmp_path)
    (tmp_path / "mine.stm").write_text("1 2 3\n")
    with pytest.raises(InputError, match="keep the names as downloaded"):
        open_ismn(tmp_path / "mine.stm")
    broken = header_values(tmp_path, lines=["no", "values"])
    with pytest.raises(InputError, match="not in a format of the ISMN"):
        open_ismn(broken)
    broken.write_text("")
    with pytest.raises(InputError, match="is empty or not in a format.*take it out"):
        open_ismn(broken)


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ismn.filehandlers", None)
    with pytest.raises(XsmError, match=r"xsm\[insitu\]"):
        open_ismn(header_values(tmp_path))


def test_bad_files_are_left_out_and_named(archive, caplog):
    bad = header_values(archive, network="NETC", station="cut", lines=["2015/04/0"])
    empty = header_values(archive, network="NETC", station="empty")
    empty.write_text("")
    text = header_values(archive, network="NETC", station="text", lines=[f"{HOURS[0]} wet G M"] * 2)
    (archive / "part.zip").write_bytes(b"PK\x03\x04 the rest is missing")
    with caplog.at_level(logging.WARNING, "xsm"):
        ds = open_ismn([archive, archive / "part.zip"])
    assert ds.network.values.tolist() == ["NETA", "NETA", "NETB"]
    (record,) = caplog.records
    assert record.getMessage().startswith("4 of 7 files could not be read")
    lines = ds.attrs["skipped_files"].splitlines()
    assert lines[0] == "4 of 7 files"
    for name in (bad.name, empty.name, text.name):
        assert sum(f"{name} is empty or not in a format of the ISMN" in line for line in lines) == 1
    assert any(line.startswith("part.zip is not a complete zip archive") for line in lines)
    assert "skipped_files" not in open_ismn(archive / "NETA").attrs
    with pytest.raises(InputError, match=r"none of the 3 files can be read.*take them out"):
        open_ismn(archive / "NETC")


@pytest.mark.parametrize("spelling", ["FR_Aqui", "FR-Aqui", "fr aqui", "FRAQUI"])
def test_names_of_networks_in_any_spelling(tmp_path, spelling):
    path = header_values(tmp_path, network="FR-Aqui", lines=[f"{HOURS[0]} 0.2 G M"] * 2)
    path.parent.parent.rename(tmp_path / "FR_Aqui")
    header_values(tmp_path)
    assert open_ismn(tmp_path, networks=spelling).network.values.tolist() == ["FR-Aqui"]


def test_names_of_networks_in_folder_and_header(tmp_path):
    by_folder = header_values(tmp_path, network="AB", station="s")
    by_folder.parent.parent.rename(tmp_path / "A Better Name")
    by_header = header_values(tmp_path, network="CD", station="t")
    by_header.write_text(by_header.read_text().replace("CD  CD", "COLD  COLD-SITES"))
    assert open_ismn(tmp_path, networks="a_better_name").network.values.tolist() == ["AB"]
    assert open_ismn(tmp_path, networks="cold_sites").network.values.tolist() == ["CD"]
    both = open_ismn(tmp_path, networks=["cold_sites", "AB"])
    assert sorted(both.network.values) == ["AB", "CD"]


def test_two_inches_are_five_centimetres(tmp_path):
    header_values(tmp_path, start=0.0508, end=0.0508)
    header_values(tmp_path, start=0.06, end=0.06)
    assert open_ismn(tmp_path, depth=(0, 0.05)).sizes["station"] == 1


def test_a_period_and_daily_means(tmp_path):
    lines = [
        f"2015/04/{day:02d} {hour:02d}:00 {0.1 + 0.01 * day + 0.001 * hour:.4f} {flag} M"
        for day, hour, flag in [(1, 0, "G"), (1, 6, "G"), (1, 7, "D03"), (2, 5, "G"), (3, 9, "C01")]
    ]
    header_values(tmp_path, lines=lines)
    part = open_ismn(tmp_path, period=("2015-04-01 06:00", "2015-04-02"))
    np.testing.assert_allclose(part.soil_moisture[0], [0.116, 0.117, 0.125], rtol=1e-6)
    days = open_ismn(tmp_path, daily=True)
    assert "flag" not in days and days.soil_moisture.attrs["cell_methods"] == "time: mean"
    np.testing.assert_allclose(days.soil_moisture[0], [0.113, 0.125], rtol=1e-6)
    all_days = open_ismn(tmp_path, daily=True, flags=None, period=(None, "2015-04"))
    np.testing.assert_allclose(all_days.soil_moisture[0], [0.3430 / 3, 0.125, 0.139], rtol=1e-6)
    with pytest.raises(InputError, match=r"period=\('2016', None\).*none of the 1 sensors"):
        open_ismn(tmp_path, period=("2016", None))
    with pytest.raises(InputError, match="the end is before the start"):
        open_ismn(tmp_path, period=("2016", "2015"))
    with pytest.raises(InputError, match=r"flags='U': none of the 1 sensors has a value"):
        open_ismn(tmp_path, daily=True, flags="U")


def test_daily_means_score_as_the_hours_do(tmp_path):
    rng = np.random.default_rng(0)
    lines = [
        f"2015/04/{day:02d} {hour:02d}:00 {value:.4f} {'G' if value < 0.35 else 'D03'} M"
        for (day, hour), value in zip(
            [(day, hour) for day in range(1, 21) for hour in range(24)],
            0.1 + 0.3 * rng.random(480),
            strict=True,
        )
    ]
    header_values(tmp_path, lines=lines)
    ds = grid(30)
    hourly, daily = (validate(ds, open_ismn(tmp_path, daily=each)) for each in (False, True))
    assert hourly.n_obs.values.tolist() == [20]
    for name in ("n_obs", "bias", "rmsd", "pearson_r"):
        np.testing.assert_allclose(daily[name], hourly[name], rtol=1e-5)


def test_downloads_of_two_years_are_one_series(tmp_path):
    first, second, other = (tmp_path / name for name in ("a", "b", "c"))
    header_values(first, lines=[f"{hour} 0.1000 G M" for hour in HOURS[:2]])
    header_values(second, lines=[f"{hour} 0.1000 U M" for hour in HOURS[1:]])
    header_values(other, lines=[f"{hour} 0.3000 G M" for hour in HOURS])
    ds = open_ismn([first, second, first])
    np.testing.assert_allclose(ds.soil_moisture.values, [[0.1, 0.1, 0.1]], rtol=1e-6)
    assert flag_texts(ds).tolist() == [["G", "G", "U"]]
    # another sensor of the same name
    assert open_ismn([first, other]).sizes["station"] == 2


def test_codes_of_missing_values_are_missing(tmp_path):
    lines = [f"{HOURS[0]} -9999.0 M M", f"{HOURS[1]} -0.0100 C01 M", f"{HOURS[2]} 0.2 G M"]
    ds = open_ismn(header_values(tmp_path, lines=lines))
    np.testing.assert_allclose(ds.soil_moisture[0], [np.nan, -0.01, 0.2], rtol=1e-6)
    assert ds.attrs["sentinels_removed"] == 1


def test_a_progress_bar_is_shown_where_it_is_asked_for(tmp_path, capsys):
    header_values(tmp_path)
    open_ismn(tmp_path, progress=True)
    assert "ISMN" in capsys.readouterr().err
    open_ismn(tmp_path, progress=False)
    assert capsys.readouterr().err == ""


def test_real_files_have_their_values_flags_and_layers(real_data):
    folder = real_data / "insitu"
    if not list(folder.glob("*.stm")):
        pytest.skip(f"no .stm files in {folder}")
    ds = open_ismn(folder)
    assert set(ds.network.values) == {"COSMOS", "MAQU"}
    probes = ds.isel(station=ds.network.values == "COSMOS")
    assert sorted(probes.depth_to.values.round(2)) == [0.19, 0.21]
    assert (probes.depth_from == 0).all()
    good = flag_texts(ds) == "G"
    values = ds.soil_moisture.values[good]
    assert good.any() and values.min() >= 0 and values.max() <= 1
    # the first line of the first file
    first = ds.soil_moisture.sel(time="2017-08-10T00:00").isel(station=ds.sensor != "ECH20-EC-TM")
    assert float(first[0]) == pytest.approx(0.141)


@pytest.mark.parametrize("first", ["-9999.0 M M", "NaN M M", "0.9000 D01 M"])
@pytest.mark.parametrize("daily", [False, True])
def test_of_repeated_times_the_good_value_is_taken(tmp_path, first, daily):
    lines = [f"{HOURS[0]} {first}", f"{HOURS[0]} 0.3000 G M", f"{HOURS[2]} 0.2000 G M"]
    ds = open_ismn(header_values(tmp_path, lines=lines), daily=daily)
    np.testing.assert_allclose(ds.soil_moisture.values, [[0.25] if daily else [0.3, 0.2]])
    removed = "1 values at repeated times" if first.startswith("0.9") else None
    assert ds.attrs.get("values_removed") == removed


def test_times_out_of_order_are_brought_in_order(tmp_path):
    lines = [f"{HOURS[i]} 0.{i + 1}000 G M" for i in (2, 0, 1)]
    ds = open_ismn(header_values(tmp_path, lines=lines))
    np.testing.assert_allclose(ds.soil_moisture.values, [[0.1, 0.2, 0.3]], rtol=1e-6)
