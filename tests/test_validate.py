"""The public function: its arguments, their errors, its imports."""

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import cell, grid, stations
from xsm.errors import InputError, VariableNotFoundError
from xsm.validate import validate


def test_the_call_stands_in_the_attributes():
    ds = grid()
    ref = stations(43.1, -4.8, ds.time, cell(ds, 2, 0))
    scores = validate(ds, ref, metrics="rmsd", by="season", min_pairs=5)
    settings = json.loads(scores.attrs["settings"])
    assert settings["metrics"] == "rmsd" and settings["by"] == "season"
    assert settings["min_pairs"] == 5
    options = settings["stations"]
    assert options["window"] == "12h" and options["depth"] == [0.0, 0.05]
    assert settings["product"] is None and settings["gaps"] is None
    assert "validate('soil_moisture')" in scores.attrs["history"]
    assert set(scores.data_vars) == {"rmsd", "n_obs", "status"}


def test_scores_can_be_written_and_read(tmp_path):
    ds = grid()
    ref = stations([43.1, 42.0], [-4.8, -3], ds.time, [cell(ds, 2, 0), cell(ds, 4, 4)],
                   network=["A", "B"], station_name=["x", "y"])  # fmt: skip
    for reference, options in ((ref, {"by": ["season", "network"]}), (grid(seed=3), {})):
        scores = validate(ds, reference, **options)
        scores.to_netcdf(tmp_path / "scores.nc")
        with xr.open_dataset(tmp_path / "scores.nc") as back:
            np.testing.assert_array_equal(back.bias.values, scores.bias.values)
            assert back.status.attrs["flag_meanings"] == scores.status.attrs["flag_meanings"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["rmse"]}, "metrics=.*'rmse'.*"),
        ({"metrics": []}, "metrics=.*none given"),
        ({"by": "weekday"}, "'weekday' is no stratum"),
        ({"scaling": "magic"}, "scaling='magic'.*mean_std"),
        ({"anomalies": "weekly"}, "anomalies='weekly'.*moving_window"),
        ({"ci": 0.95}, "ci=0.95"),
        ({"ci": {"samples": 9}}, r"ci=\{'samples': 9\}.*block, level, method, n, seed"),
        ({"min_pairs": 0}, "min_pairs=0"),
        ({"min_pairs": 2.5}, "min_pairs=2.5"),
        ({"product": {"regrid": "bilinear"}}, "regrid='bilinear'"),
    ],
)
def test_wrong_options_are_named(options, message):
    lat = np.arange(44.0, 40, -1.0)
    with pytest.raises(InputError, match=message):
        validate(grid(), grid(lat=lat, seed=1), **options)


def test_wrong_objects_are_named():
    ds = grid()
    with pytest.raises(InputError, match="reference is or holds a str"):
        validate(ds, "stations.nc")
    with pytest.raises(InputError, match="obj is a str"):
        validate("record.nc", ds)
    with pytest.raises(InputError, match=r"obj\[1\]"):
        validate([ds, "record.nc"], ds)
    with pytest.raises(VariableNotFoundError, match="no soil moisture was found"):
        validate(grid(name="wetness_index"), ds)
    with pytest.raises(VariableNotFoundError, match="var='b'"):
        validate(ds, grid(name="wetness_index"), reference_var="b")
    scores = validate(ds, grid(name="wetness_index"), reference_var="wetness_index")
    assert scores.attrs["reference_name"] == "wetness_index"
    layered = ds.expand_dims(orbit=[0, 1])
    with pytest.raises(InputError, match="obj: soil_moisture has further dimensions"):
        validate(layered, ds)


PROBE = """
import sys
import numpy as np, pandas as pd, xarray as xr
from xsm.validate import validate
time = pd.date_range("2015-01-01", periods=40, unit="ns")
values = np.random.default_rng(0).random((40, 6, 6)).astype("float32") / 3
ds = xr.Dataset({"soil_moisture": (("time", "lat", "lon"), values, {"units": "1"})},
                {"time": time, "lat": np.arange(6.0), "lon": np.arange(6.0)})
ref = xr.Dataset({"soil_moisture": (("station", "time"), values[:, 0, :1].T, {"units": "1"})},
                 {"time": time, "lat": ("station", [0.0]), "lon": ("station", [0.0])})
validate(ds, ref)
validate(ds, ds)
options = {"model": None, "baselines": ["linear"], "n_realizations": 1, "gap_patterns": ["cell"]}
validate(ds, gaps=options)
print([m for m in ("torch", "triton", "matplotlib") if m in sys.modules])
"""


def test_no_torch_and_no_triton():
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=False,
        env={**__import__("os").environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
