"""After `xsm.precompile`, a fresh process compiles nothing, whatever it calls first."""

import json
import os
import subprocess
import sys
from pathlib import Path

import xsm
import xsm_kernels

ROOT = Path(__file__).resolve().parents[1]

PROBE = """
import json
import warnings
import numpy as np
import xarray as xr
from numba.core import event
import xsm

compiled = []


class Listener(event.Listener):
    def on_start(self, event):
        compiled.append(event.data["dispatcher"].py_func.__qualname__)

    def on_end(self, event):
        pass


event.register("numba:compile", Listener())
ds = xsm.tutorial.open_dataset("amsr2-iberia", days=40, resolution=2)
stations = xsm.tutorial.open_stations(ds, 3)
filled = ds.sm.gapfill(progress=False)
estimated = ds.sm.estimate(progress=False)
scores = filled.soil_moisture.sm.validate(stations)
x, y, z = ds.soil_moisture, ds.soil_moisture_truth, ds.swvl1
for est, ref in ((x, y), (x.astype("f8"), y.astype("f8"))):
    for name in ("ubrmsd", "kge", "spearman_rho", "kendall_tau"):
        getattr(xsm.metrics, name)(est, ref, dim="time")
        xsm.metrics.interval(est, ref, dim="time", metric=name, n=20)
xsm.metrics.triple_collocation(x, y, z, dim="time", ci="percentile", n=20)
print(json.dumps(compiled))
"""


def test_nothing_is_left_to_compile():
    assert xsm.precompile() == xsm_kernels.cache_folder() == Path(os.environ["XSM_CACHE_DIR"])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_a_folder_is_named_only_if_it_holds_all_loops(monkeypatch):
    assert xsm.precompile() is not None
    loops = xsm_kernels.precompile()
    monkeypatch.setattr(xsm_kernels, "on_disk", lambda loop: loop is not loops[0])
    assert xsm.precompile() is None
