"""What a file that cannot be read is, by its first bytes, and what to do with it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

_BEGINNINGS = (
    (
        b"GRIB",
        "It is GRIB, which is read where cfgrib is installed (pip install cfgrib); or convert it "
        "to NetCDF (grib_to_netcdf, cdo -f nc4 copy).",
    ),
    (
        b"\x0e\x03\x13\x01",
        "It is HDF4: convert it to NetCDF first (ncl_convert2nc, h4tonccf, gdal_translate).",
    ),
    (b"\x1f\x8b", "It is compressed (gzip): unpack it first (gunzip, tar -xzf)."),
    (b"BZh", "It is compressed (bzip2): unpack it first (bunzip2, tar -xjf)."),
    (b"\xfd7zXZ", "It is compressed (xz): unpack it first (unxz, tar -xJf)."),
    (b"7z\xbc\xaf", "It is a 7z archive: unpack it first."),
    (b"Rar!", "It is a RAR archive: unpack it first."),
    (
        b"II*\x00",
        "It is a TIFF image: open it with rioxarray.open_rasterio(path), name the rows and "
        "columns lat and lon, add the time, and pass the Dataset.",
    ),
    (b"BUFR", "It is BUFR: convert it to NetCDF first, or download the product as NetCDF."),
    (
        b"<",
        "It is a web page: the server sent a login page or an error instead of the file. Log in, "
        "and download it again.",
    ),
    (b"{", "It is a message of the server in JSON instead of the file: download it again."),
)
_OTHERWISE = (
    "Expected NetCDF, HDF5 or Zarr. If the download was cut short, repeat it; convert GRIB and "
    "HDF4 to NetCDF first."
)


def is_readable_grib(location: Any) -> bool:
    """Whether a file is GRIB and cfgrib is there to read it."""
    if find_spec("cfgrib") is None:
        return False
    try:
        with open(location, "rb") as file:
            return file.read(4) == b"GRIB"
    except OSError:
        return False


def grib_datasets(location: Any) -> list[Any]:
    """The fields of a GRIB file as Datasets, those of one kind of level in each.

    No index is written beside the file.
    """
    datasets = import_module("cfgrib").open_datasets(location, backend_kwargs={"indexpath": ""})
    return list(datasets)


def advice_for(location: Any) -> str:
    """What a user does with a file that is no NetCDF, HDF5 or Zarr."""
    try:
        with open(location, "rb") as file:
            start = file.read(512)
    except OSError:
        return _OTHERWISE
    if start[257:262] == b"ustar":
        return "It is a tar archive: unpack it first (tar -xf)."
    if not start:
        return "It is empty: download it again."
    start = b"II*\x00" if start.startswith(b"MM\x00*") else start.lstrip(b"\xef\xbb\xbf \r\n\t")
    return next((text for begin, text in _BEGINNINGS if start.startswith(begin)), _OTHERWISE)
