"""Predictors of an estimate: found in a Dataset, on one grid, with factors to the model's units."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.argument_checks import check_choice
from xsm.conventions.align import on_cells, on_days, position_predictor
from xsm.conventions.daily import daily_values
from xsm.conventions.grid import cf_axes, time_dim, time_of
from xsm.conventions.predictor_names import (
    DAY_OF_YEAR,
    LAND_COVER,
    NO_SOIL,
    POSITION,
    PREDICTORS,
    predictor_spec,
)
from xsm.conventions.time_axis import daily_axis, year_length
from xsm.conventions.units import conversion, is_daily_amount
from xsm.conventions.valid_values import DeclaredValues, declared_range
from xsm.conventions.variables import (
    check_decoded,
    check_references,
    numbers_message,
    units_of,
    without_pint,
)
from xsm.errors import InputError, TimeAxisError, UnitError, VariableNotFoundError

logger = logging.getLogger(__name__)

REGRID = ("nearest", "linear")


class Predictors(NamedTuple):
    """Predictors on the days and cells of the first daily one."""

    # in the units of the input, the base predictor first; those of DAY_OF_YEAR are computed later
    arrays: dict[str, xr.DataArray]
    factors: dict[str, tuple[float, float]]  # to the unit of the model: factor, offset
    units: dict[str, str]  # of the model
    ranges: dict[str, DeclaredValues]  # of valid values, in the units of the input
    time: str  # dimension
    days: NDArray[np.int64]  # since the first one
    first: float  # phase of the first day in the year, 0..1
    year: float  # mean length of a year of the calendar, days

    @property
    def base(self) -> xr.DataArray:
        """The first daily predictor: all others are on its days and cells."""
        return next(da for da in self.arrays.values() if self.time in da.dims)

    @property
    def static(self) -> list[str]:
        """Names of the predictors without a time dimension."""
        return [name for name, da in self.arrays.items() if self.time not in da.dims]


def available_predictors(ds: xr.Dataset, features: Mapping[str, Any]) -> list[str]:
    """Names of all predictors that `ds` or `features` offer, in the order of the catalogue."""
    in_dataset = [row.name for row in PREDICTORS if _candidates(ds, row.name)]
    return list(dict.fromkeys([*in_dataset, *features]))


def recognised_variables(ds: xr.Dataset) -> dict[str, str]:
    """Predictor of the catalogue -> variable of `ds`, in the order of the catalogue."""
    candidates_of = {row.name: _candidates(ds, row.name) for row in PREDICTORS}
    return {name: candidates[0] for name, candidates in candidates_of.items() if candidates}


def find_predictors(
    ds: xr.Dataset,
    wanted: Iterable[str],
    features: Mapping[str, Any] | None = None,
    *,
    units: Mapping[str, str] | None = None,
    regrid: str | None = None,
) -> Predictors:
    """Find each predictor: as `features` says, by its own name, by standard name, by product.

    Parameters
    ----------
    ds : Dataset
    wanted : iterable of str
        Names of predictors: of the catalogue (``xsm.conventions.products.PREDICTORS``), of the
        calendar and the position, or of a variable of `ds` or an entry of `features`.
    features : mapping of str to str or DataArray, optional
        Predictor -> variable of `ds`, or an array of its own time axis (and, with `regrid`, grid).
    units : mapping of str to str, optional
        Unit of each in the model; default that of the catalogue, or for other predictors that of
        the variable.
    regrid : {None, "nearest", "linear"}
        How arrays on other rows and columns are brought to those of the first one with time.

    Raises
    ------
    VariableNotFoundError
        If predictors are missing; says which, what was tried, and what there is.
    UnitError, TimeAxisError, GridError, InputError
    """
    if not isinstance(features or {}, Mapping):
        raise InputError(
            f"features={features!r}: expected a mapping, predictor -> variable or DataArray."
        )
    features = dict(features or {})
    wanted = list(wanted)
    check_choice("regrid", regrid, REGRID, optional=True)
    if unknown := [name for name in features if name not in wanted]:
        raise InputError(
            f"features names {unknown}, which the model does not take: it takes {wanted}."
        )
    arrays = _find_all(ds, wanted, features)
    model_units = {
        name: (units or {}).get(name) or _catalogue_units(name, da) for name, da in arrays.items()
    }
    for name, da in arrays.items():
        if _has_time(da, ds):
            amount = is_daily_amount(units_of(da) or "1", model_units[name])
            arrays[name] = daily_values(da, _time_dim(da, ds), amount=amount)
    # read here: the encoding that decodes it may not outlast the alignment
    ranges = {name: declared_range(da) for name, da in arrays.items()}
    first = _base(arrays, ds, features)
    base = arrays[first]
    dim = _time_dim(base, ds)
    axis = daily_axis(time_of(base, dim), consecutive=True)
    for name in wanted:
        if name in POSITION:
            arrays[name] = position_predictor(base, ds, name)
            ranges[name] = DeclaredValues(None, None, ())
            model_units[name] = (units or {}).get(name) or _catalogue_units(name, arrays[name])
    aligned = {
        name: on_cells(on_days(arrays[name], base, dim), base, name, dim, regrid)
        for name in dict.fromkeys([first, *wanted])
        if name in arrays
    }
    longest_year = year_length(axis.time)
    year = 365.2425 if longest_year == 366 else float(longest_year)
    return Predictors(
        arrays=aligned,
        factors={name: _factor(da, name, model_units[name]) for name, da in aligned.items()},
        ranges={name: ranges[name] for name in aligned},
        units={name: model_units[name] for name in aligned}
        | {name: "1" for name in wanted if name in DAY_OF_YEAR},
        time=dim,
        days=axis.numbers,
        first=(float(axis.time.dt.dayofyear.values[0]) - 1.0) / year,
        year=year,
    )


def find_land_cover(
    ds: xr.Dataset, land_cover: Any, predictors: Predictors, regrid: str | None = None
) -> xr.DataArray | None:
    """The IGBP classes on the cells of the predictors, named, given, or found by a usual name."""
    if land_cover is None:
        land_cover = next((name for name in LAND_COVER if name in ds.data_vars), None)
        if land_cover is None:
            return None
        logger.info(
            "land cover is variable %s: its IGBP classes %s stay empty", land_cover, NO_SOIL
        )
    cover = _given(ds, land_cover, "land_cover", "IGBP classes, ")
    if cover.dtype.kind not in "biuf":
        raise InputError(
            f"land_cover ({cover.name}) has dtype {cover.dtype}: expected the numbers of the IGBP "
            "classes, 1 to 17."
        )
    if predictors.time in cover.dims:
        raise InputError(
            f"land_cover ({cover.name}) has the dimensions {cover.dims}: expected classes without "
            f"time. Select a day: land_cover=....isel({predictors.time}=0)."
        )
    return on_cells(cover, predictors.base, "land_cover", predictors.time, regrid and "nearest")


def calendar_predictor(name: str, days: int, first: float, year: float) -> NDArray[np.float32]:
    """One of DAY_OF_YEAR on `days` days in a row, (T,), without a step at the turn of a year."""
    angle = 2 * np.pi * (first + np.arange(days) / year)
    return (np.sin(angle) if name.endswith("sin") else np.cos(angle)).astype(np.float32)


def _given(ds: xr.Dataset, given: Any, argument: str, what: str = "") -> xr.DataArray:
    """The array, or the variable of that name."""
    if isinstance(given, xr.DataArray):
        return given
    if not isinstance(given, str) or given not in ds.variables:
        shown = repr(given) if isinstance(given, str) else f"<{type(given).__name__}>"
        raise VariableNotFoundError(
            f"{argument}={shown} is no variable of the input; expected {what}one of "
            f"{[str(n) for n in ds.data_vars]}, or a DataArray."
        )
    return ds[given]


def _candidates(ds: xr.Dataset, name: str) -> list[str]:
    """Variables of `ds` that may be this predictor: by its name, standard name, product name."""
    spec = predictor_spec(name)
    if name in ds.data_vars:
        return [name]
    if spec is None:
        return []
    for standard_name in spec.standard_names:
        named = [str(n) for n, v in ds.data_vars.items() if _standard_name(v) == standard_name]
        if named:
            return named
    named = [n for n in spec.names if n in ds.data_vars]
    return [n for n in named if not any(word in _description(ds[n]) for word in spec.other)][:1]


def _standard_name(da: xr.DataArray) -> str:
    return str(da.attrs.get("standard_name", ""))


def _description(da: xr.DataArray) -> str:
    return " ".join(str(da.attrs.get(key, "")) for key in ("standard_name", "long_name")).lower()


def _find_all(
    ds: xr.Dataset, wanted: list[str], features: Mapping[str, Any]
) -> dict[str, xr.DataArray]:
    """The predictors that are variables, with their units checked.

    Raises
    ------
    VariableNotFoundError, UnitError
        If some are missing, or have no unit where the catalogue has one.
    """
    computed = (*DAY_OF_YEAR, *POSITION)
    variables = {name: _find(ds, name, features) for name in wanted if name not in computed}
    arrays = {name: _checked(da) for name, da in variables.items() if da is not None}
    if missing := [name for name in variables if name not in arrays]:
        raise VariableNotFoundError(_missing_message(ds, missing))
    _check_units(arrays)
    return arrays


def _find(ds: xr.Dataset, name: str, features: Mapping[str, Any]) -> xr.DataArray | None:
    if features.get(name) is not None:
        return _given(ds, features[name], f"features[{name!r}]")
    candidates = _candidates(ds, name)
    if len(candidates) > 1:
        raise VariableNotFoundError(
            f"predictor {name!r}: {candidates} all have its standard name. "
            f"Choose one: features={{{name!r}: {candidates[0]!r}}}."
        )
    if candidates and candidates[0] != name:
        logger.info("predictor %s is variable %s", name, candidates[0])
    if not candidates and name in ds.coords and name not in ds.dims:  # asked for by its name
        return ds[name].reset_coords(drop=True)
    return ds[candidates[0]] if candidates else None


def _missing_message(ds: xr.Dataset, missing: list[str]) -> str:
    tried = []
    for name in missing:
        spec = predictor_spec(name)
        others = () if spec is None else (*spec.standard_names, *spec.names)
        tried.append(f"{name} (tried {', '.join(map(repr, (name, *others)))})")
    return (
        f"predictors not found: {'; '.join(tried)}. The input has "
        f"{[str(n) for n in ds.data_vars]}: name the variable, such as "
        f"features={{{missing[0]!r}: 'name'}}, or fit a model without it: xsm.fit_estimator."
    )


def _base(arrays: Mapping[str, xr.DataArray], ds: xr.Dataset, features: Mapping[str, Any]) -> str:
    """The predictor whose days and cells count: the first daily one, those of `ds` first."""
    own = [n for n in arrays if not isinstance(features.get(n), xr.DataArray)]
    timed = [n for n in dict.fromkeys([*own, *arrays]) if _has_time(arrays[n], ds)]
    if not timed:
        raise TimeAxisError(
            f"none of the predictors {list(arrays)} has a time axis: expected daily data."
        )
    return next((n for n in timed if _is_daily(arrays[n], ds)), timed[0])


def _has_time(da: xr.DataArray, ds: xr.Dataset) -> bool:
    try:
        return _time_dim(da, ds) in da.dims
    except TimeAxisError:
        return False


def _time_dim(da: xr.DataArray, ds: xr.Dataset) -> str:
    return time_dim(da, cf_axes(da), ds)


def _is_daily(da: xr.DataArray, ds: xr.Dataset) -> bool:
    try:
        daily_axis(time_of(da, _time_dim(da, ds)), consecutive=True)
    except TimeAxisError:
        return False
    return True


def _catalogue_units(name: str, da: xr.DataArray) -> str:
    spec = predictor_spec(name)
    return spec.units if spec is not None else units_of(da) or "1"


def _checked(da: xr.DataArray) -> xr.DataArray:
    """`da` in decoded real numbers; a pint unit becomes an attribute."""
    if 0 in da.shape:
        raise InputError(f"{da.name} is empty: {dict(da.sizes)}. Check the selection made before.")
    check_decoded(da)
    check_references(da, "obj")
    if da.dtype.kind not in "biuf":
        raise InputError(numbers_message(da, str(da.name)))
    return without_pint(da)[0]


def _check_units(arrays: Mapping[str, xr.DataArray]) -> None:
    """Raise a UnitError that lists all predictors of the catalogue without a unit."""
    lacking = {
        name: spec.units
        for name, da in arrays.items()
        if units_of(da) is None and (spec := predictor_spec(name)) is not None
    }
    if lacking:
        raise UnitError(
            "; ".join(
                f"predictor {name!r} ({arrays[name].name}) has no attribute 'units': expected "
                f"{wanted!r} or a unit that converts to it"
                for name, wanted in lacking.items()
            )
            + ". Set them: "
            + "; ".join(
                f'ds["{arrays[name].name}"].attrs["units"] = "{wanted}"'
                for name, wanted in lacking.items()
            )
            + "."
        )


def _factor(da: xr.DataArray, name: str, wanted: str) -> tuple[float, float]:
    units = units_of(da)
    if units is None:  # of a predictor that the catalogue does not have
        return 1.0, 0.0
    return conversion(units, wanted, f"predictor {name!r} ({da.name})")
