"""Values that attributes declare invalid, and values that are no soil moisture."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.conventions.valid_values import declared_values, valid_values
from xsm.conventions.variables import read_variable, to_m3m3
from xsm.errors import UnitError

T = 30


def variable(values, **attrs) -> xr.DataArray:
    return xr.DataArray(
        values,
        dims=("time", "lat", "lon"),
        name="sm",
        attrs={"units": "m3 m-3"} | attrs,
        coords={"time": pd.date_range("2015", periods=T), "lat": range(4), "lon": range(4)},
    )


def record(seed=0) -> xr.DataArray:
    values = np.random.default_rng(seed).random((T, 4, 4)) * 0.3
    values[::7] = np.nan
    return variable(values)


def stations() -> xr.Dataset:
    series = 0.2 + np.sin(np.arange(T))[None] / 20
    return xr.Dataset(
        {"soil_moisture": (("station", "time"), series, {"units": "m3 m-3"})},
        {
            "time": pd.date_range("2015", periods=T),
            "station": ["A"],
            "lat": ("station", [1.0]),
            "lon": ("station", [1.0]),
        },
    )


CALLS = {
    "gapfill": lambda da: da.sm.gapfill(),
    "validate, stations": lambda da: da.sm.validate(stations()),
    "validate, product": lambda da: da.sm.validate(record(1)),
    "validate, reference": lambda da: record(1).sm.validate(da),
    "validate, gaps": lambda da: da.sm.validate(),
    "fit_gapfill": lambda da: xsm.fit_gapfill(da),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_sentinel_is_refused_everywhere(call):
    da = record()
    da[::5] = -9999.0
    with pytest.raises(UnitError, match="-9999.*not decoded"):
        CALLS[call](da)


@pytest.mark.parametrize("call", [c for c in CALLS if c not in ("validate, gaps", "fit_gapfill")])
def test_a_sentinel_on_dask_is_refused_when_it_is_computed(call):
    da = record()
    da[::5] = -9999.0
    with pytest.raises(UnitError, match="-9999.*not decoded"):
        CALLS[call](da.chunk(time=10)).compute()


@pytest.mark.parametrize("chunks", [None, {"time": 10}])
def test_values_beyond_the_declared_range_are_missing(chunks):
    da = record()
    clean = da.copy()
    clean[3:5, 1, 1] = np.nan
    da[3, 1, 1], da[4, 1, 1] = 0.9, -0.2
    da.attrs["valid_range"] = clean.attrs["valid_range"] = np.float32([0.0, 0.6])
    da, clean = (x if chunks is None else x.chunk(chunks) for x in (da, clean))
    xr.testing.assert_identical(
        da.sm.gapfill().drop_attrs().compute(), clean.sm.gapfill().drop_attrs().compute()
    )
    scores, expected = (x.sm.validate(record(1)).compute() for x in (da, clean))
    xr.testing.assert_allclose(scores.rmsd, expected.rmsd)
    assert float(da[3, 1, 1]) == pytest.approx(0.9)  # the input has not changed


def test_packed_limits_and_flag_codes_are_decoded():
    raw = np.random.default_rng(0).integers(10, 100, (T, 4, 4)).astype("u1")
    raw[:, 2, 2], raw[:, 1, 2], raw[0] = 251, 120, 255
    packed = variable(
        raw,
        units="percent",
        scale_factor=0.5,
        _FillValue=np.uint8(255),
        valid_range=np.array([0, 200], "u1"),
        flag_values=np.array([120, 251], "u1"),
    )
    da = xr.decode_cf(packed.to_dataset())["sm"]
    assert declared_values(da) == (0.0, 100.0, (60.0, 125.5))
    values = to_m3m3(da)
    assert np.isnan(values[:, 2, 2]).all() and np.isnan(values[:, 1, 2]).all()
    assert np.isfinite(values[1:, 0]).all()
    filled = da.sm.gapfill()
    assert (filled.sm_flag[:, 2, 2] != 0).all() and (filled.sm_flag[1:, 0] == 0).all()
    assert float(filled["sm"].max()) <= 100.0


def test_what_is_within_is_not_copied():
    values = record().values
    declared = read_variable(record()).declared
    assert valid_values(values, declared, 1.0, "sm") is values


def test_infinite_values_do_not_hide_a_sentinel():
    values = np.array([0.1, np.inf, -9999.0])
    with pytest.raises(UnitError, match="-9999"):
        valid_values(values, declared_values(record()), 1.0, "sm")
    finite = np.array([0.1, np.inf, np.nan])
    assert valid_values(finite, declared_values(record()), 1.0, "sm") is finite
