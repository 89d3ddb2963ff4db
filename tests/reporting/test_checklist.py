"""The checklist of good practice is filled in from the call."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.plotting.scores_made_up import simulated
from tests.plotting.scores_made_up import stations as made_up_stations
from tests.validation.samples import cell, grid, stations
from xsm.errors import InputError
from xsm.reporting.checklist import (
    DONE,
    NOT_APPLICABLE,
    NOT_DONE,
    NOT_RECORDED,
    RECOMMENDATIONS,
    checklist,
)
from xsm.validate import validate


@pytest.fixture(scope="module")
def data():
    ds = grid(120, lat=[44.0, 43.0], lon=[0.0, 1.0])
    return ds, stations([44.0], [0.0], ds.time, cell(ds, 0, 0, 0.01))


def stations_of_two_products() -> xr.Dataset:
    """Scores of two products, with one triple."""
    scores = xr.concat([made_up_stations(6)] * 2, pd.Index(["a", "b"], name="product"))
    scores["tc_err_std"] = ("triple", [0.03])
    return scores.assign_attrs(xsm_scores="in_situ")


def states(scores) -> dict[str, tuple[str, str]]:
    return {item.recommendation.split(":")[0].rstrip("."): (item.state, item.note)
            for item in checklist(scores)}  # fmt: skip


def test_a_bare_call_has_much_left_to_do(data):
    found = states(validate(*data, stations={"flags": None, "depth": None}))
    assert len(found) == len(RECOMMENDATIONS)
    assert found["Use only reference values of good quality"][0] == NOT_DONE
    assert found["Compare like depths"][0] == NOT_DONE
    assert found["Give confidence intervals"] == (NOT_DONE, "ci='bca', or ci='moving_block'")
    assert found["Score several products on the same pairs"][0] == NOT_APPLICABLE
    assert found["Report complementary metrics"][0] == DONE


def test_a_full_call_is_recognised():
    settings = {
        "by": "season", "ci": {"method": "moving_block", "n": 20}, "scaling": "cdf",
        "anomalies": "moving_window", "several": {"pairs": "common"},
        "stations": {"overpass": "06:00", "window": "12h", "flags": ["G"], "depth": [0, 0.05]},
    }  # fmt: skip
    scores = stations_of_two_products().assign_attrs(settings=json.dumps(settings))
    found = states(scores)
    for text, note in {
        "Use only reference values of good quality": "flags G",
        "Compare like depths": "0 to 0.05 m",
        "Match observations in time, and state how": "06:00 local solar time",
        "Score several products on the same pairs": "only days with values of all products",
        "Remove differences of scale where these are not the subject": "cdf",
        "Score anomalies beside values": "moving_window",
        "Give confidence intervals": "moving_block",
        "Account for autocorrelation": "blocks of successive days",
        "Do not treat the reference as truth": "1 triples",
        "Score seasons, land covers and climates apart": "season",
    }.items():
        assert found[text][0] == DONE and note in found[text][1], text


def test_screening_is_read_from_the_history_of_the_record(data):
    ds, sites = data
    text = "Apply the quality flags of the product; mask frozen soil, snow and dense vegetation"
    assert states(validate(ds, sites))[text][0] == NOT_RECORDED
    screened = ds.assign_attrs(history="2026-01-01T00:00:00Z xsm 0.1.0 screen(rules='default')")
    assert states(validate(screened, sites))[text] == (DONE, "xsm.screen")


def test_few_pairs_are_counted(data):
    ds, sites = data
    text = "Report the number of pairs; distrust scores of few"
    assert states(validate(ds, sites))[text][0] == DONE
    few = states(validate(ds.isel(time=slice(0, 20)), sites))[text]
    assert few[0] == NOT_DONE and "100 % of the scores have fewer than 100" in few[1]


def test_kinds_without_stations_have_points_that_do_not_apply(data):
    ds, _ = data
    found = states(validate(ds, ds.soil_moisture + np.float32(0.01)))
    assert found["Compare like depths"][0] == NOT_APPLICABLE
    assert "conservative" in found["Match observations in space, and state how"][1]
    assert states(simulated())["Account for autocorrelation"][0] == NOT_APPLICABLE


def test_what_is_no_validation_is_refused():
    with pytest.raises(InputError, match="no attributes xsm_scores and settings"):
        checklist(xr.Dataset())
