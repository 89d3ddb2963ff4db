"""fit_gapfill, as a user calls it."""

import sys

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.errors import InputError, MissingPackageError, ModelError, VariableNotFoundError
from xsm.networks.features import channels
from xsm.networks.model import load_model, save_model
from xsm.networks.partial_conv import default, initial_params
from xsm.training.fit_gapfill import hold_out
from xsm.training.patches import sampled_cells

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    config = default(width=4, hidden=8)
    config |= {"scales": [3, 7], "features": channels([3, 7])}
    return save_model(
        tmp_path_factory.mktemp("start") / "small", {"config": config}, initial_params(config)
    )


def record(days=12, rows=24, columns=28):
    rng = np.random.default_rng(0)
    field = rng.standard_normal((days, rows // 4, columns // 4)).cumsum(0) / 4
    values = 30 + 5 * np.repeat(np.repeat(field, 4, 1), 4, 2)
    values[rng.random(values.shape) < 0.4] = np.nan
    return xr.Dataset(
        {
            "soil_moisture_x": (
                ("time", "lat", "lon"),
                values.astype(np.float32),
                {"units": "percent"},
            )
        },
        {
            "time": np.datetime64("2015-04-01", "ns") + np.arange(days) * np.timedelta64(1, "D"),
            "lat": 40 - 0.25 * np.arange(rows),
            "lon": 0.25 * np.arange(columns),
        },
    )


@pytest.fixture(scope="module")
def fitted(start, tmp_path_factory):
    path = tmp_path_factory.mktemp("mine") / "mine"
    ds = record()
    before = ds.copy(deep=True)
    model = xsm.fit_gapfill(ds, path, start=start, steps=6, batch_size=1, progress=False)
    xr.testing.assert_identical(ds, before)
    return model, path, ds


def test_the_saved_model_fills(fitted):
    model, path, ds = fitted
    assert load_model(path).identity == model.identity
    filled = xsm.gapfill(ds, model=path, progress=False)
    assert filled.soil_moisture_x.notnull().all()
    assert filled.soil_moisture_x.attrs["gapfill_model"] == model.identity
    spread = filled.soil_moisture_x_uncertainty
    for level in ("68", "95"):
        factor = model.card["calibration"][f"factor_{level}"]
        assert spread.attrs[f"coverage_factor_{level}"] == factor


def test_the_card_says_where_it_comes_from(fitted, start):
    model, _, _ = fitted
    card = model.card
    assert card["name"] == "mine"
    assert "soil_moisture_x, 2015-04-01 to 2015-04-12" in card["trained_on"]
    assert card["trained_on"]["before"] == start.identity
    assert card["curve"]["step"][-1] == 6
    assert np.isfinite(card["curve"]["held_out_rmse"]).all()
    assert card["calibration"]["n"] > 0


def test_the_start_is_not_changed(fitted, start):
    assert not start.params["output.weight"].any()
    assert fitted[0].params["output.weight"].any()


def test_without_a_path_the_model_itself_comes_back(start):
    model = xsm.fit_gapfill(
        record()["soil_moisture_x"], start=start, steps=1, batch_size=1, progress=False
    )
    filled = record().sm.gapfill(model=model, progress=False)
    assert filled.soil_moisture_x.notnull().all()


def test_too_little_to_learn_from(start):
    ds = record()
    ds["soil_moisture_x"] = ds.soil_moisture_x.where(ds.lon < 0.5)
    with pytest.raises(InputError, match="observations"):
        xsm.fit_gapfill(ds, start=start)


def test_arguments_are_checked(start):
    with pytest.raises(InputError, match="steps=0"):
        xsm.fit_gapfill(record(), start=start, steps=0)
    with pytest.raises(InputError, match="obj is a ndarray"):
        xsm.fit_gapfill(np.zeros((3, 4, 4)), start=start)
    with pytest.raises(VariableNotFoundError, match="soil"):
        xsm.fit_gapfill(record().rename(soil_moisture_x="q"), start=start)
    for name, value in (("batch_size", 1.5), ("learning_rate", 0), ("seed", -1)):
        with pytest.raises(InputError, match=f"{name}={value}: expected a"):
            xsm.fit_gapfill(record(), start=start, **{name: value})
    with pytest.raises(ModelError, match="'atlstm' is for estimate, not for gapfill"):
        xsm.fit_gapfill(record(), start="atlstm")


def test_path_and_device_are_checked_before_the_record_is_read(start, monkeypatch):
    def read(*_):
        raise AssertionError("read too early")

    monkeypatch.setattr("xsm.training.fit_gapfill._records", read)
    with pytest.raises(ModelError, match="path='default' is the name of a shipped model"):
        xsm.fit_gapfill(record(), "default", start=start)
    with pytest.raises(InputError, match="device='tpux'"):
        xsm.fit_gapfill(record(), start=start, device="tpux")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPackageError, match=r"xsm\[torch\]"):
        xsm.fit_gapfill(record(), start=start)


def test_a_grid_of_ten_by_ten(start):
    ds = record(days=60, rows=12, columns=12).isel(lat=slice(0, 10), lon=slice(0, 10))
    model = xsm.fit_gapfill(ds, start=start, steps=2, batch_size=1, progress=False)
    assert np.isfinite(model.card["curve"]["held_out_rmse"]).all()
    assert model.card["calibration"]["n"] > 0


@pytest.mark.parametrize("seed", range(8))
def test_land_in_one_corner_is_held_out_in_part(start, seed):
    ds = record(days=40, rows=40, columns=40)
    land = (ds.lat > 37.6) & (ds.lon < 2.4)  # 10 x 10 cells; the other boxes are sea
    values = ds.soil_moisture_x.where(land).values / 100
    parts = hold_out(values, seed, "soil")
    assert all(sampled_cells(part).any() for part in parts)
    np.testing.assert_array_equal(np.where(np.isnan(parts[0]), parts[1], parts[0]), values)
    assert not (np.isfinite(parts[0]) & np.isfinite(parts[1])).any()
    assert sampled_cells(parts[1]).sum() <= 25


def test_a_held_out_box_of_sea_is_replaced(start):
    ds = record(days=40, rows=40, columns=40)
    ds["soil_moisture_x"] = ds.soil_moisture_x.where(ds.lon < 4.9)  # two of four columns of boxes
    for seed in range(20):
        training, held_out = hold_out(ds.soil_moisture_x.values, seed, "soil")
        assert sampled_cells(training).any()
        assert np.isfinite(held_out).sum() >= 50
    model = xsm.fit_gapfill(ds, start=start, steps=1, batch_size=1, progress=False)
    assert model.card["calibration"]["n"] > 0


def test_one_cell_of_land_cannot_be_split():
    values = np.full((60, 12, 12), np.nan, np.float32)
    values[:, 3, 4] = 0.3
    with pytest.raises(InputError, match="soil: 1 cells have enough observations to learn from"):
        hold_out(values, 0, "soil")


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", None), ("batch_size", None), ("seed", None), ("learning_rate", np.inf),
     ("device", None)],
)  # fmt: skip
def test_arguments_that_are_no_numbers_are_named(start, name, value):
    with pytest.raises(InputError, match=f"{name}={value}: expected a"):
        xsm.fit_gapfill(record(), start=start, progress=False, **{name: value})


def test_a_fit_that_diverges_is_refused_not_returned_as_it_began(start):
    with pytest.raises(InputError, match="the fit diverged"):
        xsm.fit_gapfill(record(), start=start, steps=5, learning_rate=1e30, progress=False)
