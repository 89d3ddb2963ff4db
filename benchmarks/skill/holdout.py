"""Which cells are hidden from the methods, and on which of them the methods are scored.

6 % of all retrievals of a record are hidden at once, as in the evaluation published with the data:
shapes in 40 x 40 windows, the gaps of the next day's swath and single cells; in addition, long
gaps. A cell that two patterns select belongs to the first of them.

Hidden cells inside the test regions of `xsm.training.splits` are scored, on its test days
("strict": no fit has used the region or the day) and on all days ("region"). In both cases the cell
must keep an observation on another day, so that its anomaly is defined.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.skill.evaluation_records import EvaluationRecord
from xsm.baselines.gridded_values import cell_mean
from xsm.gapfilling.gap_patterns import sample_gaps
from xsm.training.splits import Part, day_mask, region_mask

# fraction of all retrievals hidden, by gap pattern
FRACTIONS = {"block": 0.025, "swath": 0.02, "cell": 0.005, "long": 0.01}
GAP_PATTERNS = tuple(FRACTIONS)
# separate streams of random numbers, so that no two purposes share their gaps
EVALUATION, FITTING, SEARCH = 1, 2, 3


@dataclass(frozen=True)
class HiddenCells:
    """One random set of hidden cells.

    values : (T, H, W), the record without them
    scored : (T, H, W) bool, cells to score
    gap_pattern : (T, H, W) int8, index into `GAP_PATTERNS`, -1 where nothing is hidden
    mean : (H, W), mean of the remaining observations of each cell
    """

    values: NDArray[np.float32]
    scored: NDArray[np.bool_]
    gap_pattern: NDArray[np.int8]
    mean: NDArray[np.float32]


def sample_patterns(observed: NDArray[np.bool_], seed: int, purpose: int) -> NDArray[np.int8]:
    """Gap pattern (T, H, W) that hides each cell, -1 where none does."""
    gap_pattern = np.full(observed.shape, -1, dtype=np.int8)
    for i, (name, fraction) in enumerate(FRACTIONS.items()):
        rng = np.random.default_rng([purpose, seed, i])
        gap_pattern[sample_gaps(observed, name, fraction, rng) & (gap_pattern < 0)] = i
    return gap_pattern


def hide_cells(
    record: EvaluationRecord, seed: int, *, part: Part = "test", purpose: int = EVALUATION
) -> HiddenCells:
    """Hide 6 % of a record; the hidden cells in one part of the regions are scored."""
    gap_pattern = sample_patterns(np.isfinite(record.values), seed, purpose)
    values = np.where(gap_pattern >= 0, np.float32(np.nan), record.values)
    mean = cell_mean(values)
    scored = (gap_pattern >= 0) & region_mask(record.lat, record.lon, part) & np.isfinite(mean)
    return HiddenCells(values, scored, gap_pattern, mean)


def fitting_gaps(record: EvaluationRecord) -> Iterator[NDArray[np.bool_]]:
    """Endless random gaps for methods that have to be fitted."""
    observed = np.isfinite(record.values)
    seed = 0
    while True:
        yield sample_patterns(observed, seed, FITTING) >= 0
        seed += 1


def training_record(record: EvaluationRecord) -> EvaluationRecord:
    """The record for training: held-out regions and days are missing."""
    days = day_mask(record.values.shape[0], "train")
    allowed = days[:, None, None] & region_mask(record.lat, record.lon, "train")
    return replace(record, values=np.where(allowed, record.values, np.float32(np.nan)), truth=None)
