"""Which variable, stratum, station and groups of a scores Dataset a picture shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.cf import estimate_name
from xsm.errors import InputError
from xsm.metrics.table import METRICS
from xsm.plotting.style import lower_is_better

GAP_DIMS = ("fill_method", "gap_pattern")  # of the scores of simulated gaps
DEFAULT_METRICS = ("pearson_r", "ubrmsd", "rmsd", "bias")  # in order of preference
TRIPLE_METRICS = ("err_std", "snr_db")  # of triple collocation, ditto
TOTALS = ("all", "all year")  # labels of a stratum that holds all values
_NOT_METRICS = ("n_obs", "status", "estimate", "reference", "land")
_NOT_METRIC_PREFIXES = (
    "p_",
    "patch_",
    "tc_",
    "summary_",
    "estimate_",
    "annual_",
    "edge_",
    "fraction_",
    "coverage_",
)


def metric_names(scores: xr.Dataset) -> list[str]:
    """Names of the metrics: no intervals, p values, counts, pairs or summaries."""
    names = [str(name) for name in scores.data_vars]
    return [
        name
        for name in names
        if name not in _NOT_METRICS
        and not name.startswith(_NOT_METRIC_PREFIXES)
        and not (name.endswith(("_low", "_high")) and name.rsplit("_", 1)[0] in names)
        and scores[name].dtype.kind == "f"
    ]


def select_metric(scores: xr.Dataset | xr.DataArray, metric: str | None) -> xr.DataArray:
    """Return the variable `metric` of `scores`; where not given the first of `DEFAULT_METRICS`.

    Raises
    ------
    InputError
        If `scores` is neither Dataset nor DataArray, or has no such variable.
    """
    if isinstance(scores, xr.DataArray):
        if metric not in (None, scores.name):
            raise InputError(
                f"metric={metric!r}, but the DataArray is called {scores.name!r}: leave it out."
            )
        return scores
    if not isinstance(scores, xr.Dataset):
        text = f"scores is a {type(scores).__name__}: expected the Dataset that validate returns."
        if isinstance(scores, xr.DataTree):
            group = next(iter(datasets_of_tree(scores)), "group")
            text += f' Choose a group, such as scores["{group}"].to_dataset().'
        raise InputError(text)
    names = metric_names(scores)
    if scores.attrs.get("xsm_scores") == "comparison":
        raise InputError(
            "scores is the result of xsm.compare, which has tests, not scores of single stations: "
            'draw the scores, such as plotting.box({"a": a, "b": b}, comparison=scores).'
        )
    is_record = "xsm_scores" not in scores.attrs and not {*names} & {*METRICS}
    if metric is None and not is_record:
        metric = next(
            (name for name in (*DEFAULT_METRICS, *TRIPLE_METRICS, *names) if name in names), None
        )
    variables = [str(name) for name in scores.data_vars]
    if metric is None:
        text = f"scores has no metric: its variables are {variables}. "
        if variables:
            text += f"Name the one to draw, such as metric={variables[0]!r}, or give "
        raise InputError(f"{text}{'' if variables else 'Expected '}the Dataset of validate.")
    if metric not in scores.data_vars:
        names = names or variables
        raise InputError(f"metric={metric!r} is not in scores: expected one of {names}.")
    return scores[metric]


def select_stratum(da: xr.DataArray, keep: set[str]) -> xr.DataArray:
    """Drop the dimensions outside `keep`: take their only value, or the one among `TOTALS`.

    Raises
    ------
    InputError
        If a dimension has several values and none of them is a total.
    """
    for dim in [str(dim) for dim in da.dims if dim not in keep]:
        labels = [label_text(value) for value in da[dim].values]
        totals = [i for i, label in enumerate(labels) if label in TOTALS]
        if da.sizes[dim] > 1 and not totals:
            raise InputError(
                f"{da.name} has a value per {dim} ({', '.join(labels[:12])}): select one first, "
                f'such as scores.sel({{"{dim}": {labels[0]!r}}}).'
            )
        da = da.isel({dim: totals[0] if totals else 0})
    return da


def label_text(value: Any) -> str:
    """A label of a dimension as it is printed: of midnight the date alone.

    Examples
    --------
    >>> label_text(np.datetime64("2015-04-01T00:00", "ns")), label_text("JJA")
    ('2015-04-01', 'JJA')
    """
    if isinstance(value, np.datetime64):
        is_date = value == value.astype("datetime64[D]")
        return str(np.datetime_as_string(value, "D" if is_date else "s"))
    return str(value).removesuffix(" 00:00:00")  # of cftime


def datasets_by_name(scores: Any) -> dict[str, Any]:
    """Return `scores` as a mapping of names to Datasets; a single one has the name ""."""
    if isinstance(scores, xr.DataTree):
        scores = datasets_of_tree(scores)
    if isinstance(scores, Mapping) and not isinstance(scores, xr.Dataset):
        if not scores:
            raise InputError("scores is an empty mapping: expected name -> scores Dataset.")
        return {str(name): ds for name, ds in scores.items()}
    return {"": scores}


def datasets_of_tree(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """The groups of a DataTree that hold variables, by their path."""
    return {n.path.strip("/"): n.to_dataset() for n in tree.subtree if n.data_vars}


def sample_dims(da: xr.DataArray) -> set[str]:
    """Dimensions of the sample: stations; rows and columns; fill methods and gap patterns; days.

    All other dimensions are strata, such as the season.
    """
    for candidates in ({"station"}, {*GAP_DIMS}, {"time"}):
        if dims := {str(dim) for dim in da.dims} & candidates:
            return dims
    others = unlabelled_dims(da)
    return others if len(others) > 1 else set()


def unlabelled_dims(da: xr.DataArray) -> set[str]:
    """Dimensions of places and times: all but those with text labels."""
    return {str(dim) for dim in da.dims} - set(label_dims(da))


def label_dims(da: xr.DataArray) -> list[str]:
    """Dimensions with text labels, such as strata and products, without the stations."""
    return [
        str(dim)
        for dim in da.dims
        if dim not in ("station", "time") and dim in da.coords and da[dim].dtype.kind not in "fiu"
    ]


def values_by_group(
    da: xr.DataArray, by: str | None
) -> tuple[dict[str, NDArray[np.floating]], str]:
    """Return the finite values of `da` per group, and the name of the grouping.

    Parameters
    ----------
    da : DataArray
        One metric.
    by : str or None
        A dimension or a coordinate. None takes the stratum, else the network where there
        are several, else one group of all.

    Raises
    ------
    InputError
        If there is no such dimension or coordinate.
    """
    sample = sample_dims(da)
    strata: list[str] = []
    if by is None:
        strata = [str(dim) for dim in da.dims if dim not in sample]
        networks = "network" in da.coords and np.unique(da["network"].values).size > 1
        by = strata[0] if strata else "network" if networks else None
    if by is None:
        return {"all": finite_values(da)}, ""
    if strata and len(strata) > 1 and by == strata[0]:
        return _values_by_strata(da, strata), ", ".join(strata)
    if by in da.dims:
        da = select_stratum(da, {by, *sample})
        parts = [(value, da.isel({by: i})) for i, value in enumerate(da[by].values)]
        return {str(value): finite_values(part) for value, part in parts}, by
    if by not in da.coords or da[by].ndim != 1:
        coords = [n for n, coord in da.coords.items() if coord.ndim == 1 and n not in da.dims]
        raise InputError(
            f"by={by!r} is no group of {da.name}: expected one of {[*da.dims, *coords]}."
        )
    da, labels = select_stratum(da, {str(da[by].dims[0]), *sample}), da[by]
    groups = {
        str(value): finite_values(da.isel({labels.dims[0]: np.flatnonzero(labels.values == value)}))
        for value in np.unique(labels.values)
    }
    if labels.dtype.kind in "fiu":  # such as the depth: by size
        return groups, by
    medians = {name: np.median(values) for name, values in groups.items() if values.size}
    best_first = sorted(medians, key=lambda name: float(lower_is_better(da, medians[name])))
    return {name: groups[name] for name in dict.fromkeys([*best_first, *groups])}, by


def _values_by_strata(da: xr.DataArray, strata: list[str]) -> dict[str, NDArray[np.floating]]:
    """Finite values of each combination of labels that has any."""
    groups = {}
    for index in np.ndindex(*(da.sizes[dim] for dim in strata)):
        part = da.isel(dict(zip(strata, index, strict=True)))
        values = finite_values(part)
        if values.size:
            groups[", ".join(str(part[dim].item()) for dim in strata)] = values
    return groups


def finite_values(da: xr.DataArray) -> NDArray[np.floating]:
    """Return the finite values of `da` as a flat array."""
    values = np.asarray(da.values, float).ravel()
    return values[np.isfinite(values)]


def matched_pairs(
    scores: xr.Dataset, station: str | int | None
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return estimate and reference, of one station or of all.

    Parameters
    ----------
    scores : Dataset
        With ``estimate`` and ``reference`` (station, time).
    station : str, int or None
        A label of the dimension ``station``, a ``station_name``, or a position; None for all.

    Raises
    ------
    InputError
        If `scores` holds no pairs or no such station.
    """
    missing = [name for name in ("estimate", "reference") if name not in scores.data_vars]
    if missing:
        raise InputError(
            f"scores has no {' and no '.join(missing)}: expected the matched pairs. Keep them: "
            "validate(..., keep_pairs=True)."
        )
    if scores.sizes.get("station") == 0:
        raise InputError("scores has 0 stations: check the selection made before.")
    if station is not None and "station" not in scores.dims:
        raise InputError(
            f"station={station!r}, but the pairs have the dimensions {scores['estimate'].dims}: "
            f"select one cell, such as {selection_of_a_place(scores)}."
        )
    if station is not None:
        scores = scores.isel(station=station_index(scores, station))
    return scores["estimate"], scores["reference"]


def selection_of_a_place(scores: xr.Dataset) -> str:
    """Code that selects one place and product of the pairs, for messages."""
    others = [str(dim) for dim in scores["estimate"].dims if dim not in ("station", "time")]
    return f"scores.isel({', '.join(f'{dim}={scores.sizes[dim] // 2}' for dim in others)})"


def station_index(scores: xr.Dataset, station: str | int) -> int:
    """Position of a station that is given by label, name or position."""
    for name in ("station", "station_name"):
        if name in scores.coords:
            labels = scores[name].values.tolist()
            if station in labels:
                return labels.index(station)
    size = scores.sizes.get("station", 0)
    if isinstance(station, int) and -size <= station < size:
        return station
    first = [str(value) for value in scores["station"].values[:8]] if size else []
    raise InputError(
        f"station={station!r} is not in scores: expected a label, a station_name or a position "
        f"below {size}; the first are {first}."
    )


def station_label(scores: xr.Dataset, index: int) -> str:
    """Name and network of the station at a position."""
    station = scores.isel(station=index)
    name = station["station_name" if "station_name" in station.coords else "station"].values.item()
    network = "network" in station.coords
    return f"{name} ({station['network'].values.item()})" if network else str(name)


def comparison_title(scores: xr.Dataset | xr.DataArray) -> str | None:
    """Title "estimate against reference" with their names, where the attributes hold them."""
    return " against ".join(role_names(scores)) if "estimate_name" in scores.attrs else None


def role_names(scores: xr.Dataset | xr.DataArray) -> list[str]:
    """Names of estimate and reference; the role is added where both have the same name."""
    roles = ["estimate", "reference"]
    names = [estimate_name(scores) or "estimate"]
    names += [str(scores.attrs.get("reference_name", "reference"))]
    return names if names[0] != names[1] else [f"{names[0]} ({role})" for role in roles]
