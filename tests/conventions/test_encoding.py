"""Filled values written and read again in the encoding of every product."""

import logging
import warnings

import numpy as np
import pytest
import xarray as xr

from xsm.conventions.cf import BY_NETWORK, filled_dataset
from xsm.conventions.encoding import storage_of, without_layout
from xsm.conventions.variables import read_variable

netCDF4 = pytest.importorskip("netCDF4")

I2, U1, F4, F8 = np.int16, np.uint8, np.float32, np.float64

# Product: unit, attributes, and encoding, as in the files (LPRM, ESA CCI, SMOS and GLDAS: checked).
PRODUCTS = {
    "LPRM granule": (
        "percent",
        {},
        {"dtype": I2, "scale_factor": F4(1), "add_offset": F4(0), "_FillValue": I2(-32767)},
    ),
    "LPRM month": ("percent", {}, {"dtype": U1, "_FillValue": U1(255)}),
    "LPRM float": ("percent", {}, {"dtype": F4, "_FillValue": F4(-9999)}),
    "SMAP L3": (
        "cm**3/cm**3",
        {"valid_min": F4(0.02), "valid_max": F4(0.5)},
        {"dtype": F4, "_FillValue": F4(-9999)},
    ),
    "ESA CCI": (
        "m3 m-3",
        {"valid_range": np.array([0, 1], F4)},
        {"dtype": F4, "_FillValue": F4(-9999)},
    ),
    "C3S": ("m3 m-3", {}, {"dtype": F4, "_FillValue": F4(np.nan)}),
    "CGLS": (
        "percent",
        {"valid_range": np.array([0, 200], U1), "flag_values": np.array([253, 254], U1)},
        {"dtype": U1, "scale_factor": F4(0.5), "add_offset": F4(0), "_FillValue": U1(255)},
    ),
    "SGD-SM": ("percent", {}, {"dtype": I2, "_FillValue": I2(-32767)}),
    "SMOS": (
        "m3 m-3",
        {},
        {
            "dtype": I2,
            "scale_factor": F8(3.05185094759971e-05),
            "add_offset": F8(0),
            "_FillValue": I2(-32768),
            "missing_value": I2(-32768),
        },
    ),
    "old CDS": (
        "m3 m-3",
        {},
        {
            "dtype": I2,
            "scale_factor": F8(0.22 / 65532),
            "add_offset": F8(0.21),
            "_FillValue": I2(-32767),
            "missing_value": I2(-32767),
        },
    ),
    "ERA5": (
        "m**3 m**-3",
        {},
        {
            "dtype": I2,
            "scale_factor": F8(1.2e-5),
            "add_offset": F8(0.38),
            "_FillValue": I2(-32767),
            "missing_value": I2(-32767),
        },
    ),
    "GLDAS": (
        "m3 m-3",
        {"vmin": F4(0.02)},
        {
            "dtype": F4,
            "scale_factor": F4(1),
            "add_offset": F4(0),
            "_FillValue": F4(-9999),
            "missing_value": F4(-9999),
        },
    ),
    # what else is met
    "scale in float32": (
        "m3 m-3",
        {"valid_range": np.array([-20000, 20000], I2)},
        {"dtype": I2, "scale_factor": F4(1e-5), "add_offset": F4(0.2), "_FillValue": I2(-32767)},
    ),
    "offset in float32": (
        "m3 m-3",
        {},
        {"dtype": I2, "scale_factor": F4(1e-5), "add_offset": F4(0.2), "_FillValue": I2(-32767)},
    ),
    "scale only": ("m3 m-3", {}, {"dtype": I2, "scale_factor": F4(1e-5), "_FillValue": I2(-1)}),
    "no fill value": ("percent", {}, {"dtype": U1, "scale_factor": F8(0.5)}),
    "taken fill value": (
        "percent",
        {},
        {"dtype": U1, "scale_factor": F8(0.5), "_FillValue": U1(0)},
    ),
    "taken float fill value": ("m3 m-3", {}, {"dtype": F4, "_FillValue": F4(0)}),
    "two missing values": (
        "m3 m-3",
        {},
        {"dtype": F4, "_FillValue": F4(-9999), "missing_value": F4(-999)},
    ),
    "whole m3 m-3": ("m3 m-3", {}, {"dtype": I2, "_FillValue": I2(-1)}),
    "unsigned": (
        "percent",
        {"valid_range": np.array([0, 100], np.int8)},
        {"dtype": np.int8, "scale_factor": F8(0.5), "_FillValue": np.int8(-1), "_Unsigned": "true"},
    ),
    "one sign too few": (
        "percent",
        {},
        {"dtype": np.int8, "scale_factor": F8(0.5), "_FillValue": np.int8(-1)},
    ),
    "negative scale": (
        "m3 m-3",
        {"valid_range": np.array([-20000, 0], I2)},
        {"dtype": I2, "scale_factor": F8(-1e-5), "_FillValue": I2(99)},
    ),
}
# How files are laid out on disk.
LAYOUTS = {
    "plain": {},
    "netcdf4": {
        "zlib": True,
        "szip": False,
        "zstd": False,
        "bzip2": False,
        "blosc": False,
        "shuffle": True,
        "complevel": 9,
        "fletcher32": False,
        "contiguous": False,
        "chunksizes": (1, 720, 1440),
        "preferred_chunks": {"time": 1, "lat": 720, "lon": 1440},
        "original_shape": (1, 720, 1440),
        "source": "file.nc",
    },
    "contiguous": {"contiguous": True, "chunksizes": None, "original_shape": (6, 4, 5)},
}


def opened(product, path, layout="plain"):
    """A record of half its days, written in the encoding of a product and opened again."""
    units, attrs, encoding = PRODUCTS[product]
    factor = 100.0 if units == "percent" else 1.0
    rng = np.random.default_rng(0)
    values = np.round(factor * rng.uniform(0.15, 0.3, (6, 4, 5)))
    if "whole" not in product and factor == 1.0:
        values = rng.uniform(0.15, 0.3, (6, 4, 5))
    values[rng.random(values.shape) < 0.5] = np.nan
    if "_FillValue" not in encoding or product == "whole m3 m-3":
        values = np.where(np.isfinite(values), values, factor * 0.2)
    attrs = {"units": units} | attrs
    ds = xr.Dataset(
        {"sm": (("time", "lat", "lon"), values, attrs)},
        {"time": np.arange("2015-01-01", "2015-01-07", dtype="M8[D]").astype("M8[ns]")},
    )
    written = {k: v for k, v in encoding.items() if k != "missing_value"}
    ds["sm"].encoding = written
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="saving variable sm with floating point data")
        ds.to_netcdf(path, unlimited_dims=["time"])
    with xr.open_dataset(path) as ds:
        ds = ds.load()
    ds["sm"].encoding |= encoding | LAYOUTS[layout]
    return ds


def filled(ds, lazy=False):
    """`ds` with values over the whole valid range in its gaps; dry and saturated among them."""
    variable = read_variable(ds["sm"])
    observed = np.isfinite(ds["sm"].values)
    observed[0, 0] = False
    low, high = variable.valid_range
    values = np.linspace(low, high, observed.size).reshape(observed.shape)
    values[0, 0, :2] = low, high
    values[0, 0, 2] = np.nan
    dtype = ds["sm"].dtype if ds["sm"].dtype.kind == "f" else np.dtype(np.float32)
    values = np.where(observed, ds["sm"].values, values).astype(dtype)
    values = np.clip(values, dtype.type(low), dtype.type(high))
    std = np.where(observed, np.nan, 0.05 * high).astype(dtype)
    flag = np.where(observed, 0, BY_NETWORK).astype(np.int8)
    if lazy:
        import dask.array as da

        values, std, flag = (da.from_array(a, chunks=(2, 4, 5)) for a in (values, std, flag))
    out = filled_dataset(
        ds, variable, (values, std, flag), identity="n", call="c", coverage_factors={}
    )
    return out, observed


def step(product):
    """Largest change of a value that the encoding of a product may make."""
    encoding = PRODUCTS[product][2]
    if np.dtype(encoding["dtype"]).kind == "f" or product == "whole m3 m-3":
        return 0.0
    return 0.5 * abs(float(encoding.get("scale_factor", 1.0)))


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("store", ["netcdf", "zarr", "zarr of dask"])
@pytest.mark.parametrize("product", sorted(PRODUCTS))
def test_filled_values_survive_a_file(product, store, layout, tmp_path):
    if store != "netcdf":
        pytest.importorskip("zarr")
    ds = opened(product, tmp_path / "in.nc", layout)
    out, observed = filled(ds, lazy=store.endswith("dask"))
    before = out["sm"].values
    if store == "netcdf":
        out.to_netcdf(tmp_path / "out.nc")
        again = xr.load_dataset(tmp_path / "out.nc")
    else:
        out.to_zarr(tmp_path / "out.zarr", consolidated=False)
        again = xr.open_zarr(tmp_path / "out.zarr", consolidated=False).load()
    after = again["sm"].values
    assert (np.isnan(after) == np.isnan(before)).all()
    np.testing.assert_allclose(after, before, rtol=0, atol=step(product) * 1.001 + 1e-7)
    if product not in ("LPRM granule", "LPRM month"):
        exact = store == "netcdf" or product != "scale in float32"  # Zarr has float64 scales
        np.testing.assert_allclose(
            after.astype(before.dtype)[observed], before[observed], rtol=0 if exact else 3e-7
        )
    assert again["sm_uncertainty"].equals(out["sm_uncertainty"].load())
    assert again["sm_flag"].dtype == np.int8
    np.testing.assert_array_equal(again["sm_flag"], out["sm_flag"])


@pytest.mark.parametrize("product", sorted(PRODUCTS))
def test_no_reader_masks_a_filled_value(product, tmp_path):
    """netCDF4 masks what ``valid_range`` excludes, in the numbers of the file."""
    out, _ = filled(opened(product, tmp_path / "in.nc"))
    out.to_netcdf(tmp_path / "out.nc")
    with netCDF4.Dataset(tmp_path / "out.nc") as file:
        read = file["sm"][:]
        for key in ("valid_range", "valid_min", "valid_max", "flag_values"):
            if key in file["sm"].ncattrs():
                assert np.asarray(file["sm"].getncattr(key)).dtype == file["sm"].dtype
    missing = np.isnan(out["sm"].values)
    assert (np.ma.getmaskarray(read) == missing).all()
    atol = step(product) * 1.001 + 1e-6
    np.testing.assert_allclose(read[~missing], out["sm"].values[~missing], rtol=0, atol=atol)


def test_what_fits_stays(tmp_path):
    for product in ("LPRM granule", "LPRM month", "ESA CCI", "CGLS", "SGD-SM", "SMOS", "GLDAS"):
        ds = opened(product, tmp_path / "in.nc", "netcdf4")
        out, _ = filled(ds)
        assert out["sm"].encoding == ds["sm"].encoding
        for key, value in ds["sm"].attrs.items():
            np.testing.assert_array_equal(out["sm"].attrs[key], value)


def test_a_wider_integer_or_none(tmp_path, caplog):
    forms = {}
    with caplog.at_level(logging.WARNING):
        for product in ("old CDS", "scale only", "offset in float32", "one sign too few"):
            ds = opened(product, tmp_path / "in.nc")
            out, _ = filled(ds)
            forms[product] = out["sm"].encoding.get("dtype")
            line = out.attrs["history"].splitlines()[0]
            assert f"sm is stored as {np.dtype(forms[product] or ds['sm'].dtype)}" in line
    # int32 with an offset is read as float64: float32 values would be read as other numbers
    assert forms == {
        "old CDS": np.int32,
        "scale only": np.int32,
        "offset in float32": None,
        "one sign too few": np.int16,
    }
    assert len(caplog.records) == 3  # two are the same change of the same variable
    filled(opened("old CDS", tmp_path / "in.nc"))
    assert len(caplog.records) == 3


def test_the_uncertainty_of_a_product_has_an_encoding_too(tmp_path):
    ds = opened("ESA CCI", tmp_path / "in.nc")
    own = xr.full_like(ds["sm"], 0.02).astype(F8).assign_attrs(valid_range=np.array([0, 200], U1))
    own.encoding = {"dtype": U1, "scale_factor": F8(1e-3), "_FillValue": U1(255)}
    ds["sm_uncertainty"] = own
    out, observed = filled(ds)
    assert out["sm_uncertainty"].encoding["dtype"] == np.int16
    assert out["sm_uncertainty"].attrs["valid_range"].tolist() == [0, 1000]
    out["sm_uncertainty"][0, 0, 0] = 0.9
    out.to_netcdf(tmp_path / "out.nc")
    again = xr.load_dataset(tmp_path / "out.nc")
    np.testing.assert_allclose(again["sm_uncertainty"], out["sm_uncertainty"], atol=5.1e-4)
    assert "sm_uncertainty is stored as int16 instead of uint8" in out.attrs["history"]


def test_unlimited_dimensions_that_are_gone(tmp_path):
    ds = opened("ESA CCI", tmp_path / "in.nc").rename(time="day")
    assert ds.encoding["unlimited_dims"] == {"time"}
    out, _ = filled(ds)
    out.to_netcdf(tmp_path / "out.nc")
    assert xr.load_dataset(tmp_path / "out.nc")["sm"].dims == ("day", "lat", "lon")
    assert ds.encoding["unlimited_dims"] == {"time"}


def storage(encoding, **options):
    settings = {"dtype": F4, "value_range": (0.0, 1.0), "to_m3m3_factor": 1.0} | options
    return storage_of("sm", {}, encoding, **settings)


def test_zarr_chunks_that_dask_chunks_would_share_are_left_out():
    encoding = {"chunks": (4, 4), "preferred_chunks": {"y": 4}, "shards": None}
    assert storage(encoding, chunks=((8, 3), (4,))).encoding == encoding
    assert storage(encoding, chunks=((6, 5), (4,))).encoding == {}
    assert storage(encoding).encoding == encoding  # in memory


def test_filters_that_pack_are_left_out():
    numcodecs = pytest.importorskip("numcodecs")
    packing = numcodecs.FixedScaleOffset(offset=0, scale=250, dtype="f4", astype="u1")
    stored = storage({"filters": [packing]})
    assert stored.encoding == {} and "packing filter" in stored.change
    harmless = [numcodecs.Delta(dtype="f4")]
    assert storage({"filters": harmless}).encoding == {"filters": harmless}


def test_without_layout_keeps_what_numbers_mean():
    ds = xr.Dataset({"sm": ("x", [1.0])}, {"x": [0]}, {"title": "t"})
    ds["sm"].encoding = {"scale_factor": 0.1, "grid_mapping": "crs", "zlib": True, "chunks": (1,)}
    ds["x"].encoding = {"units": "days since 2000-01-01", "chunksizes": (1,)}
    out = without_layout(ds)
    assert out["sm"].encoding == {"scale_factor": 0.1, "grid_mapping": "crs"}
    assert out["x"].encoding == {"units": "days since 2000-01-01"}
    assert ds["sm"].encoding["zlib"] and out.attrs == ds.attrs
