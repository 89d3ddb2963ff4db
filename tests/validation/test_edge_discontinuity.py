"""Discontinuity at the edges of filled patches."""

import numpy as np
import pytest

from tests.validation.samples import NO_NETWORK, gappy
from xsm.validate import validate
from xsm.validation.edge_discontinuity import EdgeDifferences


def test_an_offset_of_the_filling_shows(network, monkeypatch):
    ds = gappy(share=0)

    def lifted(values):
        return np.where(np.isnan(values), ds.soil_moisture.values + np.float32(0.1), values)

    def perfect(values):
        return ds.soil_moisture.values.copy()

    fills = {"linear": lifted, "window_mean": perfect}
    monkeypatch.setattr("xsm.validation.gaps.baseline", fills.__getitem__)
    scores = validate(ds, gaps={**NO_NETWORK, "baselines": list(fills)})
    assert float(scores.edge_discontinuity.sel(fill_method="linear")) > 2.5
    original = float(scores.edge_discontinuity_original)
    assert float(scores.edge_discontinuity.sel(fill_method="window_mean")) == pytest.approx(
        original
    )
    assert original == pytest.approx(1, abs=0.15)


def test_differences_of_a_small_map():
    values = np.array([[[0.0, 0.0, 1.0, 1.5, 0.5, 0.5]]])
    hidden = np.array([[[False, False, True, True, False, False]]])
    differences = EdgeDifferences()
    differences.add("original", values, hidden)
    differences.add("m", values, hidden)
    # across 1 and 1, inside 0.5, outside 0 and 0
    expected = np.sqrt(1.0 / (0.5 * (0.25 + 0.0)))
    assert differences.ratios(["m"])["edge_discontinuity"][1] == [pytest.approx(expected)]
