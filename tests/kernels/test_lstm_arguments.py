"""Long short-term memory: wrong arguments, which backend runs, and what it needs."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import xsm_kernels
from tests.kernels.lstm_samples import Case, draw, given_to
from xsm_kernels import dispatch
from xsm_kernels.errors import ArgumentError, BackendError

GOOD = given_to(draw(Case(2, 3, 4, 5, observed=0.5, initial=True)), "numba", "float32")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x": GOOD["x"][0]}, r"x: shape \(3, 4\), dtype float32; expected floats \(B, T, C\)"),
        ({"x": np.ones((2, 3, 4), int)}, "x: .*dtype int64; expected floats"),
        ({"x": GOOD["x"][:, :0]}, r"x: shape \(2, 0, 4\).*at least one day and one channel"),
        ({"weight_ih": GOOD["weight_ih"][..., :3]}, r"weight_ih: .*expected \(2, 20, 4\)"),
        ({"weight_hh": GOOD["weight_hh"][:, :16]}, r"weight_hh: shape \(2, 16, 5\).*\(2, 20, 5\)"),
        ({"weight_hh": GOOD["weight_hh"].repeat(2, 0)}, r"weight_hh: .*\(1 or 2, 4 H, H\)"),
        ({"bias": GOOD["bias"][:1]}, r"bias: shape \(1, 20\); expected \(2, 20\)"),
        ({"initial": (GOOD["initial"][0], GOOD["bias"])}, r"initial\[1\] \(c\): .*\(2, 2, 5\)"),
        ({"mask": GOOD["mask"][:, :2]}, r"mask: shape \(2, 2\); expected \(2, 3\)"),
        ({"mask": GOOD["mask"].astype(int)}, r"mask: shape \(2, 3\), dtype int64; expected bool"),
        ({"backend": "cudnn"}, "backend='cudnn': lstm has auto, reference, numba, torch, triton"),
    ],
)
def test_wrong_arguments_are_named(changes: dict, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        xsm_kernels.lstm(**(GOOD | changes))


def test_auto_takes_the_fastest_that_can(caplog: pytest.LogCaptureFixture) -> None:
    arrays = list(given_to(draw(Case()), "reference", "float32").values())
    masked = [*arrays, None, None, torch.ones(3, 7, dtype=torch.bool)]
    assert dispatch.choose_backend("lstm", "auto", arrays) == "torch"
    with caplog.at_level(logging.DEBUG, "xsm_kernels.dispatch"):
        assert dispatch.choose_backend("lstm", "auto", masked) == "reference"
    assert "lstm: reference (refused: torch: it supports no masks" in caplog.text
    assert dispatch.choose_backend("lstm", "auto", [array.numpy() for array in arrays]) == "numba"
    with pytest.raises(BackendError, match="torch.*it takes torch tensors, got NumPy arrays"):
        xsm_kernels.lstm(**GOOD, backend="torch")


def test_on_a_gpu_the_table_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        tensor = SimpleNamespace(is_cuda=True, dtype=dtype, requires_grad=False)
        monkeypatch.setattr(dispatch, "is_tensor", lambda _: True)
        name = dispatch.dtype_name(dtype)
        for first, expected in (((name,), ["torch", "triton"]), ((), ["triton", "torch"])):
            monkeypatch.setitem(dispatch.TORCH_FIRST_ON_GPU, "lstm", first)
            assert dispatch.auto_order("lstm", [tensor]) == [*expected, "reference"]


def test_float64_is_refused_by_the_cpu_kernel() -> None:
    with pytest.raises(BackendError, match="float32, got float64; convert"):
        xsm_kernels.lstm(**(GOOD | {"x": GOOD["x"].astype("f8")}), backend="numba")


def test_no_torch_is_needed() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import numpy as np, xsm_kernels as k; "
        "w = np.zeros((2, 4, 1), 'f4'); "
        "print(k.lstm(np.ones((1, 2, 1), 'f4'), w, w, w[..., 0])[0].shape)"
    )
    folder = Path(xsm_kernels.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(1, 2, 2)"
