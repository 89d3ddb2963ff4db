"""Bars of importance, curves of experiments."""

import numpy as np
import pytest
import xarray as xr

from xsm import plotting
from xsm.errors import InputError


def made_importance():
    values = np.array([[0.01, 0.02], [0.05, 0.06], [0.0, 0.001]])
    attrs = {"units": "m3 m-3", "long_name": "increase of RMSE"}
    return xr.Dataset(
        {"rmse_increase": (("predictor", "repeat"), values, attrs)},
        {"predictor": ["lst", "swvl1", "clay"]},
        {"how": "permutation", "rmse": 0.0123},
    )


def made_curve():
    values = np.array([[0.03, 0.02, 0.018], [0.04, 0.04, 0.04]])
    attrs = {"units": "1", "long_name": "fraction of cells"}
    return xr.Dataset(
        {"rmse": (("estimate", "fraction"), values, {"units": "m3 m-3", "long_name": "RMSE"})},
        {
            "estimate": ["atlstm", "cdf_matching"],
            "fraction": ("fraction", [0.03, 0.1, 1.0], attrs),
        },
    )


def test_the_greatest_is_on_top():
    ax = plotting.importance(made_importance())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["swvl1", "lst", "clay"]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [0.055, 0.015, 0.0005])
    assert ax.yaxis_inverted()
    assert ax.get_xlabel() == "increase of RMSE (m³\xa0m⁻³)"
    assert "RMSE of the whole model 0.0123" in ax.get_title(loc="left")
    made = made_importance().rename(rmse_increase="r2_decrease").assign_attrs(r2=0.9)
    ax = plotting.importance(made, metric="r2_decrease")
    assert "R2 of the whole model 0.9" in ax.get_title(loc="left")


def test_a_line_per_estimate_and_the_baseline_dashed():
    ax = plotting.curve(made_curve())
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.03, 0.02, 0.018])
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "fraction of cells"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0.03", "0.1", "1"]
    assert ax.get_ylim()[1] > 0.042


def test_other_results_raise():
    with pytest.raises(InputError, match=r"expected the Dataset of xsm\.experiments\.importance"):
        plotting.importance(made_curve())
    expected = r"expected the Dataset of xsm\.experiments\.sequence_length"
    with pytest.raises(InputError, match=expected):
        plotting.curve(made_importance())
    with pytest.raises(InputError, match="metric='no'"):
        plotting.curve(made_curve(), metric="no")
