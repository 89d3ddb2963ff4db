"""The first lines of a report."""

import numpy as np
import pandas as pd
import xarray as xr

from tests.plotting.scores_made_up import product, seasons, simulated, stations
from xsm.reporting.score_summary import sentence, tiles
from xsm.validation import difference, stability


def test_stations_are_counted_and_medians_given():
    scores = stations(24)
    assert sentence(scores) == "AMSR2, filled against in situ, 2015-04-01 to 2015-06-29."
    first, r, *_ = tiles(scores)
    assert first.value == "23" and first.note.startswith("of 24; ")
    low, middle, high = np.nanpercentile(scores.pearson_r, [25, 50, 75])
    assert (r.label, r.value) == ("median R", f"{middle:.3f}")
    assert r.note == f"quartiles {low:.3f} to {high:.3f}"


def test_strata_show_their_total_or_their_number():
    assert tiles(seasons())[0].label == "stations"
    parts = seasons().isel(season=slice(1, None))
    assert [tile.value for tile in tiles(parts)] == ["2"]


def test_the_best_product_is_named_for_each_metric():
    good, poor = stations(12), stations(12)
    poor["pearson_r"] = poor.pearson_r - 0.3
    poor["bias"] = poor.bias - 0.02  # nearer to zero
    both = xr.concat([poor, good], pd.Index(["poor", "good"], name="product"), data_vars="all")
    found = {tile.label: tile for tile in tiles(both)}
    assert found["best median R"].note == "good"
    assert found["best median bias (m³\xa0m⁻³)"].note == "poor"
    assert found["products"].note == "poor, good"


def test_gaps_name_the_best_fill_method_and_the_next():
    lowest, highest = tiles(simulated())
    assert lowest.label == "lowest RMSD (m³\xa0m⁻³)" and lowest.value == "0.067"
    assert lowest.note == "network; window_mean 0.095"
    assert highest.note.startswith("network; window_mean")


def test_cells_and_kinds_without_tiles():
    assert tiles(product())[0].label == "cells"
    assert tiles(product().assign_attrs(xsm_scores="importance")) == []


def test_differences_and_trends_are_counted():
    a, b = stations(12), stations(12, seed=5)
    result = difference(a, b, metrics="ubrmsd", names=["new", "old"])
    (tile,) = tiles(result)
    won = (result.ubrmsd_better == 1).sum() / (result.ubrmsd_better > 0).sum()
    assert tile == ("ubRMSD: new better", f"{100 * float(won):.0f} %", "of 11")
    years = xr.concat([a[["bias"]] + 0.01 * i for i in range(6)], "period")
    years = years.assign_coords(period=[str(2010 + i) for i in range(6)])
    (tile,) = tiles(stability(years))
    assert tile.value == "0.1000" and tile.note == "median; p < 0.05: 100 %"
