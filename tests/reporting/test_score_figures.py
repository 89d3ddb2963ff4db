"""Figures of a report: which metrics are drawn, and SVG that is the same every time."""

import pytest

from tests.plotting.scores_made_up import product, seasons, simulated, stations
from xsm import plotting
from xsm.reporting.score_figures import (
    draw_svg,
    gap_figures,
    grid_figures,
    metrics_to_draw,
    side_by_side_figures,
    station_figures,
)
from xsm.reporting.score_tables import split_strata

pytest.importorskip("matplotlib", reason="drawing needs xsm[plot]")


def test_metrics_are_those_asked_for_or_the_default_ones():
    assert metrics_to_draw(stations(), None) == ["pearson_r", "ubrmsd", "bias"]
    assert metrics_to_draw(stations().drop_vars("ubrmsd"), None) == ["pearson_r", "rmsd", "bias"]
    assert metrics_to_draw(stations(), ("rmsd", "kge")) == ["rmsd"]
    nothing = stations()
    nothing["bias"] = nothing["bias"] * float("nan")
    assert metrics_to_draw(nothing, ("bias", "rmsd")) == ["rmsd"]


def test_stations_have_maps_boxes_and_the_figures_of_the_pairs():
    scores = stations(9)
    captions = [f.caption for f in station_figures(scores, split_strata(scores), ["bias"], None)]
    assert captions[0] == "Mean difference (m³\xa0m⁻³) at the stations."
    assert captions[1].startswith("Mean difference (m³\xa0m⁻³). Boxes: quartiles")
    assert captions[2].endswith("A point is a station.")
    assert captions[3:] == ["All pairs of all stations.", "The station of the median score."]
    strata = seasons(9)
    captions = [f.caption for f in station_figures(strata, split_strata(strata), ["bias"], None)]
    assert len(captions) == 2 and captions[0].endswith("at the stations (all).")


def test_grids_have_a_map_per_metric_and_the_daily_summaries():
    scores = product()
    figures = list(grid_figures(scores, split_strata(scores), ["rmsd", "bias"], None))
    assert [f.caption for f in figures] == [
        "Root-mean-square difference (m³\xa0m⁻³).",
        "Mean difference (m³\xa0m⁻³).",
        "Spatial correlation, daily.",
    ]
    assert [f.wide for f in figures] == [False, False, True]


def test_gaps_have_bars_and_a_taylor_diagram():
    captions = [f.caption for f in gap_figures(simulated(), ["rmsd", "bias"])]
    assert captions[0].endswith("of each fill method on each gap pattern; whiskers: interval.")
    assert captions[1].endswith("of each fill method on each gap pattern.")
    assert captions[2].endswith("A point is a fill method.")


def test_several_validations_are_in_one_figure_per_metric():
    datasets = {"new": stations(9), "old": stations(9, seed=2)}
    assert len(list(side_by_side_figures(datasets, ["bias", "rmsd"]))) == 2


def test_the_same_figure_is_the_same_svg():
    first, second = (draw_svg(plotting.box, stations(9), "bias") for _ in range(2))
    assert first == second and b"<svg" in first
