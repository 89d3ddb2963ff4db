"""Random inputs and tolerances of the recurrent kernels, for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.kernels.samples import convert, round_to

# Allowed |error| of h and c against float64, in units of 1 + |c|. A state forgets: with gates
# below 1 errors stay those of a few days. float64 and float32: 64 roundings (2^-53, 2^-24). tf32:
# inputs and h rounded to 2^-11, sums of weights times inputs of about 4. float16 and bfloat16: h is
# rounded to 2^-11 and 2^-8 each day, too.
TOLERANCE = {
    "float64": 64 * 2.0**-53,
    "float32": 64 * 2.0**-24,
    "tf32": 4 * 2.0**-10,
    "float16": 4 * 2.0**-10,
    "bfloat16": 4 * 2.0**-7,
}


@dataclass(frozen=True)
class Case:
    """One call: sizes, and whether there are a mask and a state to begin with."""

    batch: int = 3
    days: int = 7
    channels: int = 4
    hidden: int = 5
    directions: int = 2
    observed: float | None = None
    initial: bool = False
    spread: float = 1.0
    seed: int = 0


def draw(case: Case, dtype: str = "float64") -> dict[str, Any]:
    """Arrays of the case, float64 that `dtype` can hold; NaN and Inf on the days to skip."""
    rng = np.random.default_rng(case.seed)
    d, hidden = case.directions, case.hidden

    def weight(*shape: int) -> Any:
        return round_to(rng.uniform(-1, 1, shape) * case.spread / np.sqrt(hidden), dtype)

    x = round_to(rng.normal(size=(case.batch, case.days, case.channels)), dtype)
    arrays: dict[str, Any] = {
        "weight_ih": weight(d, 4 * hidden, case.channels),
        "weight_hh": weight(d, 4 * hidden, hidden),
        "bias": weight(d, 4 * hidden),
    }
    if case.initial:
        h = np.tanh(rng.normal(size=(d, case.batch, hidden)))
        arrays["initial"] = round_to(h, dtype), round_to(2 * h[::-1].copy(), dtype)
    if case.observed is not None:
        arrays["mask"] = rng.random((case.batch, case.days)) < case.observed
        x[~arrays["mask"]] = np.where(rng.random(case.channels) < 0.5, np.nan, np.inf)
    return {"x": x} | arrays


def given_to(arrays: dict[str, Any], backend: str, dtype: str) -> dict[str, Any]:
    """The arrays as `backend` takes them."""
    return {
        name: tuple(convert(part, backend, dtype) for part in array)
        if isinstance(array, tuple)
        else convert(array, backend, dtype)
        for name, array in arrays.items()
    }
