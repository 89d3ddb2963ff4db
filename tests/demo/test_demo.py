"""The parts of the demonstration, on a small made-up record; `make demo` runs the whole."""

import numpy as np
import pytest
import xarray as xr

from xsm.demo import __main__ as demo

T, H, W = 12, 9, 11


@pytest.fixture
def data() -> xr.Dataset:
    """A smooth wave in time and space over land, a third of it not seen; sea in the west."""
    rng = np.random.default_rng(2)
    day, lat, lon = np.meshgrid(np.arange(T), np.arange(H), np.arange(W), indexing="ij")
    truth = 0.25 + 0.1 * np.sin(day / 3 + lat / 4 + lon / 5)
    land = np.broadcast_to(np.arange(W) > 1, (H, W))
    truth = np.where(land, truth, np.nan).astype(np.float32)
    before = np.where(rng.random((T, H, W)) < 1 / 3, np.nan, truth)
    after = np.where(np.isnan(before), truth + 0.01, before)
    dims = ("time", "lat", "lon")
    return xr.Dataset(
        {
            "before": (dims, before),
            "after": (dims, after),
            "sd": (dims, np.where(land, 0.02, np.nan) * np.ones((T, 1, 1))),
            "truth": (dims, truth),
            "estimated": (dims, truth - 0.02),
            "estimated_sd": (dims, np.where(land, 0.03, np.nan) * np.ones((T, 1, 1))),
            "land": (dims[1:], land),
        },
        coords={
            "time": np.datetime64("2015-04-01", "ns") + np.arange(T) * np.timedelta64(1, "D"),
            "lat": 44 - 0.25 * np.arange(H),
            "lon": -10 + 0.25 * np.arange(W),
        },
    )


def test_scores_of_a_constant_error(data):
    truth = data["truth"].values
    rmse, mae, bias, r, r_anomaly = demo.scores(truth - 0.03, truth, np.isfinite(truth))
    assert (rmse, mae, bias) == pytest.approx((0.03, 0.03, -0.03), abs=1e-6)
    assert (r, r_anomaly) == pytest.approx((1.0, 1.0), abs=1e-6)


def test_table_scores_both_methods_on_the_same_gaps(data):
    before, after, truth = (data[name].values for name in ("before", "after", "truth"))
    text = demo.table(before, after, truth, {"network": 1.0})
    network, linear = (line.split() for line in text.splitlines()[1:3])
    gaps = np.isnan(before) & np.isfinite(truth)
    assert network[:4] == ["network", "100.0", "0.0100", "0.0100"]
    assert linear[:3] == ["linear", "in", "time"]
    assert f"{gaps.sum():,} gaps" in text


def test_typical_day_has_half_of_the_land_seen(data):
    data["before"][6] = data["truth"][6].where(data["lat"] > data["lat"].median())
    assert demo.typical_day(data["before"].values, data["truth"].values) == 6


def test_typical_cell_is_the_median_one(data):
    before, truth = data["before"].values.copy(), data["truth"].values
    before[:2] = np.nan
    rank = np.arange(H * W).reshape(H, W)
    after = truth + 0.001 * rank
    land = np.flatnonzero(data["land"].values.ravel())
    lat, lon = demo.typical_cell(before, after, truth)
    low, high = np.percentile(land, [30, 70])
    assert low < rank[lat, lon] < high


def test_soil_table_scores_all_on_the_same_cells(data):
    data["after"][0] = np.nan
    text = demo.soil_table({"one": data["after"], "two": data["estimated"]}, data["truth"])
    one, two, note = (line.split() for line in text.splitlines()[1:4])
    assert one[0] == "one" and 0 < float(one[1]) < 0.01
    assert two[:3] == ["two", "0.0200", "0.0200"]
    assert note[2] == f"{(T - 1) * H * (W - 2):,}"


def test_figure_shows_the_maps_and_the_series(data, tmp_path):
    pytest.importorskip("matplotlib", reason="drawing needs xsm[plot]")
    figure = demo.draw(data, day=5, cell=(3, 6))
    titles = [ax.get_title(loc="left").split(":")[0] for ax in figure.axes]
    assert [title.split(",")[0] for title in titles[:4]] == ["Before", "After", "Truth", "The soil"]
    assert titles[4:6] == ["Uncertainty of what was filled", "Uncertainty of the estimate"]
    maps = [ax.collections for ax in figure.axes[:4]]
    assert len({mesh[-1].get_clim() for mesh in maps}) == 1
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_summary_has_a_line_for_each_method_and_each_set_of_stations():
    gaps = xr.Dataset(
        {"rmsd": (("filler", "kind"), [[0.01, 0.02], [0.03, 0.04]])},
        coords={"filler": ["default", "linear"], "kind": ["block", "all"]},
    )
    one = xr.Dataset(
        {
            "pearson_r": ("station", [0.5, 0.7, np.nan]),
            "ubrmsd": ("station", [0.02, 0.04, np.nan]),
            "n_obs": ("station", [10, 20, 0]),
            "status": ("station", [0, 0, 2]),
        }
    )
    parts = {"Simulated gaps": gaps, "before": one, "after": one, "compared": xr.Dataset()}
    lines = demo.summary(parts).splitlines()
    assert lines[1].split() == ["default", "0.0100", "0.0200"]
    assert lines[2].split() == ["linear", "0.0300", "0.0400"]
    assert lines[-1].split() == ["after", "2", "15", "0.600", "0.0300"]
