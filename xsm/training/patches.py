"""Training samples of gap-filling networks: patches of records, with part of them hidden."""

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

MIN_OBSERVATIONS = 5  # of a cell about which patches are drawn
MAX_ATTEMPTS = 200  # patches in a row with nothing to hide


@dataclass
class TrainingRecord:
    """Values to train on, (T, H, W), m3 m-3, NaN where missing or held out.

    Attributes
    ----------
    values : ndarray
    truth : ndarray, optional
        Target in place of the retrievals, of the same shape; only a simulated record has one.
    wrap : bool
        Whether the columns go around the globe.
    weight : float
        Relative frequency with which patches are drawn from this record.
    name : str
    """

    values: NDArray[np.float32]
    truth: NDArray[np.float32] | None = None
    wrap: bool = False
    weight: float = 1.0
    name: str = "record"
    halo: int = field(default=0, init=False)

    def with_halo(self, halo: int) -> TrainingRecord:
        """Pad with missing rows, and with missing or circular columns."""

        def pad(values: NDArray[np.float32]) -> NDArray[np.float32]:
            tall = np.pad(values, ((0, 0), (halo, halo), (0, 0)), constant_values=np.nan)
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
    records : sequence of TrainingRecord
    model : Model
        Only its configuration is used.
    patch, days : int
        Size of the output, in cells and days.
    hidden_fraction : (float, float)
        Range of the fraction of the observed cells that is hidden.
    seed : int

    Raises
    ------
    InputError
        If a record has no cell with enough observations.
    """

    def __init__(
        self,
        records: Sequence[TrainingRecord],
        model: Model,
        *,
        patch: int = 40,
        days: int = 15,
        hidden_fraction: tuple[float, float] = (0.04, 0.3),
        seed: int = 0,
    ):
        reach = model.network.reach(model.config)[1:]
        self.margin = max(reach)  # cells that the layers use up
        input_margin = max(h - r for h, r in zip(model.halo[1:], reach, strict=True))
        self.halo = self.margin + input_margin
        self.records = [record.with_halo(self.halo) for record in records]
        self.model, self.patch, self.days = model, patch, days
        self.hidden_fraction = hidden_fraction
        self.seed, self.rng = seed, np.random.default_rng(seed)
        self.ops = operations(model.network.operations)
        weights = np.array([record.weight for record in records], float)
        self.probabilities = weights / weights.sum()
        # flat indices, into the unpadded cells, about which patches are drawn
        self.centres = [np.flatnonzero(sampled_cells(record.values)) for record in records]
        if any(centres.size == 0 for centres in self.centres):
            raise InputError(
                f"the records have no cell with {MIN_OBSERVATIONS} observations: use a longer "
                "record, or a sensor with more overpasses."
            )
        self.widths = [record.values.shape[2] for record in records]

    def draw(self) -> Sample:
        """One sample, with something hidden in its output."""
        for _ in range(MAX_ATTEMPTS):
            index = self.rng.choice(len(self.records), p=self.probabilities)
            values, target = self._patch(index)
            fraction = self.rng.uniform(*self.hidden_fraction)
            hidden = mixed_gaps(np.isfinite(values), fraction, self.rng)
            sample = self._sample(values, hidden, target)
            if sample.hidden.any():
                return sample
        raise InputError(
            f"{MAX_ATTEMPTS} patches of {self.patch} x {self.patch} cells and {self.days} days "
            "have no observation to hide: use a longer or a larger record."
        )

    def _patch(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """All days of a patch with its halo, and the target, near a random cell of a record."""
        record, rng = self.records[index], self.rng
        y, x = divmod(int(rng.choice(self.centres[index])), self.widths[index])
        corner = []
        for centre, length in zip((y, x), record.values.shape[1:], strict=True):
            last = max(length - 2 * record.halo - self.patch, 0)
            corner.append(int(np.clip(centre - rng.integers(self.patch), 0, last)))
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
        model, halo = self.model, self.halo
        days, input_margin = model.halo[0], self.halo - self.margin
        outer = slice(input_margin, -input_margin or None)
        visible = np.where(hidden, np.float32(np.nan), values)
        stats, seasonal_cycle = np.split(record_statistics(visible), [len(STATISTICS)])
        anomaly, target = departures(visible, seasonal_cycle), departures(target, seasonal_cycle)

        length = values.shape[0]
        output_days = min(self.days, length)
        start = int(self.rng.integers(length - output_days + 1))
        first, last = start - days, start + output_days + days
        context = anomaly[max(first, 0) : min(last, length)]
        inputs = model.network.inputs(context, stats, model.config, self.ops)
        inputs = {k: (x[..., outer, outer], m[..., outer, outer]) for k, (x, m) in inputs.items()}
        inputs = pad_days(inputs, max(-first, 0), max(last - length, 0))

        inner = slice(halo, -halo or None)
        out = (slice(start, start + output_days), inner, inner)
        inner_stats = stats[(slice(None), *out[1:])]
        target = target[out]
        return Sample(
            inputs=inputs,
            land=stats[COUNT, outer, outer] > 0,
            mean=inner_stats[MEAN],
            std=inner_stats[STD],
            target=target,
            hidden=hidden[out] & np.isfinite(target) & (inner_stats[COUNT] > 0),
        )


def sampled_cells(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Cells (H, W) of a record (T, H, W) with enough observations to draw patches about them."""
    return np.isfinite(values).sum(axis=0) >= MIN_OBSERVATIONS


def mixed_gaps(
    observed: NDArray[np.bool_], fraction: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Hide about a fraction of the observed cells, in a random mixture of all gap patterns."""
    hidden = np.zeros(observed.shape, bool)
    parts = rng.dirichlet(np.full(len(GAP_PATTERNS), 0.7))
    for pattern, part in zip(GAP_PATTERNS, parts, strict=True):
        if part * fraction > 0.003:
            hidden |= sample_gaps(observed, pattern, part * fraction, rng)
    return hidden


def sample_stream(sampler: Sampler, workers: int = 0) -> Iterator[Sample]:
    """Draw samples without end.

    Parameters
    ----------
    sampler : Sampler
    workers : int
        Processes that draw ahead, for a GPU that is faster than one process can draw; 0 draws on
        request. The same seed and number of workers give the same samples in the same order.

    Yields
    ------
    Sample
    """
    if workers == 0:
        while True:
            yield sampler.draw()
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info

    class SampleDataset(IterableDataset):
        def __iter__(self) -> Iterator[Sample]:
            worker = copy.copy(sampler)
            worker.rng = np.random.default_rng([sampler.seed, get_worker_info().id])
            while True:
                yield worker.draw()

    yield from DataLoader(SampleDataset(), batch_size=None, num_workers=workers, prefetch_factor=4)
