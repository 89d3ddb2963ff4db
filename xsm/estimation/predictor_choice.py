"""Which variables of a Dataset are predictors where the user names none, and in which units."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.align import coordinate_of_cells
from xsm.conventions.predictor_names import POSITION
from xsm.conventions.predictors import available_predictors, recognised_variables
from xsm.conventions.units import is_daily_amount
from xsm.conventions.variables import units_of
from xsm.errors import UnitError
from xsm.estimation.memory import WEATHER

logger = logging.getLogger(__name__)

DRY = 0.15  # mm day-1 of precipitation in the median cell: a desert, or a rate per hour


def choose_predictors(
    ds: xr.Dataset, target: xr.DataArray, features: Mapping[str, Any] | None
) -> list[str]:
    """Names of the predictors that a fit takes.

    With `features`, those of the catalogue and those it maps. Without, all numeric variables on
    cells and days of the target: those of the catalogue by their meaning, the others as they are.
    Variables that belong to the target, by its attribute ``ancillary_variables`` or by a name that
    begins with its name, are left out, and so is a grid mapping.
    """
    if features is not None:
        return available_predictors(ds, features)
    recognised = recognised_variables(ds)
    mappings = [g.get("grid_mapping") for da in ds.values() for g in (da.attrs, da.encoding)]
    ancillary = str(target.attrs.get("ancillary_variables", "")).split()
    others: list[str] = []
    left_out: list[str] = []
    for key, da in ds.data_vars.items():
        name = str(key)
        if name in recognised.values() or name == target.name:
            continue
        of_target = name in ancillary or name.startswith(f"{target.name}_")
        is_mapping = name in mappings or "grid_mapping_name" in da.attrs
        fits = da.dtype.kind in "biuf" and set(da.dims) <= set(target.dims) and da.size
        fits = fits and not is_mapping
        (left_out if of_target or not fits else others).append(name)
    if recognised or others:
        shown = [p if p == v else f"{p} (variable {v})" for p, v in recognised.items()]
        logger.info(
            "predictors: %s; as they are: %s; not used: %s",
            *(", ".join(names) or "none" for names in (shown, others, left_out)),
        )
    return [*recognised, *others]


def present_position(ds: xr.Dataset, target: xr.DataArray) -> list[str]:
    """``latitude`` and ``longitude``, if the cells of the target have both."""
    has_both = all(coordinate_of_cells(target, ds, name) is not None for name in POSITION)
    return list(POSITION) if has_both else []


def check_precipitation(
    x: NDArray[np.floating], rows: Sequence[Mapping[str, Any]], arrays: Mapping[str, xr.DataArray]
) -> None:
    """Ask about precipitation (P, T, F) that is so little that it looks like a rate per hour.

    Raises
    ------
    UnitError
        If the unit of the variable is one of an amount, such as mm, and says nothing of the time.
        A rate, such as mm day-1, gives a warning only.
    """
    names = [row["name"] for row in rows]
    if "precipitation" not in names:
        return
    f = names.index("precipitation")
    values = x[:, :, f]
    observed = np.isfinite(values)
    if not observed.any():
        return
    mean = np.where(observed, values, 0.0).sum(axis=1) / np.maximum(observed.sum(axis=1), 1)
    typical = float(np.median(mean[observed.any(axis=1)]))
    if not 0 < typical < DRY:
        return
    da = arrays["precipitation"]
    units = units_of(da) or "1"
    text = (
        f"precipitation ({da.name}, {units!r}) has a mean of {typical:.3g} mm day-1 in the median "
        "cell, which is as little as in a desert"
    )
    if is_daily_amount(units, str(rows[f]["units"])):
        raise UnitError(
            f"{text}: are these sums of a day, or means of hourly sums? Say so by the unit: "
            f'ds["{da.name}"].attrs["units"] = "mm day-1" or "mm hour-1".'
        )
    logger.warning("%s: is it a rate per hour? Then set its unit to 'mm hour-1'.", text)


def has_weather(names: Sequence[str]) -> bool:
    """Whether antecedent predictors can be made: precipitation is there."""
    return WEATHER[0] in names
