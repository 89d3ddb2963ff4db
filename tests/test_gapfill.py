"""What comes back from gapfill: values, flags, uncertainty, and everything that must stay."""

import sys

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.conventions.cf import BY_NETWORK, FILL_FLAGS, NEVER_OBSERVED, NOT_LAND, OBSERVED
from xsm.errors import InputError, TimeAxisError, UnitError, VariableNotFoundError
from xsm.gapfilling import statistics

pytestmark = pytest.mark.usefixtures("network")
SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"
SEA = (slice(None), slice(0, 3), slice(0, 4))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_observed_values_stay_bit_for_bit(record):
    out = record.sm.gapfill()
    seen = np.isfinite(record[SM].values)
    assert same_bits(out[SM].values[seen], record[SM].values[seen])
    assert (out[FLAG].values[seen] == OBSERVED).all()
    assert np.isnan(out[UNC].values[seen]).all()


def test_gaps_on_land_are_filled_and_the_sea_is_not(record):
    out = record.sm.gapfill()
    assert (
        np.isnan(out[SM].values[SEA]).all()
        and np.isin(out[FLAG].values[SEA], [NOT_LAND, NEVER_OBSERVED]).all()
    )
    land = np.isfinite(record[SM]).any("time")
    assert np.isfinite(out[SM].values).all(axis=0)[land.values].all()
    gaps = (np.isnan(record[SM]) & land).values
    assert (out[FLAG].values[gaps] == BY_NETWORK).all()
    assert (out[UNC].values[gaps] > 0).all()


def test_value_is_that_of_one_block_around_everything(record):
    values = record[SM].values
    gone = {"constant_values": np.nan}
    padded = np.pad(
        np.pad(values, ((4, 4), (2, 2), (0, 0)), **gone), ((0, 0), (0, 0), (2, 2)), "wrap"
    )
    stats = statistics.record_statistics(values, wrap=True)
    stats = np.pad(np.pad(stats, ((0, 0), (2, 2), (0, 0))), ((0, 0), (0, 0), (2, 2)), "wrap")
    stand_in = sys.modules["xsm.networks.block_inference"]
    mean, spread = stand_in.fill_block(padded, stats, stand_in.load_model())
    for tile in ((32, 128, 128), (5, 4, 3)):
        with xsm.set_options(tile=tile):
            out = record.sm.gapfill()
        filled = out[FLAG].values == BY_NETWORK
        np.testing.assert_allclose(out[SM].values[filled], mean[filled], rtol=1e-6)
        np.testing.assert_allclose(out[UNC].values[filled], spread[filled], rtol=1e-6)


def test_input_is_not_modified(record):
    record.encoding["source"] = "x"
    before = record.copy(deep=True)
    out = record.sm.gapfill(fallback="climatology", max_gap=3)
    out[SM].values[:] = 0
    out[SM].attrs["units"] = "K"
    out.attrs["a"] = out["lat"].attrs["b"] = 1
    xr.testing.assert_identical(record, before)


def test_attributes_encoding_and_order_stay(record):
    record[SM].attrs |= {"long_name": "moisture", "ancillary_variables": "quality"}
    record[SM].encoding = {"dtype": "int16", "scale_factor": 1e-4, "_FillValue": -9999}
    record = record.assign(quality=record[SM] * 0, soil=("layer", [1, 2])).transpose("lon", ...)
    record.attrs["title"] = "a title"
    out = record.sm.gapfill()
    assert out[SM].dims == out[UNC].dims == out[FLAG].dims == record[SM].dims
    assert out[SM].encoding == record[SM].encoding
    assert {k: out[SM].attrs[k] for k in ("long_name", "units")} == {
        "long_name": "moisture",
        "units": "m3 m-3",
    }
    assert out[SM].attrs["ancillary_variables"] == f"quality {UNC} {FLAG}"
    assert out.attrs["title"] == "a title"
    xr.testing.assert_identical(out["quality"], record["quality"])
    xr.testing.assert_identical(out["soil"], record["soil"])
    assert list(out) == [SM, "quality", "soil", UNC, FLAG]


def test_flag_follows_cf(record):
    flag = record.sm.gapfill()[FLAG]
    assert flag.dtype == np.int8 and flag.attrs["flag_values"].dtype == np.int8
    assert flag.attrs["flag_values"].tolist() == list(range(10))
    assert flag.attrs["flag_meanings"].split() == list(FILL_FLAGS)


def test_history_and_model_are_told(record):
    record.attrs["history"] = "2015: made"
    out = record.sm.gapfill(max_gap="5D")
    new, old = out.attrs["history"].split("\n")
    assert old == "2015: made"
    assert f"xsm {xsm.__version__} gapfill('soil_moisture', max_gap='5D'" in new
    assert "window-mean (test)" in new
    assert out[SM].attrs["gapfill_model"] == "window-mean (test)"


def test_result_is_written_and_read_again(record, tmp_path):
    record["time"].encoding["units"] = "days since 2015-01-01"
    record[SM].attrs["standard_name"] = "volume_fraction_of_condensed_water_in_soil"
    out = record.sm.gapfill()
    out.to_netcdf(tmp_path / "filled.nc")
    with xr.open_dataset(tmp_path / "filled.nc") as again:
        np.testing.assert_array_equal(again[SM].values, out[SM].values)
        assert again[FLAG].dtype == np.int8
        assert again[UNC].attrs["standard_name"].endswith("in_soil standard_error")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtype_stays(record, dtype):
    record[SM] = record[SM].astype(dtype)
    out = record.sm.gapfill()
    assert out[SM].dtype == out[UNC].dtype == dtype
    seen = np.isfinite(record[SM].values)
    assert same_bits(out[SM].values[seen], record[SM].values[seen])


def test_integers_become_float32(record):
    values = np.full(record[SM].shape, 25, np.int16)
    record[SM] = record[SM].dims, values, {"units": "percent"}
    out = record.isel(time=[0, 1, 3, 4]).sm.gapfill()
    assert out[SM].dtype == np.float32 and (out[SM] == 25).all()


@pytest.mark.parametrize(
    ("units", "each"), [("percent", 0.01), ("%", 0.01), ("m³/m³", 1.0), ("1", 1)]
)
def test_units_come_back_as_they_came(record, units, each):
    expected = record.sm.gapfill()
    given = record.copy()
    given[SM] = (record[SM] / each).astype(np.float32).assign_attrs(units=units)
    out = given.sm.gapfill()
    assert out[SM].attrs["units"] == out[UNC].attrs["units"] == units
    for name in (SM, UNC):
        np.testing.assert_allclose(out[name] * each, expected[name], rtol=2e-6)


def test_pint_in_pint_out(record):
    pint = pytest.importorskip("pint")
    registry = pint.UnitRegistry()
    expected = record.sm.gapfill()
    attrs = {k: v for k, v in record[SM].attrs.items() if k != "units"}
    percent = registry.Quantity(record[SM].values * 100, "percent")
    out = record.assign({SM: (record[SM].dims, percent, attrs)}).sm.gapfill()
    for name in (SM, UNC):
        assert out[name].data.units == registry.percent
        assert "units" not in out[name].attrs
        np.testing.assert_allclose(out[name].data.magnitude / 100, expected[name], rtol=2e-6)
    assert isinstance(out[FLAG].data, np.ndarray)


def test_pint_xarray_in_and_out(record):
    pytest.importorskip("pint_xarray")
    pint = pytest.importorskip("pint")
    registry = pint.UnitRegistry(force_ndarray_like=True)
    registry.define("degrees_north = degree")
    registry.define("degrees_east = degree")
    lat, lon = xr.broadcast(record["lat"], record["lon"])
    two = {"latitude": (("y", "x"), lat.values), "longitude": (("y", "x"), lon.values)}
    projected = record.rename(lat="y", lon="x").drop_vars(["y", "x"]).assign_coords(two)
    for ds, units in (
        (record, {SM: "dimensionless", "lat": "degrees_north", "lon": "degrees_east"}),
        (projected, {SM: "dimensionless", "latitude": "degree", "longitude": "degree"}),
    ):
        ds = ds.drop_attrs()
        quantified = ds.pint.quantify(units, unit_registry=registry)
        out = quantified.sm.gapfill().pint.dequantify()
        np.testing.assert_allclose(out[SM], record.sm.gapfill()[SM], rtol=1e-6)
        assert out[SM].attrs["units"] == out[UNC].attrs["units"] == "dimensionless"


def test_filled_values_stay_in_a_plausible_range(record, monkeypatch):
    def fill_block(values, stats, model, **_):
        shape = tuple(n - 2 * h for n, h in zip(values.shape, model.halo, strict=True))
        return np.stack([np.linspace(-1, 2, np.prod(shape)).reshape(shape)] * 2).astype(np.float32)

    module = sys.modules["xsm.networks.block_inference"]
    monkeypatch.setattr(module, "fill_block", fill_block)
    out = record.sm.gapfill()
    filled = out[FLAG] == BY_NETWORK
    low, high = out[SM].where(filled).min("time"), out[SM].where(filled).max("time")
    assert low.min() >= 0 and high.max() <= 0.65
    assert ((high - record[SM].max("time")).max() < 0.2) and (record[SM].min("time") >= low).any()
    # all estimates are far beyond the range and as uncertain as it is wide
    monkeypatch.setattr(module, "fill_block", lambda *a, **k: 5 + 0 * fill_block(*a, **k))
    moved = record.sm.gapfill()
    width = record[SM].max("time") - record[SM].min("time")
    assert ((moved[UNC] > width) & (moved[UNC] < 0.8)).values[filled.values].all()
    monkeypatch.setattr(module, "fill_block", fill_block)
    record[SM].attrs["valid_range"] = np.float32([0.02, 0.45])
    filled = record.sm.gapfill()[SM].values[np.isnan(record[SM].values)]
    assert np.nanmin(filled) == np.float32(0.02) and np.nanmax(filled) == np.float32(0.45)


def test_observed_values_out_of_range_stay(record):
    record[SM][5, 5, 5] = -0.01
    record[SM][6, 5, 5] = 1.01
    out = record.sm.gapfill()
    assert out[SM].values[5, 5, 5] == np.float32(-0.01)
    assert out[SM].values[6, 5, 5] == np.float32(1.01)


def test_observed_values_are_replaced_when_asked(record):
    out = record.sm.gapfill(keep_observed=False)
    seen = np.isfinite(record[SM].values)
    assert (out[FLAG].values[seen] == BY_NETWORK).all()
    assert np.isfinite(out[UNC].values[seen]).all()
    assert (out[SM].values[seen] != record[SM].values[seen]).mean() > 0.9
    kept = record.sm.gapfill()
    gaps = ~seen
    np.testing.assert_array_equal(out[SM].values[gaps], kept[SM].values[gaps])


def test_uncertainty_of_the_product_stays_where_it_observed(record):
    own = xr.full_like(record[SM], 3.0).where(np.isfinite(record[SM]))
    own.attrs = {"units": "percent", "long_name": "theirs"}
    own.encoding = {"zlib": True}
    expected = record.sm.gapfill()
    out = record.assign({UNC: own}).sm.gapfill()
    seen = np.isfinite(record[SM].values)
    assert (out[UNC].values[seen] == 3.0).all()
    filled = out[FLAG].values == BY_NETWORK
    np.testing.assert_allclose(
        out[UNC].values[filled], 100 * expected[UNC].values[filled], rtol=1e-6
    )
    assert out[UNC].attrs["long_name"] == "theirs" and out[UNC].encoding == {"zlib": True}
    untouched = record.assign({UNC: own}).sm.gapfill(uncertainty=False)
    xr.testing.assert_identical(untouched[UNC], own.rename(UNC))


def test_unfit_uncertainty_in_the_way_is_an_error(record):
    with pytest.raises(InputError, match="would overwrite.*uncertainty=False"):
        record.assign({UNC: ("time", np.zeros(12))}).sm.gapfill()


def test_filled_twice_is_an_error_that_says_so(record):
    filled = record.sm.gapfill()
    with pytest.raises(InputError, match=f"is filled already.*'{FLAG}'") as error:
        filled.sm.gapfill()
    advised = eval(str(error.value).partition("alone: ")[2][:-1], {"ds": filled})
    xr.testing.assert_equal(advised.sm.gapfill(), filled)
    with pytest.raises(InputError, match=f"already has a variable '{FLAG}'.*Drop or rename"):
        record.assign({FLAG: xr.zeros_like(record[SM])}).sm.gapfill()


# bad input


def test_all_missing_comes_back_empty(record):
    record[SM][:] = np.nan
    out = record.sm.gapfill(fallback="climatology")
    assert np.isnan(out[SM]).all() and np.isnan(out[UNC]).all()
    assert set(np.unique(out[FLAG])) == {NOT_LAND, NEVER_OBSERVED}
    assert (record.sm.gapfill(land=np.ones((9, 16), bool))[FLAG] == NEVER_OBSERVED).all()


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_infinite_counts_as_missing(record, infinity):
    record[SM][4, 5, 5] = np.nan
    expected = record.sm.gapfill()
    record[SM][4, 5, 5] = infinity
    record[SM][4, 0, 0] = infinity
    out = record.sm.gapfill()
    xr.testing.assert_identical(out.drop_attrs(), expected.drop_attrs())


@pytest.mark.parametrize("value", [25.0, -9999.0])
def test_values_that_belie_their_unit_are_refused(record, value):
    record[SM][4, 5, 5] = value
    with pytest.raises(UnitError, match=f"{value:g}.*units attribute is wrong"):
        record.sm.gapfill()


def test_wrong_unit_is_refused(record):
    record[SM].attrs["units"] = "kg m-2"
    with pytest.raises(UnitError, match="units 'kg m-2'"):
        record.sm.gapfill()


def test_nothing_to_fill_is_found_out(record):
    with pytest.raises(VariableNotFoundError, match="'moist'"):
        record.rename({SM: "moist"}).sm.gapfill()
    with pytest.raises(InputError, match="var='x'.*leave var out"):
        record[SM].sm.gapfill(var="x")
    with pytest.raises(InputError, match="fallback='mean'"):
        record.sm.gapfill(fallback="mean")


def test_time_without_dates_says_what_to_do(record):
    with pytest.raises(TimeAxisError, match="has no dates.*assign_coords"):
        record.drop_vars("time").sm.gapfill()


def test_unnamed_array_gets_a_name(record):
    assert SM in record[SM].rename(None).sm.gapfill()
