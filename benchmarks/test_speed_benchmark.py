"""Every row of the dispatch table under pytest-benchmark: ``pytest benchmarks --benchmark-only``.

Small inputs, to compare two states of the code; the figures of the project come from
``python -m benchmarks.speed``.
"""

import pytest

pytest.importorskip("pytest_benchmark")
torch = pytest.importorskip("torch")

from benchmarks.speed import parity, scenes  # noqa: E402
from benchmarks.speed.operations import OPERATIONS, make_sample, precision  # noqa: E402
from xsm_kernels.dispatch import TABLE  # noqa: E402

ROWS = [row for row in TABLE if row[0] in OPERATIONS]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(scope="module", params=["land", "dense"])
def scene(request):
    land = scenes.land(4, step=2.0)
    return land if request.param == "land" else scenes.dense(*land.mask.shape)


@pytest.mark.parametrize(("op", "backend"), ROWS, ids=["-".join(row) for row in ROWS])
def test_row(op, backend, scene, benchmark):
    sample = make_sample(op, scene, channels=32, device="cpu" if backend == "numba" else DEVICE)
    if reason := sample.runnable()[backend]:
        pytest.skip(reason)
    benchmark.group = f"{op}, {scene.name}"
    with torch.inference_mode(), precision("float32"):
        parity.demand(parity.worst(sample.call(backend), parity.expect(sample)), f"{op} {backend}")

        def run():
            sample.call(backend)
            if DEVICE == "cuda":
                torch.cuda.synchronize()

        benchmark(run)
