"""Values that attributes declare invalid, and values that are no soil moisture."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from tests.estimation.worlds import world
from xsm.conventions.valid_values import declared_values, valid_values
from xsm.conventions.variables import read_variable, to_m3m3
from xsm.errors import InputError, UnitError
from xsm.estimation.samples import read_samples

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


def percent(low=2.0, high=60.0, **attrs) -> xr.DataArray:
    values = np.random.default_rng(4).uniform(low, high, (T, 4, 4))
    values[::7] = np.nan
    return variable(values, **{"units": "percent"} | attrs)


OTHER_UNITS = {
    "fractions left on percent": {"valid_range": [0.0, 1.0]},
    "a maximum that leaves out most": {"valid_range": [0, 11]},
    "a minimum beyond": {"valid_min": 100.0},
    "packed, decoded elsewhere": {"valid_range": np.int16([2000, 6000])},
}


@pytest.mark.parametrize("case", OTHER_UNITS)
def test_a_range_in_another_unit_is_not_used(case, caplog):
    da, plain = percent(**OTHER_UNITS[case]), percent()
    filled = da.sm.gapfill()
    texts = [r.getMessage() for r in caplog.records if "valid range" in r.getMessage()]
    assert len(texts) == 1 and "the range is not used" in texts[0]
    assert 'del ds["sm"].attrs["valid_range"]' in texts[0]
    xr.testing.assert_identical(filled.drop_attrs(), plain.sm.gapfill().drop_attrs())
    assert not {"valid_range", "valid_min"} & set(filled["sm"].attrs)  # it would mask the output
    for reference in (stations(), record(1)):
        xr.testing.assert_allclose(da.sm.validate(reference), plain.sm.validate(reference))
    xr.testing.assert_allclose(record(1).sm.validate(da), record(1).sm.validate(plain))
    found = da.sm.check()
    assert found["finding"].str.contains("valid range is in another unit").sum() == 1
    assert set(OTHER_UNITS[case]) <= set(da.attrs)


def test_a_narrow_range_that_is_right_counts(caplog):
    da = percent(2.0, 30.0, valid_range=[0.0, 27.0])
    clean = da.where(da <= 27.0)
    xr.testing.assert_identical(da.sm.gapfill().drop_attrs(), clean.sm.gapfill().drop_attrs())
    texts = [r.getMessage() for r in caplog.records if "valid range" in r.getMessage()]
    assert len(texts) == 1 and "% of those read: they count as missing" in texts[0]
    codes = percent(2.0, 26.0, valid_range=[0.0, 27.0])
    codes[:, :, 1:] = 30.0  # three quarters of the values: a code, no measurement
    assert np.isnan(to_m3m3(codes)[:, :, 1:]).all()
    assert np.isfinite(to_m3m3(codes)[1:5, :, 0]).all()


def test_a_narrow_range_on_dask_is_refused():
    da = percent(valid_range=[0, 11]).chunk(time=10)
    message = r"0 to 0.11 m3 m-3 .*maximum 11.*Dask.*del ds\[.*where"
    for call in (da.sm.gapfill, da.sm.validate, lambda: da.sm.validate(record(1))):
        with pytest.raises(UnitError, match=message):
            call()
    assert da.sm.check()["finding"].str.contains("valid range of 0 to 0.11").any()
    wide = percent(valid_range=[0, 50])
    xr.testing.assert_allclose(
        wide.chunk(time=10).sm.gapfill().drop_attrs().compute(), wide.sm.gapfill().drop_attrs()
    )
    fractions = percent(valid_range=[0.0, 1.0]).chunk(time=10)  # no soil moisture fits
    xr.testing.assert_allclose(
        fractions.sm.gapfill().drop_attrs().compute(), percent().sm.gapfill().drop_attrs()
    )


def test_a_target_of_several_times_a_day_with_a_range_in_another_unit():
    ds = world()
    hours = ds["soil"].time.values[0] + np.arange(120) * np.timedelta64(12, "h")
    soil = ds["soil"].isel(time=np.repeat(np.arange(60), 2)).assign_coords(time=hours)
    soil = (100 * soil).assign_attrs(units="percent", valid_max=11.0)
    names = ["lst", "sand", "precipitation"]
    found, expected = (
        read_samples(ds.drop_vars("soil"), target, names).y
        for target in (soil, ds["soil"].assign_attrs(units="m3 m-3"))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("dtype", "scale"), [("i1", 0.5), ("i2", 0.002)])
def test_limits_and_codes_of_unsigned_numbers_in_signed_bytes(dtype, scale, tmp_path):
    """NUG: ``_Unsigned`` is for the attributes of the type of the data too."""
    unsigned = np.dtype(dtype.replace("i", "u"))
    raw = np.rint(np.random.default_rng(0).uniform(5, 95, (T, 4, 4)) / scale).astype(unsigned)
    limit, code = int(98 / scale), int(96 / scale)
    raw[:, 2, 2], raw[:, 1, 2], raw[0] = limit + 1, code, np.iinfo(unsigned).max
    packed = variable(
        raw.view(dtype),
        units="percent",
        scale_factor=scale,
        _FillValue=np.array(-1, dtype)[()],
        _Unsigned="true",
        valid_range=np.array([0, limit], unsigned).view(dtype),
        flag_values=np.array([code], unsigned).view(dtype),
    )
    da = xr.decode_cf(packed.to_dataset())["sm"]
    declared = declared_values(da)
    np.testing.assert_allclose(declared[:2], [0.0, limit * scale])
    np.testing.assert_allclose(declared.codes, [code * scale])
    values = to_m3m3(da)
    assert np.isnan(values[:, 2, 2]).all() and np.isnan(values[:, 1, 2]).all()
    assert np.isfinite(values[1:, 0]).all()
    packed.to_dataset().to_netcdf(tmp_path / "sm.nc")
    opened = xsm.open_record(tmp_path / "sm.nc")["sm"].compute()
    np.testing.assert_allclose(opened, 100 * values, rtol=1e-5)
    with pytest.raises(InputError, match="_Unsigned among its attributes"):
        packed.drop_attrs().assign_attrs(units="percent", _Unsigned="true").sm.gapfill()


def test_limits_of_signed_numbers_in_unsigned_bytes():
    raw = np.arange(-20, 60, dtype=np.int8)
    da = xr.DataArray(
        raw.view("u1"),
        dims="time",
        name="sm",
        attrs={
            "scale_factor": 0.01,
            "_Unsigned": "false",
            "valid_range": np.array([-10, 50], "i1").view("u1"),
        },
    )
    declared = declared_values(xr.decode_cf(da.to_dataset())["sm"])
    np.testing.assert_allclose(declared[:2], [-0.1, 0.5])
