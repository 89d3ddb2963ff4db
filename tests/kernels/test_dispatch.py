"""Which backend runs, what is refused and why, and what an import costs."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import xsm_kernels
from tests.kernels.samples import Case, draw
from xsm_kernels import dispatch
from xsm_kernels.errors import ArgumentError, BackendError

x = np.ones((1, 2, 3, 4, 5), "float32")
mask = np.ones((1, 1, 3, 4, 5), bool)
weight = np.ones((2, 2, 3, 3, 3), "float32")


def test_every_row_names_a_module_that_is_there() -> None:
    for target in dispatch.TABLE.values():
        module = target.split(":")[0]
        assert dispatch.importlib.util.find_spec(module) is not None, target


def test_auto_goes_by_the_kind_of_array(caplog: pytest.LogCaptureFixture) -> None:
    tensors = [torch.from_numpy(a) for a in (x, mask, weight)]
    with caplog.at_level(logging.DEBUG, "xsm_kernels.dispatch"):
        assert dispatch.choose_backend("masked_conv3d", "auto", [x, mask]) == "numba"
        assert dispatch.choose_backend("masked_conv3d", "auto", tensors) == "reference"
        assert (
            dispatch.choose_backend("masked_conv3d", "auto", [x.astype("float64")]) == "reference"
        )
    assert "reference (refused: numba: it works in float32, got float64" in caplog.text


def test_results_are_of_the_kind_that_came_in() -> None:
    tensors = [torch.from_numpy(a) for a in (x, mask, weight)]
    for backend in ("reference", "numba"):
        for given, kind in (((x, mask, weight), np.ndarray), (tensors, torch.Tensor)):
            y, new_mask = xsm_kernels.masked_conv3d(*given, backend=backend)
            assert isinstance(y, kind) and isinstance(new_mask, kind)
            assert (y == 54).all()


def test_a_backend_by_name_never_falls_back() -> None:
    with pytest.raises(BackendError, match="takes torch tensors on a GPU, got NumPy"):
        xsm_kernels.masked_conv3d(x, mask, weight, backend="triton")
    with pytest.raises(BackendError, match="float32, got float64; convert"):
        xsm_kernels.masked_conv3d(x.astype("f8"), mask, weight, backend="numba")
    with pytest.raises(ArgumentError, match="backend='cuda'.*auto, reference, numba"):
        xsm_kernels.update_mask(mask, 3, backend="cuda")
    tensors = [torch.from_numpy(a) for a in (x, mask, weight)]
    tensors[2].requires_grad_()
    with pytest.raises(BackendError, match="only the reference has gradients"):
        xsm_kernels.masked_conv3d(*tensors, backend="numba")
    with torch.no_grad():
        assert xsm_kernels.masked_conv3d(*tensors, backend="numba")[1].all()


@pytest.mark.parametrize(
    ("op", "backend", "rows"),
    [
        ("masked_conv3d", "torch", "reference, numba, triton"),
        ("masked_mean", "torch", "reference, numba, triton"),
    ],
)
def test_a_backend_without_a_row_for_the_operation_is_refused(
    op: str, backend: str, rows: str
) -> None:
    words = f"backend='{backend}': {op} has no implementation for it, only {rows}; use one of these"
    with pytest.raises(BackendError, match=words):
        dispatch.choose_backend(op, backend, [torch.ones(1, 2, 3)])


@pytest.mark.parametrize("op", ["lstm", "self_attention"])
def test_a_row_of_the_table_is_accepted_by_name(op: str) -> None:
    assert dispatch.choose_backend(op, "torch", [torch.ones(1, 2, 3)]) == "torch"


def test_a_backend_that_an_operation_lacks_never_runs_elsewhere() -> None:
    x, mask = torch.ones(1, 1, 3, 4, 5), torch.ones(1, 1, 3, 4, 5, dtype=torch.bool)
    with pytest.raises(BackendError, match="masked_mean has no implementation"):
        xsm_kernels.masked_mean(x, mask, 3, backend="torch")
    mean, _ = xsm_kernels.masked_mean(x, mask, 3, backend="reference")
    assert mean.shape == x.shape


@pytest.mark.parametrize("row", dispatch.TABLE, ids="-".join)
def test_each_implementation_says_which_arrays_it_supports(row: tuple[str, str]) -> None:
    if row[1] == "triton":
        pytest.importorskip("triton")
    function = dispatch.load(*row)
    assert function.array_type in ("numpy", "torch")
    reason = function.unsupported_reason([x.astype("f8")])
    assert reason is None or reason.strip()
    assert reason is None or row[1] != "reference"


@pytest.mark.parametrize(
    "call",
    [
        lambda op: dispatch.backends(op),
        lambda op: dispatch.choose_backend(op, "auto", [np.zeros(1, "f4")]),
        lambda op: dispatch.choose_backend(op, "numba", [np.zeros(1, "f4")]),
    ],
)
def test_operations_that_are_not_there_are_named(call) -> None:
    with pytest.raises(ArgumentError, match="op='conv3d': use one of masked_conv3d, update_mask"):
        call("conv3d")


def test_a_choice_needs_arrays() -> None:
    with pytest.raises(ArgumentError, match="arrays: none of them"):
        dispatch.choose_backend("lstm", "auto", [])


def test_arrays_in_tuples_are_flattened() -> None:
    flat = list(dispatch.flatten((x, (mask, (weight,)), None)))
    assert [id(array) for array in flat] == [id(array) for array in (x, mask, weight, None)]


def test_auto_without_torch_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "xsm_kernels.masked_mean.reference", raising=False)
    monkeypatch.delitem(sys.modules, "xsm_kernels._torch_common", raising=False)
    message = r"torch is not installed \(install xsm\[torch\]\)"
    with pytest.raises(BackendError, match=message):
        xsm_kernels.masked_mean(x, mask, 3, backend="reference")
    with pytest.raises(BackendError, match=message):
        xsm_kernels.masked_mean(x.astype("f8"), mask, 3)
    with pytest.raises(BackendError, match="numba: it works in float32, got float64; convert"):
        xsm_kernels.masked_mean(x.astype("f8"), mask, 3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x": x[0]}, r"x: shape \(2, 3, 4, 5\)"),
        ({"x": x.astype(int)}, "x: .*dtype int64; expected floats"),
        ({"mask": mask.astype("float32")}, "mask: .*float32; expected bool"),
        ({"mask": mask[..., 1:]}, r"mask: shape .* does not match x; expected \(1, 1, 3, 4, 5\)"),
        ({"mask": np.repeat(mask, 2, 1)}, "expected bool .B, 1, T, H, W."),
        ({"weight": weight[:, :1]}, r"weight: shape .*expected \(O, 2, kt, kh, kw\)"),
        ({"weight": weight[..., :2]}, "odd sizes"),
        ({"bias": np.ones(3, "f4")}, r"bias: shape \(3,\); expected \(2,\)"),
        ({"residual": x}, r"residual: shape \(1, 2, 3, 4, 5\); expected \(1, 2, 1, 2, 3\)"),
        ({"activation": "relu6"}, "activation='relu6': use one of"),
        ({"padding": (0, 1)}, r"padding=\(0, 1\): give three integers >= 0"),
        ({"dilation": 0}, "dilation=0: give three integers >= 1"),
        ({"dilation": (1, 2, 1)}, "leave .* give a larger array or more padding"),
        ({"active": mask}, r"active: shape .*\(2, 3\), \(1, 2, 3\) or \(1, 2, 3\)"),
        ({"active": np.ones((2, 3))}, "active: .*float64; expected bool"),
    ],
)
def test_wrong_arguments_are_named(changes: dict, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        xsm_kernels.masked_conv3d(**({"x": x, "mask": mask, "weight": weight} | changes))


def test_even_squares_are_refused() -> None:
    with pytest.raises(ArgumentError, match="size=4: give an odd number"):
        xsm_kernels.masked_mean(x, mask, 4)


def test_import_is_light() -> None:
    folder = Path(xsm_kernels.__file__).parents[1]
    code = (
        "import sys, xsm_kernels; "
        "print(*{'torch', 'numba', 'triton', 'llvmlite'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_cpu_inference_needs_no_torch() -> None:
    folder = Path(xsm_kernels.__file__).parents[1]
    code = (
        "import sys; sys.modules['torch'] = None; import numpy as np, xsm_kernels as k; "
        "m = np.ones((1, 1, 3, 3, 3), bool); x = m.astype('f4'); "
        "print(k.update_mask(m, 3).all(), k.masked_mean(x, m, 3)[1].min() * 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "4.0"]


def test_calls_from_many_threads_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    # as Dask workers do: all share one pool
    from numba import config

    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 3)
    case = Case((2, 3, 3, 40, 70), 5)
    arrays = {
        k: v if v is None or v.dtype == bool else v.astype("f4") for k, v in draw(case).items()
    }
    expected, _ = xsm_kernels.masked_conv3d(**arrays, **case.window)
    results: list[np.ndarray] = []

    def work() -> None:
        results.append(xsm_kernels.masked_conv3d(**arrays, **case.window)[0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_read_only_arrays_are_taken() -> None:
    frozen = [x.copy(), mask.copy(), weight.copy()]
    for array in frozen:
        array.setflags(write=False)
    for backend in ("numba", "reference"):
        y, _ = xsm_kernels.masked_conv3d(*frozen, backend=backend)
        assert (y == 54).all()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (np.zeros((1, 1, 1, 1, 1), "f4"), "arrays: ndarray; expected a list or tuple"),
        ("ab", "arrays: str; expected a list or tuple"),
        (["ab"], "arrays: str among them; expected NumPy arrays"),
        ([None], "arrays: none of them"),
        ([()], "arrays: none of them"),
    ],
)
def test_a_choice_names_what_is_no_array(arrays, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        dispatch.choose_backend("masked_mean", "auto", arrays)


def test_a_choice_takes_the_arrays_of_a_call_in_tuples() -> None:
    x, mask = np.zeros((1, 1, 1, 1, 1), "f4"), np.ones((1, 1, 1, 1, 1), bool)
    assert dispatch.choose_backend("pointwise_layers", "auto", [(x, x), mask, None]) == "numba"
