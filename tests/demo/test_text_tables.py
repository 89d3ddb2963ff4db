"""The tables of the demonstration: right scores on the right cells."""

import numpy as np
import pytest
import xarray as xr

from xsm.demo.text_tables import gap_table, ground_table, score_estimate, validation_table


def test_scores_of_a_constant_error(data):
    truth = data["truth"].values
    rmse, mae, bias, r, r_anomaly = score_estimate(truth - 0.03, truth, np.isfinite(truth))
    assert (rmse, mae, bias) == pytest.approx((0.03, 0.03, -0.03), abs=1e-6)
    assert (r, r_anomaly) == pytest.approx((1.0, 1.0), abs=1e-6)


def test_gap_table_scores_both_methods_on_the_same_gaps(data):
    before, after, truth = (data[name].values for name in ("before", "after", "truth"))
    linear = after - 0.02
    linear[0] = np.nan
    seconds = {"network": 1.0, "linear in time": 0.5}
    text = gap_table(before, {"network": after, "linear in time": linear}, truth, seconds)
    lines = text.splitlines()
    network, other = (line.split() for line in lines[1:3])
    gaps = np.isnan(before) & np.isfinite(truth)
    assert network[:4] == ["network", "100.0", "0.0100", "0.0100"]
    assert other[:3] == ["linear", "in", "time"]
    assert other[4:6] == ["0.0100", "0.0100"] and float(other[6]) == pytest.approx(-0.01)
    assert (network[-1], other[-1]) == ("1.00", "0.50")
    assert f"{gaps[1:].sum():,} gaps" in text


def test_ground_table_scores_all_on_the_same_cells(data):
    data["after"][0] = np.nan
    text = ground_table({"one": data["after"], "two": data["estimated"]}, data["truth"])
    one, two, note = (line.split() for line in text.splitlines()[1:4])
    assert one[0] == "one" and 0 < float(one[1]) < 0.01
    assert two[:3] == ["two", "0.0200", "0.0200"]
    assert note[2] == f"{data['truth'][1:].notnull().sum().item():,}"


def test_validation_table_has_a_line_for_each_method_and_each_set_of_stations():
    gaps = xr.Dataset(
        {"rmsd": (("fill_method", "gap_pattern"), [[0.01, 0.02], [0.03, 0.04]])},
        coords={"fill_method": ["default", "linear"], "gap_pattern": ["block", "all"]},
    )
    one = xr.Dataset(
        {
            "pearson_r": ("station", [0.5, 0.7, np.nan]),
            "ubrmsd": ("station", [0.02, 0.04, np.nan]),
            "n_obs": ("station", [10, 20, 0]),
            "status": ("station", [0, 0, 2]),
        }
    )
    parts = {"Simulated gaps": gaps, "before": one, "after": one}
    lines = validation_table(parts).splitlines()
    assert lines[1].split() == ["default", "0.0100", "0.0200"]
    assert lines[2].split() == ["linear", "0.0300", "0.0400"]
    assert lines[-1].split() == ["after", "2", "15", "0.600", "0.0300"]
