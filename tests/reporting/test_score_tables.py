"""Tables of a report: the right numbers, as text."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import wilcoxon

from tests.plotting.scores_made_up import product, seasons, simulated, stations
from xsm.reporting import score_tables
from xsm.reporting.html_page import Best
from xsm.reporting.score_tables import (
    area_weighted,
    best_group,
    fill_methods,
    filled_record_tests,
    gap_details,
    gap_overview,
    number,
    per_station,
    percent,
    split_networks,
    split_strata,
    status,
    strata_dims,
    summary,
)


def test_strata_are_all_dimensions_but_those_of_the_sample():
    assert strata_dims(seasons()) == ["season"]
    assert list(split_strata(seasons())) == ["all", "JJA", "DJF"]
    for scores in (stations(), product(), simulated()):
        assert strata_dims(scores) == [] and list(split_strata(scores)) == [""]


def test_the_summary_has_median_and_quartiles_per_group():
    scores = stations(24)
    table = summary(split_networks(scores), "network", "stations")
    assert table.head[:3] == ["network", "stations", "pairs"]
    assert [row[0] for row in table.rows] == ["all", "REMEDHUS", "RSMN", "SMOSMANIA"]
    bias = scores["bias"].values[:-1]
    low, median, high = (number(v, 3, "bias") for v in np.percentile(bias, [25, 50, 75]))
    assert table.rows[0][1] == "23" and table.rows[0][4] == f"{median}\n({low}, {high})"
    assert table.rows[0][2] == f"{int(np.median(scores['n_obs'].values[:-1]))}"


def test_the_best_product_is_bold_where_it_is_significant():
    good, same, poor = stations(24), stations(24), stations(24)
    poor["pearson_r"] = good.pearson_r - np.linspace(0.05, 0.2, 24)
    same["pearson_r"] = good.pearson_r + 0.001 * np.where(np.arange(24) % 2, 1, -1)
    groups = {"poor": poor, "good": good}
    assert best_group(groups, "pearson_r") == "good"
    differences = (good.pearson_r - poor.pearson_r).dropna("station").values
    assert wilcoxon(differences).pvalue < 0.05
    assert best_group({"good": good, "same": same}, "pearson_r") is None
    assert best_group({"good": good, "few": poor.isel(station=slice(0, 9))}, "pearson_r") is None
    table = summary(groups, "product", "stations", ranked=True)
    column = table.head.index("R")
    assert [isinstance(row[column], Best) for row in table.rows] == [False, True]
    assert "Bold: significantly better" in table.caption
    assert not any(isinstance(c, Best) for row in summary(groups, "p", "s").rows for c in row)


def test_small_values_keep_three_digits():
    scores = product()
    scores["mse"] = (scores["rmsd"] ** 2 / 100).drop_attrs()
    table = summary({"": scores}, "", "cells")
    text = table.rows[0][table.head.index("MSE")]
    value = np.nanmedian(scores["mse"])
    assert text.split("\n")[0] == f"{value:.7f}" and table.rows[0][0] == "all cells"


def test_one_metric_of_gaps_has_a_column_per_gap_pattern():
    table = fill_methods(simulated(), "rmsd")
    assert table.head == ["fill method", "block", "swath", "cell", "all"]
    assert table.rows[2] == ["network", "0.070", "0.063", "0.056", "0.067"]


def test_gaps_are_one_table_of_fill_methods_and_one_of_gap_patterns():
    table = gap_overview(simulated())
    assert table.head[:3] == ["fill method", "RMSD (m³\xa0m⁻³)", "bias (m³\xa0m⁻³)"]
    assert table.rows[2][:2] == ["network", "0.067"]
    assert table.caption == (
        "Fill methods on the hidden values of all gap patterns; hidden values: "
        "1,234 block, 1,234 swath, 1,234 cell, 1,234 all."
    )
    details = gap_details(simulated())
    assert len(details.rows) == 16
    assert details.rows[8][:3] == ["network", "block", "0.070 [0.067, 0.074]"]
    without = simulated().isel(gap_pattern=slice(0, 2))
    assert gap_overview(without).rows[2][1] == f"{(0.07 + 0.063) / 2:.3f}"


def test_tests_of_the_filled_record_begin_with_the_original():
    table = filled_record_tests(simulated())
    assert table is not None
    assert table.head[0] == "fill method"
    assert table.rows[0] == ["original record", "", "0.080"]
    assert [row[0] for row in table.rows[1:]] == ["linear", "climatology", "network", "window_mean"]
    assert filled_record_tests(product()) is None


def test_status_counts_the_scores_and_is_left_out_where_all_are_ok():
    table = status(stations(20))
    assert table is not None
    assert table.rows == [["ok", "19", "95.0 %"], ["too few pairs", "1", "5.0 %"]]
    assert status(stations(20).isel(station=slice(0, 19))) is None


def test_each_station_has_a_row_with_its_interval_up_to_a_maximum(monkeypatch):
    scores = stations(5)
    scores["bias_low"], scores["bias_high"] = scores["bias"] - 0.01, scores["bias"] + 0.01
    table = per_station(scores)
    value = scores["bias"].values[0]
    ends = ", ".join(number(v, 3, "bias") for v in (value - 0.01, value + 0.01))
    cell = table.rows[0][table.head.index("bias (m³\xa0m⁻³)")]
    assert cell == f"{number(value, 3, 'bias')} [{ends}]"
    assert table.rows[4][table.head.index("R")] == "–"
    monkeypatch.setattr(score_tables, "MAX_STATION_ROWS", 2)
    table = per_station(scores)
    assert len(table.rows) == 2 and table.caption.endswith("The first 2; 3 more are in the scores.")


def test_area_weighted_summaries_have_a_table_per_stratum():
    values = [[0.1, 0.2], [0.3, 0.4]]
    scores = xr.Dataset(
        {"summary_rmsd": (("season", "statistic"), values)},
        {"season": ["JJA", "DJF"], "statistic": ["mean", "median"]},
    )
    first, second = area_weighted(scores)
    assert first.caption == "Area-weighted over the cells: JJA."
    assert (first.rows, second.rows) == (
        [["mean", "0.100"], ["median", "0.200"]],
        [["mean", "0.300"], ["median", "0.400"]],
    )
    assert area_weighted(product()) == []


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [(-0.0004, "bias", "0.000"), (0.03, "bias", "+0.030"), (-2, "", "−2.000"), (np.inf, "", "–")],
)
def test_numbers_as_text(value, name, text):
    assert number(value, 3, name) == text


def test_percentages_as_text():
    assert (percent(0.256), percent(np.nan)) == ("26 %", "–")
