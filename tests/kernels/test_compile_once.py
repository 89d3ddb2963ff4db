"""Threads that come first together still compile once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep

from xsm_kernels.compile_once import once


def test_one_call_for_all_threads():
    calls, gate = [], Barrier(4)

    @once
    def made():
        calls.append(1)
        sleep(0.05)  # time for the others to come
        return object()

    def first(_):
        gate.wait()
        return made()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(first, range(4)))
    assert len(calls) == 1
    assert len({id(value) for value in found}) == 1
