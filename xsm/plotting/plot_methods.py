"""The methods of ``scores.sm.plot``: each calls the function of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xsm.plotting.annual_cycle import cycle
from xsm.plotting.boxplot import box
from xsm.plotting.experiment_curves import curve, importance
from xsm.plotting.gap_patches import patches
from xsm.plotting.map_panels import panels
from xsm.plotting.maps import map
from xsm.plotting.scatterplot import scatter
from xsm.plotting.taylor_diagram import taylor
from xsm.plotting.timeseries import series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Plot:
    """Pictures of scores and experiments; each method is a function of ``xsm.plotting``."""

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
        """Draw the matched pairs; the options are those of :func:`xsm.plotting.scatter`."""
        return scatter(self._scores, **options)

    def series(self, station: str | int | None = None, **options: Any) -> Axes:
        """Draw one station over time; the options are those of :func:`xsm.plotting.series`."""
        return series(self._scores, station, **options)

    def cycle(self, station: str | int | None = None, **options: Any) -> Axes:
        """Draw the annual cycle of a place; the options are those of :func:`xsm.plotting.cycle`."""
        return cycle(self._scores, station, **options)

    def panels(self, metric: str | None = None, **options: Any) -> Figure:
        """Draw maps side by side; the options are those of :func:`xsm.plotting.panels`."""
        return panels(self._scores, metric, **options)

    def patches(self, **options: Any) -> Figure:
        """Draw a patch of a simulated gap; see :func:`xsm.plotting.patches`."""
        return patches(self._scores, **options)

    def importance(self, **options: Any) -> Axes:
        """Draw the importance of predictors; see :func:`xsm.plotting.importance`."""
        return importance(self._scores, **options)

    def curve(self, **options: Any) -> Axes:
        """Draw the result of an experiment; the options are those of :func:`xsm.plotting.curve`."""
        return curve(self._scores, **options)

    def __call__(self, *_: Any, **__: Any) -> Axes:
        """Refused: the plot of a variable called ``sm`` is ``ds["sm"].plot()``."""
        raise TypeError(
            f'{self!r}: choose one of them; the plot of a variable called "sm" is ds["sm"].plot()'
        )

    def __repr__(self) -> str:
        return (
            "<xsm plots of scores: map, panels, box, taylor, scatter, series, cycle, patches, "
            "importance, curve>"
        )
