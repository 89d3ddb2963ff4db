"""The benchmark of no harm: records of every sort, ratios, costs and the table."""

import numpy as np
import pytest

from benchmarks.skill import no_harm


@pytest.mark.parametrize("name", ["one cell", "five days", "noise"])
def test_made_up_records(name):
    process = no_harm.PROCESSES[name]
    da = no_harm.made(process)
    assert da.shape == process.shape and da.attrs["units"] == "m3 m-3"
    assert np.isnan(da.values).mean() == pytest.approx(process.missing, abs=0.1)
    assert da.identical(no_harm.made(process)) and not da.equals(no_harm.made(process, seed=1))


def test_scores_and_table(monkeypatch):
    monkeypatch.setattr(no_harm, "MOST_SEEDS", 1)
    da = no_harm.made(no_harm.Process((25, 6, 6)))
    rows = no_harm.score("small", da, background=True)
    assert [row["gap_pattern"] for row in rows] == ["cell", "long"]
    for row in rows:
        best = min(row[m] for m in ("linear", "climatology", "climatology_15_days"))
        assert row["ratio"] == pytest.approx(row["used"] / best) and row["n"] > 10
    cost = [{"record": "small", "without": 0.1, "with": 0.25}]
    rows[0]["ratio"] = 1.021
    text = no_harm.table({"rows": rows, "cost": cost, "date": "2026-01-01"})
    assert "| small, background of noise | single cells |" in text and "**1.021**" in text
    assert "small 0.1 s without and 0.2 s with" in text


def test_small_records_are_drawn_from_until_enough_is_hidden(monkeypatch):
    da = no_harm.made(no_harm.Process((25, 6, 6)))
    monkeypatch.setattr(no_harm, "FRACTIONS", {"cell": 0.05})
    monkeypatch.setattr(no_harm, "MOST_SEEDS", 3)
    (few,) = no_harm.score("small", da, background=False)
    monkeypatch.setattr(no_harm, "ENOUGH", 1)
    (two,) = no_harm.score("small", da, background=False)
    assert few["n"] == pytest.approx(1.5 * two["n"], rel=0.2)  # three draws, and at least two
