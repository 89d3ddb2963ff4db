"""Compile on first use, once, whichever thread comes first."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from threading import RLock
from typing import TypeVar

T = TypeVar("T")


def once(function: Callable[[], T]) -> Callable[[], T]:
    """Call `function` on the first call only; threads that come meanwhile wait for its result."""
    known, lock = cache(function), RLock()

    @wraps(function)
    def found() -> T:
        with lock:
            return known()

    return found
