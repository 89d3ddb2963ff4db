"""The shipped estimator on an Earth that it has not seen."""

import logging

import numpy as np
import pytest

import xsm
from xsm.networks.model import SHIPPED, load_model, models


@pytest.fixture(scope="module")
def iberia():
    return xsm.tutorial.open_dataset("amsr2-iberia", resolution=1.0)


@pytest.fixture(scope="module")
def found(iberia):
    with xsm.set_options(progress=False):
        return iberia.sm.estimate()


def error(estimate, truth):
    return float(np.sqrt(((estimate - truth) ** 2).mean()))


def test_it_is_better_than_the_reanalysis_it_is_given(iberia, found):
    truth = iberia.soil_moisture_ground
    own = error(found.soil_moisture, truth)
    assert own < 0.6 * error(iberia.swvl1, truth)
    matched = xsm.metrics.scaling.scale(iberia.swvl1, truth, dim="time", method="cdf")
    assert own < 0.8 * error(matched, truth)
    np.testing.assert_array_equal(found.soil_moisture.isnull().any("time"), ~iberia.land)


def test_wet_and_dry_days_come_at_their_time(iberia, found):
    truth = iberia.soil_moisture_ground
    assert float(xsm.metrics.pearson_r(found.soil_moisture, truth, dim="time").median()) > 0.9


def test_default_is_a_name_in_each_task(found):
    assert sorted(models("estimate")) == ["atlstm"]
    assert "atlstm" not in models("gapfill")
    assert load_model("default").card["network"] == "partial_conv"
    assert load_model("default", "estimate").name == "atlstm"
    assert found.soil_moisture.attrs["estimate_model"].startswith("atlstm (sha256")


def test_the_card_says_that_the_earth_is_simulated(iberia, caplog):
    card = load_model("atlstm").card
    assert card["simulated"] is True
    assert "Predictors and target are simulated" in card["meaning"]
    assert "seed 0" not in str(card["trained_on"])
    assert card["scores"]["r2"] >= 0.98
    with caplog.at_level(logging.WARNING, logger="xsm"):
        iberia.isel(lat=slice(3, 5)).sm.estimate(progress=False)
    assert "trained on a simulated Earth" in caplog.text


def test_it_is_small():
    assert (SHIPPED / "atlstm.safetensors").stat().st_size < 1_000_000
