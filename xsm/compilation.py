"""Compile in advance what the first call of a process would compile."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import xsm_kernels


def precompile() -> Path | None:
    """Compile the loops of all functions that run on a CPU, and store them for later processes.

    The first call of :func:`xsm.gapfill`, :func:`xsm.estimate` or a metric compiles loops for some
    seconds and stores them, so this function is not needed on a machine of one's own. It is for
    container images (``RUN python -c "import xsm; xsm.precompile()"``), for workers of a cluster
    (``client.run(xsm.precompile)``) and for a folder that many read and few may write to.

    The folder is ``XSM_CACHE_DIR``, by default ``xsm`` in the user's folder for caches
    (``XDG_CACHE_HOME``, ``~/.cache``); ``XSM_CACHE=0`` turns it off. It may be deleted at any time,
    and is trusted: whoever can write to it can run code as its users.

    Returns
    -------
    pathlib.Path or None
        The folder that holds all loops. None if they are compiled for this process alone, because
        the cache is turned off or its folder cannot be written to.
    """
    from xsm.gapfilling.space_time_interpolation import kriging_loop
    from xsm.metrics.collocation import collocation_loop
    from xsm.metrics.compress_valid import compress_loop
    from xsm.metrics.moments import moments_loop
    from xsm.metrics.ranks import rank_loop
    from xsm.metrics.resampling import (
        quantile_loops,
        resampled_moments_loop,
        resampled_ranks_loop,
    )

    loops = [
        *xsm_kernels.precompile(),
        kriging_loop(),
        collocation_loop(),
        compress_loop(),
        rank_loop(),
        resampled_ranks_loop(),
        *quantile_loops(),
    ]
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        loops += [moments_loop(dtype), resampled_moments_loop(dtype)]
    return xsm_kernels.cache_folder() if all(map(xsm_kernels.on_disk, loops)) else None
