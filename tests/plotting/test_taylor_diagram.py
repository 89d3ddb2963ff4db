"""The Taylor diagram: points lie where geometry puts them."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import PathCollection

from tests.plotting.scores_made_up import simulated, stations
from xsm import plotting
from xsm.errors import InputError


def groups(ax):
    """Label -> points (n, 2)."""
    artists = [c for c in ax.collections if isinstance(c, PathCollection)]
    return {c.get_label(): np.asarray(c.get_offsets()) for c in artists}


def test_a_method_lies_at_its_correlation_and_ratio():
    scores = simulated().sel({"gap_pattern": "all"})
    points_of = groups(plotting.taylor(scores))
    assert list(points_of) == ["linear", "climatology", "network", "window_mean"]
    for name, ((x, y),) in points_of.items():
        one = scores.sel(fill_method=name)
        assert np.hypot(x, y) == pytest.approx(one["std_ratio"].item())
        assert x / np.hypot(x, y) == pytest.approx(one["pearson_r"].item())


def test_distance_from_the_reference_is_the_centred_rms_of_the_pairs():
    scores = stations(12)
    (points,) = groups(plotting.taylor(scores, by="")).values()
    distance = np.hypot(points[:, 0] - 1, points[:, 1])
    both = scores["estimate"].notnull()
    ratio = scores["ubrmsd"] / scores["reference"].where(both).std("time")
    np.testing.assert_allclose(np.sort(distance), np.sort(ratio.values[:-1]), rtol=1e-6)


def test_stations_of_a_single_network_need_no_legend():
    scores = stations(12).drop_vars("network").assign_coords(network="RSMN")
    assert plotting.taylor(scores).get_legend() is None


def test_networks_have_their_colours_and_a_legend():
    ax = plotting.taylor(stations(12))
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["REMEDHUS", "SMOSMANIA", "RSMN", "centred RMS"]
    colours = {tuple(c.get_facecolor()[0]) for c in ax.collections if c.get_label() in names}
    assert len(colours) == 3


def test_negative_correlations_open_the_second_quadrant():
    scores = simulated()
    assert plotting.taylor(scores).get_xlim()[0] == 0
    scores["pearson_r"][1] = -0.5
    ax = plotting.taylor(scores)
    assert ax.get_xlim()[0] < -1
    assert groups(ax)["climatology"][0, 0] < 0
    assert "−0.9" in [text.get_text() for text in ax.texts]


def test_what_lies_beyond_is_counted_and_not_drawn():
    scores = stations(60).drop_vars(["estimate", "reference"])
    scores["std_ratio"] = ("station", np.r_[np.full(59, 1.0), 0.0])
    scores["std_ratio"][3] = 40.0
    ax = plotting.taylor(scores)
    assert ax.get_title(loc="right") == "1 beyond 1.5"
    assert max(np.hypot(*points.T).max() for points in groups(ax).values()) <= 1.5


def test_several_datasets_are_labelled_by_name():
    points_of = groups(plotting.taylor({"new": stations(8), "old": stations(8, seed=4)}))
    assert {name: len(points) for name, points in points_of.items()} == {"new": 7, "old": 7}


def test_strata_of_maps_and_products_are_not_mixed():
    rng = np.random.default_rng(0)
    shape = ("season", "lat", "lon")
    scores = xr.Dataset(
        {"pearson_r": (shape, rng.random((2, 3, 4))), "std_ratio": (shape, rng.random((2, 3, 4)))},
        {"season": ["DJF", "JJA"], "lat": np.arange(3.0), "lon": np.arange(4.0)},
    )
    with pytest.raises(InputError, match="a value per season .DJF, JJA.: select one first"):
        plotting.taylor(scores)
    (points,) = groups(plotting.taylor(scores.sel(season="JJA"))).values()
    assert len(points) == 12
    by_season = groups(plotting.taylor(scores, by="season"))
    assert {label: len(points) for label, points in by_season.items()} == {"DJF": 12, "JJA": 12}
    row = groups(plotting.taylor(scores.sel(season="JJA", lat=1.0)))
    assert [len(points) for points in row.values()] == [4]


def test_without_ratio_and_pairs_the_message_says_what_to_request():
    scores = stations().drop_vars(["estimate", "reference"])
    with pytest.raises(InputError, match="keep_pairs=True"):
        plotting.taylor(scores)
    with pytest.raises(InputError, match="by='colour' is no coordinate"):
        plotting.taylor(stations(), by="colour")
