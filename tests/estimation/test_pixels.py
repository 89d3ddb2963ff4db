"""Blocks of pixels: predictors become sequences, days are judged usable, pixels run in parts."""

import numpy as np
import pytest

from tests.estimation.worlds import NAMES, any_model, world
from xsm.conventions.cf import ESTIMATED, MISSING_INPUT, NO_INPUT, NOT_SOIL
from xsm.conventions.predictors import find_predictors
from xsm.errors import InputError
from xsm.estimation import pixels as module
from xsm.estimation.pixels import (
    estimate_block,
    pixel_attention,
    pixel_shape,
    predictor_layout,
    predictor_sequences,
    usable_days,
)
from xsm.networks.model import make_model
from xsm.networks.sequence_inference import estimate_sequences


def rows(names, gap=3):
    return [{"name": name, "max_interp_gap": gap} for name in names]


def block(ds, names=NAMES):
    """Layout, and the arrays with days last."""
    predictors = find_predictors(ds, names)
    layout = predictor_layout(predictors, rows(names))
    arrays = [da.transpose(..., "time", missing_dims="ignore") for da in predictors.arrays.values()]
    return layout, [np.asarray(da) for da in arrays]


def test_the_layout_says_what_is_daily():
    names = [*NAMES, "day_of_year_sin"]
    layout, arrays = block(world(), names)
    assert layout.names == tuple(names)
    assert [layout.names[f] for f in layout.dynamic] == ["precipitation", "lst"]
    assert layout.record_days == 60
    assert pixel_shape(arrays, layout.static) == (4, 5)


def test_sequences_in_units_and_order_of_the_network():
    ds = world()
    ds["lst"] = (ds["lst"] - 273.15).assign_attrs(units="degC")
    names = ["sand", "day_of_year_cos", "lst"]
    predictors = find_predictors(ds, names, units={"lst": "K"})
    layout = predictor_layout(predictors, rows(names))
    arrays = [
        da.transpose(..., "time", missing_dims="ignore").values for da in predictors.arrays.values()
    ]
    x = predictor_sequences(arrays, layout, np.array([7, 0]), (4, 5))
    assert x.shape == (2, 60, 3) and x.dtype == np.float32
    np.testing.assert_allclose(x[0, :, 2], world().lst[:, 1, 2], atol=1e-3)
    np.testing.assert_array_equal(x[1, :, 0], np.full(60, ds.sand[0, 0]))
    day = np.float64(ds.time.dt.dayofyear[0]) - 1
    np.testing.assert_allclose(x[0, 0, 1], np.cos(2 * np.pi * day / 365.2425), atol=1e-5)


def test_absent_days_are_interpolated_up_to_the_gap_of_the_card():
    ds = world().drop_isel(time=[20, 21, 40, 41, 42, 43])
    layout, arrays = block(ds)
    assert layout.record_days == 60 and layout.days.size == 54
    x = predictor_sequences(arrays, layout, np.array([0]), (4, 5))[0, :, 1]
    assert np.isfinite(x[20:22]).all() and np.isnan(x[40:44]).all()
    np.testing.assert_allclose(x[20] - x[19], (x[22] - x[19]) / 3, atol=1e-3)


def test_a_day_needs_half_of_the_static_predictors_and_one_daily_one():
    present = np.ones((6, 1, 5), bool)  # two daily ones, three static
    present[1, :, 0] = False
    present[2, :, :2] = False
    present[3, :, 2] = False
    present[4, :, 2:4] = False
    present[5] = False
    usable = usable_days(present, [0, 1], [2, 3, 4])
    assert usable[:, 0].tolist() == [True, True, False, True, False, False]
    assert usable_days(present[:, :, :2], [0, 1], []).sum() == 4


def test_flags_and_values_of_a_block(monkeypatch):
    ds, model = world(), any_model("lstm")
    ds["lst"][30:40, 0, 1] = np.nan
    ds["sand"][0, 2] = np.nan
    classes = np.full((4, 5), 10)
    classes[0, 3] = 17  # water
    layout, arrays = block(ds)
    options = {"layout": layout, "model": model, "has_land_cover": True, "mask_frozen": False}
    done = []
    mean, std, flag = estimate_block(*arrays, classes, **options, step=done.append)
    assert mean.shape == std.shape == flag.shape == (4, 5, 60)
    assert sum(done) == 19  # pixels of soil
    assert (flag[0, 0] == ESTIMATED).all()
    assert (flag[0, 1, 30:40] == MISSING_INPUT).all() and (flag[0, 1, :30] == ESTIMATED).all()
    assert (flag[0, 2] == NO_INPUT).all() and np.isnan(mean[0, 2]).all()
    assert (flag[0, 3] == NOT_SOIL).all() and np.isnan(std[0, 3]).all()
    x = predictor_sequences(arrays, layout, np.array([9]), (4, 5))
    np.testing.assert_allclose(mean[1, 4], estimate_sequences(x, model)[0][0], atol=1e-6)
    monkeypatch.setattr(module, "PIXELS_ON_CPU", 3)
    again = estimate_block(*arrays, classes, **options)
    np.testing.assert_allclose(again[0], mean, atol=1e-6)
    np.testing.assert_array_equal(again[2], flag)


def test_the_window_of_attention_is_a_dimension():
    ds = world().isel(lat=1, lon=2)
    predictors = find_predictors(ds, NAMES)
    layout = predictor_layout(predictors, rows(NAMES))
    model = any_model("atlstm", days=60)
    whole = pixel_attention(predictors, layout, model)
    assert whole.dims == ("time", "attended_time")
    near = any_model("atlstm", days=60)
    near.card["config"]["window"] = 4
    weights = pixel_attention(predictors, layout, near)
    assert weights.dims == ("time", "offset")
    assert weights.offset.values.tolist() == list(range(-4, 5))
    np.testing.assert_allclose(weights.sum("offset"), 1, rtol=1e-5)
    with pytest.raises(InputError, match="attention=True: a network of the kind 'dense' has no"):
        pixel_attention(predictors, layout, any_model("dense", days=60))


def test_the_uncertainty_of_a_quantity_between_0_and_1_is_at_most_half():
    model = any_model()
    card = model.card | {"calibration": {"scale": 1e4, "n": 1}}
    x = np.random.default_rng(0).standard_normal((2, 40, len(NAMES))).astype(np.float32)
    mean, std = estimate_sequences(x, make_model("wide", card, model.params))
    assert (std == 0.5).all()
    np.testing.assert_array_equal(mean, estimate_sequences(x, model)[0])
