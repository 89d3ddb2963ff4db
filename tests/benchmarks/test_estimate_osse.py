"""Estimators on a simulated Earth: nothing is fitted twice, no test cell is used in a fit."""

import json

import numpy as np
import pytest

from benchmarks.skill import estimate_osse as osse
from benchmarks.skill.estimate_tables import (
    experiment,
    importance,
    inputs,
    margin,
    short,
    table,
    unseen,
)
from xsm.estimation.samples import read_samples

RUNS = (
    osse.Run("raw"),
    osse.Run("cdf_matching"),
    osse.Run("xgboost"),
    osse.Run("xgboost", fraction=0.01),
    osse.Run("lstm", "blocked"),
    osse.Run("atlstm"),
    osse.Run("atlstm", inputs="no albedo, no temperature"),
    osse.Run("xgboost", density_weighted=True),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("torch")
    pytest.importorskip("xgboost")
    folder = tmp_path_factory.mktemp("estimate")
    small = {"hidden_size": 4, "input_size": 4, "epochs": 1, "batch_size": 16, "dropout": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(osse, "EARTH", {"seed": 7, "stride": 2, "resolution": 4.0, "days": 70})
        patch.setattr(osse, "CELLS", (40, 20))
        patch.setattr(osse, "WET", 0.15)
        patch.setattr(osse, "RUNS", RUNS)
        patch.setattr(
            osse, "OPTIONS", {"lstm": small, "atlstm": small, "xgboost": {"trees": {"rounds": 5}}}
        )
        osse.main(["--folder", str(folder), "--out", str(folder / "result.json")])
        patch.setattr(osse, "fit_ensemble", None)  # a second run reads the cache
        osse.main(["--folder", str(folder), "--out", str(folder / "again.json")])
        patch.setattr(osse, "RUNS", (*RUNS, osse.Run("bilstm")))
        osse.main(["--folder", str(folder), "--out", str(folder / "cached.json"), "--cached-only"])
        samples = read_samples(
            osse.simulated_earth(folder), osse.TARGET, [*osse.FEATURES, "precipitation"]
        )
        parts = {split: osse.parts_of(samples, split, 0) for split in ("random", "blocked")}
    return folder, parts, samples


def test_a_second_run_fits_nothing(folder):
    files = (folder[0] / f"{name}.json" for name in ("result", "again", "cached"))
    one, two, three = (json.loads(path.read_text()) for path in files)
    assert one["rows"] == two["rows"] == three["rows"]
    assert len(one["rows"]) == len(RUNS)
    assert len({json.dumps(row["all"]) for row in one["rows"]}) == len(RUNS)


def test_parts_are_disjoint_and_have_the_requested_size(folder):
    _, parts, samples = folder
    for part in parts.values():
        assert np.bincount(part)[:2].tolist() == [40, 20]
    part = parts["blocked"]
    boxes = np.stack([samples.lat // 5, samples.lon // 5], axis=-1)
    test, others = ({tuple(b) for b in boxes[part == n]} for n in (2, 0))
    assert not test & others


def test_inputs_of_a_run(folder):
    samples = folder[2]
    names = [row["name"] for row in osse.select_predictors(samples, "all").rows]
    assert names == list(osse.FEATURES)
    few = [row["name"] for row in osse.select_predictors(samples, "no albedo, no temperature").rows]
    assert few == ["swvl1", "elevation", "slope", "sand", "clay", "silt"]
    assert osse.select_predictors(samples, "precipitation too").x.shape[2] == len(osse.FEATURES) + 1


def test_scores_match_their_definition():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.1, 0.5, (5, 30))
    estimate = truth + rng.normal(0.01, 0.02, truth.shape)
    found = osse.scores(estimate, truth)
    error = estimate - truth
    assert found["all"]["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert found["all"]["r2"] == pytest.approx(1 - (error**2).mean() / truth.var())
    assert found["wet"]["bias"] == pytest.approx(error[truth > 0.4].mean())
    assert found["wet"]["n"] == (truth > 0.4).sum()


def test_tables(folder):
    result = json.loads((folder[0] / "result.json").read_text())
    text = table(result)
    assert "XGBoost, 1/100 of the days" in text
    assert text.index("AtLSTM") < text.index("XGBoost") < text.index("`swvl1` as it is")
    assert "| blocked | LSTM | 1 |" in text
    assert inputs(result).count("AtLSTM") == 2
    rows = {(r["model"], r["inputs"]): r for r in result["rows"]
            if r["fraction"] == 1 and not r["density_weighted"]}  # fmt: skip
    one, other = rows["atlstm", "all"], rows["xgboost", "all"]
    reduction = 100 * (1 - one["all"]["rmse"] / other["all"]["rmse"])
    assert f"| **AtLSTM** | random | all | 0 | {reduction:.0f} |" in margin(result)
    assert f"| **AtLSTM** | {one['all']['r2']:.3f} | {one['all']['rmse']:.4f} |" in short(result)


def test_wet_soil_and_intervals_on_all_unseen_cells(folder):
    path, parts, _ = folder
    result = json.loads((path / "result.json").read_text())
    rows = {(r["model"], r["density_weighted"]): r for r in result["rows"]
            if (r["split"], r["inputs"], r["fraction"]) == ("random", "all", 1)}  # fmt: skip
    row, baseline = rows["xgboost", True], rows["xgboost", False]
    days = row["all"]["n"] // (parts["random"] == 2).sum()
    assert row["unseen"]["all"]["n"] == days * (parts["random"] >= 2).sum()
    assert 0 < row["coverage"]["1_std"] < row["coverage"]["2_std"] <= 1
    reduction = 100 * (1 - row["unseen"]["wet"]["rmse"] / baseline["unseen"]["wet"]["rmse"])
    line = next(
        li for li in unseen(result).splitlines() if li.startswith("| XGBoost, density-weighted")
    )
    assert f"| {reduction:.0f} |" in line
    assert f"| {row['coverage']['2_std']:.2f} |" in line


def test_fractions_within_standard_deviations():
    truth = np.array([[0.1, 0.2, 0.5, 0.5]])
    found = osse.std_coverage(truth + [[0.01, 0.03, 0.01, 0.05]], np.full((1, 4), 0.02), truth)
    assert found == {"1_std": 0.5, "2_std": 0.75, "1_std_wet": 0.5}


def test_tables_of_experiments():
    result = {
        "date": "2015-04-30",
        "importance": {
            "predictor": ["lst", "soil texture"],
            "rmse_increase": [[0.01, 0.02], [0.03, 0.05]],
            "r2_decrease": [[0.1, 0.1], [0.2, 0.4]],
            "attrs": {"rmse": 0.012, "r2": 0.98},
        },
        "length": {
            "days": [0, 30],
            "estimate": ["atlstm", "cdf_matching"],
            "rmse": [[0.03, 0.02], [0.05, 0.05]],
            "attrs": {"cells_train": 700, "cells_test": 100},
        },
    }
    text = importance(result)
    assert text.index("| soil texture | 0.0400 | 0.300 |") < text.index("| lst | 0.0150 | 0.100 |")
    text = experiment(result, "length")
    assert "| RMSE, m3 m-3; days before and after | 0 | 30 |" in text
    assert "| **AtLSTM** | 0.0300 | 0.0200 |" in text
    assert "700 cells to learn from" in text
