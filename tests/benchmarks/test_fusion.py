"""The benchmark of fills with a background: what is hidden, what is scored, table and figure."""

import numpy as np
import pytest
import xarray as xr

from benchmarks.skill import fusion

SHAPE = (80, 3, 4)


def test_hidden_days_and_spells():
    values = np.random.default_rng(0).random(SHAPE)
    values[:, 0, 0] = np.nan
    masks = fusion.hidden_masks(values)
    assert not (masks["single"] & masks["spells"]).any()
    assert not any(mask[:, 0, 0].any() for mask in masks.values())
    cell = masks["spells"][:, 1, 1]
    lengths = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], cell, [0]]))))[::2]
    assert 1 <= lengths.size <= 3 and lengths.min() >= 7
    left = np.isfinite(values) & ~masks["spells"]
    assert masks["single"].sum() / left.sum() == pytest.approx(0.15, abs=0.04)
    np.testing.assert_array_equal(masks["single"], fusion.hidden_masks(values)["single"])


def test_scores_and_table():
    reference = np.zeros(SHAPE)
    filled = xr.Dataset(
        {name: (("time", "lat", "lon"), np.full(SHAPE, value)) for name, value in
         (("sm", 0.03), ("sm_uncertainty", 0.02), ("sm_flag", 1))}
    )  # fmt: skip
    masks = {"single": np.ones(SHAPE, bool), "spells": np.zeros(SHAPE, bool)}
    masks["spells"][0] = True
    rows, same = fusion.scores("gapfill", lambda: filled, reference, masks)
    assert same is filled
    assert [row["rmse"] for row in rows] == pytest.approx([0.03, 0.03])
    assert rows[0]["n"] == 960 and rows[1]["hidden"] == 12
    assert rows[0]["within_68"] == 0.0 and rows[0]["within_95"] == 1.0
    linear, _ = fusion.scores("linear", lambda: filled[["sm"]], reference, masks)
    text = fusion.table({"smap": [*linear, *rows], "date": "2026-01-01"}, "smap")
    assert "| linear in time | 0.0300 | 0.0300 | - | - | 0 |" in text
    assert "| `gapfill()` | 0.0300 | 0.0300 | 0 / 0 | 100 / 100 | 0 |" in text
    assert "960 single days" in text


def test_draws_are_pooled_by_their_numbers_of_values():
    one = {"fill": "gapfill", "what": "single", "rmse": 0.03, "bias": 0.01, "n": 100, "hidden": 110,
           "within_68": 0.6, "within_95": 0.9, "cpu_seconds": 1.0}  # fmt: skip
    other = one | {"rmse": 0.06, "bias": -0.02, "n": 200, "within_68": 0.9, "cpu_seconds": 2.0}
    (row,) = fusion.pooled([[one], [other]])
    assert row["rmse"] == pytest.approx(np.sqrt((0.03**2 + 2 * 0.06**2) / 3))
    assert row["rmse_of_draws"] == [0.03, 0.06]
    assert (row["bias"], row["within_68"]) == pytest.approx((-0.01, 0.8))
    assert (row["n"], row["hidden"], row["cpu_seconds"]) == (300, 220, 1.5)
    assert "within_68" not in fusion.pooled([[{k: one[k] for k in one if "within" not in k}]])[0]
    text = fusion.table({"smap": [row], "date": "2026-01-01"}, "smap")
    assert "Values scored in 2 draws: 220 single days." in text


def test_the_figure(tmp_path):
    pytest.importorskip("matplotlib", reason="needs xsm[plot]")
    rng = np.random.default_rng(0)
    coords = {"time": np.datetime64("2015-05-01", "ns"), "lat": [40.0, 39.0], "lon": [1.0, 2.0, 3]}
    names = ("rain", "retrieved", "truth", "gapfill", "predictors")
    fields = {n: xr.DataArray(0.4 * rng.random((2, 3)), coords, ("lat", "lon")) for n in names}
    fields["retrieved"][0, 0] = np.nan
    fusion.draw(fields, tmp_path / "figures" / "storm.png")
    assert (tmp_path / "figures" / "storm.png").stat().st_size > 10_000
