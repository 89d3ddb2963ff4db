"""Values are computed by all workers at once, without waiting for each other, in one pool."""

import threading
import time

import pytest

from xsm.blockwise.dask_workers import compute_each, one_pool, worker_count

dask = pytest.importorskip("dask", reason="needs xsm[dask]")

SECONDS = 30  # after which a test that would hang fails


@pytest.fixture(params=["threads", "synchronous"])
def two_workers(request, monkeypatch):
    monkeypatch.setattr("dask.system.CPU_COUNT", 2)
    with dask.config.set(scheduler=request.param, num_workers=2):
        yield request.param


def delayed(function, *args):
    return dask.delayed(function, pure=False)(*args)


def test_all_values_arrive_and_each_is_made_when_it_is_begun(two_workers):
    made, made_before = [], []

    def values():
        for n in range(7):
            made.append(n)
            yield delayed(lambda n: n * n, n)

    with one_pool() as options:
        results = {}
        for n, value in compute_each(values(), options):
            results[n] = value
            made_before.append(len(made))
    assert results == {n: n * n for n in range(7)}
    assert made_before[0] <= 2 and made == list(range(7))


def test_none_waits_for_another(monkeypatch):
    """The first value ends when the others have ended: two at a time in groups would hang."""
    monkeypatch.setattr("dask.system.CPU_COUNT", 2)
    last = threading.Event()

    def block(n):
        if n == 0:
            return last.wait(SECONDS)
        if n == 4:
            last.set()
        return True

    with dask.config.set(scheduler="threads", num_workers=2), one_pool() as options:
        ended = list(compute_each((delayed(block, n) for n in range(5)), options))
    assert dict(ended) == dict.fromkeys(range(5), True)


def test_no_more_at_a_time_than_workers(two_workers):
    running, most, lock = [0], [0], threading.Lock()

    def block():
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1

    with one_pool() as options:
        for _ in compute_each((delayed(block) for _ in range(8)), options):
            pass
        assert most[0] == worker_count() == (1 if two_workers == "synchronous" else 2)


def test_values_that_run_when_one_fails_are_kept(monkeypatch):
    monkeypatch.setattr("dask.system.CPU_COUNT", 2)
    failed, begun = threading.Event(), []

    def block(n):
        begun.append(n)
        if n == 1:
            failed.set()
            raise OSError("disk full")
        has_failed = failed.wait(SECONDS)
        time.sleep(0.3)  # the failure is collected before this value
        return has_failed

    ended = []
    with dask.config.set(scheduler="threads", num_workers=2), one_pool() as options:
        with pytest.raises(OSError, match="disk full"):
            for n, value in compute_each((delayed(block, n) for n in range(6)), options):
                ended.append((n, value))
    assert ended == [(0, True)] and sorted(begun) == [0, 1]


def test_pools_leave_no_trace(two_workers):
    def many():
        with one_pool() as options:
            out.append(dict(compute_each((delayed(abs, -n) for n in range(5)), options)))

    out = []
    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert out == [{n: n for n in range(5)}] * 8
    assert dask.config.get("pool", None) is None


def test_a_given_pool_is_used_and_left_open():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2, "mine") as pool, dask.config.set(scheduler="threads", pool=pool):
        with one_pool() as options:
            names = compute_each(
                (delayed(lambda: threading.current_thread().name) for _ in range(3)), options
            )
            assert all(name.startswith("mine") for _, name in names)
        assert pool.submit(abs, -1).result() == 1


def test_processes_are_started_once():
    import os

    with dask.config.set(scheduler="processes", num_workers=1), one_pool() as options:
        first, second = (dask.compute(delayed(os.getpid), **options)[0] for _ in range(2))
        ((_, third),) = compute_each([delayed(os.getpid)], options)
    assert first == second == third != os.getpid()
