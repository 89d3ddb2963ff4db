"""A builder runs once however many threads come first; ranges of work are covered exactly once."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from time import sleep

import numpy as np
import pytest

from xsm_kernels import (
    ArgumentError,
    compile_once,
    limit_threads,
    run_in_threads,
    runtime,
    thread_count,
)


def test_one_call_for_all_threads():
    calls, gate = [], Barrier(4)

    @compile_once
    def build():
        calls.append(1)
        sleep(0.05)  # time for the others to come
        return object()

    def first_call(_):
        gate.wait()
        return build()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(first_call, range(4)))
    assert len(calls) == 1
    assert len({id(result) for result in results}) == 1


def test_one_call_for_each_argument():
    calls = []

    @compile_once
    def build(dtype):
        calls.append(dtype)
        return object()

    assert build(np.dtype("f4")) is build(np.dtype("f4"))
    assert build(np.dtype("f4")) is not build(np.dtype("f8"))
    assert calls == [np.dtype("f4"), np.dtype("f8")]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 1000])
def test_ranges_cover_the_count_once(count):
    visits = np.zeros(count, int)

    def visit(array, start, stop):
        array[start:stop] += 1

    run_in_threads(visit, count, visits)
    assert (visits == 1).all()


def test_an_error_in_a_thread_reaches_the_caller():
    def fail(start, stop):
        raise ValueError("in a thread")

    with pytest.raises(ValueError, match="in a thread"):
        run_in_threads(fail, 100)
    assert thread_count() >= 1


def test_limits_of_threads_end_with_their_block():
    before = thread_count()
    with limit_threads(np.int64(1)):
        assert thread_count() == 1
    with limit_threads(before + 1):
        assert thread_count() == before
    assert thread_count() == before


@pytest.mark.parametrize("count", [0, -1, 1.5, None, "2"])
def test_limits_that_are_no_number_of_threads_are_refused(count):
    with pytest.raises(ArgumentError, match="count=.*: give a number of threads"):
        with limit_threads(count):
            pass


@pytest.mark.parametrize("count", [-1, 2.5, "3", None])
def test_counts_that_are_no_number_of_items_are_refused(count):
    with pytest.raises(ArgumentError, match="count=.*: give a number of items, 0 or more"):
        run_in_threads(print, count)


NESTED = """
import numpy as np, xsm_kernels
mask, threads = np.ones((1, 1, 4, 8, 8), bool), []

def update(start, stop):
    threads.append(xsm_kernels.thread_count())
    xsm_kernels.update_mask(mask, 3, padding=(1, 1, 1))

xsm_kernels.run_in_threads(update, 8)
print(set(threads), xsm_kernels.thread_count())
"""


def test_a_kernel_inside_run_in_threads_does_not_wait_for_its_own_threads():
    # in a process of its own, which a deadlock cannot hold up
    done = subprocess.run(
        [sys.executable, "-c", NESTED],
        env=os.environ | {"NUMBA_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "{1} 2\n", done.stderr


def test_no_thread_works_on_after_an_error(monkeypatch):
    monkeypatch.setattr(runtime, "thread_count", lambda: 4)
    monkeypatch.setattr(runtime, "_all_threads", lambda: 4)
    running, after = [], []
    begun = Event()
    runtime._pool.cache_clear()

    def work(start, stop):
        if start == 0:
            begun.wait(5)
            raise ValueError("in a thread")
        running.append(start)
        begun.set()
        sleep(0.05)
        running.remove(start)
        after.append(start)

    with pytest.raises(ValueError, match="in a thread"):
        run_in_threads(work, 1000)
    finished = len(after)
    assert not running
    sleep(0.2)
    assert len(after) == finished < 20
