"""Scores in the form of the results of QA4SM, which `qa4sm-reader` opens and plots."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm._version import __version__
from xsm.argument_checks import check_folder
from xsm.conventions.cf import estimate_name
from xsm.errors import InputError
from xsm.metrics import status as flags

LOCATION, WINDOW, BULK = "loc", "tsw", "bulk"
# metric of xsm -> name in QA4SM
NAMES = {
    "pearson_r": "R",
    "p_pearson_r": "p_R",
    "spearman_rho": "rho",
    "p_spearman_rho": "p_rho",
    "kendall_tau": "tau",
    "p_kendall_tau": "p_tau",
    "rmsd": "RMSD",
    "bias": "BIAS",
    "ubrmsd": "urmsd",
    "mse": "mse",
    "mse_corr": "mse_corr",
    "mse_bias": "mse_bias",
    "mse_var": "mse_var",
    "rss": "RSS",
}
TRIPLE_NAMES = {"tc_snr_db": "snr", "tc_err_std": "err_std", "tc_beta": "beta"}
STABILITY_NAMES = {
    "pearson_r_slope": "slopeR",
    "ubrmsd_slope": "slopeURMSD",
    "bias_slope": "slopeBIAS",
}
# coordinate of the stations -> variable of QA4SM
STATION_NAMES = {
    "network": "network",
    "station_name": "station",
    "sensor": "instrument",
    "land_cover": "lc_insitu",
    "climate_zone": "climate_KG",
    "elevation": "elevation",
    "depth_from": "instrument_depthfrom",
    "depth_to": "instrument_depthto",
    "frm_class": "frm_class",
}
STATUS = {  # code of xsm -> code of QA4SM
    flags.OK: 0,
    flags.NO_OVERLAP_IN_TIME: 4,
    flags.OUTSIDE_THE_GRID: 7,
    flags.TOO_FEW_PAIRS: 1,
    flags.CONSTANT_SERIES: 2,
    flags.ALL_MISSING: 7,
    flags.NEGATIVE_ERROR_VARIANCE: 2,
    flags.NEGATIVE_SIGNAL_VARIANCE: 2,
}
SEASONS = {"MAM": "S2", "JJA": "S3", "SON": "S4", "DJF": "S1"}
UNITS = "m³/m³"

Values = NDArray[Any]


def to_qa4sm(
    scores: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    windows: xr.Dataset | None = None,
    stability: xr.Dataset | None = None,
) -> Path:
    """Write scores as a results file of QA4SM.

    The package `qa4sm-reader` opens the file, and plots it with ``qa4sm_reader.plot_all.plot_all``.

    Parameters
    ----------
    scores : Dataset
        From :func:`xsm.validate`, against stations or a product, without strata; of one product or
        of several, with their triple collocation.
    path : str or path
        NetCDF file to write.
    windows : Dataset, optional
        Scores of the same records with ``by="season"``, ``"month"`` or ``"window"``: the temporal
        sub-windows of QA4SM.
    stability : Dataset, optional
        From :func:`xsm.stability`, of the same stations or cells.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    InputError
        If the scores have another kind or strata, the windows do not fit them, or the folder does
        not exist.
    """
    path = Path(path)
    check_folder("path", path)
    space = _check_scores(scores, "scores")
    products = _product_names(scores)
    labels = [_short(name, i) for i, name in enumerate(products, start=1)]
    at_stations = scores.attrs["xsm_scores"] == "in_situ"
    reference = str(scores.attrs.get("reference_name", "reference"))
    reference_label = "ISMN" if at_stations else _short(reference, 0)
    pieces = {BULK: scores}
    pieces |= _windows(windows, scores)
    variables = [
        _variables(ds.compute(), space, products, [reference_label, *labels])
        for ds in pieces.values()
    ]
    names = dict.fromkeys(itertools.chain(*variables))
    size = int(np.prod([scores.sizes[dim] for dim in space]))
    blank = np.full(size, np.nan, np.float32)
    data: dict[str, Any] = {
        name: ((LOCATION, WINDOW), np.stack([v.get(name, blank) for v in variables], axis=1))
        for name in names
    }
    if stability is not None:
        data |= _stability(stability, scores, space, [reference_label, *labels], len(pieces))
    data |= _places(scores, space)
    out = xr.Dataset(data, coords={WINDOW: (WINDOW, np.array(list(pieces), dtype=object))})
    out = out.set_coords(["lat", "lon", "gpi"])
    out.attrs = _attrs(scores, [reference, *products], [reference_label, *labels], at_stations)
    encoding = {
        name: {"zlib": True, "complevel": 4}
        for name, da in out.data_vars.items()
        if da.dtype != object
    }
    out.to_netcdf(path, engine="netcdf4", encoding=encoding)
    return path


def _check_scores(scores: xr.Dataset, argument: str) -> list[str]:
    """The dimensions of the stations or cells."""
    kinds = ("in_situ", "product")
    kind = scores.attrs.get("xsm_scores") if isinstance(scores, xr.Dataset) else None
    if kind not in kinds or "n_obs" not in scores:
        raise InputError(
            f"{argument}: the kind of the scores is {kind!r}: expected what xsm.validate returns "
            "for stations or for a product."
        )
    space = ["station"] if kind == "in_situ" else [
        str(d) for d in scores["n_obs"].dims
        if d != "product" and scores.get(d, scores["n_obs"]).dtype != object
    ]  # fmt: skip
    strata = [str(d) for d in scores["n_obs"].dims if d not in (*space, "product")]
    if strata:
        raise InputError(
            f"{argument} has the strata {', '.join(strata)}: give the scores without strata as "
            f'scores, and these as windows (by="season", "month" or "window").'
        )
    return space


def _product_names(scores: xr.Dataset) -> list[str]:
    if "product" in scores.dims:
        return [str(name) for name in scores["product"].values]
    return [estimate_name(scores) or "estimate"]


def _short(name: str, number: int) -> str:
    """A name that can be part of the name of a variable."""
    text = re.sub(r"\W+", "_", name).strip("_") or f"dataset{number}"
    return text.replace("_and_", "_").replace("_between_", "_")


def _windows(windows: xr.Dataset | None, scores: xr.Dataset) -> dict[str, xr.Dataset]:
    """Label of each sub-window -> its scores."""
    if windows is None:
        return {}
    strata = [d for d in ("season", "month", "window", "period") if d in windows.dims]
    if len(strata) != 1 or "n_obs" not in windows:
        raise InputError(
            f"windows has the dimensions {tuple(windows.dims)}: expected one of season, month, "
            "window and period."
        )
    (stratum,) = strata
    sizes = {d: windows.sizes[d] for d in windows["n_obs"].dims if d != stratum}
    own = {d: scores.sizes[d] for d in scores["n_obs"].dims}
    if sizes != own:
        raise InputError(f"windows has the sizes {sizes}, scores {own}: expected equal ones.")
    windows = _in_order_of(windows, scores, "windows")
    labels = [str(label) for label in windows[stratum].values]
    return {
        SEASONS.get(label, label): windows.isel({stratum: i}).drop_vars(stratum)
        for i, label in enumerate(labels)
    }


def _in_order_of(ds: xr.Dataset, scores: xr.Dataset, argument: str) -> xr.Dataset:
    """`ds` with the products, stations or cells in the order of `scores`."""
    for dim in map(str, scores["n_obs"].dims):
        if dim not in ds.indexes or dim not in scores.indexes:
            continue
        own, wanted = ds.indexes[dim], scores.indexes[dim]
        if own.equals(wanted):
            continue
        positions = own.get_indexer(wanted) if own.is_unique else np.full(wanted.size, -1)
        if own.size != wanted.size or (positions < 0).any():
            raise InputError(
                f"{argument} has other labels of {dim!r} than scores ({_few(own)}; "
                f"{_few(wanted)}): expected the same products, stations or cells."
            )
        ds = ds.isel({dim: positions})
    return ds


def _few(labels: Any) -> str:
    return ", ".join(map(str, labels[:3])) + (", ..." if labels.size > 3 else "")


def _variables(
    scores: xr.Dataset, space: list[str], products: list[str], labels: list[str]
) -> dict[str, Values]:
    """Variables (N,) of one window, by their names in QA4SM."""
    reference, *names = (f"{i}-{label}" for i, label in enumerate(labels))
    counts = scores["n_obs"]
    out = {"n_obs": _flat(counts.max("product") if "product" in counts.dims else counts, space)}
    for i, name in enumerate(names):
        ds = scores.isel(product=i) if "product" in scores.dims else scores
        between = f"between_{reference}_and_{name}"
        for own, theirs in NAMES.items():
            if own in ds:
                out[f"{theirs}_{between}"] = _flat(ds[own], space)
            for side, bound in (("low", "lower"), ("high", "upper")):
                if own in ds and f"{own}_{side}" in ds:
                    out[f"{theirs}_ci_{bound}_{between}"] = _flat(ds[f"{own}_{side}"], space)
        out[f"status_{between}"] = _status(ds["status"], space)
    if "tc_snr_db" not in scores:
        return out
    position = {str(n): i for i, n in enumerate(scores["dataset"].values)}
    in_order = [str(n) for n in scores["dataset"].values]
    for k, (a, b) in enumerate(itertools.combinations(range(len(products)), 2)):
        triple = scores.isel(triple=k)
        pair = f"between_{reference}_and_{names[a]}_and_{names[b]}"
        worst = []
        for i in (0, a + 1, b + 1):
            dataset = triple.isel(dataset=position[in_order[i]])
            label = reference if i == 0 else names[i - 1]
            for own, theirs in TRIPLE_NAMES.items():
                out[f"{theirs}_{label}_{pair}"] = _flat(dataset[own], space)
                for side, bound in (("low", "lower"), ("high", "upper")):
                    if f"{own}_{side}" in dataset:
                        full = f"{theirs}_ci_{bound}_{label}_{pair}"
                        out[full] = _flat(dataset[f"{own}_{side}"], space)
            worst.append(_status(dataset["tc_status"], space))
        out[f"status_{pair}"] = np.max(worst, axis=0)
    return out


def _flat(da: xr.DataArray, space: list[str]) -> Values:
    return np.asarray(da.transpose(*space).values, np.float32).ravel()


def _status(da: xr.DataArray, space: list[str]) -> Values:
    codes = da.transpose(*space).values.ravel()
    return np.array([STATUS.get(int(code), -1) for code in codes], np.float32)


def _stability(
    stability: xr.Dataset,
    scores: xr.Dataset,
    space: list[str],
    labels: list[str],
    n_windows: int,
) -> dict[str, Any]:
    """Slopes per decade; they are those of the whole period, the first window."""
    if any(stability.sizes.get(d) != scores.sizes[d] for d in space):
        raise InputError("stability: expected the stations or cells of scores.")
    if ("product" in scores.dims) != ("product" in stability.dims):
        raise InputError(
            "stability: expected the products of scores; select one of both, such as "
            "scores.sel(product=...), or none."
        )
    stability = _in_order_of(stability, scores, "stability")
    out = {}
    for i, label in enumerate(labels[1:], start=1):
        ds = stability.isel(product=i - 1) if "product" in stability.dims else stability
        for own, theirs in STABILITY_NAMES.items():
            if own in ds:
                values = np.full((_flat(ds[own], space).size, n_windows), np.nan, np.float32)
                values[:, 0] = _flat(ds[own], space)
                name = f"{theirs}_between_0-{labels[0]}_and_{i}-{label}"
                out[name] = ((LOCATION, WINDOW), values)
    return out


def _places(scores: xr.Dataset, space: list[str]) -> dict[str, Any]:
    """Positions, numbers and metadata of the stations or cells, (loc)."""
    if not {"lat", "lon"} <= set(scores.coords):
        raise InputError("scores has no lat and lon: expected those of the stations or cells.")
    both = xr.broadcast(scores["lat"], scores["lon"])
    lat, lon = (np.asarray(c.transpose(*space).values, np.float64).ravel() for c in both)
    out: dict[str, Any] = {
        "lat": (LOCATION, lat, {"units": "degrees_north"}),
        "lon": (LOCATION, lon, {"units": "degrees_east"}),
        "gpi": (LOCATION, np.arange(lat.size)),
    }
    for own, theirs in STATION_NAMES.items():
        if own in scores.coords and scores[own].dims == tuple(space) == ("station",):
            values = scores[own].values
            is_text = values.dtype.kind in "OUST"
            out[theirs] = (LOCATION, values.astype(str).astype(object) if is_text else values)
    return out


def _attrs(
    scores: xr.Dataset, names: list[str], labels: list[str], at_stations: bool
) -> dict[str, Any]:
    """Attributes that the reader needs: names of the datasets, units, reference, resolution."""
    settings = str(scores.attrs.get("settings", "{}"))
    attrs: dict[str, Any] = {
        "val_ref": "val_dc_dataset0",
        "val_is_scattered_data": str(at_stations),
        "xsm_version": __version__,
        "xsm_settings": settings,
        "history": str(scores.attrs.get("history", "")),
    }
    if not at_stations:  # points have no resolution
        attrs["val_resolution"], attrs["val_resolution_unit"] = _step(scores), "deg"
        attrs["val_dc_dataset0_grid_stepsize"] = _step(scores)
    for i, (name, label) in enumerate(zip(names, labels, strict=True)):
        attrs[f"val_dc_dataset{i}"] = label
        attrs[f"val_dc_dataset_pretty_name{i}"] = name
        attrs[f"val_dc_version{i}"] = f"xsm_{label}"
        attrs[f"val_dc_version_pretty_name{i}"] = "xsm"
        attrs[f"val_dc_variable_pretty_name{i}"] = "soil moisture"
        attrs[f"val_dc_unit{i}"] = UNITS
    return attrs


def _step(scores: xr.Dataset) -> float:
    """Distance of the rows in degrees."""
    lat = np.asarray(scores["lat"].values, np.float64)
    return float(np.round(np.abs(np.median(np.diff(lat, axis=0))), 6)) if lat.shape[0] > 1 else 0.25
