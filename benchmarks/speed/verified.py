"""From ways to compute something to calls that may be timed: those that run and are right."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.speed.parity import ParityError, demand

Call = Callable[[], Any]
Row = dict[str, Any]


def verified(
    about: Row,
    variants: dict[str, Callable[[], Call]],
    judge: Callable[[str, Any], tuple[Row, float]],
    *,
    keep_going: bool,
) -> tuple[list[Row], dict[str, Call]]:
    """A row for each variant, and the calls that may be timed; each was called once.

    Parameters
    ----------
    about : dict
        What all rows have in common.
    variants : dict
        By name, what prepares a call (compiles, copies); that is not timed.
    judge : callable
        From a name and what its call gave: more of the row, and the error as a part of the
        allowed one (0 where nothing is demanded).
    keep_going : bool
        What is wrong is left out and said to be, where otherwise all ends.

    Raises
    ------
    ParityError
    """
    rows, calls = [], {}
    for name, make in variants.items():
        row = about | {"variant": name}
        rows.append(row)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's own deprecations
                call = make()
                output = call()
        except Exception as error:  # that something cannot run here is a finding
            row["note"] = f"does not run: {type(error).__name__}: {str(error)[:160]}"
            continue
        more, share = judge(name, output)
        row |= more
        del output
        try:
            demand(share, f"{about.get('op', about['group'])}, {name}, {about['dtype']}")
        except ParityError as error:
            if not keep_going:
                raise
            row |= {"failed": True, "note": str(error)}
            continue
        calls[name] = call
    return rows, calls
