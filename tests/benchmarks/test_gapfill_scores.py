"""Scores on numbers that can be checked by hand."""

import math

import numpy as np
import pytest

from benchmarks.skill.gapfill_scores import HALF_WIDTH, _score_row, coverage, pair_scores

EST = np.array([1.0, 2.0, 4.0], np.float32)
REF = np.array([1.0, 3.0, 1.0], np.float32)


def pearson_r(estimate, reference):
    return pair_scores(estimate, reference)["r"]


def test_differences():
    scores = pair_scores(EST, REF)
    assert scores["bias"] == pytest.approx(2 / 3)
    assert scores["mae"] == pytest.approx(4 / 3)
    assert scores["rmsd"] == pytest.approx(math.sqrt(10 / 3))


def test_correlation():
    assert pearson_r(EST, 3 * EST - 1) == pytest.approx(1)
    assert pearson_r(EST, -EST) == pytest.approx(-1)
    assert pearson_r(np.array([0.0, 1, 2]), np.array([0.0, 1, 0])) == pytest.approx(0, abs=1e-12)
    assert math.isnan(pearson_r(EST, np.ones(3)))
    assert math.isnan(pearson_r(EST[:1], REF[:1]))


def test_large_offsets_in_float32_keep_precision():
    noise = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    assert pearson_r(noise + 1000, noise + 1000) == pytest.approx(1, abs=1e-9)
    assert pair_scores(noise + 1, noise)["bias"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("level", [68, 95])
def test_coverage_of_a_true_normal_is_its_level(level):
    rng = np.random.default_rng(0)
    sd = rng.uniform(0.5, 2, 200_000)
    found = coverage(np.zeros(sd.size), sd, rng.normal(0, sd), HALF_WIDTH[level])
    assert found == pytest.approx(level / 100, abs=0.004)


def test_coverage_counts():
    sd = np.ones(4)
    assert coverage(np.zeros(4), sd, np.array([0, 0.9, 1.5, 3.0]), 1.0) == 0.5
    assert coverage(np.zeros(4), sd, np.array([0, 0.9, 1.5, 3.0]), 2.0) == 0.75


def test_crps_of_a_method_without_uncertainty_is_its_absolute_error():
    common = np.zeros(3), np.ones(3, bool), np.zeros(3)
    row = _score_row(EST, REF, *common, None, HALF_WIDTH)
    assert row["crps"] == pytest.approx(row["mae"])
    certain = _score_row(EST, REF, *common, np.full(3, 1e-9), HALF_WIDTH)
    assert certain["crps"] == pytest.approx(row["mae"])
    uncertain = _score_row(EST, REF, *common, np.full(3, 1.0), HALF_WIDTH)
    assert uncertain["crps"] < row["crps"]
