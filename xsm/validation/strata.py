"""Strata: groups of pairs, in time or in space, that are scored separately."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.argument_checks import is_whole
from xsm.conventions.cf import meanings_of_codes
from xsm.errors import InputError

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS_OF_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # of a leap year
SEASONS = {"DJF": (12, 1, 2), "MAM": (3, 4, 5), "JJA": (6, 7, 8), "SON": (9, 10, 11)}
BAND = 30.0  # degrees
WET = 0.4  # m3 m-3, as in the tables of GLASS-AVHRR (doi 10.5194/essd-17-5181-2025)
WINTER_NORTH_OF, WINTER_PAIRS = 30.0, 100  # ditto


@dataclass(frozen=True)
class StratumContext:
    """The data that define strata.

    time : dates of the pairs, along one dimension
    lat : latitudes of the pairs, or None
    reference : m3 m-3, as it was observed: neither scaled nor an anomaly
    categories : function (name, definition) -> DataArray of categories at the stations or cells, or
        None if the data have none
    """

    time: xr.DataArray
    lat: xr.DataArray | None
    reference: xr.DataArray
    categories: Callable[[str, Any], xr.DataArray | None]


@dataclass(frozen=True)
class Stratum:
    """One way to group pairs.

    masks : label -> masks that must all be True, each on some of the dimensions of the pairs
    more_pairs_than : (label, count): a series is scored only where this label has more pairs than
        count; or None
    """

    name: str
    masks: Mapping[str, tuple[xr.DataArray, ...]]
    more_pairs_than: tuple[str, int] | None = None


def build_strata(by: Any, context: StratumContext) -> list[Stratum]:
    """The strata that `by` names.

    Parameters
    ----------
    by : None, str, sequence of str, or mapping
        Names from `STRATA`; a mapping gives each its definition (None: the default).
    context : StratumContext

    Raises
    ------
    InputError
        If a name is unknown, a definition does not fit the stratum, or the data that define it are
        missing.
    """
    return [
        STRATA[name](context, definition) for name, definition in stratum_definitions(by).items()
    ]


def stratum_definitions(by: Any) -> dict[str, Any]:
    """`by` as name -> definition, with the names checked."""
    if by is None:
        return {}
    if isinstance(by, Mapping):
        definitions = dict(by)
    else:
        names = [by] if isinstance(by, str) or not isinstance(by, Iterable) else by
        definitions = dict.fromkeys(names)
    for name in definitions:
        if name not in STRATA:
            raise InputError(
                f"by={by!r}: {name!r} is no stratum; expected some of {', '.join(STRATA)}."
            )
    return definitions


def column_names(by: Any) -> list[str]:
    """Names of variables that define strata.

    Examples
    --------
    >>> column_names({"land_cover": "igbp", "season": None})
    ['igbp']
    """
    return [text for text in stratum_definitions(by).values() if isinstance(text, str)]


def _of_months(
    name: str, parts: Mapping[str, tuple[int, ...]]
) -> Callable[[StratumContext, Any], Stratum]:
    """A stratum of parts of the year, each of whole months in a row."""

    def build(context: StratumContext, definition: Any) -> Stratum:
        spans = {
            label: ((months[0], 1), (months[-1], DAYS_OF_MONTHS[months[-1] - 1]))
            for label, months in parts.items()
        }
        return _windows(name, context, spans, _overlap(name, definition))

    return build


def _window(context: StratumContext, definition: Any) -> Stratum:
    expected = (
        "expected a mapping of labels to first and last day (month-day), such as "
        "{'window': {'growing season': ('04-01', '09-30'), 'winter': ('11-15', '02-28')}}."
    )
    if not isinstance(definition, Mapping) or not definition:
        raise InputError(f"by: window={definition!r}: {expected}")
    try:
        spans = {
            str(label): (month_and_day(first), month_and_day(last))
            for label, (first, last) in definition.items()
        }
    except (TypeError, ValueError) as error:
        raise InputError(f"by: window={definition!r}: {error}; {expected}") from error
    return _windows("window", context, spans, 0)


def _overlap(name: str, definition: Any) -> int:
    """Days by which each season or month begins earlier and ends later."""
    if definition is None:
        return 0
    if not is_whole(definition, 0):
        raise InputError(
            f"by: {name}={definition!r}: expected the days by which each {name} begins earlier and "
            "ends later, such as 15. Define other windows by window, other years by period."
        )
    return int(definition)


def month_and_day(text: Any) -> tuple[int, int]:
    """Month and day of the month from a text such as "04-01".

    Examples
    --------
    >>> month_and_day("02-29")
    (2, 29)

    Raises
    ------
    ValueError
        If it is none.
    """
    month, day = (int(part) for part in str(text).split("-"))
    if not (1 <= month <= 12 and 1 <= day <= DAYS_OF_MONTHS[month - 1]):
        raise ValueError(f"{text!r} is no month and day")
    return month, day


def _windows(
    name: str,
    context: StratumContext,
    spans: Mapping[str, tuple[tuple[int, int], tuple[int, int]]],
    overlap: int,
) -> Stratum:
    """Windows of the year, first and last day included; they may overlap and hold 1 January."""
    before = np.concatenate([[0], np.cumsum(DAYS_OF_MONTHS)[:-1]])  # days before each month
    month, day = (np.asarray(getattr(context.time.dt, part).values) for part in ("month", "day"))
    # 30 February of a calendar of 360 days is in February
    position = before[month - 1] + np.minimum(day, np.array(DAYS_OF_MONTHS)[month - 1])
    masks = {}
    for label, (first, last) in spans.items():
        start, end = (before[m - 1] + d for m, d in (first, last))
        length = (end - start) % 366 + 1 + 2 * overlap
        inside = (position - start + overlap) % 366 < length
        masks[label] = xr.DataArray(inside, dims=context.time.dims)
    return _without_empty_labels(name, masks)


def _period(context: StratumContext, definition: Any) -> Stratum:
    year = xr.DataArray(context.time.dt.year.values, dims=context.time.dims)
    refused = InputError(
        f"by: period={definition!r}; expected a list of years, or a mapping of names to "
        "(first, last) such as {'early': ('2015-04-01', '2016-03-31')}."
    )
    if definition is None or isinstance(definition, Sequence) and not isinstance(definition, str):
        years = np.unique(year.values).tolist() if definition is None else definition
        try:
            masks = {str(label): year == int(label) for label in years}
        except (TypeError, ValueError) as error:
            raise refused from error
        return _without_empty_labels("period", masks)
    if not isinstance(definition, Mapping) or not all(map(_is_pair, definition.values())):
        raise refused
    text = context.time.dt.strftime("%Y-%m-%d").values.astype(str)
    masks = {}
    for label, (first, last) in definition.items():
        # a year without a month includes all its days
        inside = (text >= str(first)[:10]) & (text <= f"{str(last)[:10]}~")
        masks[str(label)] = xr.DataArray(inside, dims=context.time.dims)
    return _without_empty_labels("period", masks)


def _is_pair(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2


def _edges(definition: Any) -> NDArray[np.float64] | None:
    """Two or more increasing numbers; None if `definition` is something else."""
    try:
        edges = np.asarray(definition, np.float64)
    except (TypeError, ValueError):
        return None
    usable = edges.ndim == 1 and edges.size > 1 and bool((np.diff(edges) > 0).all())
    return edges if usable else None


def _latitude_band(context: StratumContext, definition: Any) -> Stratum:
    lat = _latitudes(context, "latitude_band")
    edges = _edges(np.arange(-90, 90 + BAND, BAND) if definition is None else definition)
    if edges is None:
        raise InputError(
            f"by: latitude_band={definition!r}; expected increasing latitudes, two or more."
        )
    masks = {
        f"{_latitude_label(low)} to {_latitude_label(high)}": (lat >= low)
        & ((lat < high) | ((lat == high) & (high == edges[-1])))
        for low, high in zip(edges[:-1], edges[1:], strict=True)
    }
    return _without_empty_labels("latitude_band", masks)


def _latitude_label(value: float) -> str:
    return f"{abs(value):g}{'' if value == 0 else 'N' if value > 0 else 'S'}"


def _latitudes(context: StratumContext, name: str) -> xr.DataArray:
    if context.lat is None:
        raise InputError(f"by: {name} needs latitudes, which the data do not have.")
    return context.lat.reset_coords(drop=True)


def _wetness(context: StratumContext, definition: Any) -> Stratum:
    limit = WET if definition is None else definition
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        raise InputError(f"by: wetness={definition!r}; expected a limit in m3 m-3, such as {WET}.")
    ref = context.reference.reset_coords(drop=True)
    masks = {f"up to {limit:g}": (ref <= limit,), f"above {limit:g}": (ref > limit,)}
    return Stratum("wetness", masks)


def _winter(context: StratumContext, definition: Any) -> Stratum:
    north = _latitudes(context, "winter") > WINTER_NORTH_OF
    month = xr.DataArray(context.time.dt.month.values, dims=context.time.dims)
    count = WINTER_PAIRS if definition is None else definition
    if not is_whole(count, 0):
        raise InputError(f"by: winter={definition!r}; expected a number of pairs, such as 100.")
    masks = {"all year": (north,), "winter": (north, month.isin(SEASONS["DJF"]))}
    return Stratum("winter", masks, more_pairs_than=("winter", count))


def _category(name: str) -> Callable[[StratumContext, Any], Stratum]:
    def build(context: StratumContext, definition: Any) -> Stratum:
        categories = context.categories(name, definition)
        if categories is None:
            if isinstance(definition, str):
                raise InputError(
                    f"by: {name}={definition!r}: neither the data nor the reference has a variable "
                    f"or coordinate {definition!r} on its cells or stations. Check the name, or "
                    f"give an array with by={{{name!r}: array}}."
                )
            raise InputError(
                f"by: no {name} was found. Expected a variable or coordinate {name!r} of the "
                f"data or of the reference; name another with by={{{name!r}: 'its name'}}, or give "
                f"an array with by={{{name!r}: array}}."
            )
        labels = labels_of(categories)
        texts = sorted(set(np.unique(labels.values).tolist()) - {""})
        masks = {text: labels == text for text in texts}
        return _without_empty_labels(name, masks)

    return build


def _depth(context: StratumContext, definition: Any) -> Stratum:
    """Layers of the sensors from shallow to deep, or of sensors by the depth of their lower end."""
    lower = context.categories("depth_to", None)
    if lower is None:
        raise InputError(
            "by: no depth of the sensors was found: expected stations with depth_from and depth_to "
            "(or depth), in m."
        )
    upper = context.categories("depth_from", None)
    bottom = lower.reset_coords(drop=True).astype(np.float64)
    top = bottom if upper is None else upper.reset_coords(drop=True).astype(np.float64)
    if definition is not None:
        edges = _edges(definition)
        if edges is None:
            raise InputError(
                f"by: depth={definition!r}; expected increasing depths in m, two or more, such as "
                "[0, 0.05, 0.1, 0.4]."
            )
        masks = {
            _layer_label(low, high): ((bottom > low) | ((bottom == low) & (low == edges[0])))
            & (bottom <= high)
            for low, high in zip(edges[:-1], edges[1:], strict=True)
        }
        return _without_empty_labels("depth", masks)
    ends = np.stack([bottom.values, top.values], axis=-1).reshape(-1, 2)
    layers = np.unique(ends[np.isfinite(ends).all(axis=1)], axis=0)
    masks = {}
    for b, t in layers.tolist():
        label, sensors = _layer_label(t, b), (top == t) & (bottom == b)
        masks[label] = masks[label] | sensors if label in masks else sensors
    return _without_empty_labels("depth", masks)


def _layer_label(top: float, bottom: float) -> str:
    """Ends of a layer in m.

    Examples
    --------
    >>> _layer_label(0.0, 0.05), _layer_label(0.1, 0.1)
    ('0 to 0.05 m', '0.1 m')
    """
    return f"{bottom:g} m" if top == bottom else f"{top:g} to {bottom:g} m"


def labels_of(categories: xr.DataArray) -> xr.DataArray:
    """Categories as text: the flag_meanings of codes, if any; "" where missing."""
    values = np.asarray(categories.values)
    if values.dtype.kind in "fiub":
        names = meanings_of_codes(categories.attrs)
        unique, inverse = np.unique(values, return_inverse=True)
        texts = np.array(["" if v != v else names.get(v, f"{v:g}") for v in unique.tolist()])
        values = texts[inverse].reshape(values.shape)
    else:
        texts = values.astype(str)
        values = np.where(np.isin(texts, ("nan", "None")), "", texts)
    return xr.DataArray(values, dims=categories.dims)


def _without_empty_labels(name: str, masks: dict[str, xr.DataArray]) -> Stratum:
    """The stratum of the labels that occur.

    Raises
    ------
    InputError
        If none occurs.
    """
    occurring = {label: (mask,) for label, mask in masks.items() if bool(mask.any())}
    if not occurring:
        raise InputError(f"by: no pair is in any {name} of {', '.join(masks) or 'no label'}.")
    return Stratum(name, occurring)


# name -> function (context, definition) -> Stratum
STRATA: dict[str, Callable[[StratumContext, Any], Stratum]] = {
    "season": _of_months("season", SEASONS),
    "month": _of_months("month", {label: (n,) for n, label in enumerate(MONTHS, start=1)}),
    "window": _window,
    "land_cover": _category("land_cover"),
    "climate_zone": _category("climate_zone"),
    "latitude_band": _latitude_band,
    "wetness": _wetness,
    "network": _category("network"),
    "frm_class": _category("frm_class"),
    "soil_texture": _category("soil_texture"),
    "depth": _depth,
    "period": _period,
    "winter": _winter,
}
