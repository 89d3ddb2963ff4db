"""A builder runs once however many threads come first; ranges of work are covered exactly once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep

import numpy as np
import pytest

from xsm_kernels import (
    ArgumentError,
    compile_once,
    limit_threads,
    run_in_threads,
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
