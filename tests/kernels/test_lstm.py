"""Long short-term memory: by hand, against torch and float64, random sizes."""

from __future__ import annotations

import platform
import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import xsm_kernels
from tests.kernels.lstm_samples import TOLERANCE, Case, draw, given_to
from tests.kernels.samples import DTYPES, back, convert, machine_code, skip_where_missing
from xsm_kernels._numba_simd import LANES
from xsm_kernels.dispatch import TABLE
from xsm_kernels.errors import BackendError
from xsm_kernels.lstm._numba import PIXELS, blocks


def check(case: Case, backend: str, dtype: str) -> None:
    """`backend` agrees with the reference in float64 within the tolerance of `dtype`."""
    arrays = draw(case, dtype)
    expected, state = xsm_kernels.lstm(**arrays, backend="reference")
    inputs = given_to(arrays, backend, dtype)
    if backend == "torch" and case.observed is not None:
        with pytest.raises(BackendError, match="it supports no masks; use the reference"):
            xsm_kernels.lstm(**inputs, backend=backend)
        return
    y, last = xsm_kernels.lstm(**inputs, backend=backend)
    scale = 1 + np.abs(state[1]).max()
    for result, other in ((y, expected), *zip(last, state, strict=True)):
        assert type(result) is type(inputs["x"]) and result.dtype == inputs["x"].dtype
        assert result.shape == other.shape
        worst = np.abs(back(result) - other).max()
        assert worst <= TOLERANCE[dtype] * scale, f"off by {worst:.3g}"


def same(result: Any, other: Any, backend: str) -> None:
    """Equal; for libraries within a few roundings, because their order of sums depends on sizes."""
    allowed = 4 * 2.0**-53 if backend in ("reference", "torch") else 0.0
    np.testing.assert_allclose(back(result), back(other), rtol=0, atol=allowed)


def rows(last: int | None = None) -> list[Any]:
    """(backend, dtype) of every row of the table, with the first `last` dtypes."""
    return [
        pytest.param(backend, dtype, id=f"{backend}-{dtype}")
        for op, backend in TABLE
        if op == "lstm"
        for dtype in DTYPES.get(backend, ["float32"])[:last]
    ]


@pytest.fixture
def precision(dtype: str) -> Any:
    """The float32 precision that goes with the row."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
    yield
    torch.set_float32_matmul_precision(before)


CASES = {
    "plain": Case(),
    "one of all": Case(1, 1, 1, 1, 1),
    "forward": Case(7, 6, 3, 4, 1, initial=True),
    "mask": Case(7, 9, 3, 8, observed=0.6),
    "mask and state": Case(8, 5, 2, 16, observed=0.5, initial=True),
    "nothing observed": Case(2, 4, 3, 6, observed=0.0, initial=True),
    "hidden 32": Case(5, 6, 16, 32),
    "hidden 64": Case(20, 5, 16, 64, initial=True, observed=0.8),
    "hidden 128": Case(3, 4, 9, 128),
    "odd": Case(13, 4, 17, 33, observed=0.7),
    "large": Case(6, 12, 5, 20, spread=6.0, initial=True),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("backend", "dtype"), rows())
def test_parity(name: str, backend: str, dtype: str, precision: None) -> None:
    skip_where_missing(backend)
    if backend == "triton" and dtype != "float32" and not torch.cuda.is_available():
        if name not in ("one of all", "hidden 32", "mask and state"):
            pytest.skip("dtypes differ on a GPU only")
    if CASES[name].spread > 1 and dtype not in ("float64", "float32"):
        pytest.skip("steep gates pass on more of the rounding than the tolerance is made for")
    check(CASES[name], backend, dtype)


def test_two_days_by_hand() -> None:
    # H = 1; all gates see x and h with weights that make sums of round numbers
    x = torch.tensor([[[2.0], [-1.0]]], dtype=torch.float64)
    weight_ih = torch.tensor([[[1.0], [2.0], [0.5], [-1.0]]], dtype=torch.float64)
    weight_hh = torch.tensor([[[0.0], [0.0], [10.0], [0.0]]], dtype=torch.float64)
    bias = torch.tensor([[0.0, 1.0, 0.0, 3.0]], dtype=torch.float64)
    y, (h, c) = xsm_kernels.lstm(x, weight_ih, weight_hh, bias)

    def sigmoid(z: float) -> float:
        return 1 / (1 + np.exp(-z))

    first_c = sigmoid(2) * np.tanh(1)
    first_h = sigmoid(1) * np.tanh(first_c)
    second_c = sigmoid(-1) * first_c + sigmoid(-1) * np.tanh(-0.5 + 10 * first_h)
    second_h = sigmoid(4) * np.tanh(second_c)
    assert y.flatten().tolist() == pytest.approx([first_h, second_h], rel=1e-14)
    assert (h.item(), c.item()) == pytest.approx((second_h, second_c), rel=1e-14)


@pytest.mark.parametrize("directions", [1, 2])
def test_the_definition_is_that_of_torch(directions: int) -> None:
    case = Case(4, 9, 3, 6, directions, initial=True)
    arrays = given_to(draw(case), "reference", "float64")
    layer = torch.nn.LSTM(3, 6, batch_first=True, bidirectional=directions == 2).double()
    for d, end in enumerate(["_l0", "_l0_reverse"][:directions]):
        parts = {name: arrays[name] for name in ("weight_ih", "weight_hh")}
        parts |= {"bias_ih": arrays["bias"], "bias_hh": torch.zeros_like(arrays["bias"])}
        for name, part in parts.items():
            setattr(layer, f"{name}{end}", torch.nn.Parameter(part[d]))
    expected, state = layer(arrays["x"], arrays["initial"])
    y, last = xsm_kernels.lstm(**arrays)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(last, state)


MASKED = [row for row in rows(1) if row.values[0] != "torch"]


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(("backend", "dtype"), MASKED)
def test_skipped_days_are_as_if_they_were_not_there(
    directions: int, backend: str, dtype: str, precision: None
) -> None:
    skip_where_missing(backend)
    arrays = draw(Case(1, 9, 3, 6, directions, initial=True), dtype)
    observed = np.ones((1, 9), bool)
    observed[0, [0, 4, 5, 8]] = False
    observed_days = arrays | {"x": arrays["x"][observed][None]}
    arrays["x"][~observed] = np.nan
    y, last = xsm_kernels.lstm(
        **given_to(arrays | {"mask": observed}, backend, dtype), backend=backend
    )
    expected, state = xsm_kernels.lstm(**given_to(observed_days, backend, dtype), backend=backend)
    same(back(y)[observed], back(expected)[0], backend)
    for result, other in zip(last, state, strict=True):
        same(result, other, backend)
    # a skipped day puts out the state before it: forward, that of day 3 on days 4 and 5
    np.testing.assert_array_equal(back(y)[0, 4, :6], back(y)[0, 3, :6])
    np.testing.assert_array_equal(back(y)[0, 0, :6], arrays["initial"][0][0, 0])


@pytest.mark.parametrize(("backend", "dtype"), MASKED)
def test_a_run_in_two_parts_is_the_run_in_one(backend: str, dtype: str, precision: None) -> None:
    skip_where_missing(backend)
    arrays = given_to(draw(Case(5, 9, 3, 20, 1, observed=0.8), dtype), backend, dtype)
    x, mask = arrays.pop("x"), arrays.pop("mask")
    whole, last = xsm_kernels.lstm(x, **arrays, mask=mask, backend=backend)
    state = None
    for part in (slice(0, 4), slice(4, 5), slice(5, 9)):
        y, state = xsm_kernels.lstm(
            x[:, part], **arrays, initial=state, mask=mask[:, part], backend=backend
        )
        same(y, back(whole)[:, part], backend)
    for result, other in zip(state, last, strict=True):
        same(result, other, backend)


@pytest.mark.parametrize(("backend", "dtype"), MASKED)
def test_any_strides_and_nothing_is_changed(backend: str, dtype: str, precision: None) -> None:
    skip_where_missing(backend)
    arrays = draw(Case(4, 5, 3, 6, observed=0.7, initial=True), dtype)
    plain = given_to(arrays, backend, dtype)
    expected, state = xsm_kernels.lstm(**plain, backend=backend)
    for axis in (0, 1, 2):
        views = {
            name: tuple(strided(part, axis, backend, dtype) for part in array)
            if isinstance(array, tuple)
            else strided(array, axis, backend, dtype)
            for name, array in arrays.items()
        }
        y, last = xsm_kernels.lstm(**views, backend=backend)
        np.testing.assert_array_equal(back(y), back(expected))
        np.testing.assert_array_equal(back(last[1]), back(state[1]))
        for result, other in zip(views["initial"], plain["initial"], strict=True):
            np.testing.assert_array_equal(back(result), back(other))


def strided(array: np.ndarray, axis: int, backend: str, dtype: str) -> Any:
    """Every second element, along an axis, of an array twice as long."""
    axis = min(axis, array.ndim - 1)
    twice = convert(array.repeat(2, axis=axis), backend, dtype)
    return twice[(slice(None),) * axis + (slice(None, None, 2),)]


def test_gradients() -> None:
    arrays = draw(Case(2, 3, 2, 3, observed=0.7, initial=True))
    arrays["x"] = np.nan_to_num(arrays["x"], nan=0.5, posinf=0.5)  # finite differences need it
    tensors = given_to(arrays, "reference", "float64")
    h, c = tensors.pop("initial")
    mask = tensors.pop("mask")
    free = [*tensors.values(), h, c]

    def function(*given: torch.Tensor) -> Any:
        y, state = xsm_kernels.lstm(*given[:4], initial=given[4:], mask=mask)
        return y, *state

    torch.autograd.gradcheck(function, [tensor.requires_grad_() for tensor in free])


def test_gradients_do_not_see_skipped_days() -> None:
    tensors = given_to(draw(Case(4, 6, 3, 5, observed=0.5)), "reference", "float64")
    for name in ("x", "weight_ih", "weight_hh", "bias"):
        tensors[name].requires_grad_()
    xsm_kernels.lstm(**tensors)[0].square().sum().backward()
    assert all(tensors[name].grad.isfinite().all() for name in ("x", "weight_ih", "bias"))
    assert not tensors["x"].grad[~tensors["mask"]].any()
    assert tensors["x"].grad[tensors["mask"]].any()


def test_missing_values_that_no_mask_hides_are_seen() -> None:
    arrays = given_to(draw(Case(2, 4, 3, 5, 1)), "numba", "float32")
    arrays["x"][1, 2, 0] = np.nan
    y, _ = xsm_kernels.lstm(**arrays)
    assert np.isnan(y[1, 2:]).all() and np.isfinite(y[0]).all() and np.isfinite(y[1, :2]).all()


def test_gates_are_exact_to_the_order_of_float32() -> None:
    # one day, no weights: the bias alone opens the gates, from far below to far above zero
    z = np.linspace(-40, 40, 4001).astype("float32")
    hidden = z.size
    zeros = np.zeros((1, 4 * hidden, 1), "float32")
    weight_hh = np.zeros((1, 4 * hidden, hidden), "float32")
    bias = np.full((4, hidden), 40, "float32")
    bias[2] = z
    _, (h, c) = xsm_kernels.lstm(zeros[:, :1], zeros, weight_hh, bias.reshape(1, -1))
    exact = np.tanh(z.astype("float64"))
    np.testing.assert_allclose(c[0, 0], exact, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(h[0, 0], np.tanh(exact), rtol=1e-6, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        Case,
        batch=st.integers(1, 30),
        days=st.integers(1, 6),
        channels=st.integers(1, 20),
        hidden=st.integers(1, 40),
        directions=st.integers(1, 2),
        observed=st.sampled_from([None, 0.0, 0.5, 1.0]),
        initial=st.booleans(),
        seed=st.integers(0, 9),
    )
)
def test_random_sizes(case: Case) -> None:
    check(case, "numba", "float32")


def test_results_do_not_depend_on_threads_or_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba import config

    arrays = given_to(draw(Case(61, 5, 4, 24)), "numba", "float32")
    results = []
    for threads in (1, 4):
        monkeypatch.setattr(config, "NUMBA_NUM_THREADS", threads)
        results.append(xsm_kernels.lstm(**arrays)[0])
    alone = np.concatenate(
        [xsm_kernels.lstm(**arrays | {"x": arrays["x"][p : p + 1]})[0] for p in range(61)]
    )
    np.testing.assert_array_equal(*results)
    np.testing.assert_array_equal(results[0], alone)


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or LANES < 8, reason="needs AVX2 or AVX-512"
)
def test_sums_of_all_gates_stay_in_registers() -> None:
    loop = blocks()
    assembly = machine_code(loop)
    register = {16: "zmm", 8: "ymm"}[LANES]
    sections = re.split(r"^\.LBB\S*:", assembly, flags=re.MULTILINE)
    products = [b for b in sections if re.search(rf"vbroadcastss.*%{register}", b) and "fmadd" in b]
    # the loop over inputs and state, unrolled or not: it ends where it began, and stores no sums
    hot = [b for b in products if len(re.findall(rf"vfmadd231ps.*%{register}", b)) >= 4 * PIXELS]
    assert hot
    assert any(not re.search(rf"vmov[au]ps\s+%{register}\d+, ", block) for block in hot)
    # and what the gates leave on the stack lies within cache lines
    assert re.search(rf"andq\s+\$-{4 * LANES}, %rsp", assembly)
