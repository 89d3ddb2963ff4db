"""Estimate soil moisture from daily predictors: xarray in, xarray out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.conventions.groups import data_groups, over_groups
from xsm.errors import InputError
from xsm.options import get_option
from xsm.warn_once import warn_once

if TYPE_CHECKING:
    from xsm.conventions.predictors import Predictors
    from xsm.networks.model import Model

logger = logging.getLogger(__name__)


def estimate(
    obj: xr.Dataset | xr.DataTree,
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
) -> Any:
    """Estimate daily soil moisture of the top soil from daily and static predictors.

    Parameters
    ----------
    obj : Dataset or DataTree
        The predictors that the card of the model names, daily, with units; static ones without a
        time dimension. Any order and names of dimensions. Dask arrays stay lazy.
    model : str, Path or Model
        A model of :func:`xsm.fit_estimator`, its path, or the name of a shipped model, see
        :func:`xsm.models`. ``default`` was trained on a simulated Earth. It demonstrates such a
        network and is no product.
    features : mapping, optional
        Predictor -> variable of `obj`, or a DataArray, for predictors that are not found by their
        name, standard name or product. Arrays every eight days are interpolated in time.
    land_cover : str or DataArray, optional
        IGBP classes without time. Default: a variable of a common name (``igbp``, ``LC_Type1``,
        ...), if there is one. Permanent snow and ice and water are left empty.
    mask_frozen : bool
        Leave days with ``lst`` below 0 degC empty.
    regrid : {None, "nearest", "linear"}
        How predictors on other rows and columns are brought to those of the first daily one; land
        cover always takes the nearest class. Default: raise an error.
    uncertainty : bool
        Return ``<name>_uncertainty`` too.
    attention : bool
        Return the attention weights ``attention`` (time, attended_time) too, for networks with
        attention. Needs a single pixel and no more days than pass through the network together.
    backend, device, dtype, progress : optional
        As for :class:`xsm.set_options`, for this call. ``device="cuda"`` runs on a GPU.

    Returns
    -------
    Dataset
        - ``soil_moisture`` (or the name in the card), m3 m-3, float32;
        - ``<name>_uncertainty``, one standard deviation;
        - ``<name>_flag``: estimated, estimated_with_missing_input, frozen, no_input,
          permanent_snow_ice_or_water, estimated_by_regional_part (the model has a local part, but
          not for this cell).

    Raises
    ------
    VariableNotFoundError, UnitError, TimeAxisError, GridError, ModelError, InputError
        For the data and arguments.
    BackendError
        If the backend lacks an operation of the network.
    MissingPackageError
        If an argument or the model needs a package that is not installed.

    Notes
    -----
    All errors are :class:`xsm.errors.XsmError`. A year passes through the network as one sequence
    of 365 days and 30 days of context on each side, taken from the neighbouring years, as in Zhang
    et al. (2025), doi 10.5194/essd-17-5181-2025. Gaps in a predictor are interpolated up to the
    length in the card (8 days by default). In longer gaps the predictor is set to its mean, and
    the flag marks the estimate. There is no estimate where more than half of the static predictors
    or all daily ones are missing. Values outside the range that the attributes ``valid_range``,
    ``valid_min`` and ``valid_max`` of a predictor declare are missing. A warning names predictors
    in memory whose mean is far from that of the fit. Antecedent predictors know no weather before
    the first day: give predictors that begin some months before the days that are estimated.

    Examples
    --------
    ::

        sm = predictors.sm.estimate()
        sm = predictors.sm.estimate(model="mine", features={"lst": "my_temperature"})
    """
    if isinstance(obj, xr.DataTree):
        arguments = {k: v for k, v in locals().items() if k != "obj"}
        return over_groups(estimate, obj, data_groups(obj), **arguments)
    if not isinstance(obj, xr.Dataset):
        raise InputError(f"obj is a {type(obj).__name__}: expected a Dataset of predictors.")
    from xsm.conventions.cf import call_text, estimate_dataset
    from xsm.conventions.predictors import find_land_cover, find_predictors
    from xsm.estimation.pixels import estimate_block, pixel_attention, predictor_layout
    from xsm.networks.device import ExecutionConfig
    from xsm.networks.model import load_model

    loaded = load_model(model, "estimate")
    options = map(get_option, ("backend", "device", "dtype"), (backend, device, dtype))
    execution = ExecutionConfig(*options)
    execution.check(loaded.network)
    _warn_if_simulated(loaded)
    rows = loaded.card["predictors"]
    names = [row["name"] for row in rows]
    if mask_frozen and "lst" not in names:
        raise InputError(
            f"mask_frozen=True needs the predictor 'lst', which model {loaded.name!r} does "
            f"not take (it takes {names}): mask the result yourself, with .where()."
        )
    units = {row["name"]: row["units"] for row in rows}
    predictors = find_predictors(obj, names, features, units=units, regrid=regrid)
    land_cover = find_land_cover(obj, land_cover, predictors, regrid)
    layout = predictor_layout(predictors, rows)
    min_days = loaded.network.min_days(loaded.card["sequence"]["context"])
    if layout.record_days < min_days:
        raise InputError(
            f"the record is {layout.record_days} days long: expected {min_days} or more, because "
            "the network uses the days before and after. Open a longer record."
        )
    weights = pixel_attention(predictors, layout, loaded, execution) if attention else None
    _warn_of_unusual_means(predictors, rows)
    block = partial(
        estimate_block,
        layout=layout,
        model=loaded,
        has_land_cover=land_cover is not None,
        mask_frozen=bool(mask_frozen),
        execution=execution,
    )
    arrays = [*predictors.arrays.values(), *([] if land_cover is None else [land_cover])]
    mean, std, flag = _apply(block, arrays, predictors.time, get_option("progress", progress))
    name = f"model={loaded.name!r}" + (", mask_frozen=True" if mask_frozen else "")
    result = estimate_dataset(
        obj,
        mean,
        std if uncertainty else None,
        flag,
        grid=predictors.base,
        target=loaded.card["target"],
        identity=loaded.identity,
        call=call_text("estimate", name, {"regrid": regrid}),
    )
    if weights is not None:
        pixel = mean.isel({dim: 0 for dim in mean.dims if dim != predictors.time}, drop=True)
        result["attention"] = weights.where(pixel.notnull())
    return result


def _apply(
    block: Any, arrays: Sequence[xr.DataArray], time: str, progress: bool | None
) -> list[xr.DataArray]:
    """Mean, standard deviation and flag of all pixels; lazy where an array is.

    Large files opened without chunks are read in blocks of pixels; the result is in memory.
    """
    from xsm.blockwise.chunks import chunk_file_backed
    from xsm.blockwise.dask_engine import map_pixels
    from xsm.progress import bar

    dtypes = (np.float32, np.float32, np.int8)
    base = next(da for da in arrays if time in da.dims)
    pixel_dims = [str(dim) for dim in base.dims if dim != time]
    if any(da.chunks is not None for da in arrays):
        return map_pixels(block, arrays, time, dtypes)
    in_blocks = [
        chunk_file_backed(da, pixel_dims[0]) if pixel_dims and pixel_dims[0] in da.dims else da
        for da in arrays
    ]
    if any(da.chunks is not None for da in in_blocks):
        lazy = map_pixels(block, in_blocks, time, dtypes)
        computed = xr.Dataset(dict(zip(("mean", "std", "flag"), lazy, strict=True))).compute()
        return [computed[name] for name in ("mean", "std", "flag")]
    pixels = int(np.prod([base.sizes[dim] for dim in pixel_dims]))
    with bar("estimate", pixels, progress, "px") as shown:
        return map_pixels(partial(block, step=shown.update), arrays, time, dtypes)


def _warn_of_unusual_means(predictors: Predictors, rows: Sequence[dict[str, Any]]) -> None:
    """Warn of predictors in memory whose mean is far outside the range of the fit."""
    from xsm.conventions.predictor_names import POSITION
    from xsm.conventions.valid_values import within_range
    from xsm.conventions.variables import is_file_backed
    from xsm.networks.sequence_inference import LIMIT

    for row in rows:
        da = predictors.arrays.get(row["name"])
        if da is None or row["name"] in POSITION or da.chunks is not None or is_file_backed(da):
            continue
        factor, offset = predictors.factors[row["name"]]
        values = within_range(da.values, predictors.ranges[row["name"]], str(da.name))
        mean = factor * float(da.copy(data=values).mean(dtype=np.float64)) + offset
        fitted_mean = row["mean"] + row.get("reference", 0.0)
        if abs(mean - fitted_mean) > LIMIT * row["std"]:
            logger.warning(
                "predictor %r (%s) has a mean of %.4g %s, the model was fitted to %.4g +- %.2g: is "
                "its attribute 'units' right?",
                *(row["name"], da.name, mean, row["units"], fitted_mean, row["std"]),
            )


def _warn_if_simulated(model: Model) -> None:
    """Warn once that weights trained on a simulated Earth are for demonstration only."""
    if model.card.get("simulated"):
        warn_once(
            logger,
            model.identity,
            "model %s was trained on a simulated Earth. It demonstrates such a network and is no "
            "product. Fit one to your own target: xsm.fit_estimator(predictors, target).",
            model.name,
        )
