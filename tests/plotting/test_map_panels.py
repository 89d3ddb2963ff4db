"""Maps side by side: one scale, one colour bar; flags with named colours."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.collections import PathCollection, QuadMesh

from tests.plotting.scores_made_up import product, stations
from xsm import plotting
from xsm.errors import InputError


@pytest.fixture(scope="module")
def two():
    one = product()
    other = one.assign(rmsd=one.rmsd * 3)
    parts = [one.drop_dims("time"), other.drop_dims("time")]
    return xr.concat(parts, pd.Index(["A", "B"], name="product"), data_vars="all")


def meshes(figure):
    return [c for ax in figure.axes for c in ax.collections
            if isinstance(c, QuadMesh) and ax.get_title(loc="left")]  # fmt: skip


def test_all_maps_have_one_scale_and_one_colour_bar(two):
    figure = plotting.panels(two, "rmsd")
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["A", "B"]
    assert len(figure.axes) == 3 and "(m³\xa0m⁻³)" in figure.axes[2].get_xlabel()
    a, b = meshes(figure)
    assert a.get_clim() == b.get_clim()
    np.testing.assert_allclose(b.get_array(), 3 * a.get_array())


def test_a_region_and_a_mask_are_cut_out(two):
    mask = two.lat > 41
    figure = plotting.panels(
        {"A": two.sel(product="A")}, "rmsd", region=(38, 43, -8, -3), mask=mask
    )
    ax = figure.axes[0]
    assert ax.get_xlim() == (-8, -3) and ax.get_ylim() == (38, 43)
    values = np.ma.masked_invalid(meshes(figure)[0].get_array()).reshape(14, 20)
    assert values[two.lat.values > 41].mask.all() and not values[-1, 5:].mask.any()


def test_stations_of_several_validations():
    figure = plotting.panels({"new": stations(8), "old": stations(8, shift=0.1)}, "bias")
    points = [c for ax in figure.axes[:2] for c in ax.collections
              if isinstance(c, PathCollection) and c.get_array() is not None]  # fmt: skip
    assert len({p.get_clim() for p in points}) == 1


def test_flags_have_named_colours():
    ax = plotting.map(product(), "status")
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["ok", "too few pairs"]
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    colours = [patch.get_facecolor() for patch in legend.get_patches()]
    np.testing.assert_allclose(mesh.cmap(mesh.norm(0)), colours[0])
    np.testing.assert_allclose(mesh.cmap(mesh.norm(3)), colours[1])
    assert len(ax.figure.axes) == 1  # no colour bar


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"along": "time"}, "along='time'"),
        ({"region": (43, 38, -8, -3)}, "expected .south, north, west, east."),
        ({"region": (1, 2)}, "expected .south, north, west, east."),
    ],
)
def test_what_cannot_be_drawn_says_why(two, change, message):
    with pytest.raises(InputError, match=message):
        plotting.panels(two, "rmsd", **change)
    with pytest.raises(InputError, match="select at most 12"):
        plotting.panels({str(i): product() for i in range(13)}, "rmsd")
    with pytest.raises(InputError, match="empty mapping"):
        plotting.panels({})


def test_panels_of_days_have_their_dates_and_flags_their_legend():
    days = np.array(["2015-04-01", "2015-04-02"], "datetime64[ns]")
    scores = xr.concat([product()[["status"]]] * 2, "time").assign_coords(time=days)
    figure = plotting.panels(scores, "status", along="time")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["2015-04-01", "2015-04-02"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()][0] == "ok"
