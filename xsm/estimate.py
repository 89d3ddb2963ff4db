"""Estimate soil moisture from daily predictors: xarray in, xarray out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.options import get_option

if TYPE_CHECKING:
    from xsm.networks.model import Model

logger = logging.getLogger(__name__)
_told: set[str] = set()


def estimate(
    obj: xr.Dataset,
    *,
    model: str | Path | Model = "default",
    features: Mapping[str, Any] | None = None,
    land_cover: Any = None,
    mask_frozen: bool = False,
    regrid: str | None = None,
    uncertainty: bool = True,
    attention: bool = False,
    backend: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    progress: bool | None = None,
) -> xr.Dataset:
    """Estimate daily soil moisture of the top soil from what is known of every day and cell.

    Parameters
    ----------
    obj : Dataset
        The predictors that the card of the model names, daily, with units; static ones without a
        time dimension. Any order and names of dimensions. Dask arrays stay lazy.
    model : str, Path or Model
        From :func:`xsm.fit_estimator`, or its file; or the name of a shipped one, see
        :func:`xsm.models`. ``default`` was trained on a simulated Earth: it shows what such a
        network does, and is no product.
    features : mapping, optional
        Predictor -> variable of `obj`, or a DataArray, where neither its own name, nor a standard
        name, nor a known product tells. Arrays every eight days are interpolated in time.
    land_cover : str or DataArray, optional
        IGBP classes without time; default: a variable known by its name (``igbp``, ``LC_Type1``,
        ...), if any. Permanent snow and ice and water are left empty.
    mask_frozen : bool
        Leave days with ``lst`` below 0 degC empty.
    regrid : {None, "nearest", "linear"}
        Bring predictors on other rows and columns to those of the first daily one, land cover
        always by the nearest class. Default: an error.
    uncertainty : bool
        Return ``<name>_uncertainty`` too.
    attention : bool
        Return ``attention`` (time, attended) too: how much each day draws on each other one. Of a
        single pixel and no more days than pass through the network together.
    backend, device, dtype, progress : optional
        As for :func:`xsm.set_options`, for this call: ``device="cuda"`` works on a GPU.

    Returns
    -------
    Dataset
        - ``soil_moisture`` (or the name in the card), m3 m-3, float32;
        - ``<name>_uncertainty``, one standard deviation;
        - ``<name>_flag``: estimated, estimated_with_missing_input, frozen, no_input,
          permanent_snow_ice_or_water.

    Raises
    ------
    VariableNotFoundError, UnitError, TimeAxisError, GridError, ModelError, InputError
        All of them :class:`xsm.errors.XsmError`.

    Notes
    -----
    A year passes through the network as one sequence of 365 + 30 + 30 days with the real days of
    the neighbouring years, as in Zhang et al. (2025), doi 10.5194/essd-17-5181-2025. Gaps in a
    predictor are interpolated up to the length that the card gives (8 days unless the fit was told
    otherwise); in longer ones it counts as average and the flag says so. There is no estimate
    where a static predictor or all daily ones are missing. A predictor in memory whose mean is far
    from that of the fit is told as a warning.

    Examples
    --------
    ::

        sm = predictors.sm.estimate()
        sm = predictors.sm.estimate(model="mine", features={"lst": "my_temperature"})
    """
    if not isinstance(obj, xr.Dataset):
        raise InputError(f"obj is a {type(obj).__name__}: expected a Dataset of predictors.")
    from xsm.conventions.predictors import find_land_cover, find_predictors
    from xsm.estimation.pixels import estimate_block, make_plan
    from xsm.estimation.result import assemble
    from xsm.networks.device import ExecutionConfig
    from xsm.networks.model import load_model

    execution = ExecutionConfig(*map(get_option, ("backend", "device", "dtype"), (backend, device, dtype)))
    found_model = load_model(model, "estimate")
    _tell(found_model)
    rows = found_model.card["predictors"]
    names = [row["name"] for row in rows]
    if mask_frozen and "lst" not in names:
        raise InputError(
            f"mask_frozen=True needs the predictor 'lst', which model {found_model.name!r} does "
            f"not take (it takes {names}): mask the result yourself, with .where()."
        )
    units = {row["name"]: row["units"] for row in rows}
    found = find_predictors(obj, names, features, units=units, regrid=regrid)
    length = int(found.days[-1]) + 1
    context = found_model.card["sequence"]["context"]
    if length < (least := found_model.network.min_days(context)):
        raise InputError(
            f"the record is {length} days long: expected {least} or more, the network draws on the "
            "days before and after. Open a longer record."
        )
    cover = find_land_cover(obj, land_cover, found, regrid)
    plan = make_plan(found, rows)
    _tell_strange(found, rows)
    arrays = [*found.arrays.values(), *([] if cover is None else [cover])]
    block = partial(
        estimate_block,
        plan=plan,
        model=found_model,
        cover=cover is not None,
        mask_frozen=bool(mask_frozen),
        execution=execution,
    )
    mean, std, flag = _apply(block, arrays, found.time, get_option("progress", progress))
    said = "".join(
        f", {key}={value!r}"
        for key, value in (("mask_frozen", mask_frozen), ("regrid", regrid))
        if value
    )
    result = assemble(
        obj,
        {"mean": mean, "std": std if uncertainty else None, "flag": flag},
        model=found_model,
        call=f"estimate(model={found_model.name!r}{said})",
    )
    if attention:
        from xsm.estimation.pixels import attention_of

        one = {dim: 0 for dim in mean.dims if dim != found.time}
        known = mean.isel(one, drop=True).notnull()
        result["attention"] = attention_of(found, plan, found_model).where(known)
    return result


def _apply(block: Any, arrays: list[xr.DataArray], time: str, show: bool | None) -> list[Any]:
    """Run `block` over all pixels; whole columns of days, in the chunks of the daily arrays."""
    from xsm.progress import bar

    base = next(da for da in arrays if time in da.dims)
    lazy = any(da.chunks is not None for da in arrays)
    wide = [da.chunk({time: -1}) if lazy and time in da.dims else da for da in arrays]
    pixels = int(np.prod([n for dim, n in base.sizes.items() if dim != time]))
    with bar("estimate", pixels, False if lazy else show, "px") as shown:
        results = xr.apply_ufunc(
            block if lazy else partial(block, step=shown.update),
            *(da.reset_coords(drop=True) for da in wide),
            input_core_dims=[[time] if time in da.dims else [] for da in arrays],
            output_core_dims=[[time]] * 3,
            dask="parallelized",
            output_dtypes=[np.float32, np.float32, np.int8],
            join="override",
        )
    outs = []
    for result in results:
        result = result.transpose(*base.dims).assign_coords(base.coords)
        outs.append(result.chunk(base.chunksizes) if lazy and base.chunks is not None else result)
    return outs


def _tell_strange(found: Any, rows: list[dict[str, Any]]) -> None:
    """Say which predictors in memory are, on average, nothing like those of the fit."""
    from xsm.networks.sequence_inference import LIMIT

    for row in rows:
        da = found.arrays.get(row["name"])
        if da is None or da.chunks is not None:
            continue
        factor, offset = found.factors[row["name"]]
        mean = factor * float(da.mean()) + offset
        if abs(mean - row["mean"]) > LIMIT * row["std"]:
            logger.warning(
                "predictor %r (%s) has a mean of %.4g %s, the model was fitted to %.4g +- %.2g: is "
                "its attribute 'units' right?",
                *(row["name"], da.name, mean, row["units"], row["mean"], row["std"]),
            )


def _tell(model: Any) -> None:
    """Say once what weights trained on a simulated Earth are worth."""
    if model.card.get("simulated") and model.identity not in _told:
        _told.add(model.identity)
        logger.warning(
            "model %s was trained on a simulated Earth: it shows what such a network does, and is "
            "no product. Fit it to your own target: xsm.fit_estimator(predictors, target).",
            model.name,
        )
