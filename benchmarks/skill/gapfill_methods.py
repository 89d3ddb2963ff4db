"""Gap-filling methods to compare: a record with gaps in, mean and standard deviation out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import xsm
from benchmarks.skill import holdout
from benchmarks.skill.evaluation_records import EvaluationRecord
from benchmarks.skill.gapfill_scores import HALF_WIDTH
from xsm.baselines import baseline, dctpls, trees
from xsm.networks.block_inference import load_model

Field = NDArray[np.float32]
BASELINES = ("linear", "window_mean", "climatology", "dctpls", "dineof", "trees")
# chosen on gaps of the search purpose in the validation regions
SMOOTHINGS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
DINEOF_MODES = 3


@dataclass
class Methods:
    """The methods for one record. Fits and searches run once, on first use.

    record : the record to fill
    models : networks, by name or path
    threads : of LightGBM
    quick : small fits, to try the script
    """

    record: EvaluationRecord
    models: tuple[str, ...] = ("default",)
    threads: int = 1
    quick: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Callable[[Field, NDArray[np.bool_]], tuple[Field, Field | None]]:
        """Function ``(values, where) -> (mean, std or None)`` of a method or a network."""
        if name in self.models:
            return lambda values, _: gapfill(values, self.record, name)
        special = {"dctpls": self._dctpls, "dineof": self._dineof, "trees": self._trees}
        if name in special:
            return lambda values, where: (special[name](values, where), None)
        fill = baseline(name)
        return lambda values, where: (fill(values), None)

    def half_widths(self, name: str) -> dict[int, float]:
        """Half-widths of the intervals, in standard deviations: of the card, else of a normal."""
        calibration = load_model(name).card.get("calibration", {}) if name in self.models else {}
        return {
            level: calibration.get(f"factor_{level}", width) for level, width in HALF_WIDTH.items()
        }

    def _dctpls(self, values: Field, where: NDArray[np.bool_]) -> Field:
        smoothing, anomalies = self.smoothing
        wrap = self.record.wrap
        return dctpls.fill(values, smoothing=smoothing, anomalies=anomalies, where=where, wrap=wrap)

    def _dineof(self, values: Field, where: NDArray[np.bool_]) -> Field:
        self.settings["dineof"] = {"modes": DINEOF_MODES, "anomalies": True}
        return baseline("dineof")(values, modes=DINEOF_MODES)

    def _trees(self, values: Field, where: NDArray[np.bool_]) -> Field:
        estimate = np.full_like(values, np.nan)
        cells = np.nonzero(where)
        estimate[cells] = self.trees.predict(values, cells, threads=self.threads)
        return estimate

    @cached_property
    def smoothing(self) -> tuple[float, bool]:
        """Smoothing of DCT-PLS and whether of anomalies: the best in the validation regions."""
        if self.quick:
            return dctpls.SMOOTHING, False
        hidden = holdout.hide_cells(self.record, 0, part="val", purpose=holdout.SEARCH)
        candidates = {}
        for anomalies in (False, True):
            best, errors = dctpls.search(
                self.record.values,
                hidden.gap_pattern >= 0,
                candidates=SMOOTHINGS,
                where=hidden.scored,
                wrap=self.record.wrap,
                anomalies=anomalies,
            )
            candidates[errors[best]] = (best, anomalies)
        best, anomalies = candidates[min(candidates)]
        self.settings["dctpls"] = {"smoothing": best, "anomalies": anomalies}
        return best, anomalies

    @cached_property
    def trees(self) -> trees.Trees:
        """Trees fitted on the training regions and days only."""
        options: dict[str, Any] = {"n_cells": 640_000, "rounds": trees.ROUNDS}
        if self.quick:
            options = {"n_cells": 50_000, "rounds": 50}
        self.settings["trees"] = {**trees.PARAMETERS, **options}
        training = holdout.training_record(self.record)
        return trees.fit(
            training.values,
            holdout.fitting_gaps(training),
            static=self.record.static,
            wrap=self.record.wrap,
            threads=self.threads,
            **options,
        )


def gapfill(values: Field, record: EvaluationRecord, model: str) -> tuple[Field, Field]:
    """Mean and standard deviation by the public function with default arguments, as users call it.

    Parameters
    ----------
    values : ndarray of float32, (T, H, W)
        Daily record, m3 m-3, NaN = missing.
    record : EvaluationRecord
        Of its coordinates.
    model : str
        Name or path.
    """
    coords = {"time": record.time, "lat": record.lat, "lon": record.lon}
    da = xr.DataArray(values, coords, tuple(coords), name="sm", attrs={"units": "m3 m-3"})
    filled = xsm.gapfill(da, model=model)
    return filled["sm"].values, filled["sm_uncertainty"].values
