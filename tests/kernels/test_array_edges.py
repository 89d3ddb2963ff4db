"""Arrays as files and users give them: every operation converts them or refuses them by name.

Each case changes arrays that agree with the reference in float64, and the result must still agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

import xsm_kernels
from tests.kernels.samples import TOLERANCE, back, skip_where_missing
from xsm_kernels.dispatch import TABLE
from xsm_kernels.errors import ArgumentError, KernelError

Arrays = dict[str, Any]
ROOM = 30  # times the tolerance of a sum: several layers and days follow one another


@dataclass(frozen=True)
class Operation:
    """An operation with arrays that suit it, `floats` (x first) and `masks` by name."""

    floats: Arrays
    masks: Arrays
    options: Arrays

    def call(self, name: str, arrays: Arrays, backend: str) -> list[Any]:
        """All results of the operation, float ones first."""
        arrays = dict(arrays)
        if name == "pointwise_layers":
            arrays = {"sources": [arrays.pop("x"), arrays.pop("other")], **arrays}
            arrays["weights"] = [arrays.pop("w0"), arrays.pop("w1")]
            arrays["biases"] = [arrays.pop("b0"), arrays.pop("b1")]
        if name == "lstm":
            arrays["initial"] = (arrays.pop("h"), arrays.pop("c"))
        result = getattr(xsm_kernels, name)(**arrays, **self.options, backend=backend)
        flat = result if isinstance(result, tuple) else (result,)
        return [r for part in flat for r in (part if isinstance(part, tuple) else (part,))]


def numbers_of(*shape: int, seed: int = 0) -> np.ndarray:
    """Float64 of the order of 1 that float32 can hold."""
    return np.random.default_rng(seed).normal(size=shape).astype("f4").astype("f8")


def flags_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape) < 0.6


GRID, ONE = (2, 3, 4, 5, 7), (2, 1, 4, 5, 7)
W_LSTM, B_LSTM = numbers_of(1, 28, 7), numbers_of(1, 28)
OPERATIONS = {
    "masked_conv3d": Operation(
        {
            "x": numbers_of(*GRID), "weight": numbers_of(4, 3, 3, 3, 3) / 8,
            "bias": numbers_of(4), "residual": numbers_of(2, 4, 4, 5, 7),
        },
        {"mask": flags_of(*ONE), "active": flags_of(5, 7)},
        {"padding": (1, 1, 1), "activation": "tanh"},
    ),
    "update_mask": Operation(
        {}, {"mask": flags_of(*ONE) & flags_of(*ONE, seed=1), "active": flags_of(4, 5, 7)},
        {"kernel_size": 3, "padding": (1, 1, 1)},
    ),
    "masked_mean": Operation({"x": numbers_of(*GRID)}, {"mask": flags_of(*ONE)}, {"size": 3}),
    "pointwise_layers": Operation(
        {
            "x": numbers_of(*GRID), "other": numbers_of(*ONE), "w0": numbers_of(5, 4) / 2,
            "b0": numbers_of(5), "w1": numbers_of(2, 5) / 2, "b1": numbers_of(2),
        },
        {"mask": flags_of(*ONE), "active": flags_of(5, 7)},
        {"activations": ("tanh", None)},
    ),
    "lstm": Operation(
        {
            "x": numbers_of(3, 4, 5), "weight_ih": numbers_of(2, 24, 5) / 4,
            "weight_hh": numbers_of(2, 24, 6) / 4, "bias": numbers_of(2, 24),
            "h": numbers_of(2, 3, 6), "c": numbers_of(2, 3, 6),
        },
        {"mask": flags_of(3, 4)},
        {},
    ),
    "self_attention": Operation(
        {"x": numbers_of(3, 6, 5), "weight": numbers_of(4, 7, 5) / 4, "bias": numbers_of(4, 7)},
        {},
        {"window": np.int64(2)},
    ),
}  # fmt: skip


def unmasked(name: str, backend: str) -> Operation:
    """The operation; without a mask where the backend takes none."""
    operation = OPERATIONS[name]
    if (name, backend) == ("lstm", "torch"):
        return Operation(operation.floats, {}, operation.options)
    return operation


def rows(*only: str) -> list[Any]:
    """Rows of the dispatch table: all, or those of the backends `only`."""
    chosen = [row for row in TABLE if not only or row[1] in only]
    return [pytest.param(*row, id="-".join(row)) for row in chosen]


def given_to(backend: str, arrays: Arrays, dtype: str = "float32") -> Arrays:
    """NumPy arrays for the numba backend and the reference, else tensors on its device."""
    cast = {k: a if a.dtype == bool else a.astype(dtype) for k, a in arrays.items()}
    if backend in ("numba", "reference"):
        return cast
    on_gpu = backend == "triton" and torch.cuda.is_available()
    return {k: torch.from_numpy(a).to("cuda" if on_gpu else "cpu") for k, a in cast.items()}


def check(
    name: str, backend: str, change: Callable[[str, Any], Any], dtype: str = "float32"
) -> None:
    """With `change` applied to every array, results agree; dtype and kind are those of x."""
    skip_where_missing(backend)
    operation = unmasked(name, backend)
    exact = operation.floats | operation.masks
    expected = operation.call(name, exact, "reference")
    given = {k: change(k, a) for k, a in given_to(backend, exact, dtype).items()}
    before = {k: back_of(a).copy() for k, a in given.items()}
    results = operation.call(name, given, backend)
    for result, right in zip(results, expected, strict=True):
        assert type(result) is type(given_to(backend, exact, dtype)[next(iter(exact))])
        assert str(result.dtype).endswith("bool" if right.dtype == bool else dtype)
        if right.dtype == bool:
            np.testing.assert_array_equal(back(result), right)
        else:
            limit = ROOM * TOLERANCE[dtype]
            np.testing.assert_allclose(back(result), right, rtol=limit, atol=limit)
    for k, array in given.items():
        np.testing.assert_array_equal(back_of(array), before[k])  # inputs stay as they are


def back_of(array: Any) -> np.ndarray:
    return array.cpu().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)


def frozen(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.setflags(write=False)
    return array


def reversed_in_memory(array: np.ndarray) -> np.ndarray:
    step = (slice(None, None, -1),) * array.ndim
    return array[step].copy()[step]


def every_second(array: np.ndarray) -> np.ndarray:
    wide = np.zeros([2 * n for n in array.shape], array.dtype)
    view = wide[(slice(None, None, 2),) * array.ndim]
    view[...] = array
    return view


def packed_field(array: np.ndarray) -> np.ndarray:
    """A field of a packed record, neither aligned nor a whole number of items apart."""
    records = np.zeros(array.shape, np.dtype([("before", "u1"), ("values", array.dtype)]))
    records["values"] = array
    return records["values"]


LAYOUTS = {
    "read-only": frozen,
    "negative strides": reversed_in_memory,
    "every second": every_second,
    "Fortran order": np.asfortranarray,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned": packed_field,
    "memory map": lambda a: a.view(np.memmap),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("name", "backend"), rows("numba", "reference"))
def test_memory_of_numpy_arrays(name: str, backend: str, layout: str) -> None:
    check(name, backend, lambda _, array: LAYOUTS[layout](array))


@pytest.mark.parametrize(("name", "backend"), rows())
def test_memory_of_tensors(name: str, backend: str) -> None:
    def strided(_: str, array: Any) -> Any:
        tensor = torch.as_tensor(array)
        return tensor.repeat_interleave(2, dim=-1)[..., ::2]

    if backend not in ("numba", "reference"):
        check(name, backend, strided)
    else:
        operation = unmasked(name, backend)
        arrays = given_to(backend, operation.floats | operation.masks)
        plain = operation.call(name, arrays, backend)
        tensors = operation.call(name, {k: strided(k, a) for k, a in arrays.items()}, backend)
        for result, expected in zip(tensors, plain, strict=True):
            assert isinstance(result, torch.Tensor)
            np.testing.assert_allclose(back(result), back(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", ">f8", "mixed"])
@pytest.mark.parametrize(
    ("name", "backend"), [row for row in rows() if len(OPERATIONS[row.values[0]].floats) > 1]
)
def test_parameters_take_the_dtype_of_x(name: str, backend: str, dtype: str) -> None:
    operation = unmasked(name, backend)
    parameters = [k for k in operation.floats if k not in ("x", "other")]
    kinds = dict(zip(parameters, ["float64", "float32", ">f4", "float16"] * 2, strict=False))

    def change(k: str, array: Any) -> Any:
        if k not in parameters:
            return array
        values = back_of(array)
        kind = kinds[k] if dtype == "mixed" else dtype
        return values.astype(kind)  # beside tensors too

    if dtype in ("float64", ">f8"):
        check(name, backend, change)
        return
    # rounded parameters: compare with the same call on rounded float64
    exact = operation.floats | operation.masks
    rounded = {k: a if a.dtype == bool else change(k, a).astype("f8") for k, a in exact.items()}
    expected = operation.call(name, rounded, "reference")
    skip_where_missing(backend)
    results = operation.call(
        name, {k: change(k, a) for k, a in given_to(backend, exact).items()}, backend
    )
    for result, right in zip(results, expected, strict=True):
        assert str(result.dtype).endswith("bool" if right.dtype == bool else "float32")
        np.testing.assert_allclose(
            back(result).astype("f8"), right, rtol=ROOM * 2.0**-18, atol=ROOM * 2.0**-18
        )


@pytest.mark.parametrize("kind", ["float64", ">f8"])
@pytest.mark.parametrize("name", [op for op, backend in TABLE if backend == "reference"])
def test_float64_values_with_float32_parameters(name: str, kind: str) -> None:
    def change(k: str, array: Any) -> Any:
        return array.astype(kind if k in ("x", "other") else "f4") if array.dtype != bool else array

    check(name, "reference", change, "float64")


@pytest.mark.parametrize("kind", ["uint8", "int64", "float32", "object"])
@pytest.mark.parametrize("name", [op for op, o in OPERATIONS.items() if o.masks])
def test_masks_of_other_dtypes_are_refused(name: str, kind: str) -> None:
    operation = OPERATIONS[name]
    arrays = given_to("numba", operation.floats | operation.masks)
    for mask in operation.masks:
        with pytest.raises(ArgumentError, match=f"{mask}: .*dtype {kind}; expected bool"):
            operation.call(name, arrays | {mask: arrays[mask].astype(kind)}, "auto")


@pytest.mark.parametrize("kind", ["complex64", "U5", "object", "datetime64[D]", "bool"])
@pytest.mark.parametrize("name", [op for op, o in OPERATIONS.items() if o.floats])
def test_values_that_are_no_floats_are_refused(name: str, kind: str) -> None:
    operation = OPERATIONS[name]
    arrays = given_to("numba", operation.floats | operation.masks)
    for k in operation.floats:
        odd = np.zeros(arrays[k].shape, kind)
        with pytest.raises(ArgumentError, match=r"dtype .*; expected"):
            operation.call(name, arrays | {k: odd}, "auto")


@pytest.mark.parametrize(
    ("replacement", "words"),
    [
        (lambda a: np.ma.masked_invalid(a), "masked array; its mask would be ignored"),
        (lambda a: a.tolist(), "list; expected a NumPy array or a torch tensor"),
        (lambda a: torch.from_numpy(a).to_sparse(), "layout torch.sparse_coo; expected a dense"),
        (lambda a: np.float32(1), r"shape \(\)"),
        (lambda a: None, "NoneType; expected a NumPy array"),
    ],
)
@pytest.mark.parametrize("name", [op for op, o in OPERATIONS.items() if o.floats])
def test_other_containers_are_refused(
    name: str, replacement: Callable[[np.ndarray], Any], words: str
) -> None:
    operation = OPERATIONS[name]
    arrays = given_to("numba", operation.floats | operation.masks)
    for k in operation.floats:
        if replacement(arrays[k]) is None and k in ("bias", "residual") and name != "lstm":
            continue
        with pytest.raises(ArgumentError, match=words):
            operation.call(name, arrays | {k: replacement(arrays[k])}, "auto")


def test_a_gradient_is_not_lost_beside_numpy_values() -> None:
    arrays = given_to("numba", OPERATIONS["self_attention"].floats)
    arrays["weight"] = torch.from_numpy(arrays["weight"]).requires_grad_()
    with pytest.raises(ArgumentError, match="weight: a tensor that needs a gradient"):
        xsm_kernels.self_attention(**arrays)
    tensors = {k: torch.as_tensor(a) for k, a in arrays.items()}
    tensors["weight"] = tensors["weight"].detach().double().requires_grad_()
    xsm_kernels.self_attention(**tensors).sum().backward()
    assert tensors["weight"].grad.dtype == torch.float64 and tensors["weight"].grad.any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, x, w: xsm_kernels.update_mask(m, "3"), "kernel_size='3': give three integers"),
        (lambda m, x, w: xsm_kernels.update_mask(m, 2.5), "kernel_size=2.5: give three integers"),
        (lambda m, x, w: xsm_kernels.masked_mean(x, m, None), "size=None: give an odd number"),
        (lambda m, x, w: xsm_kernels.masked_mean(x, m, np.nan), "size=nan: give an odd number"),
        (lambda m, x, w: xsm_kernels.masked_conv3d(x, m, w, padding=None), "padding=None: give"),
        (lambda m, x, w: xsm_kernels.masked_conv3d(x, m, w, activation=1), "activation=1: use"),
        (lambda m, x, w: xsm_kernels.masked_conv3d(x, m, w, activation=[]), "activation=.*: use"),
        (
            lambda m, x, w: xsm_kernels.masked_conv3d(x, m, w, wrap_longitude="no"),
            "wrap_longitude='no': give True or False",
        ),
        (
            lambda m, x, w: xsm_kernels.update_mask(m, 3, wrap_longitude=1),
            "wrap_longitude=1: give True or False",
        ),
        (
            lambda m, x, w: xsm_kernels.masked_mean(x, m, 3, wrap_longitude=[True]),
            "wrap_longitude=.*: give True or False",
        ),
        (
            lambda m, x, w: xsm_kernels.pointwise_layers(x, m, [w], [w], activations=(None,)),
            "sources: ndarray; expected a list or tuple",
        ),
        (
            lambda m, x, w: xsm_kernels.pointwise_layers([x], m, [w], [w], activations="relu"),
            "activations: str; expected a list or tuple",
        ),
        (
            lambda m, x, w: xsm_kernels.lstm(x[0, 0], W_LSTM, W_LSTM, B_LSTM, initial=(x,) * 3),
            r"initial: 3 arrays; expected two, \(h, c\)",
        ),
        (lambda m, x, w: xsm_kernels.masked_mean(x, m, 3, backend=["numba"]), "use one of these"),
    ],
)
def test_options_of_wrong_types_are_refused(call: Callable[..., Any], words: str) -> None:
    floats = OPERATIONS["masked_conv3d"].floats
    with pytest.raises(ArgumentError, match=words):
        call(OPERATIONS["masked_conv3d"].masks["mask"], floats["x"], floats["weight"])


def test_numpy_integers_are_taken_as_options() -> None:
    operation = OPERATIONS["masked_conv3d"]
    x, mask = operation.floats["x"], operation.masks["mask"]
    expected = xsm_kernels.update_mask(mask, (1, 3, 3), padding=(0, 1, 1))
    size = np.array([1, 3, 3], np.int16)
    result = xsm_kernels.update_mask(mask, size, padding=(np.uint8(0), np.int64(1), 1.0))
    np.testing.assert_array_equal(result, expected)
    mean, _ = xsm_kernels.masked_mean(x, mask, np.int32(3), wrap_longitude=np.bool_(True))
    np.testing.assert_array_equal(mean, xsm_kernels.masked_mean(x, mask, 3, wrap_longitude=True)[0])


# axes of the arrays: batch, channels, days, rows, columns, outputs; directions, gates, hidden units
AXES = {
    "masked_conv3d": {
        "x": "BCTHW", "mask": "B1THW", "weight": "OC333", "bias": "O", "residual": "BOTHW",
        "active": "HW",
    },
    "update_mask": {"mask": "B1THW", "active": "THW"},
    "masked_mean": {"x": "BCTHW", "mask": "B1THW"},
    "pointwise_layers": {
        "x": "BCTHW", "other": "B1THW", "mask": "B1THW", "w0": "L4", "b0": "L", "w1": "OL",
        "b1": "O", "active": "HW",
    },
    "lstm": {
        "x": "BTC", "weight_ih": "DGC", "weight_hh": "DGU", "bias": "DG", "h": "DBU", "c": "DBU",
        "mask": "BT",
    },
    "self_attention": {"x": "BTC", "weight": "4UC", "bias": "4U"},
}  # fmt: skip
EMPTY = [
    pytest.param(*row.values, axis, id=f"{row.id}-{axis}")
    for row in rows()
    for axis in sorted(set("".join(AXES[row.values[0]].values())) - set("134"))
]


@pytest.mark.parametrize(("name", "backend", "axis"), EMPTY)
def test_empty_axes_give_empty_results_or_an_error(name: str, backend: str, axis: str) -> None:
    skip_where_missing(backend)
    operation = unmasked(name, backend)
    arrays = given_to(backend, operation.floats | operation.masks)
    for k, array in arrays.items():
        whole = (slice(None),) * array.ndim
        for number, letter in enumerate(AXES[name][k]):
            if letter == axis:
                arrays[k] = array[(*whole[:number], slice(0))]
    try:
        results = operation.call(name, arrays, backend)
    except KernelError as error:
        assert axis != "B", f"an empty batch is refused: {error}"
        assert "shape" in str(error) or "an axis without cells" in str(error)
    else:
        assert all(0 in result.shape for result in results)
