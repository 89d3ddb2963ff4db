"""What a process has freed goes back to the system before a block of work is read."""

import pytest

from benchmarks.speed.timing import resident_bytes
from xsm.blockwise import worker_slots


@pytest.mark.skipif(worker_slots._malloc_trim() is None, reason="needs the allocator of glibc")
def test_freed_memory_below_a_value_that_lives_goes_back():
    values = [bytes(40_000) for _ in range(2000)]
    last = values.pop()  # the allocator alone returns what lies behind it
    values.clear()
    before = resident_bytes("VmRSS")
    with worker_slots.network_slot():
        assert resident_bytes("VmRSS") < before - 60_000_000
    assert last == bytes(40_000)
