"""What is hidden from the methods, and which of it they are scored on.

Of all retrievals of a record 6 % are hidden at once, as in the data's own evaluation: shapes in
40 x 40 windows, what the next day's swath leaves out, single cells; and, beyond it, long gaps. A
cell two patterns want goes to the first of them.
Scored are hidden cells inside the test regions of `xsm.training.splits`: on its test days
("strict": unseen by region and by day) and on all days ("region"), in both cases only where the
cell keeps an observation on another day, so that it has a mean to count anomalies from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.skill.records import Record
from xsm.baselines.gridded_values import cell_mean
from xsm.gapfilling.gap_patterns import sample_gaps
from xsm.training.splits import Part, day_mask, region_mask

# share of all retrievals hidden, by kind of gap
FRACTIONS = {"block": 0.025, "swath": 0.02, "cell": 0.005, "long": 0.01}
KINDS = tuple(FRACTIONS)
# streams of random numbers, so that no two purposes share their gaps
EVALUATION, FITTING, SEARCH = 1, 2, 3


@dataclass(frozen=True)
class Case:
    """One draw of hidden cells.

    values : (T, H, W), the record without them
    where : (T, H, W) bool, cells to score
    kind : (T, H, W) int8, index into `KINDS`, -1 where nothing is hidden
    mean : (H, W), mean of what is left of each cell
    """

    values: NDArray[np.float32]
    where: NDArray[np.bool_]
    kind: NDArray[np.int8]
    mean: NDArray[np.float32]


def draw(seen: NDArray[np.bool_], seed: int, purpose: int) -> NDArray[np.int8]:
    """Kind (T, H, W) of the gap that hides each cell, -1 where none does."""
    kind = np.full(seen.shape, -1, dtype=np.int8)
    for i, (name, fraction) in enumerate(FRACTIONS.items()):
        rng = np.random.default_rng([purpose, seed, i])
        kind[sample_gaps(seen, name, fraction, rng) & (kind < 0)] = i
    return kind


def case(record: Record, seed: int, *, part: Part = "test", purpose: int = EVALUATION) -> Case:
    """Hide 6 % of a record; to be scored are the hidden cells of one part of the regions."""
    kind = draw(np.isfinite(record.values), seed, purpose)
    values = np.where(kind >= 0, np.float32(np.nan), record.values)
    mean = cell_mean(values)
    where = (kind >= 0) & region_mask(record.lat, record.lon, part) & np.isfinite(mean)
    return Case(values, where, kind, mean)


def fitting_patterns(record: Record) -> Iterator[NDArray[np.bool_]]:
    """Endless patterns of hidden cells for methods that have to be fitted."""
    seen = np.isfinite(record.values)
    seed = 0
    while True:
        yield draw(seen, seed, FITTING) >= 0
        seed += 1


def training_record(record: Record) -> Record:
    """The record as training may see it: held-out regions and days are missing."""
    days = day_mask(record.values.shape[0], "train")
    allowed = days[:, None, None] & region_mask(record.lat, record.lon, "train")
    return replace(record, values=np.where(allowed, record.values, np.float32(np.nan)), truth=None)
