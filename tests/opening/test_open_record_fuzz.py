"""Files of any convention: what is opened is what was stored."""

import cftime
import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import xsm
from tests.fuzz_settings import fuzz, in_parts
from xsm.errors import XsmError

pytest.importorskip("dask", reason="needs xsm[dask]")

CALENDARS = ["standard", "proleptic_gregorian", "noleap", "360_day", "julian", "all_leap", None]
EPOCHS = ["days since 2000-01-01", "hours since 1970-1-1 00:00:0.0", "seconds since 1993-01-01",
          "minutes since 1900-01-01 00:00", "days since 1850-01-01 00:00:00", "day as %Y%m%d.%f",
          "fortnights since 2000", "days since yesterday", ""]  # fmt: skip
AXES = [("time", "lat", "lon"), ("time", "latitude", "longitude"), ("t", "y", "x"), ("d", "a", "b")]
UNITS = [("m3 m-3", 1.0), ("%", 100.0), ("percent", 100.0), ("1", 1.0), ("m3/m3", 1.0),
         ("9**9**9", 1.0), ("\x00", 1.0), ("K", 1.0), (5, 1.0)]  # fmt: skip
ODD = [
    {},
    {"valid_range": np.array([0, 30000], "i2"), "flag_values": np.array([7, 8], "i2")},
    {"valid_min": "none", "valid_max": "none", "missing_value": np.float32(-9999)},
    {"ancillary_variables": "gone", "grid_mapping": "gone", "coordinates": "gone gone"},
    {"cell_methods": 3, "standard_name": 4, "long_name": "<b>\x07 \u202e</b>"},
    {"comment": "", "history": "x" * 3000, "axis": "T"},
]


@st.composite
def conventions(draw):
    """How a file is stored."""
    return {
        "seed": draw(st.integers(0, 2**16)),
        "size": draw(st.tuples(st.integers(1, 5), st.integers(2, 4), st.integers(2, 5))),
        "axes": draw(st.sampled_from(AXES)),
        "order": draw(st.permutations(range(3))),
        "calendar": draw(st.sampled_from(CALENDARS)),
        "epoch": draw(st.sampled_from(EPOCHS[:5] + EPOCHS)),
        "units": draw(st.sampled_from(UNITS[:5] * 3 + UNITS)),
        "packing": draw(st.sampled_from(["f4", "f8", "i2", "u1", "i4"])),
        "south_first": draw(st.booleans()),
        "east": draw(st.sampled_from([3.0, -3.0, 178.9, 358.9])),
        "described": draw(st.booleans()),
        "attrs": draw(st.sampled_from(ODD)),
        "format": draw(st.sampled_from(["NETCDF4", "NETCDF3_64BIT_OFFSET"])),
    }


def write(path, how):
    """Write the file; return soil moisture in m3 m-3 (T, H, W) north first, its axes, its step."""
    rng = np.random.default_rng(how["seed"])
    days, rows, columns = how["size"]
    units, factor = how["units"]
    lat = 45 - 0.25 * np.arange(rows)
    lon = how["east"] + 0.25 * np.arange(columns)
    lon = np.where(lon > 360, lon - 360, lon)
    values = np.round(rng.uniform(0.02, 0.5, (days, rows, columns)), 4) * factor
    missing = rng.random(values.shape) < 0.3
    kind = np.dtype(how["packing"])
    scale, code = (factor / 400 if kind == "u1" else factor / 8000), -9999.0
    if kind.kind in "iu":
        code = 255 if kind == "u1" else -9999
        stored = np.where(missing, code, np.round(values / scale)).astype(kind)
    else:
        scale = 0.0
        stored = np.where(missing, code, values).astype(kind)
    calendar = how["calendar"] or "standard"
    dates = [cftime.datetime(2019, 6, 3 + n, calendar=calendar) for n in range(days)]
    try:
        numbers = cftime.date2num(dates, how["epoch"], calendar)
    except (ValueError, TypeError, AttributeError):
        numbers = np.arange(days)
    order, axes = how["order"], how["axes"]
    if how["south_first"]:
        lat, stored = lat[::-1], stored[:, ::-1]
    form = "NETCDF4" if kind == "u1" else how["format"]  # the older form has no such type
    with netCDF4.Dataset(path, "w", format=form) as file:
        for name, size in zip(axes, how["size"], strict=True):
            file.createDimension(name, size)
        for name, column in zip(axes, (np.asarray(numbers, "f8"), lat, lon), strict=True):
            file.createVariable(name, "f8", (name,))[:] = column
        file[axes[0]].units = how["epoch"]
        if how["calendar"] is not None:
            file[axes[0]].calendar = calendar
        if how["described"] or axes[1] in "ya":
            file[axes[1]].setncatts({"units": "degrees_north", "standard_name": "latitude"})
            file[axes[2]].setncatts({"units": "degrees_east", "standard_name": "longitude"})
        dims = [axes[n] for n in order]
        sm = file.createVariable("soil_moisture", kind, dims, fill_value=kind.type(code))
        sm.set_auto_maskandscale(False)
        sm.setncatts({"units": units} | how["attrs"])
        if scale:
            sm.setncatts({"scale_factor": scale, "add_offset": 0.0})
        sm[...] = stored.transpose(order)
    return np.where(missing, np.nan, values / factor), 45 - 0.25 * np.arange(rows), lon, scale


@in_parts
@fuzz(0.15)
@given(how=conventions())
def test_what_is_opened_is_what_was_stored(part, tmp_path_factory, how):
    path = tmp_path_factory.mktemp("made") / "file.nc"
    values, lat, lon, scale = write(path, how)
    try:
        ds = xsm.open_record(path)
    except XsmError as error:
        assert len(str(error)) > 20  # refused, with a reason
        return
    units = ds["soil_moisture"].attrs["units"]
    assert ds["soil_moisture"].dims == ("time", "lat", "lon")
    assert ds.sizes["time"] == how["size"][0]
    opened = ds["soil_moisture"].sortby("lat", ascending=False)
    np.testing.assert_allclose(np.sort(ds["lat"])[::-1], lat)
    columns = np.argsort((opened["lon"].values - lon[0] + 1e-6) % 360)
    factor = 0.01 if units in ("%", "percent") else 1.0
    tolerance = 0.6 * scale * factor + 1e-6
    found = opened.values[:, :, columns] * factor
    if not how["attrs"].keys() & {"valid_range"}:
        np.testing.assert_allclose(found, values, atol=tolerance)
    try:
        filled = ds.sm.gapfill(model="default", calibrate=False, progress=False)
    except XsmError as error:
        assert len(str(error)) > 20
        return
    kept = np.isfinite(ds["soil_moisture"].values)
    assert (
        filled["soil_moisture"].values[kept].tobytes() == ds["soil_moisture"].values[kept].tobytes()
    )
    assert isinstance(filled, xr.Dataset)
