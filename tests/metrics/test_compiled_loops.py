"""Compiled loops: each is compiled once, whichever thread of a process calls it first."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PROBE = """
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import xarray as xr
from numba.core.dispatcher import Dispatcher

from xsm import metrics

THREADS = 8
compilations = []
compile_dispatcher = Dispatcher.compile


def count_and_compile(self, signature):
    compilations.append((self.py_func.__module__, self.py_func.__name__))
    return compile_dispatcher(self, signature)


Dispatcher.compile = count_and_compile
rng = np.random.default_rng(0)
x, y, z = (xr.DataArray(rng.random((20, 60)), dims=("cell", "time"), name=n) for n in "xyz")
single = x.astype(np.float32), y.astype(np.float32)
CALLS = [
    lambda: metrics.rmsd(x, y, dim="time"),
    lambda: metrics.rmsd(*single, dim="time"),
    lambda: metrics.kendall_tau(x, y, dim="time"),
    lambda: metrics.spearman_rho(x, y, dim="time"),
    lambda: metrics.interval(x, y, dim="time", metric="kge", n=20),
    lambda: metrics.interval(x, y, dim="time", metric="kendall_tau", n=20),
    lambda: metrics.interval(x, y, dim="time", metric="spearman_rho", n=20),
    lambda: metrics.triple_collocation(x, y, z, dim="time", ci="percentile", n=20),
]
for call in CALLS:
    barrier = Barrier(THREADS)

    def at_once(_):
        barrier.wait()
        return call()

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(at_once, range(THREADS)))
    assert all(result.identical(results[0]) for result in results)
print(json.dumps(compilations))
"""

# loops that Python calls, and the number of signatures each is compiled for
LOOPS = {
    ("xsm.metrics.moments", "_moments"): 2,  # float32 and float64
    ("xsm.metrics.compress_valid", "_compress"): 1,
    ("xsm.metrics.ranks", "_rank_statistics"): 1,
    ("xsm.metrics.resampling", "_resampled_moments"): 2,  # sums in float32 and float64
    ("xsm.metrics.resampling", "_resampled_ranks"): 1,
    ("xsm.metrics.resampling", "_describe"): 1,
    ("xsm.metrics.resampling", "_quantiles"): 1,
    ("xsm.metrics.collocation", "_collocation"): 1,
}


def test_threads_that_call_first_compile_once():
    env = os.environ | {"NUMBA_NUM_THREADS": "4"}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    compilations = [tuple(pair) for pair in json.loads(done.stdout)]
    assert {loop: compilations.count(loop) for loop in LOOPS} == LOOPS
