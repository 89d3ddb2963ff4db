"""Every row of the dispatch table against the reference in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import xsm_kernels
from tests.kernels.samples import (
    DTYPES,
    TOLERANCE,
    Case,
    back,
    check_convolution,
    convert,
    draw,
    skip_where_missing,
)
from xsm_kernels.dispatch import TABLE


def rows(op: str, last: int | None = None) -> list[Any]:
    """(backend, dtype) of every row of the table for `op`, with the first `last` dtypes."""
    return [
        pytest.param(backend, dtype, id=f"{backend}-{dtype}")
        for name, backend in TABLE
        if name == op
        for dtype in DTYPES.get(backend, ["float32"])[:last]
    ]


@pytest.fixture(scope="session")
def compiled() -> None:
    """Numba kernels compiled before NumPy is changed under them."""
    x, mask = np.ones((1, 1, 1, 1, 1), "f4"), np.ones((1, 1, 1, 1, 1), bool)
    xsm_kernels.masked_conv3d(x, mask, x)
    xsm_kernels.masked_mean(x, mask, 1)
    xsm_kernels.update_mask(mask, 1)


@pytest.fixture(autouse=True)
def poisoned_buffers(monkeypatch: pytest.MonkeyPatch, compiled: None) -> None:
    """New buffers hold NaN (True), so that a lane a kernel forgets to write is seen."""

    def fill(array: Any) -> Any:
        if isinstance(array, np.ndarray):
            array.fill(np.nan if array.dtype.kind == "f" else 1)
            return array
        return array.fill_(float("nan") if array.is_floating_point() else 1)

    for module, name in [
        (np, "empty"),
        (np, "empty_like"),
        (torch, "empty"),
        (torch, "empty_like"),
    ]:
        real = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *args, _real=real, **options: fill(_real(*args, **options))
        )


@pytest.fixture
def precision(monkeypatch: pytest.MonkeyPatch, dtype: str) -> Any:
    """The float32 precision that goes with the row."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
    yield
    torch.set_float32_matmul_precision(before)


CONVOLUTIONS = {
    "plain": Case(),
    "several tiles": Case((1, 2, 3, 9, 40), wrap=True, active=0.3),
    "one cell": Case((1, 3, 1, 1, 1), 4, (1, 1, 1), (0, 0, 0), observed=1.0),
    "one cell in a larger window": Case((1, 3, 1, 1, 1), 4, padding=(1, 1, 1), observed=1.0),
    "one day": Case((1, 20, 1, 9, 33), 20, (1, 3, 3), residual=True),
    "one channel": Case((1, 1, 4, 7, 5), 1, (3, 1, 1), (0, 0, 0), activation=None),
    "20 channels, wrap": Case((1, 20, 3, 5, 18), 32, wrap=True, activation="silu"),
    "32 channels": Case((1, 32, 3, 6, 17), 32, residual=True, activation="leaky_relu"),
    "64 channels": Case((1, 64, 3, 4, 9), 64, activation="tanh"),
    "1x1x1": Case((2, 32, 2, 5, 7), 2, (1, 1, 1), (0, 0, 0), activation=None),
    "dilated": Case((1, 3, 3, 9, 14), 5, padding=(1, 4, 4), dilation=(2, 4, 4), wrap=True),
    "uneven window": Case((1, 2, 3, 12, 12), 3, (1, 3, 7), (0, 2, 1), observed=0.1),
    "padding past the circle": Case((1, 2, 3, 4, 3), 3, (1, 3, 9), (0, 1, 7), wrap=True),
    "more padding than window": Case((1, 2, 2, 4, 5), 3, padding=(3, 3, 3), observed=0.9),
    "active": Case((2, 3, 3, 7, 35), 9, active=0.02, residual=True),
    "all missing": Case(observed=0.0, residual=True),
    "none missing": Case((1, 3, 3, 5, 19), observed=1.1, residual=True),
    "hardly any": Case((1, 4, 3, 12, 35), 4, observed=0.004),
}
# where no GPU is, the interpreter runs the other dtypes on these only: it makes no difference there
INTERPRETED = {"one cell", "20 channels, wrap", "1x1x1"}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize(("backend", "dtype"), rows("masked_conv3d"))
def test_masked_conv3d(name: str, backend: str, dtype: str, precision: None) -> None:
    skip_where_missing(backend)
    if backend == "triton" and dtype != "float32" and not torch.cuda.is_available():
        if name not in INTERPRETED:
            pytest.skip("dtypes differ on a GPU only")
    check_convolution(CONVOLUTIONS[name], backend, dtype)


@pytest.mark.parametrize(("backend", "dtype"), rows("masked_conv3d", 1))
def test_masked_conv3d_takes_any_strides(backend: str, dtype: str, precision: None) -> None:
    skip_where_missing(backend)
    case = Case((2, 4, 3, 8, 9), 4, residual=True, active=0.5)
    given = {key: convert(array, backend, dtype) for key, array in draw(case, dtype).items()}
    options = case.window | {"activation": "relu", "backend": backend}
    expected = xsm_kernels.masked_conv3d(**given, **options)

    def strided(array: Any) -> Any:
        # every second element of an array whose axes lie in reverse order in memory
        twice = back(array).repeat(2, axis=-1) if array.ndim > 1 else back(array)
        transposed = np.ascontiguousarray(twice.T).T
        transposed = convert(transposed if transposed.dtype == bool else transposed, backend, dtype)
        return transposed[..., ::2] if array.ndim > 1 else transposed

    results = xsm_kernels.masked_conv3d(**{k: strided(v) for k, v in given.items()}, **options)
    for result, other in zip(results, expected, strict=True):
        np.testing.assert_array_equal(back(result), back(other))


@pytest.mark.parametrize(("backend", "dtype"), rows("masked_conv3d", 1))
def test_masked_conv3d_without_bias(backend: str, dtype: str, precision: None) -> None:
    skip_where_missing(backend)
    check_convolution(Case((1, 3, 3, 5, 6), 3), backend, dtype, bias=None)


@pytest.mark.parametrize(("backend", "dtype"), rows("masked_conv3d", 1))
def test_masked_conv3d_active_of_every_day(backend: str, dtype: str, precision: None) -> None:
    skip_where_missing(backend)
    active = np.random.default_rng(1).random((9, 19)) < 0.3
    check_convolution(Case(), backend, dtype, active=active)


@pytest.mark.parametrize(
    "case",
    [
        Case(),
        Case((1, 1, 1, 1, 1), kernel=(1, 3, 5), padding=(0, 1, 2)),
        Case((2, 1, 7, 9, 33), kernel=(3, 3, 3), padding=(1, 2, 2), dilation=(2, 2, 2), wrap=True),
        Case((1, 1, 3, 5, 4), kernel=(1, 1, 9), padding=(0, 0, 7), wrap=True, observed=0.1),
        Case((1, 1, 4, 20, 40), kernel=(3, 3, 3), observed=0.02, active=0.5),
        Case(observed=0.0),
        Case(observed=1.1),
    ],
)
@pytest.mark.parametrize("backend", [backend for op, backend in TABLE if op == "update_mask"])
def test_update_mask(case: Case, backend: str) -> None:
    skip_where_missing(backend)
    arrays = draw(case)
    _, expected = xsm_kernels.masked_conv3d(
        arrays["x"], arrays["mask"], arrays["weight"], active=arrays["active"], **case.window,
        backend="reference",
    )  # fmt: skip
    # a view with strides, too
    mask = convert(arrays["mask"].repeat(2, axis=-1), backend, "")[..., ::2]
    active = convert(arrays["active"], backend, "")
    result = xsm_kernels.update_mask(
        mask, case.kernel, active=active, **case.window, backend=backend
    )
    assert type(result) is type(mask)
    np.testing.assert_array_equal(back(result), expected)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("size", [1, 3, 9])
@pytest.mark.parametrize(
    "case",
    [
        Case(),
        Case((1, 1, 1, 1, 1)),
        Case((1, 2, 3, 5, 4), observed=0.2),
        Case((1, 2, 3, 40, 33), observed=0.004),
        Case(observed=0.0),
        Case(observed=1.1),
    ],
)
@pytest.mark.parametrize(("backend", "dtype"), rows("masked_mean"))
def test_masked_mean(
    case: Case, size: int, wrap: bool, backend: str, dtype: str, precision: None
) -> None:
    skip_where_missing(backend)
    if backend == "triton" and dtype != "float32" and not torch.cuda.is_available() and size != 3:
        pytest.skip("dtypes differ on a GPU only")
    arrays = draw(case, dtype)
    x, mask = arrays["x"], arrays["mask"]
    mean, fraction = xsm_kernels.masked_mean(
        x, mask, size, wrap_longitude=wrap, backend="reference"
    )
    scale, _ = xsm_kernels.masked_mean(
        np.abs(x), mask, size, wrap_longitude=wrap, backend="reference"
    )
    given = convert(x.repeat(2, axis=-1), backend, dtype)[..., ::2]
    results = xsm_kernels.masked_mean(
        given, convert(mask, backend, dtype), size, wrap_longitude=wrap, backend=backend
    )
    assert all(result.dtype == given.dtype for result in results)
    assert np.all(np.abs(back(results[0]) - mean) <= TOLERANCE[dtype] * scale)
    assert np.all(np.abs(back(results[1]) - fraction) <= TOLERANCE[dtype] * fraction)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("extreme", [np.inf, -np.inf, np.nan, 1e30])
def test_masked_mean_keeps_an_extreme_value_in_its_squares(extreme: float, wrap: bool) -> None:
    x = np.random.default_rng(0).normal(size=(1, 1, 2, 12, 15)).astype("float32")
    mask = np.random.default_rng(1).random(x.shape) < 0.7
    clean, _ = xsm_kernels.masked_mean(x, mask, 5, wrap_longitude=wrap, backend="numba")
    x[0, 0, 0, 6, 1], mask[0, 0, 0, 6, 1] = extreme, True
    result, _ = xsm_kernels.masked_mean(x, mask, 5, wrap_longitude=wrap, backend="numba")
    columns = (np.arange(-1, 4) % 15) if wrap else np.arange(4)
    near = np.zeros(x.shape, bool)
    near[0, 0, 0, 4:9, columns] = True
    np.testing.assert_allclose(result[~near], clean[~near], rtol=1e-5, atol=1e-6)
    assert (~(np.abs(result[near]) < 1e20)).all()
