"""Boxes over stations and cells, bars of simulated gaps."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import same_color

from tests.plotting.scores_made_up import product, seasons, simulated, stations
from xsm import plotting
from xsm.compare import compare
from xsm.errors import InputError
from xsm.plotting.style import COLOURS


def labels(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def medians(ax):
    """Position on y -> value, of the lines that mark a median."""
    lines = [line for line in ax.lines if line.get_linewidth() == 1.6]
    return {float(np.mean(line.get_ydata())): line.get_xdata()[0] for line in lines}


def test_a_box_per_network_best_first():
    scores = stations(30)
    ax = plotting.box(scores, "ubrmsd")
    expected = (
        scores["ubrmsd"].to_series().groupby(scores["network"].values).agg(["median", "count"])
    )
    expected = expected.sort_values("median")
    assert labels(ax) == [f"{n}\nn = {c}" for n, c in expected["count"].items()]
    np.testing.assert_allclose(list(medians(ax).values()), expected["median"].values)
    assert ax.get_xlabel() == "unbiased root-mean-square difference (m³\xa0m⁻³)"
    assert ax.yaxis_inverted()


def test_networks_are_in_order_of_skill_for_a_correlation_too():
    ax = plotting.box(stations(30), "pearson_r")
    values = [value for _, value in sorted(medians(ax).items())]
    assert values == sorted(values, reverse=True)


def test_few_values_are_points_and_no_box():
    scores = stations(9)
    ax = plotting.box(scores, "pearson_r")
    assert medians(ax) == {}
    drawn = np.concatenate([line.get_xdata() for line in ax.lines])
    expected = scores["pearson_r"].values
    np.testing.assert_allclose(np.sort(drawn), np.sort(expected[np.isfinite(expected)]))


def test_strata_keep_their_order():
    ax = plotting.box(seasons(), "pearson_r")
    assert [text.partition("\n")[0] for text in labels(ax)] == ["all", "JJA", "DJF"]
    assert ax.get_ylabel() == "season"


def test_cells_are_one_box():
    scores = product()
    ax = plotting.box(scores, "rmsd")
    assert list(medians(ax).values()) == pytest.approx([scores["rmsd"].median().item()])
    assert labels(ax) == ["all\nn = 238"]


def test_several_datasets_stand_side_by_side_in_their_colours():
    ax = plotting.box({"new": stations(30), "old": stations(30, seed=5)}, "bias")
    boxes = [patch for patch in ax.patches if patch.get_alpha() == 0.75]
    assert len(boxes) == 6
    assert all(same_color(box.get_facecolor()[:3], COLOURS[0]) for box in boxes[:3])
    assert all(same_color(box.get_facecolor()[:3], COLOURS[1]) for box in boxes[3:])
    legend = ax.figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["new", "old"]
    assert any(list(line.get_xdata()) == [0, 0] for line in ax.lines)  # no bias


def test_bars_of_simulated_gaps_best_method_on_top():
    scores = simulated()
    ax = plotting.box(scores, "rmsd")
    assert labels(ax) == ["network", "window_mean", "linear", "climatology"]
    assert ax.yaxis_inverted()
    best = scores["rmsd"].sel(fill_method="network").values
    drawn = {bar.get_y(): bar.get_width() for bar in ax.patches}
    np.testing.assert_allclose([drawn[y] for y in sorted(drawn)][:4], best)
    legend = ax.figure.legends[0]
    assert [t.get_text() for t in legend.get_texts()] == ["block", "swath", "cell", "all"]


def test_whiskers_of_bars_are_the_intervals():
    scores = simulated()
    ax = plotting.box(scores, "rmsd")
    segments = [s for c in ax.collections for s in c.get_segments()]
    ends = np.sort([segment[:, 0] for segment in segments], axis=1)
    expected = np.stack([scores["rmsd_low"].values.ravel(), scores["rmsd_high"].values.ravel()])
    np.testing.assert_allclose(np.sort(ends[:, 0]), np.sort(expected[0]))
    np.testing.assert_allclose(np.sort(ends[:, 1]), np.sort(expected[1]))


def test_best_bias_is_the_smallest_either_way():
    scores = simulated()
    scores["bias"][0] = -0.001
    assert labels(plotting.box(scores, "bias"))[0] == "linear"


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (stations(), {"by": "colour"}, "by='colour' is no group of pearson_r: expected one of"),
        ({}, {}, "empty mapping"),
        ({"a": simulated(), "b": simulated()}, {}, "draw one at a time"),
    ],
)
def test_what_cannot_be_drawn_raises(scores, options, message):
    with pytest.raises(InputError, match=message):
        plotting.box(scores, "pearson_r", **options)


def test_groups_that_differ_are_marked_and_depths_named():
    new, old = stations(30, shift=0.0), stations(30, shift=0.1)
    depth = np.where(new.network == "RSMN", 0.2, 0.05)
    new, old = (ds.assign_coords(depth_to=("station", depth)) for ds in (new, old))
    comparison = compare(new, old, metric="bias")
    ax = plotting.box({"new": new, "old": old}, "bias", comparison=comparison)
    texts = {t.get_text().split("\n")[0].split()[0]: t.get_text() for t in ax.get_yticklabels()}
    assert texts["RSMN"].startswith("RSMN **\nto 20 cm, n = ")
    assert "to 5 cm" in texts["REMEDHUS"]
    with pytest.raises(InputError, match="comparison has no p values of ubrmsd"):
        plotting.box(new, "ubrmsd", comparison=comparison)
    with pytest.raises(InputError, match="xsm.compare, which has tests"):
        plotting.box(comparison)


def test_numbers_such_as_depths_are_in_order_and_raw_records_refused():
    scores = stations(30)
    depth = np.array([0.5, 0.05, 0.1] * 10)
    ax = plotting.box(scores.assign_coords(depth_to=("station", depth)), "bias", by="depth_to")
    assert [t.get_text().split("\n")[0] for t in ax.get_yticklabels()] == ["0.05", "0.1", "0.5"]
    record = scores[["reference"]].rename(reference="soil_moisture").drop_attrs()
    with pytest.raises(InputError, match="scores has no metric"):
        plotting.box(record)


def test_several_strata_are_a_box_for_each_combination_with_values():
    one = seasons()
    two = xr.concat([one, one * np.nan], pd.Index(["x", "y"], name="land_cover"))
    two = two.assign_attrs(one.attrs)
    ax = plotting.box(two, "pearson_r")
    assert [text.split("\n")[0] for text in labels(ax)] == ["x, all", "x, JJA", "x, DJF"]
