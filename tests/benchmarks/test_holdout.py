"""What is hidden, and which of it is scored."""

import numpy as np
import pytest

from benchmarks.skill import holdout
from benchmarks.skill.pooled import Pool
from benchmarks.skill.records import Record
from xsm.training.splits import day_mask, region_mask


@pytest.fixture(scope="module")
def record():
    """A coarse globe of 15 days (15, 90, 180), land in the middle, half of it seen on a day."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 0.5, (15, 90, 180)).astype(np.float32)
    t, x = np.arange(15)[:, None, None], np.arange(180)
    values[np.broadcast_to((x + 17 * t) % 40 < 18, values.shape)] = np.nan
    values[:, :10] = np.nan
    lat, lon = np.arange(89, -90, -2.0), np.arange(-179, 180, 2.0)
    return Record("made", values, lat, lon, truth=np.full(values.shape, 0.25, np.float32))


def test_hidden_cells_are_observed_and_about_six_percent(record):
    kind = holdout.draw(np.isfinite(record.values), 0, holdout.EVALUATION)
    seen = np.isfinite(record.values)
    assert not (kind[~seen] >= 0).any()
    assert 0.045 < (kind >= 0).sum() / seen.sum() < 0.09
    assert set(np.unique(kind)) == {-1, 0, 1, 2, 3}


def test_draws_repeat_and_purposes_differ(record):
    seen = np.isfinite(record.values)
    first = holdout.draw(seen, 1, holdout.EVALUATION)
    np.testing.assert_array_equal(first, holdout.draw(seen, 1, holdout.EVALUATION))
    assert (first != holdout.draw(seen, 2, holdout.EVALUATION)).any()
    assert (first != holdout.draw(seen, 1, holdout.FITTING)).any()


def test_case_scores_hidden_cells_of_the_test_regions_only(record):
    case = holdout.case(record, 0)
    assert np.isnan(case.values[case.kind >= 0]).all()
    kept = case.kind < 0
    np.testing.assert_array_equal(case.values[kept], record.values[kept])
    test = region_mask(record.lat, record.lon, "test")
    assert case.where.any()
    assert not case.where[:, ~test].any()
    assert np.isfinite(record.values[case.where]).all()
    assert np.isfinite(np.broadcast_to(case.mean, case.where.shape)[case.where]).all()


def test_training_record_shows_nothing_held_out(record):
    shown = np.isfinite(holdout.training_record(record).values)
    assert shown.any()
    assert not shown[~day_mask(15, "train")].any()
    assert not shown[:, ~region_mask(record.lat, record.lon, "train")].any()


@pytest.fixture(scope="module")
def rows(record):
    pool = Pool()
    for seed in (0, 1):
        case = holdout.case(record, seed)
        off = record.values + np.float32(0.1)
        half = off.copy()
        half[:, :, ::2] = np.nan
        sd = np.full(off.shape, 0.2, np.float32)
        pool.add(
            record,
            case,
            seed,
            {"off": (off[case.where], sd[case.where]), "half": (half[case.where], None)},
        )
    return pool.rows()


def chosen(rows, method, **which):
    which = {"reference": "retrieval", "scope": "region", "kind": "all", **which}
    (row,) = [r for r in rows if r["method"] == method and all(r[k] == v for k, v in which.items())]
    return row


def test_rows_hold_known_scores(rows):
    row = chosen(rows, "off")
    assert row["bias"] == pytest.approx(0.1, abs=1e-6)
    assert row["rmsd"] == pytest.approx(0.1, abs=1e-6)
    assert row["r"] == pytest.approx(1)
    assert row["r_anomaly"] == pytest.approx(1, abs=1e-5)
    assert (row["coverage_68"], row["coverage_95"]) == (1, 1)
    assert row["empty"] == 0


def test_empty_cells_are_counted_and_take_the_mean_of_the_cell(rows):
    off, half = chosen(rows, "off"), chosen(rows, "half")
    assert half["n"] == off["n"]
    assert half["empty"] > 0
    assert half["n_common"] == off["n_common"] == half["n"] - half["empty"]
    assert half["rmsd_common"] == pytest.approx(off["rmsd_common"], abs=1e-6)
    assert half["rmsd"] > off["rmsd"]  # uniform noise: the mean of the cell is worse than 0.1 off
    assert "coverage_68" not in half


def test_kinds_and_scopes_add_up(rows):
    kinds = [chosen(rows, "off", kind=kind)["n"] for kind in holdout.KINDS]
    assert sum(kinds) == chosen(rows, "off")["n"]
    assert chosen(rows, "off", scope="strict")["n"] < chosen(rows, "off")["n"]


def test_truth_is_another_reference(rows):
    assert chosen(rows, "off", reference="truth")["rmsd"] > 0.1
