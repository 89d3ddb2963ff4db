"""Fine-tuning on a record of one's own, as a user would call it."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.errors import InputError, VariableNotFoundError
from xsm.networks.features import channels
from xsm.networks.model import load_model, save_model
from xsm.networks.partial_conv import default, initial_params

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
    model = xsm.fit_gapfill(ds, path, start=start, steps=6, batch=1, progress=False)
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
        record()["soil_moisture_x"], start=start, steps=1, batch=1, progress=False
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
