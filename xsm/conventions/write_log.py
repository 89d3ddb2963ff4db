"""The log of :func:`xsm.write_zarr` in a store: what those who read the store need of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LOG = "xsm_write_log"  # name of the group
CREATED, COMPLETE = "created", "complete"  # attributes


def is_incomplete(groups: Mapping[Any, Mapping[Any, Any]]) -> bool:
    """Whether a store, by the attributes of its groups, lacks regions.

    Examples
    --------
    >>> is_incomplete({}), is_incomplete({LOG: {CREATED: True}})
    (False, True)
    """
    return LOG in groups and not groups[LOG].get(COMPLETE)
