"""A filled record as input: which of its values were observed."""

from __future__ import annotations

import logging

import xarray as xr

from xsm.conventions.cf import FILL_MODEL, OBSERVED, fill_flag, flag_name, is_filled, with_attrs
from xsm.conventions.variables import SAMPLES_SUFFIX, UNNAMED

logger = logging.getLogger(__name__)


def observed_values(da: xr.DataArray, ds: xr.Dataset | None) -> xr.DataArray:
    """The record with missing values where ``gapfill`` filled it; as lazy as it came.

    Parameters
    ----------
    da : DataArray
    ds : Dataset or None
        Which it belongs to, and which holds the flags of the fill.

    Returns
    -------
    DataArray
        `da` itself if it is not filled. A warning of the logger ``xsm`` says if the flags of a
        filled record are missing: then all values count as observed.
    """
    name = str(da.name or UNNAMED)
    flagged = fill_flag(ds, name)
    if ds is None or flagged is None:
        warn_without_flag(da, ds)
        return da
    logger.info("%s is filled: its observed values alone are used", name)
    observed = _where_observed(da, ds, flagged)
    return with_attrs(observed, **{k: v for k, v in da.attrs.items() if k != FILL_MODEL})


def observed_uncertainty(ds: xr.Dataset, name: str) -> xr.DataArray | None:
    """The uncertainty that the product gives for its observations, beside a variable `name`.

    Missing where ``gapfill`` filled; None if there is no variable ``<name>_uncertainty``.
    """
    if not has_uncertainty(ds, name):
        return None
    std = ds[f"{name}_uncertainty"]
    flagged = fill_flag(ds, name)
    return std if flagged is None else _where_observed(std, ds, flagged)


def has_uncertainty(ds: xr.Dataset, name: str) -> bool:
    """Whether a variable has ``<name>_uncertainty`` beside it, with the same dimensions."""
    std = f"{name}_uncertainty"
    return name in ds and std in ds and set(ds[std].dims) == set(ds[name].dims)


def _where_observed(da: xr.DataArray, ds: xr.Dataset, flagged: str) -> xr.DataArray:
    flag = ds[flagged]
    flag = flag.squeeze([dim for dim in flag.dims if dim not in da.dims], drop=True)
    return with_attrs(da.where(flag == OBSERVED).transpose(*da.dims), **da.attrs)


def warn_without_flag(da: xr.DataArray, ds: xr.Dataset | None) -> None:
    """Warn of a record that was filled and has lost the flags that tell which values were."""
    name = str(da.name or UNNAMED)
    if FILL_MODEL in da.attrs and not is_filled(ds, name):
        logger.warning(
            "%s was filled (attribute %s), and %r is not beside it: all its values count as "
            "observed. Unless the filled ones were set to missing, pass the Dataset that gapfill "
            "returned.",
            *(name, FILL_MODEL, flag_name(name.removesuffix(SAMPLES_SUFFIX))),
        )


def warn_of_filled_values(da: xr.DataArray, ds: xr.Dataset | None, argument: str) -> None:
    """Warn of a filled record that is taken as observed as a whole, as a reference is.

    Parameters
    ----------
    da : DataArray
    ds : Dataset or None
        Which the record belongs to.
    argument : str
        That it was given as, for the message.
    """
    name = str(da.name or UNNAMED)
    flag = fill_flag(ds, name)
    if flag is None:
        warn_without_flag(da, ds)
    else:
        logger.warning(
            "%s: %s is filled, and its filled values are taken like observed ones. To leave them "
            'out: %s["%s"].where(%s["%s"] == 0).',
            *(argument, name, argument, name, argument, flag),
        )
