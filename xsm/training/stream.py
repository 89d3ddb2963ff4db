"""An endless stream of training samples, drawn here or by worker processes."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np

from xsm.training.samples import Sample, Sampler


def stream(sampler: Sampler, workers: int = 0) -> Iterator[Sample]:
    """Draw samples for ever.

    Parameters
    ----------
    sampler : Sampler
    workers : int
        Processes that draw ahead, for a GPU that is faster than one process can draw; 0 draws when
        asked. The same seed and number of workers give the same samples in the same order.

    Yields
    ------
    Sample
    """
    if workers == 0:
        while True:
            yield sampler.draw()
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info

    class Draws(IterableDataset):
        def __iter__(self) -> Iterator[Sample]:
            own = copy.copy(sampler)
            own.rng = np.random.default_rng([sampler.seed, get_worker_info().id])
            while True:
                yield own.draw()

    yield from DataLoader(Draws(), batch_size=None, num_workers=workers, prefetch_factor=4)
