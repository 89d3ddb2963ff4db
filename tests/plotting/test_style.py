"""What all pictures share: neutral values, order of skill, colour scales, titles, matplotlib."""

import sys

import numpy as np
import pytest
import xarray as xr

from xsm import plotting
from xsm.errors import InputError, MissingPackageError
from xsm.plotting.style import (
    add_colour_bar,
    axes_for,
    axis_label,
    colour_scale,
    flag_colours,
    flag_labels,
    flag_style,
    legend_below,
    lower_is_better,
    neutral_value,
    set_title,
)


def named(name, values=(0.5,), **attrs):
    return xr.DataArray(np.asarray(values), dims="x", name=name, attrs=attrs)


@pytest.mark.parametrize(
    ("da", "neutral"),
    [
        (named("rmsd"), None),
        (named("rmsd", [-0.1, 0.1]), 0.0),  # a difference of two
        (named("bias"), 0.0),
        (named("std_ratio"), 1.0),
        (named("x", long_name="mean difference"), 0.0),
        (named("pearson_r"), None),
    ],
)
def test_the_neutral_value(da, neutral):
    assert neutral_value(da) == neutral


def test_values_sort_from_best_to_worst():
    values = np.array([0.2, -0.1, 0.5])
    assert lower_is_better(named("rmsd"), values).argmin() == 1
    assert lower_is_better(named("bias"), values).argmin() == 1
    assert lower_is_better(named("pearson_r"), values).argmin() == 2
    assert lower_is_better(named("std_ratio"), values).argmin() == 2


def test_colours_of_a_ratio_are_symmetric_about_one_and_end_at_zero():
    limits, extend = colour_scale(named("std_ratio", np.linspace(0.8, 4, 50)))
    assert (limits["vmin"], limits["vmax"], extend) == (0, 2, "max")


def test_given_limits_are_kept_and_a_constant_has_a_range():
    limits, extend = colour_scale(named("rmsd", [0.1, 0.2, 0.3]), vmin=0.15, cmap="viridis")
    assert (limits["vmin"], limits["cmap"], extend) == (0.15, "viridis", "both")
    limits, _ = colour_scale(named("rmsd", [0.1, 0.1]))
    assert limits["vmin"] < 0.1 < limits["vmax"]
    with pytest.raises(InputError, match="no finite value to draw"):
        colour_scale(named("rmsd", [np.nan]))


def test_labels_have_units():
    assert axis_label(named("rmsd", units="m3 m-3")) == "rmsd (m³\xa0m⁻³)"
    assert axis_label(named("pearson_r", long_name="correlation", units="1")) == "correlation"


def test_long_titles_are_wrapped_and_an_empty_one_is_not_drawn():
    ax = axes_for(None, (4, 3))
    set_title(ax, None, "estimate against reference " * 4)
    text = ax.get_title(loc="left")
    assert text.count("\n") >= 2 and max(map(len, text.splitlines())) < 50
    ax = axes_for(None)
    set_title(ax, "", "default")
    assert ax.get_title(loc="left") == ""


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'xsm\[plot\]'"):
        axes_for(None)


@pytest.mark.parametrize(
    ("da", "cmap"),
    [
        (named("sm", standard_name="volume_fraction_of_condensed_water_in_soil"), "YlGnBu"),
        (named("soil_moisture_x"), "YlGnBu"),  # a name of a known product
        (named("sm_uncertainty"), "magma_r"),
        (named("x", standard_name="soil_moisture_content standard_error"), "magma_r"),
        (named("rmsd"), "magma_r"),
        (named("pearson_r"), "viridis"),
        (named("n_obs", [1, 2]), "cividis"),
        (named("tc_n_obs", [1.0, np.nan]), "cividis"),
    ],
)
def test_the_colour_map_is_that_of_what_is_drawn(da, cmap):
    assert colour_scale(da)[0]["cmap"] == cmap


def test_every_flag_has_a_colour_of_its_own_also_in_the_legend():
    from matplotlib.colors import to_hex

    from xsm.conventions.cf import ESTIMATE_FLAGS, FILL_FLAGS, flag_attrs
    from xsm.metrics.status import STATUS_ATTRS

    for attrs in (
        STATUS_ATTRS, flag_attrs("", FILL_FLAGS), flag_attrs("", ESTIMATE_FLAGS)
    ):  # fmt: skip
        codes = attrs["flag_values"]
        colours = flag_colours(xr.DataArray(codes, dims="x", attrs=attrs))
        assert len({*colours.values()}) == codes.size
    sparse = {"flag_values": [-1, 2, 16], "flag_meanings": "none wet_snow ice"}
    da = xr.DataArray(np.array([-1, 2, 16]), dims="x", attrs=sparse)
    colours, style = flag_colours(da), flag_style(da)
    for code, colour in colours.items():
        assert to_hex(style["cmap"](style["norm"](code))) == colour.lower()
    ax = axes_for(None)
    legend_below(ax, flag_labels(da), colours)
    legend = ax.get_legend()
    shown = {
        text.get_text(): to_hex(patch.get_facecolor())
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }
    assert shown == {
        name: colours[code].lower() for code, name in ((-1, "none"), (2, "wet snow"), (16, "ice"))
    }


def test_bars_and_legends_leave_tick_labels_and_other_axes_free():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(8, 4))
    mesh = left.pcolormesh([0, 1], [0, 1], np.zeros((1, 1)))
    add_colour_bar(left, mesh, "soil moisture", orientation="horizontal")
    legend_below(right, {0: "observed", 1: "filled by network", 2: "never observed"},
                 {0: "#ffffff", 1: "#0072B2", 2: "#E69F00"})  # fmt: skip
    figure.canvas.draw()
    bar = figure.axes[2].get_window_extent()
    labels = [label.get_window_extent() for label in left.get_xticklabels()]
    assert not any(bar.overlaps(label) for label in labels)
    legend, slot = right.get_legend().get_window_extent(), right.get_window_extent()
    assert slot.x0 <= legend.x0 and legend.x1 <= slot.x1
    assert legend.y1 < min(label.get_window_extent().y0 for label in right.get_xticklabels())
    pyplot.close(figure)


def test_a_long_label_of_a_colour_bar_stays_on_the_page():
    ax = axes_for(None, (4.0, 3.0))
    mesh = ax.pcolormesh(np.zeros((2, 2)))
    add_colour_bar(ax, mesh, "uncertainty of filled " + "volumetric soil moisture, " * 4)
    ax.figure.canvas.draw()
    (bar,) = (other for other in ax.figure.axes if other is not ax)
    label, page = bar.yaxis.label.get_window_extent(), ax.figure.bbox
    assert label.y0 >= page.y0 and label.y1 <= page.y1


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_text_and_lines_stand_out_from_the_background(style):
    import matplotlib.pyplot as plt
    from matplotlib.colors import to_rgb

    from tests.plotting.scores_made_up import stations

    def lightness(colour):
        return np.dot(to_rgb(colour), [0.2126, 0.7152, 0.0722])

    with plt.style.context(style):
        series, box = plotting.series(stations(), "s02"), plotting.box(stations(), "bias")
        drawn = [series.title.get_color(), *(line.get_color() for line in series.lines[:1])]
        drawn += [line.get_color() for line in box.lines if line.get_linewidth() == 1.6]
        drawn += [series._left_title.get_color()]
        for colour in drawn:
            assert abs(lightness(colour) - lightness(series.figure.get_facecolor()[:3])) > 0.6
        grid = box.get_xgridlines()[0].get_color()
        assert abs(lightness(grid) - lightness(box.figure.get_facecolor()[:3])) < 0.3
