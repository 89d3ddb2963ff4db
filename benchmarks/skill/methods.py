"""The methods that are compared, each as: a record with gaps in, mean and deviation out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.skill import holdout
from benchmarks.skill.network import network
from benchmarks.skill.records import Record
from benchmarks.skill.scores import HALF_WIDTH
from xsm.baselines import baseline, dctpls, trees
from xsm.networks.block_inference import load_model

_log = logging.getLogger(__name__)

Field = NDArray[np.float32]
BASELINES = ("linear", "window_mean", "climatology", "dctpls", "dineof", "trees")
# nothing but the gaps of the search purpose, in the validation regions, decides these two
SMOOTHINGS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
DINEOF_MODES = 3


@dataclass
class Methods:
    """The methods for one record; what has to be fitted or searched is, once, on first use.

    record : what is filled
    models : networks, by name or path
    threads : of LightGBM
    quick : small fits, for trying the script out
    """

    record: Record
    models: tuple[str, ...] = ("default",)
    threads: int = 1
    quick: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Callable[[Field, NDArray[np.bool_]], tuple[Field, Field | None]]:
        """Function ``(values, where) -> (mean, deviation or None)`` of a method or a network."""
        if name in self.models:
            return lambda values, where: network(
                values, model=name, where=where, wrap=self.record.wrap
            )
        own = {"dctpls": self._dctpls, "dineof": self._dineof, "trees": self._trees}
        if name in own:
            return lambda values, where: (own[name](values, where), None)
        fill = baseline(name)
        return lambda values, where: (fill(values), None)

    def widths(self, name: str) -> dict[int, float]:
        """Coverage factors of a network, from its card; normal half-widths where it has none."""
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
        """Smoothing of DCT-PLS, and whether of anomalies: the best in the validation regions."""
        if self.quick:
            return dctpls.SMOOTHING, False
        draw = holdout.case(self.record, 0, part="val", purpose=holdout.SEARCH)
        found = {}
        for anomalies in (False, True):
            best, errors = dctpls.search(
                self.record.values,
                draw.kind >= 0,
                candidates=SMOOTHINGS,
                where=draw.where,
                wrap=self.record.wrap,
                anomalies=anomalies,
            )
            found[errors[best]] = (best, anomalies)
        best, anomalies = found[min(found)]
        self.settings["dctpls"] = {"smoothing": best, "anomalies": anomalies}
        return best, anomalies

    @cached_property
    def trees(self) -> trees.Trees:
        """Trees fitted on training regions and days, nothing of the others being in sight."""
        options: dict[str, Any] = {"n_cells": 640_000, "rounds": trees.ROUNDS}
        if self.quick:
            options = {"n_cells": 50_000, "rounds": 50}
        self.settings["trees"] = {**trees.PARAMETERS, **options}
        training = holdout.training_record(self.record)
        return trees.fit(
            training.values,
            holdout.fitting_patterns(training),
            static=self.record.static,
            wrap=self.record.wrap,
            threads=self.threads,
            **options,
        )
