"""Training samples: a patch of a record, part of it hidden."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.gapfilling.gap_patterns import GAP_PATTERNS, sample_gaps
from xsm.gapfilling.seasonal_cycle import departures
from xsm.gapfilling.statistics import COUNT, MEAN, STATISTICS, STD, record_statistics
from xsm.networks.device import operations
from xsm.networks.features import pad_days
from xsm.networks.model import Model

ENOUGH = 5  # observations that make a cell worth sampling
TRIES = 200  # patches in a row with nothing to hide


@dataclass
class Record:
    """Values to train on, (T, H, W), m3 m-3, NaN where missing or held out.

    `truth`, of the same shape, is what a simulated record knows: the target in place of the
    retrievals. `share` is the weight with which the record is drawn; `wrap` as everywhere.
    """

    values: NDArray[np.float32]
    truth: NDArray[np.float32] | None = None
    wrap: bool = False
    share: float = 1.0
    name: str = "record"
    halo: int = field(default=0, init=False)

    def with_halo(self, halo: int) -> Record:
        """Pad with missing rows, and with missing or circular columns."""

        def pad(field: NDArray[np.float32]) -> NDArray[np.float32]:
            tall = np.pad(field, ((0, 0), (halo, halo), (0, 0)), constant_values=np.nan)
            columns = ((0, 0), (0, 0), (halo, halo))
            if self.wrap:
                return np.pad(tall, columns, mode="wrap")
            return np.pad(tall, columns, constant_values=np.nan)

        truth = None if self.truth is None else pad(self.truth)
        record = replace(self, values=pad(self.values), truth=truth)
        record.halo = halo
        return record


@dataclass
class Sample:
    """One patch: network inputs, (1, C, T + 8, H + 2r, W + 2r); the rest (T, H, W) or (H, W)."""

    inputs: dict[str, tuple[NDArray[Any], NDArray[Any]]]
    land: NDArray[np.bool_]  # (H + 2r, W + 2r)
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    target: NDArray[np.float32]
    hidden: NDArray[np.bool_]

    def inner(self, output: Any) -> Any:
        """`output` (..., H + 2r, W + 2r) of a network, without the margin of its layers."""
        margin = (output.shape[-1] - self.target.shape[-1]) // 2
        cut = slice(margin, -margin or None)
        return output[..., cut, cut]


class Sampler:
    """Draws patches from records and hides part of each.

    Parameters
    ----------
    records : sequence of Record
    model : Model
        Only its configuration counts.
    patch, days : int
        Size of the output, in cells and days.
    hidden : (float, float)
        Range of the share of the observed cells that is hidden.
    seed : int
    """

    def __init__(
        self,
        records: Sequence[Record],
        model: Model,
        *,
        patch: int = 40,
        days: int = 15,
        hidden: tuple[float, float] = (0.04, 0.3),
        seed: int = 0,
    ):
        halo = model.halo[1]
        self.records = [record.with_halo(halo) for record in records]
        self.model, self.patch, self.days, self.share = model, patch, days, hidden
        self.seed, self.rng = seed, np.random.default_rng(seed)
        self.ops = operations(model.network.operations)
        shares = np.array([record.share for record in records], float)
        self.odds = shares / shares.sum()
        # flat indices, into the unpadded cells, of those worth sampling
        self.cells = [
            np.flatnonzero(np.isfinite(record.values).sum(axis=0) >= ENOUGH) for record in records
        ]
        if any(cells.size == 0 for cells in self.cells):
            raise InputError(
                f"records hold no cell with {ENOUGH} observations: expected a longer record, or a "
                "sensor that comes by more often."
            )
        self.widths = [record.values.shape[2] for record in records]

    def draw(self) -> Sample:
        """One sample, with something hidden in its output."""
        for _ in range(TRIES):
            which = self.rng.choice(len(self.records), p=self.odds)
            values, target = self._patch(which)
            share = self.rng.uniform(*self.share)
            hidden = mixed_holes(np.isfinite(values), share, self.rng)
            sample = self._sample(values, hidden, target)
            if sample.hidden.any():
                return sample
        raise InputError(
            f"in {TRIES} patches of {self.patch} x {self.patch} cells and {self.days} days there "
            "was nothing to hide: the record holds too little. Use a longer or a larger one."
        )

    def _patch(self, which: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """All days of a patch and its halo, and the target; about a cell worth sampling."""
        record, rng = self.records[which], self.rng
        y, x = divmod(int(rng.choice(self.cells[which])), self.widths[which])
        corner = []
        for place, length in zip((y, x), record.values.shape[1:], strict=True):
            room = max(length - 2 * record.halo - self.patch, 0)
            corner.append(int(np.clip(place - rng.integers(self.patch), 0, room)))
        rows, columns = (slice(c, c + self.patch + 2 * record.halo) for c in corner)
        flips = tuple(axis for axis in (1, 2) if rng.random() < 0.5)
        target = record.values if record.truth is None else record.truth
        values, target = (np.flip(f[:, rows, columns], flips) for f in (record.values, target))
        return values, target

    def _sample(
        self,
        values: NDArray[np.float32],
        hidden: NDArray[np.bool_],
        target: NDArray[np.float32],
    ) -> Sample:
        model = self.model
        days, halo = model.halo[0], model.halo[1]
        margin = model.network.reach(model.config)[1]  # of the layers alone
        outer = slice(halo - margin, -(halo - margin) or None)
        seen = np.where(hidden, np.float32(np.nan), values)
        stats, course = np.split(record_statistics(seen), [len(STATISTICS)])
        seen, target = departures(seen, course), departures(target, course)

        length = values.shape[0]
        wanted = min(self.days, length)
        start = int(self.rng.integers(length - wanted + 1))
        first, last = start - days, start + wanted + days
        context = seen[max(first, 0) : min(last, length)]
        inputs = model.network.inputs(context, stats, model.config, self.ops)
        inputs = {k: (x[..., outer, outer], m[..., outer, outer]) for k, (x, m) in inputs.items()}
        inputs = pad_days(inputs, max(-first, 0), max(last - length, 0))

        out = (slice(start, start + wanted), slice(halo, -halo), slice(halo, -halo))
        core = stats[(slice(None), *out[1:])]
        target = target[out]
        return Sample(
            inputs=inputs,
            land=stats[COUNT, outer, outer] > 0,
            mean=core[MEAN],
            std=core[STD],
            target=target,
            hidden=hidden[out] & np.isfinite(target) & (core[COUNT] > 0),
        )


def mixed_holes(
    valid: NDArray[np.bool_], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Hide about `share` of the observed cells in a random mixture of all patterns."""
    hidden = np.zeros(valid.shape, bool)
    for kind, part in zip(
        GAP_PATTERNS, rng.dirichlet(np.full(len(GAP_PATTERNS), 0.7)), strict=True
    ):
        if part * share > 0.003:
            hidden |= sample_gaps(valid, kind, part * share, rng)
    return hidden


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
