"""The progress bar of all long computations."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def bar(title: str, total: int, show: bool | None, unit: str = "tile") -> Iterator[Any]:
    """A bar with ``update(n)``; shown if `show`, or if None on a terminal."""
    from tqdm import tqdm

    hidden = not (sys.stderr.isatty() if show is None else show)
    with tqdm(total=total, desc=title, unit=unit, disable=hidden, file=sys.stderr) as progress:
        yield progress
