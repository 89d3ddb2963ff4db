"""``scores.sm.plot``: find, call, return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xsm.plotting.boxes import box
from xsm.plotting.maps import map
from xsm.plotting.pairs import scatter
from xsm.plotting.records import series
from xsm.plotting.taylor_diagram import taylor

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Plot:
    """Pictures of what ``validate`` returned; each method is a function of ``xsm.plotting``."""

    def __init__(self, scores: Any) -> None:
        self._scores = scores

    def map(self, metric: str | None = None, **options: Any) -> Axes:
        """Draw a metric on the map; the options are those of :func:`xsm.plotting.map`."""
        return map(self._scores, metric, **options)

    def box(self, metric: str | None = None, **options: Any) -> Axes:
        """Draw a box per group; the options are those of :func:`xsm.plotting.box`."""
        return box(self._scores, metric, **options)

    def taylor(self, **options: Any) -> Axes:
        """Draw a Taylor diagram; the options are those of :func:`xsm.plotting.taylor`."""
        return taylor(self._scores, **options)

    def scatter(self, **options: Any) -> Axes:
        """Draw the pairs; the options are those of :func:`xsm.plotting.scatter`."""
        return scatter(self._scores, **options)

    def series(self, station: str | int | None = None, **options: Any) -> Axes:
        """Draw one station's record; the options are those of :func:`xsm.plotting.series`."""
        return series(self._scores, station, **options)

    def __repr__(self) -> str:
        return "<xsm plots of scores: map, box, taylor, scatter, series>"
