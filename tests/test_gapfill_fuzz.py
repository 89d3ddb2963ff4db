"""Records of any form: what must hold of every fill."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import xsm
from tests.fuzz_settings import fuzz, in_parts
from xsm.errors import XsmError
from xsm.networks import partial_conv
from xsm.networks.model import make_model

dask = pytest.importorskip("dask", reason="needs xsm[dask]")

BY_ESTIMATE = (1, 2, 6)  # flags of filled values
NAMES = ["soil_moisture", "sm", "v", "SM 2", "μ", "value", "swvl1"]
DIMS = [
    ("time", "lat", "lon"),
    ("t", "latitude", "longitude"),
    ("time", "y", "x"),
    ("T", "row", "c"),
]
ATTRS = [
    {},
    {"long_name": "soil moisture", "valid_range": [0.0, 1.0]},
    {"made": np.datetime64("2020-01-01"), "raw": b"bytes", "z": 1 + 2j},
    {"nothing": None, "list": [1, "a"], "mapping": {"a": 1}, "n": np.float32(3)},
    {"ancillary_variables": "gone", "grid_mapping": "gone", "coordinates": "gone"},
]


def small_model():
    """A network of few layers and channels, one of each kind, and random weights."""
    scales = [3]
    config = partial_conv.default(width=2, hidden=3) | {
        "scales": scales,
        "features": partial_conv.channels(scales),
    }
    layers = {row["name"]: row for row in config["layers"]}
    layers["trunk3"] |= {"inputs": ["wide"], "skip": "near"}
    layers["temporal"]["channels"] = layers["spatial"]["channels"] = 2
    layers["output"]["inputs"] = ["head1"]
    left_out = ("trunk1", "trunk2", "head2")
    config["layers"] = [row for name, row in layers.items() if name not in left_out]
    params = partial_conv.initial_params(config, seed=1)
    rng = np.random.default_rng(0)
    last = config["layers"][-1]["name"]
    weight = params[f"{last}.weight"]
    params[f"{last}.weight"] = (0.3 * rng.standard_normal(weight.shape)).astype(np.float32)
    return make_model("small", {"config": config}, params)


MODEL = small_model()


@st.composite
def records(draw):
    """A record, and its chunks."""
    days, rows, columns = draw(st.tuples(st.integers(1, 12), st.integers(2, 5), st.integers(2, 7)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = 0.25 + 0.08 * rng.standard_normal((days, rows, columns))
    values[rng.random(values.shape) < draw(st.sampled_from([0.0, 0.3, 0.7, 1.0]))] = np.nan
    if draw(st.booleans()):
        values[:, :1, :2] = np.nan  # sea
    if draw(st.integers(0, 4)) == 0:
        values[0, -1, -1] = np.inf
    units = draw(st.sampled_from(["m3 m-3", "%", "percent", "1", "cm3 cm-3"]))
    if units in ("%", "percent"):
        values *= 100
    dtype = draw(st.sampled_from(["f4", "f8", ">f4", "<f8", "f2"]))
    dims = draw(st.sampled_from(DIMS))
    numbers = np.arange(days) + (np.arange(days) > draw(st.integers(0, 14))) * draw(
        st.sampled_from([0, 0, 3, 120])
    )
    calendar = draw(st.sampled_from(["standard", "standard", "noleap", "360_day"]))
    if calendar == "standard":
        time = np.datetime64("2019-02-25", "ns") + numbers * np.timedelta64(1, "D")
    else:
        encoded = xr.DataArray(numbers, dims="t", attrs={"units": "days since 2019-02-25"})
        encoded.attrs["calendar"] = calendar
        time = xr.decode_cf(xr.Dataset({"t": encoded}))["t"].values
    whole = draw(st.booleans())
    step = 360 / columns if whole else 0.5
    lon = (-180 if draw(st.booleans()) else 0) + step * (np.arange(columns) + 0.5)
    lat = 50 - (80 / rows if whole else 0.5) * np.arange(rows)
    coords = {dims[0]: time, dims[1]: lat, dims[2]: lon}
    da = xr.DataArray(values.astype(dtype), coords, dims, draw(st.sampled_from(NAMES)))
    da.attrs = {**draw(st.sampled_from(ATTRS)), "units": units}
    for dim, kind in ((dims[1], "latitude"), (dims[2], "longitude")):
        da[dim].attrs = {"standard_name": kind, "units": f"degrees_{kind[0:1]}"}
        da[dim].attrs["units"] = "degrees_north" if kind == "latitude" else "degrees_east"
    da = da.transpose(*draw(st.permutations(dims)))
    # a task of Dask costs more than the cells in it: one dimension has up to five chunks
    fine = draw(st.sampled_from(dims))
    least = {dim: -(-n // (5 if dim == fine else 2)) for dim, n in da.sizes.items()}
    chunks = {dim: draw(st.integers(least[dim], n)) for dim, n in da.sizes.items()}
    return da, dims, chunks, whole


OPTIONS = st.fixed_dictionaries(
    {
        "max_gap": st.sampled_from([None, None, 1, 3]),
        "fallback": st.sampled_from([None, "climatology"]),
        "uncertainty": st.booleans(),
        "calibrate": st.sampled_from([False, False, False, False, True]),
    }
)


def fill(obj, name, **options):
    return xsm.gapfill(obj, var=name, model=MODEL, progress=False, **options)


def close(one: xr.Dataset, other: xr.Dataset, name: str, scale: float) -> None:
    for key in one.data_vars:
        left, right = one[key].values, other[key].transpose(*one[key].dims).values
        if key.endswith("_flag"):
            np.testing.assert_array_equal(left, right, err_msg=key)
        else:
            tolerance = 2e-3 if one[name].dtype == np.float16 else 3e-5
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=tolerance * scale, err_msg=key)


@in_parts
@fuzz()
@given(records(), OPTIONS)
def test_what_holds_of_every_fill(part, made, options):
    da, dims, chunks, whole = made
    name, scale = da.name, 100.0 if da.attrs["units"] in ("%", "percent") else 1.0
    before = da.copy(deep=True)
    try:
        filled = fill(da.to_dataset(), name, **options)
    except XsmError as error:
        assert len(str(error)) > 20  # refused, with a reason
        return
    assert da.identical(before) and da.values.tobytes() == before.values.tobytes()
    values, flag = filled[name].values, filled[f"{name}_flag"].values
    observed = np.isfinite(da.values)
    if "valid_range" in da.attrs and scale == 1:  # beyond it a value counts as missing
        observed &= (da.values >= 0) & (da.values <= 1)
    assert filled[name].dtype == da.dtype and filled[name].dims == da.dims
    assert values[observed].tobytes() == da.values[observed].tobytes()
    np.testing.assert_array_equal(flag == 0, observed)
    np.testing.assert_array_equal(np.isfinite(values), observed | np.isin(flag, BY_ESTIMATE))
    if options["uncertainty"]:
        std = filled[f"{name}_uncertainty"].values
        np.testing.assert_array_equal(np.isfinite(std), np.isin(flag, BY_ESTIMATE))
        assert (std[np.isfinite(std)] >= 0).all()

    with dask.config.set(scheduler="synchronous"):
        lazy = fill(da.chunk(chunks).to_dataset(), name, **options)
        assert lazy[name].chunks == da.chunk(chunks).chunks
        close(lazy.compute(), filled, name, scale)
        assert lazy[name].dtype == filled[name].dtype

    flipped = da.isel({dims[1]: slice(None, None, -1)})
    close(
        fill(flipped.to_dataset(), name, **options).isel({dims[1]: slice(None, None, -1)}),
        filled, name, scale,
    )  # fmt: skip
    if whole and da.sizes[dims[2]] > 2:  # two columns may be in either order
        shift = da.sizes[dims[2]] // 2
        rolled = da.roll({dims[2]: shift}, roll_coords=True)
        again = fill(rolled.to_dataset(), name, **options)
        close(again.roll({dims[2]: -shift}, roll_coords=True), filled, name, scale)

    second = fill(filled[[name]], name, **options | {"calibrate": False})
    kept = np.isfinite(values)
    assert second[name].values[kept].tobytes() == values[kept].tobytes()


@in_parts
@fuzz(0.15)
@given(records(), OPTIONS, st.booleans(), st.integers(0, 2**16))
def test_what_holds_of_a_fill_with_a_background(part, made, options, with_error, seed):
    da, dims, chunks, _ = made
    name, percent = da.name, da.attrs["units"] in ("%", "percent")
    scale = 100.0 if percent else 1.0
    rng = np.random.default_rng(seed)
    like, attrs = da.transpose(*rng.permutation(dims)), {"units": "m3 m-3"}
    fields = {
        key: (like.dims, values.astype(np.float32), attrs)
        for key, values in (
            ("sm", 0.25 + 0.08 * rng.standard_normal(like.shape)),
            ("sm_uncertainty", rng.uniform(0.01, 0.08, like.shape)),
        )
    }
    background = xr.Dataset(fields, like.coords)
    background = background if with_error else background["sm"]

    def with_background(obj, field=background):
        return fill(obj.to_dataset(), name, background=field, **options)

    try:
        filled = with_background(da)
    except XsmError as error:
        assert len(str(error)) > 20
        return
    observed = filled[f"{name}_flag"].values == 0
    assert filled[name].dtype == da.dtype and filled[name].dims == da.dims
    assert filled[name].values[observed].tobytes() == da.values[observed].tobytes()
    assert np.isfinite(filled[name].values[np.isfinite(da.values) & observed]).all()
    with dask.config.set(scheduler="synchronous"):
        lazy = with_background(da.chunk(chunks), background.chunk({dims[0]: 2, dims[2]: 3}))
        assert lazy[name].chunks == da.chunk(chunks).chunks
        close(lazy.compute(), filled, name, scale)
    flipped = da.isel({dims[1]: slice(None, None, -1)})
    close(with_background(flipped).isel({dims[1]: slice(None, None, -1)}), filled, name, scale)
    if da.dtype.itemsize >= 4 and "valid_range" not in da.attrs:
        factor, units = (0.01, "m3 m-3") if percent else (100.0, "%")
        other = with_background((factor * da).assign_attrs(da.attrs | {"units": units}))
        for key in (name, f"{name}_uncertainty"):
            if key in other:
                other[key] = other[key] / factor
        close(other, filled, name, scale)
