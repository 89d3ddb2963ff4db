"""Boxes that are hidden, and the scores of their means."""

import numpy as np
import pytest

from benchmarks.skill import area_means
from benchmarks.skill.no_harm import Process, made, made_with_truth


@pytest.fixture(scope="module")
def part() -> area_means.Part:
    da, truth = made_with_truth(Process((15, 50, 50), missing=0.3))
    scored = np.zeros((50, 50), bool)
    scored[:, :40] = True
    return area_means.Part(da, {"truth": truth}, scored)


def test_boxes_are_observed_scored_and_apart(part):
    boxes = area_means.choose_boxes(part, 0)
    observed = np.isfinite(part.da.values)
    taken = np.zeros(observed.shape, int)
    for box in boxes:
        taken[box] += 1
        assert observed[box].mean() >= 0.35
        assert part.scored[box[1:]].mean() >= 0.6
    assert taken.max() == 1
    sizes = {tuple(s.stop - s.start for s in box) for box in boxes}
    assert {(1, 1, 1), (1, 5, 5), (1, 10, 10)} <= sizes <= set(area_means.BOXES)
    assert boxes == area_means.choose_boxes(part, 0) != area_means.choose_boxes(part, 1)


def test_coverage_counts_the_errors_inside():
    rng = np.random.default_rng(0)
    errors = np.array([0.5, -1.5, 0.5, 3.0])
    rows = [(error, 1.0, 0.4, 2.0) for error in errors]
    scores = area_means._scores(rows, rng.standard_normal((4, 50)))
    assert scores["coverage_68_samples"] == 0.5
    assert scores["coverage_68_independent"] == 0.0
    assert scores["coverage_68_dependent"] == 0.75
    assert scores["coverage_95_dependent"] == 1.0
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))


def test_truth_is_the_record_without_noise():
    process = Process((10, 20, 20), noise=0.0, missing=0.2)
    da, truth = made_with_truth(process, 3)
    np.testing.assert_array_equal(da, made(process, 3))
    observed = np.isfinite(da.values)
    np.testing.assert_allclose(da.values[observed], truth[observed], atol=1e-6)


def test_table_has_a_row_for_each_box():
    scores = area_means._scores([(0.1, 1.0, 0.5, 2.0)] * 3, np.zeros((3, 5)))
    row = {"record": "r", "reference": "truth", "days": 10, "cells": 5} | scores
    text = area_means.table({"rows": [row], "samples": 30, "date": "2026-01-01"})
    assert "| r: 5 x 5 cells, 10 days | truth | 3 |" in text
