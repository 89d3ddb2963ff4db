"""Pictures of scores and experiments: each function takes ``ax=None`` and returns the axes.

matplotlib is imported when the first picture is drawn. Install it with ``pip install 'xsm[plot]'``.
"""

from xsm._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Plot": "xsm.plotting.plot_methods:Plot",
        "box": "xsm.plotting.boxplot:box",
        "cycle": "xsm.plotting.annual_cycle:cycle",
        "curve": "xsm.plotting.experiment_curves:curve",
        "importance": "xsm.plotting.experiment_curves:importance",
        "map": "xsm.plotting.maps:map",
        "panels": "xsm.plotting.map_panels:panels",
        "patches": "xsm.plotting.gap_patches:patches",
        "scatter": "xsm.plotting.scatterplot:scatter",
        "series": "xsm.plotting.timeseries:series",
        "taylor": "xsm.plotting.taylor_diagram:taylor",
    },
)
