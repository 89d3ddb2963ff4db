"""Records, stations and products of any form: what must hold of every score."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import xsm
from tests.fuzz_settings import fuzz, in_parts
from xsm.errors import XsmError
from xsm.metrics.status import CONSTANT_SERIES, OK

dask = pytest.importorskip("dask", reason="needs xsm[dask]")

METRICS = ["bias", "rmsd", "ubrmsd", "pearson_r", "spearman_rho", "kge", "std_ratio"]
BY = [None, None, None, "season", "month", "winter", "wetness", "latitude_band", "network"]
ATTRS = [
    {},
    {"made": np.datetime64("2020-01-01"), "raw": b"bytes", "z": 1 + 2j, "nothing": None},
    {"valid_range": "x", "flag_values": "x", "cell_methods": 3, "long_name": 7},
    {"ancillary_variables": "gone", "grid_mapping": "gone", "coordinates": "gone"},
    {"standard_name": 5},
]
UNITS = [("m3 m-3", 1), ("%", 100), ("percent", 100), ("1", 1), ("cm3 cm-3", 1)]


def dates(draw, days, calendar):
    start = draw(st.sampled_from(["2018-12-20", "2019-02-25", "2019-06-01"]))
    encoded = xr.DataArray(np.arange(days), dims="n", attrs={"units": f"days since {start}"})
    encoded.attrs["calendar"] = calendar
    return xr.decode_cf(xr.Dataset({"n": encoded}))["n"].values


def soil_moisture(draw, rng, shape):
    values = rng.uniform(0.05, 0.5, shape)
    values[rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))] = np.nan
    if draw(st.integers(0, 6)) == 0:
        values[:] = np.where(np.isnan(values), np.nan, 0.3)  # constant
    if draw(st.integers(0, 6)) == 0:
        values.flat[-1] = np.inf
    return values


def variable(draw, values, dims, coords):
    units, factor = draw(st.sampled_from(UNITS))
    dtype = draw(st.sampled_from(["f4", "f8", ">f4"]))
    name = draw(st.sampled_from(["soil_moisture", "sm", "μ $x_1$"]))
    attrs = draw(st.sampled_from(ATTRS)) | {"units": units}
    own = {name: c for name, c in coords.items() if name in dims}
    da = xr.DataArray((values * factor).astype(dtype), own, dims, name, attrs)
    return da.transpose(*draw(st.permutations(dims)))


@st.composite
def pairs(draw):
    """A record, its reference, and whether that is one of stations."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    days, rows, columns = draw(st.tuples(st.integers(1, 40), st.integers(2, 4), st.integers(2, 4)))
    calendar = draw(st.sampled_from(["standard", "standard", "standard", "noleap", "360_day"]))
    lat, lon = 45 - 0.5 * np.arange(rows), 3 + 0.5 * np.arange(columns)
    if draw(st.booleans()):
        lat = lat[::-1].copy()
    dims = draw(st.sampled_from([("time", "lat", "lon"), ("t", "latitude", "longitude")]))
    coords = {dims[0]: dates(draw, days, calendar), dims[1]: lat, dims[2]: lon}
    grid = variable(draw, soil_moisture(draw, rng, (days, rows, columns)), dims, coords)
    at_stations = draw(st.booleans())
    if not at_stations:
        other = dict(coords)
        if draw(st.booleans()):
            other[dims[0]] = dates(draw, days, calendar)
        values = soil_moisture(draw, rng, (days, rows, columns))
        return grid, variable(draw, values, dims, other), at_stations
    n, hours = draw(st.integers(0, 4)), draw(st.integers(0, 80))
    step = draw(st.sampled_from(["12h", "1D", "7h"]))
    time = pd.date_range("2019-02-20", periods=hours, freq=step, unit="ns")
    series = variable(
        draw, soil_moisture(draw, rng, (n, hours)) if n * hours else np.empty((n, hours)),
        ("station", "time"), {"time": time},
    )  # fmt: skip
    places = [rng.uniform(low, high, n) for low, high in ((43, 46), (2, 6))]
    if n and draw(st.integers(0, 4)) == 0:
        places[0][0] = np.nan
    about = {"lat": ("station", places[0]), "lon": ("station", places[1])}
    network = [draw(st.sampled_from(["A", "B <b>", ""])) for _ in range(n)]
    about["network"] = ("station", np.array(network, dtype="U5"))
    if draw(st.booleans()):
        about["station"] = rng.permutation(n) + 7
    return grid, series.assign_coords(about), at_stations


OPTIONS = st.fixed_dictionaries(
    {
        "metrics": st.lists(st.sampled_from(METRICS), min_size=1, max_size=4, unique=True),
        "by": st.sampled_from(BY),
        "across": st.sampled_from(["time", "time", "time", "space"]),
        "scaling": st.sampled_from([None, None, None, "mean_std", "cdf", "linear"]),
        "anomalies": st.sampled_from([None, None, None, "moving_window"]),
        "p_values": st.sampled_from([False, False, True]),
        "min_pairs": st.sampled_from([1, 3, 10]),
        "ci": st.sampled_from([None, None, None, "analytic"]),
    }
)


def same(left, right, options):
    assert set(left.data_vars) == set(right.data_vars)
    for name in left.data_vars:
        a, b = left[name].values, right[name].transpose(*left[name].dims).values
        if a.dtype.kind in "iu":
            np.testing.assert_array_equal(a, b, err_msg=name)
        else:
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5, err_msg=f"{name} {options}")


@in_parts
@fuzz(0.15)
@given(pairs(), OPTIONS)
def test_what_holds_of_every_score(part, made, options):
    obj, reference, at_stations = made
    before = obj.copy(deep=True), reference.copy(deep=True)

    def validate(obj, reference):
        return xsm.validate(obj, reference, progress=False, **options)

    try:
        scores = validate(obj, reference)
    except XsmError as error:
        assert len(str(error)) > 20  # refused, with a reason
        return
    assert obj.identical(before[0]) and reference.identical(before[1])
    total, status = scores["n_obs"].values, scores["status"].values
    assert (total >= 0).all() and (total <= max(obj.size, reference.size)).all()
    for name in options["metrics"]:
        finite = np.isfinite(scores[name].values)
        no_score = (total < options["min_pairs"]) | ~np.isin(status, (OK, CONSTANT_SERIES))
        assert not finite[no_score].any(), name
    assert (total[status == OK] >= options["min_pairs"]).all()

    if at_stations:
        turned = validate(obj, reference.isel(station=slice(None, None, -1)))
        if options["across"] == "time":
            turned = turned.isel(station=slice(None, None, -1))
        same(turned, scores, options)
        return
    rows = next(dim for dim in obj.dims if dim in ("lat", "latitude"))
    flip = {rows: slice(None, None, -1)}
    turned = validate(obj.isel(flip), reference.isel(flip))
    same(turned.isel(flip, missing_dims="ignore"), scores, options)
    with dask.config.set(scheduler="synchronous"):
        half = {dim: -(-n // 2) for dim, n in obj.sizes.items()}
        lazy = validate(obj.chunk(half), reference.chunk(half)).compute()
    same(lazy, scores, options)
