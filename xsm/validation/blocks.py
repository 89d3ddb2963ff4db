"""Records in files, cut into blocks so that they are never in memory as a whole."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

from xsm.metrics.table import METRICS
from xsm.validation.records import Record
from xsm.validation.scoring import Request

BLOCK_BYTES = 8 * 2**20


def in_blocks(record: Record, request: Request) -> Record:
    """`record` as a Dask array if it is in a file and large, else as it is.

    Blocks are of days, as files are; of rows where statistics need whole series.
    """
    da = record.da
    # the one way to tell whether a variable is still in its file, without reading it
    in_memory = getattr(da.variable, "_in_memory", True)
    if da.chunks is not None or in_memory or da.nbytes <= BLOCK_BYTES or find_spec("dask") is None:
        return record
    dim = record.layout.y if whole_series(request) else record.layout.time
    step = max(1, int(BLOCK_BYTES * da.sizes[dim] / da.nbytes))
    return replace(record, da=da.chunk({dim: step}))


def whole_series(request: Request) -> bool:
    """Whether a request needs series from their first day to their last at once."""
    ranks = any(METRICS[name].ranks or name == "anomaly_r" for name in request.metrics)
    asked = (request.scaling, request.anomalies, request.ci)
    return ranks or request.p_values or any(option is not None for option in asked)
