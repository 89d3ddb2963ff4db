"""Predictors of any form: what must hold of every estimate."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import xsm
from tests.estimation.worlds import any_model
from tests.fuzz_settings import fuzz, in_parts
from xsm.conventions.cf import ESTIMATED, MISSING_INPUT, NO_INPUT, NOT_SOIL
from xsm.errors import XsmError

dask = pytest.importorskip("dask", reason="needs xsm[dask]")

MODEL = any_model("bilstm", days=12, context=2, members=1)
FORMS = {  # name, unit, factor and offset from the model's unit
    "precipitation": [
        ("precipitation", "mm day-1", 1, 0),
        ("precipitation", "kg m-2 s-1", 1 / 86400, 0),
        ("tp", "mm/hr", 1 / 24, 0),
    ],
    "lst": [("lst", "K", 1, 0), ("lst", "degC", 1, -273.15), ("lst", "Kelvin", 1, 0)],
    "sand": [("sand", "1", 1, 0), ("sand", "%", 100, 0), ("sand", "percent", 100, 0)],
}
DIMS = [("time", "lat", "lon"), ("t", "latitude", "longitude"), ("T", "y", "x")]
ATTRS = [
    {},
    {"made": np.datetime64("2020-01-01"), "raw": b"bytes", "z": 1 + 2j, "nothing": None},
    {"valid_range": [0, 1], "flag_values": "x", "standard_name": "other", "cell_methods": 3},
    {"grid_mapping": "gone", "coordinates": "gone", "ancillary_variables": "gone"},
    {"grid_mapping": 5},
    {"_FillValue": -1},
]


@st.composite
def worlds(draw):
    """Predictors, the same in other units, and their chunks."""
    days, rows, columns = draw(st.tuples(st.integers(1, 20), st.integers(1, 4), st.integers(1, 4)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    dims = draw(st.sampled_from(DIMS))
    calendar = draw(st.sampled_from(["standard", "standard", "noleap", "360_day"]))
    step = draw(st.sampled_from([1, 1, 1, 2]))
    numbers = xr.DataArray(
        step * np.arange(days), dims="n", attrs={"units": "days since 2019-2-20"}
    )
    numbers.attrs["calendar"] = calendar
    time = xr.decode_cf(xr.Dataset({"n": numbers}))["n"].values
    coords = {dims[0]: time, dims[1]: 50.0 - np.arange(rows), dims[2]: 3.0 + np.arange(columns)}
    fields = {
        "precipitation": rng.exponential(4, (days, rows, columns)),
        "lst": 285 + 5 * rng.standard_normal((days, rows, columns)),
        "sand": rng.uniform(0.2, 0.8, (rows, columns)),
    }
    dtype = draw(st.sampled_from(["f4", "f8", ">f4", "<f8"]))
    one, other = xr.Dataset(coords=coords), xr.Dataset(coords=coords)
    for name, values in fields.items():
        values[rng.random(values.shape) < draw(st.sampled_from([0.0, 0.0, 0.4, 1.0]))] = np.nan
        if draw(st.integers(0, 9)) == 0:
            values.flat[0] = np.inf
        own = dims[-values.ndim :]
        order = draw(st.permutations(own))
        attrs = draw(st.sampled_from(ATTRS)) if draw(st.integers(0, 3)) == 0 else {}
        for ds in (one, other):
            new, units, factor, offset = draw(st.sampled_from(FORMS[name]))
            array = xr.DataArray(values * factor + offset, {d: coords[d] for d in own}, own)
            ds[new] = array.transpose(*order).astype(dtype).assign_attrs(attrs | {"units": units})
    if draw(st.integers(0, 4)) == 0:
        classes = rng.choice([1, 10, 15, 17], (rows, columns)).astype("i2")
        for ds in (one, other):
            ds["igbp"] = (dims[1:], classes)
    chunks = {dim: draw(st.integers(-(-n // 3), n)) for dim, n in one.sizes.items()}
    return one, other, dims, chunks


def close(left, right, tolerance):
    for name in left.data_vars:
        a, b = left[name].values, right[name].transpose(*left[name].dims).values
        if name.endswith("_flag"):
            np.testing.assert_array_equal(a, b, err_msg=name)
        else:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=tolerance, err_msg=name)


@in_parts
@fuzz(0.15)
@given(worlds())
def test_what_holds_of_every_estimate(part, made):
    ds, other, dims, chunks = made
    before = ds.copy(deep=True)

    def estimate(obj):
        names = set(ds.data_vars) | set(other.data_vars)
        out = xsm.estimate(obj, model=MODEL, progress=False)
        return out.drop_vars([name for name in names if name in out])

    try:
        out = estimate(ds)
    except XsmError as error:
        assert len(str(error)) > 20  # refused, with a reason
        return
    assert ds.identical(before)
    values, flag = out["soil_moisture"].values, out["soil_moisture_flag"].values
    std = out["soil_moisture_uncertainty"].values
    np.testing.assert_array_equal(np.isfinite(values), np.isin(flag, (ESTIMATED, MISSING_INPUT)))
    np.testing.assert_array_equal(np.isfinite(values), np.isfinite(std))
    assert np.isin(flag[~np.isfinite(values)], (NO_INPUT, NOT_SOIL)).all()
    assert (std[np.isfinite(std)] >= 0).all()
    assert values.dtype == np.float32 and set(out["soil_moisture"].dims) == set(dims)

    close(estimate(other), out, 2e-4)  # whatever the units
    with dask.config.set(scheduler="synchronous"):
        lazy = estimate(ds.chunk(chunks))
        assert lazy["soil_moisture"].chunks is not None
        close(lazy.compute(), out, 1e-5)
    flipped = ds.isel({dims[1]: slice(None, None, -1)})
    close(estimate(flipped).isel({dims[1]: slice(None, None, -1)}), out, 1e-5)
    cell = {dims[1]: [-1], dims[2]: [0]}  # each is estimated from its own predictors alone
    close(estimate(ds.isel(cell)), out.isel(cell), 1e-5)
