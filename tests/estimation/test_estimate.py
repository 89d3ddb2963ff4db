"""estimate(): xarray in, xarray out; masks, flags, laziness, bad input."""

import logging

import dask
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.estimation.worlds import NAMES, any_model, world
from xsm.errors import BackendError, InputError, ModelError, UnitError, VariableNotFoundError
from xsm.estimate import estimate
from xsm.networks.device import ExecutionConfig
from xsm.networks.model import save_model
from xsm.networks.sequence_inference import estimate_sequences


@pytest.fixture(autouse=True)
def silent():
    with xsm.set_options(progress=False):
        yield


def flags(ds):
    names = ds.soil_moisture_flag.attrs["flag_meanings"].split()
    return xr.apply_ufunc(lambda f: np.array(names)[f], ds.soil_moisture_flag)


def test_the_network_sees_every_pixel_with_its_own_predictors():
    ds, model = world(), any_model("bilstm", days=100)
    found = estimate(ds, model=model)
    pixel = ds.isel(lat=2, lon=3)
    sand = np.full(60, pixel.sand.item(), np.float32)
    x = np.stack([pixel.precipitation, pixel.lst, sand], axis=-1)[None]
    mean, std = estimate_sequences(x, model)
    here = found.isel(lat=2, lon=3)
    np.testing.assert_allclose(here.soil_moisture, mean[0], atol=1e-6)
    np.testing.assert_allclose(here.soil_moisture_uncertainty, std[0], rtol=1e-4)
    assert (flags(found) == "estimated").all()


def test_words_that_go_with_it():
    ds = world()
    before = ds.copy(deep=True)
    found = estimate(ds, model=any_model())
    xr.testing.assert_identical(ds, before)
    sm = found.soil_moisture
    assert sm.dims == ("time", "lat", "lon")
    assert sm.dtype == np.float32
    assert sm.attrs["units"] == "m3 m-3"
    assert sm.attrs["standard_name"] == "volume_fraction_of_condensed_water_in_soil"
    assert "0-5 cm" in sm.attrs["long_name"]
    assert "any (sha256" in sm.attrs["estimate_model"]
    assert found.depth.item() == 0.025
    assert found.attrs["history"].endswith("\nmade")
    assert "soil_moisture_uncertainty" not in estimate(ds, model=any_model(), uncertainty=False)


def test_order_and_names_of_dimensions_do_not_matter():
    ds, model = world(), any_model()
    expected = estimate(ds, model=model).soil_moisture
    turned = ds.transpose("lon", "time", "lat").rename(lat="y", lon="x", time="date")
    found = estimate(turned, model=model).soil_moisture
    assert found.dims == ("x", "date", "y")
    np.testing.assert_array_equal(found.transpose("date", "y", "x"), expected)


def test_points_are_as_good_as_a_grid():
    ds, model = world(), any_model()
    expected = estimate(ds, model=model).soil_moisture.stack(site=["lat", "lon"])
    points = ds.stack(site=["lat", "lon"]).reset_index("site").reset_coords(drop=True)
    np.testing.assert_array_equal(estimate(points, model=model).soil_moisture, expected)


def test_dask_stays_lazy_in_its_chunks_and_agrees():
    ds, model = world(), any_model("atlstm")
    expected = estimate(ds, model=model)
    lazy = ds.chunk(time=25, lat=3, lon=2)
    lazy["sand"] = ds["sand"]
    with dask.config.set(scheduler=_refuse):
        found = estimate(lazy, model=model)
    assert found.soil_moisture.chunks == lazy.lst.chunks
    xr.testing.assert_allclose(found.compute(), expected, atol=1e-6)


def _refuse(*_args, **_options):
    raise AssertionError("computed")


def test_static_variables_may_be_lazy_too():
    ds, model = world(), any_model()
    lazy = ds.chunk(lat=2)
    with dask.config.set(scheduler=_refuse):
        found = estimate(lazy, model=model)
    xr.testing.assert_allclose(found.compute(), estimate(ds, model=model), atol=1e-6)


def test_short_gaps_are_interpolated_longer_ones_flagged():
    ds, model = world(), any_model()
    holed = ds.copy(deep=True)
    between = ds.lst.isel(time=slice(9, 14)).copy(deep=True)
    holed["lst"][10:13, 0, 0] = np.nan
    holed["lst"][30:34, 1, 1] = np.nan
    found = estimate(holed, model=model)
    kind = flags(found)
    assert (kind[:, 0, 0] == "estimated").all()
    assert (kind[30:34, 1, 1] == "estimated_with_missing_input").all()
    assert int((kind != "estimated").sum()) == 4
    assert found.soil_moisture.notnull().all()
    line = ds.copy(deep=True)
    line["lst"][9:14, 0, 0] = np.linspace(*between.values[[0, 4], 0, 0], 5)
    expected = estimate(line, model=model).soil_moisture[:, 0, 0]
    np.testing.assert_allclose(found.soil_moisture[:, 0, 0], expected, atol=1e-5)


def test_pixels_without_input_stay_empty_and_say_so():
    ds, model = world(), any_model()
    ds["sand"][0, 0] = np.nan
    ds["lst"][:, 1, 1] = np.nan
    ds["precipitation"][:, 1, 1] = np.inf
    found = estimate(ds, model=model)
    kind = flags(found)
    for at in ((0, 0), (1, 1)):
        assert (kind[:, at[0], at[1]] == "no_input").all()
        assert found.soil_moisture[:, at[0], at[1]].isnull().all()
    assert int(found.soil_moisture.isnull().sum()) == 120


def test_snow_ice_and_water_are_left_empty():
    ds, model = world(), any_model()
    ds["igbp"] = (("lat", "lon"), np.full((4, 5), 10))
    ds["igbp"][0] = [15, 17, 0, 10, 10]
    kind = flags(estimate(ds, model=model))
    assert (kind[:, 0, :3] == "permanent_snow_ice_or_water").all()
    assert (kind[:, 0, 3:] == "estimated").all()
    other = ds.rename(igbp="classes")
    assert (flags(estimate(other, model=model)) == "estimated").all()
    kind = flags(estimate(other, model=model, land_cover="classes"))
    assert (kind[:, 0, 0] == "permanent_snow_ice_or_water").all()
    with pytest.raises(VariableNotFoundError, match="land_cover='no'"):
        estimate(other, model=model, land_cover="no")


def test_frost_is_left_empty_when_asked():
    ds, model = world(), any_model()
    ds["lst"] = ds["lst"] - 12
    cold = ds["lst"] < 273.15
    assert 0 < int(cold.sum()) < cold.size
    found = estimate(ds, model=model, mask_frozen=True)
    np.testing.assert_array_equal(found.soil_moisture.isnull(), cold)
    assert (flags(found).where(cold, "frozen") == "frozen").all()
    with pytest.raises(InputError, match="mask_frozen=True needs"):
        estimate(ds, model=any_model(names=("precipitation", "sand")), mask_frozen=True)


def test_days_that_the_record_lacks_are_worked_on_and_not_returned():
    ds, model = world(), any_model("lstm")
    gone = [20, 21]
    found = estimate(ds.drop_isel(time=gone), model=model)
    line = ds.copy(deep=True)
    for name in ("lst", "precipitation"):
        line[name] = ds[name].drop_isel(time=gone).interp(time=ds.time)
    expected = estimate(line, model=model).drop_isel(time=gone)
    np.testing.assert_allclose(found.soil_moisture, expected.soil_moisture, atol=1e-5)


def test_other_calendars():
    ds = world().assign_coords(
        time=xr.date_range("2000-02-01", periods=60, calendar="noleap", use_cftime=True)
    )
    names = (*NAMES, "day_of_year_sin", "day_of_year_cos")
    assert estimate(ds, model=any_model(names=names)).soil_moisture.notnull().all()


def test_units_are_converted():
    ds, model = world(), any_model()
    expected = estimate(ds, model=model).soil_moisture
    ds["lst"] = (ds["lst"] - 273.15).assign_attrs(units="degC")
    ds["sand"] = (100 * ds["sand"]).assign_attrs(units="%")
    np.testing.assert_allclose(estimate(ds, model=model).soil_moisture, expected, atol=1e-5)
    ds["lst"].attrs["units"] = "m"
    with pytest.raises(UnitError, match="'lst'.*expected 'K'"):
        estimate(ds, model=model)


def test_the_order_of_predictors_is_that_of_the_card():
    ds = world()
    one = estimate(ds, model=any_model())
    two = estimate(ds[["sand", "soil", "lst", "precipitation"]], model=any_model())
    xr.testing.assert_equal(one, two)


def test_bad_input():
    ds, model = world(), any_model()
    with pytest.raises(VariableNotFoundError, match="predictors not found: lst"):
        estimate(ds.drop_vars("lst"), model=model)
    with pytest.raises(InputError, match="expected a Dataset of predictors"):
        estimate(ds.lst, model=model)
    with pytest.raises(InputError, match="the record is 8 days long: expected 10"):
        estimate(ds.isel(time=slice(0, 8)), model=model)


def test_a_single_day_is_enough_for_networks_of_the_past():
    day = world().isel(time=slice(0, 1))
    for kind in ("lstm", "dense"):
        assert estimate(day, model=any_model(kind)).soil_moisture.notnull().all()


def test_cards_that_do_not_fit(tmp_path):
    ds = world()
    good = any_model()
    filling = save_model(tmp_path / "filling", {"config": {}}, good.params)
    with pytest.raises(ModelError, match="'filling' is for gapfill, not for estimate"):
        estimate(ds, model=filling)
    with pytest.raises(ModelError, match="'sgd-sm' is for gapfill"):
        estimate(ds, model="sgd-sm")
    swapped = good.card | {"predictors": good.card["predictors"][::-1]}
    save_model(tmp_path / "swapped", swapped, good.params)
    with pytest.raises(ModelError, match="does not fit its network.*'precipitation'"):
        estimate(ds, model=tmp_path / "swapped")
    path = tmp_path / "later"
    save_model(path, good.card, good.params)
    card = path.with_suffix(".json")
    card.write_text(card.read_text().replace('"schema": 2', '"schema": 99'))
    with pytest.raises(ModelError, match="schema 99"):
        estimate(ds, model=path)


def test_weights_of_a_simulated_earth_are_told_once(caplog):
    ds, model = world(), any_model(simulated=True, seed=77)
    with caplog.at_level(logging.WARNING, logger="xsm"):
        estimate(ds, model=model)
        estimate(ds, model=model)
    said = [record for record in caplog.records if "simulated Earth" in record.message]
    assert len(said) == 1
    assert "fit_estimator" in said[0].message


def test_a_predictor_unlike_that_of_the_fit_is_told(caplog):
    ds, model = world(), any_model()
    with caplog.at_level(logging.WARNING, logger="xsm"):
        estimate(ds, model=model)
        assert not caplog.records
        estimate(ds.assign(sand=(100 * ds["sand"]).assign_attrs(units="1")), model=model)
    (record,) = caplog.records
    assert "'sand' (sand) has a mean of" in record.message
    assert "is its attribute 'units' right?" in record.message


def test_an_eight_day_predictor_becomes_daily():
    ds, model = world(), any_model()
    slow = ds["lst"].isel(time=slice(0, None, 4))
    found = estimate(ds.drop_vars("lst"), model=model, features={"lst": slow})
    line = ds.assign(lst=slow.interp(time=ds.time))
    line["lst"] = line["lst"].fillna(slow[-1])
    expected = estimate(line, model=model)
    np.testing.assert_allclose(found.soil_moisture, expected.soil_moisture, atol=1e-5)


def test_attention_of_a_pixel():
    ds, model = world(), any_model("atlstm", days=60)
    pixel = ds.isel(lat=1, lon=2)
    found = estimate(pixel, model=model, attention=True)
    assert found.attention.dims == ("time", "attended_time")
    np.testing.assert_allclose(found.attention.sum("attended_time"), 1, rtol=1e-5)
    whole = estimate(ds, model=model).isel(lat=1, lon=2)
    np.testing.assert_allclose(found.soil_moisture, whole.soil_moisture, atol=1e-6)
    square = ds.isel(lat=[1], lon=[2])
    again = estimate(square, model=model, attention=True).attention
    np.testing.assert_array_equal(again, found.attention)
    square["sand"] = square["sand"] * np.nan
    square["sand"].attrs["units"] = "1"
    assert estimate(square, model=model, attention=True).attention.isnull().all()
    with pytest.raises(InputError, match=r"attention=True with \(4, 5\) pixels"):
        estimate(ds, model=model, attention=True)
    with pytest.raises(InputError, match="59 of 60 days"):
        estimate(pixel.drop_isel(time=9), model=model, attention=True)
    with pytest.raises(InputError, match="'lstm' has no attention"):
        estimate(pixel, model=any_model("lstm", days=60), attention=True)


def test_attention_runs_on_the_backend_and_device_that_are_asked_for(monkeypatch):
    torch = pytest.importorskip("torch")
    pixel, model = world().isel(lat=1, lon=2), any_model("atlstm", days=60)
    expected = estimate(pixel, model=model, attention=True).attention
    options = []
    real = ExecutionConfig.tensors

    def tensors(self, arrays):
        options.append(tuple(self))
        return real(self, arrays)

    monkeypatch.setattr(ExecutionConfig, "tensors", tensors)
    asked = {"backend": "reference", "device": "cpu", "dtype": "float64"}
    found = estimate(pixel, model=model, attention=True, **asked).attention
    assert set(options) == {("reference", "cpu", "float64")}
    assert len(options) == 4  # parameters and predictors, of the attention and of the estimate
    np.testing.assert_allclose(found, expected, atol=1e-6)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="sees 0 NVIDIA"):
        estimate(pixel, model=model, attention=True, device="cuda")


def test_arguments_that_do_not_apply_are_refused_before_any_work(monkeypatch):
    monkeypatch.setattr("xsm.estimation.pixels.estimate_sequences", _refuse)
    pixel = world().isel(lat=1, lon=2)
    with pytest.raises(InputError, match="attention=True: a network of the kind 'bilstm' has no"):
        estimate(pixel, model=any_model("bilstm", days=60), attention=True)
    with pytest.raises(BackendError, match="'dense' runs no kernels"):
        estimate(pixel, model=any_model("dense"), backend="numba")
    with pytest.raises(InputError, match="features names"):
        estimate(pixel, model=any_model("dense"), features={"rain": "precipitation"})


def test_history_holds_the_options_of_the_call():
    ds, model = world(), any_model()
    plain = estimate(ds, model=model).attrs["history"]
    assert "estimate(model='any'), network any (sha256" in plain
    frozen = estimate(ds, model=model, mask_frozen=True, regrid="nearest").attrs["history"]
    assert "estimate(model='any', mask_frozen=True, regrid='nearest'), network any" in frozen


def test_a_large_file_without_chunks_is_read_in_blocks(tmp_path, monkeypatch):
    dask_engine = pytest.importorskip("xsm.blockwise.dask_engine")
    pytest.importorskip("dask", reason="needs xsm[dask]")
    ds, model = world(), any_model()
    ds.to_netcdf(tmp_path / "predictors.nc")
    expected = estimate(ds, model=model)
    sizes, map_pixels = [], dask_engine.map_pixels

    def record_chunks(function, arrays, *args):
        sizes.append([da.chunks for da in arrays if "time" in da.dims])
        return map_pixels(function, arrays, *args)

    monkeypatch.setattr(dask_engine, "map_pixels", record_chunks)
    monkeypatch.setattr("xsm.blockwise.chunks.BLOCK_BYTES", ds["lst"].nbytes // 2)
    with xr.open_dataset(tmp_path / "predictors.nc") as opened:
        out = estimate(opened, model=model)
    assert all(chunks is not None for chunks in sizes[0])
    for name, da in expected.data_vars.items():
        assert out[name].chunks is None and out[name].dims == da.dims
        np.testing.assert_allclose(out[name], da, rtol=1e-6, atol=1e-7)
