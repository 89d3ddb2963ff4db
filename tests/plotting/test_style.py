"""What all pictures share: neutral values, order of skill, colour scales, titles, matplotlib."""

import sys

import numpy as np
import pytest
import xarray as xr

from xsm.errors import InputError, MissingPackageError
from xsm.plotting.style import (
    axes_for,
    axis_label,
    colour_scale,
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
