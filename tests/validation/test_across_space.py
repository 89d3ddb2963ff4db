"""Scores over the places of each day."""

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import cell, grid, stations
from xsm.errors import InputError
from xsm.validate import validate

METRICS = ["bias", "ubrmsd", "pearson_r", "spearman_rho"]


@pytest.fixture(scope="module")
def two():
    ds, other = grid(12), grid(12, seed=5)
    return ds.where(np.random.default_rng(0).random(ds.soil_moisture.shape) > 0.3), other


def test_each_day_is_scored_over_its_cells(two):
    ds, other = two
    scores = validate(ds, other, metrics=METRICS, across="space")
    assert scores.bias.dims == scores.n_obs.dims == scores.status.dims == ("time",)
    assert scores.attrs["xsm_scores"] == "spatial"
    x, y = ds.soil_moisture.values[5].ravel(), other.soil_moisture.values[5].ravel()
    both = np.isfinite(x) & np.isfinite(y)
    assert int(scores.n_obs[5]) == both.sum()
    np.testing.assert_allclose(scores.bias[5], (x - y)[both].mean(), atol=1e-6)
    np.testing.assert_allclose(scores.pearson_r[5], np.corrcoef(x[both], y[both])[0, 1], atol=1e-5)
    lazy = validate(ds.chunk(time=3, lat=3), other.chunk(), metrics=METRICS, across="space")
    assert lazy.bias.chunks is not None
    xr.testing.assert_allclose(lazy.compute(), scores)


def test_strata_of_places_and_of_days(two):
    ds, other = two
    by = {"latitude_band": [40, 42, 45], "period": {"first": ("2015-04-01", "2015-04-06")}}
    scores = validate(ds, other, metrics="bias", across="space", by=by)
    assert scores.bias.dims == ("time", "latitude_band", "period")
    south = ((ds.lat < 42) & ds.soil_moisture.notnull() & other.soil_moisture.notnull()).sum(
        ["lat", "lon"])  # fmt: skip
    counts = scores.n_obs.sel(latitude_band="40N to 42N", period="first").values
    np.testing.assert_array_equal(counts[:6], south.values[:6])
    assert (counts[6:] == 0).all() and scores.bias[6:].isnull().all()


def test_stations_of_each_day_with_intervals(two):
    ds, _ = two
    rows, columns = np.arange(8), np.arange(8)
    series = [cell(ds, r, c, 0.01 * r) for r, c in zip(rows, columns, strict=True)]
    sites = stations(ds.lat.values[rows], ds.lon.values[columns], ds.time, series)
    scores = validate(ds, sites, metrics="bias", across="space", ci={"n": 50})
    day = np.isfinite(np.array(series)[:, 0])
    np.testing.assert_allclose(scores.bias[0], -0.01 * rows[day].mean(), atol=1e-6)
    assert (scores.bias_low <= scores.bias).all() and scores.n_obs.dims == ("time",)
    several = validate({"a": ds, "b": ds + 0.01}, sites, metrics="bias", across="space",
                       several={"triples": False})  # fmt: skip
    assert several.bias.dims == ("product", "time")
    np.testing.assert_allclose(several.bias.diff("product"), 0.01, atol=1e-6)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"across": "cells"}, "across='cells': expected one of 'time', 'space'"),
        ({"p_values": True}, "has no p values"),
        ({"metrics": "anomaly_r"}, "anomaly_r"),
        ({"ci": "moving_block"}, "moving_block"),
    ],
)
def test_what_does_not_apply_is_refused(two, change, words):
    with pytest.raises(InputError, match=words):
        validate(*two, **({"across": "space"} | change))
    with pytest.raises(InputError, match="across='space' does not apply to simulated gaps"):
        validate(two[0], across="space")
