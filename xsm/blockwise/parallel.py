"""Work on several tiles at once, in threads: NumPy and compiled loops release the interpreter."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

MAX_WORKERS = 8  # each has the workspace of a tile

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    function: Callable[[Item], Result], items: Iterable[Item], most: int = MAX_WORKERS
) -> Iterator[Result]:
    """Yield ``function(item)`` in the order of `items`; at most `most` run or wait at once.

    There are no more than threads of the kernels, and than ``MAX_WORKERS``.
    """
    from xsm_kernels import thread_count

    workers = min(thread_count(), MAX_WORKERS, most)
    if workers <= 1:
        yield from map(function, items)
        return
    remaining = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="xsm") as pool:
        running = deque(pool.submit(function, item) for item in islice(remaining, workers))
        try:
            while running:
                yield running.popleft().result()
                running.extend(pool.submit(function, item) for item in islice(remaining, 1))
        finally:
            for future in running:
                future.cancel()
