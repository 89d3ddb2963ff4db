"""Every row of the dispatch table under pytest-benchmark: ``pytest benchmarks --benchmark-only``.

Small inputs, to compare two versions of the code. The published figures come from
``python -m benchmarks.speed``.
"""

import pytest

pytest.importorskip("pytest_benchmark")
torch = pytest.importorskip("torch")

from benchmarks.speed import parity_gate, synthetic_masks  # noqa: E402
from benchmarks.speed.operation_samples import OPERATIONS, make_sample, precision  # noqa: E402
from xsm_kernels.dispatch import TABLE  # noqa: E402

ROWS = [row for row in TABLE if row[0] in OPERATIONS]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(scope="module", params=["land", "dense"])
def masks(request):
    land = synthetic_masks.land(4, step=2.0)
    return land if request.param == "land" else synthetic_masks.dense(*land.mask.shape)


@pytest.mark.parametrize(("op", "backend"), ROWS, ids=["-".join(row) for row in ROWS])
def test_row(op, backend, masks, benchmark):
    sample = make_sample(op, masks, channels=32, device="cpu" if backend == "numba" else DEVICE)
    if reason := sample.runnable()[backend]:
        pytest.skip(reason)
    benchmark.group = f"{op}, {masks.name}"
    with torch.inference_mode(), precision("float32"):
        expected = parity_gate.expected_results(sample)
        fraction = parity_gate.tolerance_fraction(sample.call(backend), expected)
        parity_gate.require_parity(fraction, f"{op} {backend}")

        def run():
            sample.call(backend)
            if DEVICE == "cuda":
                torch.cuda.synchronize()

        benchmark(run)
