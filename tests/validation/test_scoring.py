"""From pairs to scores: options, statuses, strata without pairs."""

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import cell, grid, stations
from xsm.errors import InputError
from xsm.validate import validate
from xsm.validation.scoring import (
    ScoreOptions,
    interval_options,
    needs_whole_series,
    with_status,
)


def test_interval_options():
    assert interval_options(None, 3) is None and interval_options(False, 3) is None
    assert interval_options(True, 3) == {"seed": 3}
    assert interval_options("bca", 3) == {"method": "bca", "seed": 3}
    assert interval_options({"n": 9, "seed": 1}, 3) == {"n": 9, "seed": 1}
    with pytest.raises(InputError, match="ci=0.95"):
        interval_options(0.95, 3)


@pytest.mark.parametrize(
    ("options", "whole"),
    [
        ({}, False),
        ({"metrics": ("spearman_rho",)}, True),
        ({"metrics": ("anomaly_r",)}, True),
        ({"scaling": "cdf"}, True),
        ({"anomalies": "climatology"}, True),
        ({"ci": {"seed": 0}}, True),
        ({"p_values": True}, True),
    ],
)
def test_which_scores_need_whole_series(options, whole):
    assert needs_whole_series(ScoreOptions(**{"metrics": ("bias",), **options})) is whole


def test_a_status_replaces_only_what_is_not_ok():
    scores = xr.Dataset({"status": ("station", np.array([0, 3, 3], np.int8), {"a": "b"})})
    status = xr.DataArray(np.array([2, 2, 0], np.int8), dims="station")
    replaced = with_status(scores, status).status
    assert replaced.values.tolist() == [0, 2, 3] and replaced.dtype == np.int8
    assert replaced.attrs == {"a": "b"}
    assert with_status(scores, None) is scores


@pytest.mark.parametrize("chunks", [None, {"time": 10}])
@pytest.mark.parametrize(
    "options",
    [{}, {"ci": {"n": 9}, "p_values": True}, {"scaling": "cdf"}, {"metrics": "spearman_rho"}],
)
def test_winter_without_winter_days(chunks, options):
    ds = grid(days=60)  # April and May
    other = grid(days=60, seed=1)
    sites = stations(43.1, -4.8, ds.time, cell(ds, 2, 0))
    record = ds if chunks is None else ds.chunk(chunks)
    for reference in (sites, other):
        scores = validate(record, reference, by="winter", **options).load()
        assert (scores.n_obs.sel(winter="all year") == 60).all()
        assert (scores.n_obs.sel(winter="winter") == 0).all()
        assert (scores.status.sel(winter="winter") == 5).all()
        assert (scores.status.sel(winter="all year") == 3).all()
