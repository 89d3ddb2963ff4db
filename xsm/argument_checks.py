"""Checks of arguments that many functions have in common, so that each has one message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xsm.errors import InputError


def check_choice(
    argument: str, value: Any, choices: Iterable[str], *, optional: bool = False
) -> None:
    """Raise an InputError unless a value is one of some names, or None if it is `optional`.

    Examples
    --------
    >>> check_choice("pairing", "mean", ("mean", "nearest"))
    >>> check_choice("by", "week", ("season", "month"), optional=True)
    Traceback (most recent call last):
        ...
    xsm.errors.InputError: by='week': expected None or one of 'season', 'month'.
    """
    names = list(choices)
    if not (isinstance(value, str) and value in names or optional and value is None):
        expected = f"{'None or ' if optional else ''}one of {', '.join(map(repr, names))}"
        raise InputError(f"{argument}={value!r}: expected {expected}.")


def check_whole(numbers: Mapping[str, tuple[Any, int]]) -> None:
    """Raise an InputError unless each (value, minimum) is a whole number that large."""
    for name, (value, minimum) in numbers.items():
        if not is_whole(value, minimum):
            raise InputError(f"{name}={value!r}: expected a whole number, {minimum} or more.")


def is_whole(value: Any, minimum: int) -> bool:
    """Whether a value is a whole number of `minimum` or more; True and False are none."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return bool(whole and value >= minimum)


def check_folder(argument: str, path: Path) -> None:
    """Raise an InputError if the folder of a file that is to be written does not exist."""
    if not path.parent.is_dir():
        raise InputError(
            f"{argument}={str(path)!r}: the folder {str(path.parent)!r} does not exist; make it "
            "first."
        )
