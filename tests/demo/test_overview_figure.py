"""The figure of the demonstration: which day and cell it shows, and how."""

import numpy as np
import pytest

from xsm.demo.overview_figure import draw, half_observed_day, median_error_cell


def test_the_day_has_half_of_the_land_observed(data):
    data["before"][6] = data["truth"][6].where(data["lat"] > data["lat"].median())
    assert half_observed_day(data["before"].values, data["truth"].values) == 6


def test_the_cell_is_the_one_of_median_error(data):
    before, truth = data["before"].values.copy(), data["truth"].values
    before[:2] = np.nan
    rank = np.arange(truth[0].size).reshape(truth[0].shape)
    after = truth + 0.001 * rank
    land = np.flatnonzero(data["land"].values.ravel())
    lat, lon = median_error_cell(before, after, truth)
    low, high = np.percentile(land, [30, 70])
    assert low < rank[lat, lon] < high


def test_figure_shows_the_maps_and_the_series(data, tmp_path):
    pytest.importorskip("matplotlib", reason="drawing needs xsm[plot]")
    figure = draw(data, day=5, cell=(3, 6))
    titles = [ax.get_title(loc="left").split(":")[0] for ax in figure.axes]
    assert [title.split(",")[0] for title in titles[:4]] == ["Before", "After", "Truth", "The soil"]
    assert titles[4:6] == ["Uncertainty of the filled values", "Uncertainty of the estimate"]
    maps = [ax.collections for ax in figure.axes[:4]]
    assert len({mesh[-1].get_clim() for mesh in maps}) == 1
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
