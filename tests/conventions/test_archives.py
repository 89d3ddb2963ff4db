"""Archives that unpack to anywhere, or to gigabytes, are refused before anything is written."""

import gzip
import sys
import zipfile
from collections import namedtuple

import numpy as np
import pytest

import xsm
from tests.insitu.test_ismn import STATIC, header_values
from tests.validation.samples import grid
from xsm.conventions import archives
from xsm.errors import InputError
from xsm.insitu import open_ismn

BOMB = 300 * 2**20
SENSOR = "NETA/one/NETA_NETA_one_sm_0.050000_0.050000_Probe-X_20150401_20150402.stm"
LINE = "2015/04/01 00:00   0.1000 G M\n"


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            with archive.open(name, "w") as file:
                for part in content if isinstance(content, list) else [content]:
                    file.write(part)
    return path


def peak():
    resource = pytest.importorskip("resource", reason="not on this system")
    bytes_of_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_of_unit


@pytest.fixture
def sensor(tmp_path):
    return header_values(tmp_path / "data").read_bytes()


def bomb():
    line = LINE.encode() * 2**15
    return [line] * (BOMB // len(line))


def test_a_bomb_among_sensors_is_left_out_without_being_unpacked(tmp_path, sensor):
    huge = SENSOR.replace("one", "huge")
    path = zipped(tmp_path / "a.zip", {SENSOR: sensor, huge: bomb()})
    assert path.stat().st_size < 2e6
    before = peak()
    ds = open_ismn(path)
    assert peak() - before < 100e6
    assert ds.station_name.values.tolist() == ["one"]
    assert "bytes unpacked: expected up to 134,217,728" in ds.attrs["skipped_files"]
    with pytest.raises(InputError, match="none of the 1 files can be read|the file cannot be read"):
        open_ismn(zipped(tmp_path / "b.zip", {huge: bomb()}))


def test_a_bomb_of_a_record(tmp_path):
    path = zipped(tmp_path / "a.zip", {"sm.nc": [b"\0" * 2**20] * 64})
    with pytest.raises(InputError, match="'sm.nc' has 67,108,864 bytes, packed in .*up to 200"):
        xsm.open_record(path)


def test_no_room_to_unpack(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).bytes(10_000)
    path = zipped(tmp_path / "a.zip", {"sm.nc": noise})
    usage = namedtuple("usage", "total used free")(1, 1, 9_999)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match="unpacks to 10,000 bytes.*9,999 free.*TMPDIR"):
        xsm.open_record(path)


@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_a_bomb_of_a_table(tmp_path, kind):
    path = tmp_path / f"table.csv.{kind}"
    if kind == "gz":
        with gzip.open(path, "wb") as file:
            for part in [b"1,2\n" * 2**18] * 140:
                file.write(part)
    else:
        zipped(path, {"table.csv": [b"1,2\n" * 2**18] * 140})
    with pytest.raises(InputError, match="bytes unpacked"):
        xsm.insitu.open_stations(path)


@pytest.mark.parametrize("name", ["../evil.nc", "/tmp/evil.nc", "a/../../evil.nc", "C:\\evil.nc",
                                  "a\\..\\evil.nc"])  # fmt: skip
def test_members_with_paths_to_elsewhere(tmp_path, name, sensor):
    grid(5).to_netcdf(tmp_path / "sm.nc")
    path = tmp_path / "a.zip"
    zipped(path, {"sm.nc": (tmp_path / "sm.nc").read_bytes(), name: b"evil"})
    before = set(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="outside of the folder"):
        xsm.open_record(path)
    stm = name.replace("evil.nc", SENSOR.rpartition("/")[2])
    ds = open_ismn(zipped(path, {SENSOR: sensor, stm: sensor}))
    assert ds.sizes["station"] == 1 and "outside of the folder" in ds.attrs["skipped_files"]
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_damaged_archives(tmp_path, cut, sensor):
    noise = np.random.default_rng(0).bytes(10_000)
    path = zipped(tmp_path / "a.zip", {"sm.nc": noise, "table.csv": noise, SENSOR: sensor})
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    for open_archive in (xsm.open_record, open_ismn, xsm.insitu.open_stations):
        with pytest.raises(InputError):
            open_archive(path)
    changed = bytearray(content)
    changed[200:5000] = b"\0" * 4800
    path.write_bytes(bytes(changed))
    with pytest.raises(InputError, match="cannot be unpacked"):
        xsm.open_record(path)
    table = tmp_path / "table.csv.gz"
    table.write_bytes(gzip.compress(noise)[:5000])
    with pytest.raises(InputError, match="not a complete gzip file"):
        xsm.insitu.open_stations(table)


@pytest.mark.parametrize(
    "content",
    ["", "\0\0\0", STATIC.replace("130", "9" * 30), STATIC.replace(";130", ";x"), "a;b\n1;2\n",
     STATIC.replace("land cover classification", "x"), "\udcff;" * 40],
)  # fmt: skip
def test_a_broken_file_of_static_variables_does_not_block_the_archive(tmp_path, sensor, content):
    name = "NETA/one/NETA_NETA_one_static_variables.csv"
    text = content.encode("utf-8", "surrogateescape")
    path = zipped(tmp_path / "a.zip", {SENSOR: sensor, name: text})
    ds = open_ismn(path)
    assert ds.sizes["station"] == 1 and "land_cover" not in ds.coords
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    assert open_ismn(tmp_path / "folder").sizes["station"] == 1


def test_the_archive_is_listed_once_not_once_a_sensor(tmp_path, sensor, monkeypatch):
    """Two thousand sensors took a minute."""
    members = {SENSOR.replace("one", f"s{n}"): sensor for n in range(30)}
    path = zipped(tmp_path / "a.zip", members)
    listed = []
    original = zipfile.ZipFile.namelist
    monkeypatch.setattr(
        zipfile.ZipFile, "namelist", lambda self: listed.append(1) or original(self)
    )
    assert open_ismn(path).sizes["station"] == 30
    assert len(listed) == 2
