"""How many records of any form are tried: ``XSM_FUZZ_EXAMPLES=1000`` (``make fuzz``) for more.

A long run is random and cut in parts, so that several processes share it; the short one of every
test run tries the same records each time.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("XSM_FUZZ_EXAMPLES", "25"))
PARTS = 4 if EXAMPLES >= 200 else 1

in_parts = pytest.mark.parametrize("part", range(PARTS))


def fuzz(share: float = 1.0) -> settings:
    """Settings of a test that takes a share of the examples."""
    return settings(
        max_examples=max(int(EXAMPLES * share) // PARTS, 5),
        deadline=None,
        derandomize=PARTS == 1,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
