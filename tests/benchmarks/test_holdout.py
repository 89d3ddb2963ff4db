"""Which cells are hidden, and which of them are scored."""

import numpy as np
import pytest

from benchmarks.skill import holdout
from benchmarks.skill.evaluation_records import EvaluationRecord
from benchmarks.skill.gapfill_scores import ScoredCells, shared_error
from xsm.training.splits import day_mask, region_mask


@pytest.fixture(scope="module")
def record():
    """A coarse globe of 15 days (15, 90, 180), land in the middle, half of it observed each day."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 0.5, (15, 90, 180)).astype(np.float32)
    t, x = np.arange(15)[:, None, None], np.arange(180)
    values[np.broadcast_to((x + 17 * t) % 40 < 18, values.shape)] = np.nan
    values[:, :10] = np.nan
    lat, lon = np.arange(89, -90, -2.0), np.arange(-179, 180, 2.0)
    time = np.datetime64("2015-04-01", "ns") + np.arange(15) * np.timedelta64(1, "D")
    return EvaluationRecord(
        "synthetic", values, lat, lon, time, truth=np.full(values.shape, 0.25, np.float32)
    )


def test_hidden_cells_are_observed_and_about_six_percent(record):
    observed = np.isfinite(record.values)
    gap_pattern = holdout.sample_patterns(observed, 0, holdout.EVALUATION)
    assert not (gap_pattern[~observed] >= 0).any()
    assert 0.045 < (gap_pattern >= 0).sum() / observed.sum() < 0.09
    assert set(np.unique(gap_pattern)) == {-1, 0, 1, 2, 3}


def test_gaps_are_reproducible_and_purposes_differ(record):
    observed = np.isfinite(record.values)
    first = holdout.sample_patterns(observed, 1, holdout.EVALUATION)
    np.testing.assert_array_equal(first, holdout.sample_patterns(observed, 1, holdout.EVALUATION))
    assert (first != holdout.sample_patterns(observed, 2, holdout.EVALUATION)).any()
    assert (first != holdout.sample_patterns(observed, 1, holdout.FITTING)).any()


def test_only_hidden_cells_of_the_test_regions_are_scored(record):
    hidden = holdout.hide_cells(record, 0)
    assert np.isnan(hidden.values[hidden.gap_pattern >= 0]).all()
    unchanged = hidden.gap_pattern < 0
    np.testing.assert_array_equal(hidden.values[unchanged], record.values[unchanged])
    test = region_mask(record.lat, record.lon, "test")
    assert hidden.scored.any()
    assert not hidden.scored[:, ~test].any()
    assert np.isfinite(record.values[hidden.scored]).all()
    mean = np.broadcast_to(hidden.mean, hidden.scored.shape)
    assert np.isfinite(mean[hidden.scored]).all()


def test_training_record_shows_nothing_held_out(record):
    observed = np.isfinite(holdout.training_record(record).values)
    assert observed.any()
    assert not observed[~day_mask(15, "train")].any()
    assert not observed[:, ~region_mask(record.lat, record.lon, "train")].any()


@pytest.fixture(scope="module")
def rows(record):
    cells = ScoredCells()
    for seed in (0, 1):
        hidden = holdout.hide_cells(record, seed)
        off = record.values + np.float32(0.1)
        half = off.copy()
        half[:, :, ::2] = np.nan
        std, scored = np.full(off.shape, 0.2, np.float32), hidden.scored
        estimates = {"off": (off[scored], std[scored]), "half": (half[scored], None)}
        cells.add(record, hidden, seed, estimates)
    return cells.rows()


def select(rows, method, **labels):
    labels = {"reference": "retrieval", "scope": "region", "gap_pattern": "all", **labels}
    labels |= {"method": method}
    (row,) = [row for row in rows if all(row[key] == value for key, value in labels.items())]
    return row


def test_rows_have_the_expected_scores(rows):
    row = select(rows, "off")
    assert row["bias"] == pytest.approx(0.1, abs=1e-6)
    assert row["rmsd"] == pytest.approx(0.1, abs=1e-6)
    assert row["r"] == pytest.approx(1)
    assert row["r_anomaly"] == pytest.approx(1, abs=1e-5)
    assert (row["coverage_68"], row["coverage_95"]) == (1, 1)
    assert row["n_unfilled"] == 0


def test_unfilled_cells_are_counted_and_scored_with_the_mean_of_the_cell(rows):
    off, half = select(rows, "off"), select(rows, "half")
    assert half["n"] == off["n"]
    assert half["n_unfilled"] > 0
    assert half["n_common"] == off["n_common"] == half["n"] - half["n_unfilled"]
    assert half["rmsd_common"] == pytest.approx(off["rmsd_common"], abs=1e-6)
    assert half["rmsd"] > off["rmsd"]  # uniform noise: the mean of the cell is worse than 0.1 off
    assert "coverage_68" not in half


def test_errors_that_two_methods_share():
    rng = np.random.default_rng(0)
    reference, shared, own, others = rng.standard_normal((4, 20_000))
    row = shared_error(reference + shared + own, reference + shared + others, reference)
    assert row["error_r"] == pytest.approx(0.5, abs=0.02)
    # half the sum of both: the shared error remains, that of each is halved
    assert row["rmsd_mixed"] == pytest.approx(np.sqrt(1 + 0.5), abs=0.02)
    useless = shared_error(reference + shared, reference + 3 * shared, reference)
    assert useless["rmsd_mixed"] == pytest.approx(np.std(shared), abs=0.01)
    assert shared_error(reference, reference, reference) == {}


def test_rows_of_errors_that_two_methods_share_and_of_latitudes(record):
    hidden = holdout.hide_cells(record, 0)
    scored, rng = hidden.scored, np.random.default_rng(1)
    noise = rng.standard_normal((2, scored.sum()), np.float32)
    near, far = record.values[scored] + np.array([[0.1], [0.2]], np.float32) * noise
    cells = ScoredCells(compared_to="near")
    cells.add(record, hidden, 0, {"near": (near, None), "far": (far, None)})
    rows = cells.rows()
    assert "error_r" not in select(rows, "near")
    row = select(rows, "far")
    assert row["error_r"] == pytest.approx(0, abs=0.1)
    assert row["rmsd_mixed"] == pytest.approx(0.1 * 2 / np.sqrt(5), rel=0.1)
    bands = [
        row
        for row in cells.latitude_rows()
        if (row["method"], row["gap_pattern"]) == ("far", "all")
    ]
    assert sum(row["n"] for row in bands) == scored.sum()
    assert sum(row["fraction_of_squared_error"] for row in bands) == pytest.approx(1)
    assert all(row["south"] < row["north"] for row in bands)
    assert bands[0]["rmsd"] == pytest.approx(0.2, rel=0.2)


def test_gap_patterns_and_scopes_add_up(rows):
    counts = [select(rows, "off", gap_pattern=name)["n"] for name in holdout.GAP_PATTERNS]
    assert sum(counts) == select(rows, "off")["n"]
    assert select(rows, "off", scope="strict")["n"] < select(rows, "off")["n"]


def test_truth_is_another_reference(rows):
    assert select(rows, "off", reference="truth")["rmsd"] > 0.1
