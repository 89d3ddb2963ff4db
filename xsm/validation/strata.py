"""Strata: the groups of pairs, in time or in space, that are scored apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xsm.errors import InputError

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SEASONS = {"DJF": (12, 1, 2), "MAM": (3, 4, 5), "JJA": (6, 7, 8), "SON": (9, 10, 11)}
BAND = 30.0  # degrees
WET = 0.4  # m3 m-3, as in the tables of GLASS-AVHRR (doi 10.5194/essd-17-5181-2025)
WINTER_NORTH_OF, WINTER_PAIRS = 30.0, 100  # ditto


@dataclass(frozen=True)
class Frame:
    """What strata are told by.

    time : dates of the pairs, along one dimension
    lat : latitudes of the pairs, or None
    reference : m3 m-3
    field : function (name, spec) -> DataArray of categories on the places, or None if there is none
    """

    time: xr.DataArray
    lat: xr.DataArray | None
    reference: xr.DataArray
    field: Callable[[str, Any], xr.DataArray | None]


@dataclass(frozen=True)
class Stratum:
    """One way to group pairs.

    masks : label -> masks that must all hold, each on some of the dimensions of the pairs
    least : label whose pairs must be more than this many for any label to count; or None
    """

    name: str
    masks: Mapping[str, tuple[xr.DataArray, ...]]
    least: tuple[str, int] | None = None


def strata(by: Any, frame: Frame) -> list[Stratum]:
    """The strata asked for.

    Parameters
    ----------
    by : None, str, sequence of str, or mapping
        Names out of `STRATA`; a mapping gives each its definition (None: the usual one).
    frame : Frame

    Raises
    ------
    InputError
        If a name is unknown, a definition is not what that stratum takes, or what it is told by is
        not there.
    """
    return [STRATA[name](frame, spec) for name, spec in named(by).items()]


def named(by: Any) -> dict[str, Any]:
    """`by` as name -> definition, checked."""
    if by is None:
        return {}
    if isinstance(by, Mapping):
        given = dict(by)
    else:
        given = dict.fromkeys([by] if isinstance(by, str) else list(by))
    for name in given:
        if name not in STRATA:
            raise InputError(
                f"by={by!r}: {name!r} is no stratum; expected some of {', '.join(STRATA)}."
            )
    return given


def _season(frame: Frame, spec: Any) -> Stratum:
    month = _month(frame)
    return _present("season", {label: month.isin(months) for label, months in SEASONS.items()})


def _month_stratum(frame: Frame, spec: Any) -> Stratum:
    month = _month(frame)
    return _present("month", {label: month == i + 1 for i, label in enumerate(MONTHS)})


def _month(frame: Frame) -> xr.DataArray:
    return xr.DataArray(frame.time.dt.month.values, dims=frame.time.dims)


def _period(frame: Frame, spec: Any) -> Stratum:
    year = xr.DataArray(frame.time.dt.year.values, dims=frame.time.dims)
    if spec is None or isinstance(spec, Sequence) and not isinstance(spec, str):
        years = np.unique(year.values).tolist() if spec is None else spec
        return _present("period", {str(one): year == int(one) for one in years})
    if not isinstance(spec, Mapping):
        raise InputError(
            f"by: period={spec!r}; expected a list of years, or a mapping of names to (first, "
            "last) such as {'early': ('2015-04-01', '2016-03-31')}."
        )
    text = frame.time.dt.strftime("%Y-%m-%d").values.astype(str)
    masks = {}
    for label, (first, last) in spec.items():
        # a bare year stands for all of it
        inside = (text >= str(first)[:10]) & (text <= f"{str(last)[:10]}~")
        masks[str(label)] = xr.DataArray(inside, dims=frame.time.dims)
    return _present("period", masks)


def _latitude_band(frame: Frame, spec: Any) -> Stratum:
    lat = _latitudes(frame, "latitude_band")
    edges = np.arange(-90, 90 + BAND, BAND) if spec is None else np.asarray(spec, np.float64)
    if edges.ndim != 1 or edges.size < 2 or (np.diff(edges) <= 0).any():
        raise InputError(f"by: latitude_band={spec!r}; expected increasing latitudes, two or more.")
    masks = {
        f"{_latitude(low)} to {_latitude(high)}": (lat >= low)
        & ((lat < high) | ((lat == high) & (high == edges[-1])))
        for low, high in zip(edges[:-1], edges[1:], strict=True)
    }
    return _present("latitude_band", masks)


def _latitude(value: float) -> str:
    return f"{abs(value):g}{'' if value == 0 else 'N' if value > 0 else 'S'}"


def _latitudes(frame: Frame, name: str) -> xr.DataArray:
    if frame.lat is None:
        raise InputError(f"by: {name} needs latitudes, which the data do not have.")
    return frame.lat.reset_coords(drop=True)


def _wetness(frame: Frame, spec: Any) -> Stratum:
    limit = WET if spec is None else spec
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        raise InputError(f"by: wetness={spec!r}; expected a limit in m3 m-3, such as {WET}.")
    ref = frame.reference.reset_coords(drop=True)
    masks = {f"up to {limit:g}": (ref <= limit,), f"above {limit:g}": (ref > limit,)}
    return Stratum("wetness", masks)


def _winter(frame: Frame, spec: Any) -> Stratum:
    north = _latitudes(frame, "winter") > WINTER_NORTH_OF
    winter = _month(frame).isin(SEASONS["DJF"])
    least = WINTER_PAIRS if spec is None else spec
    return Stratum("winter", {"all year": (north,), "winter": (north, winter)}, ("winter", least))


def _category(name: str) -> Callable[[Frame, Any], Stratum]:
    def build(frame: Frame, spec: Any) -> Stratum:
        field = frame.field(name, spec)
        if field is None:
            raise InputError(
                f"by: nothing tells the {name}. Expected a variable or coordinate {name!r} of the "
                f"data or of the reference, or one given with by={{{name!r}: 'its name'}} or "
                f"by={{{name!r}: array}}."
            )
        texts = labels_of(field)
        masks = {t: texts == t for t in sorted(set(np.unique(texts.values).tolist()) - {""})}
        return _present(name, masks)

    return build


def labels_of(field: xr.DataArray) -> xr.DataArray:
    """Categories as text: by flag_meanings where there are; empty where missing."""
    values = np.asarray(field.values)
    if values.dtype.kind in "fiub":
        meanings = str(field.attrs.get("flag_meanings", "")).split()
        codes = np.ravel(np.asarray(field.attrs.get("flag_values", ()))).tolist()
        names = dict(zip(codes, meanings, strict=False))
        found, back = np.unique(values, return_inverse=True)
        texts = np.array(["" if v != v else names.get(v, f"{v:g}") for v in found.tolist()])
        values = texts[back].reshape(values.shape)
    else:
        values = np.where([text in ("nan", "None") for text in values.ravel().astype(str)], "",
                          values.ravel().astype(str)).reshape(values.shape)  # fmt: skip
    return xr.DataArray(values, dims=field.dims)


def _present(name: str, masks: dict[str, xr.DataArray]) -> Stratum:
    """Labels that occur; if none does, all of them."""
    held = {label: (mask,) for label, mask in masks.items() if bool(mask.any())}
    if not held:
        raise InputError(f"by: no pair is in any {name} of {', '.join(masks) or 'no label'}.")
    return Stratum(name, held)


# name -> function (frame, definition) -> Stratum
STRATA: dict[str, Callable[[Frame, Any], Stratum]] = {
    "season": _season,
    "month": _month_stratum,
    "land_cover": _category("land_cover"),
    "climate_zone": _category("climate_zone"),
    "latitude_band": _latitude_band,
    "wetness": _wetness,
    "network": _category("network"),
    "period": _period,
    "winter": _winter,
}
