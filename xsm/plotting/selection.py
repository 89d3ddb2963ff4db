"""Which variable of a scores Dataset a picture shows, and over which dimensions it scatters."""

from __future__ import annotations

import xarray as xr

from xsm.errors import InputError

# What a picture starts with, where the caller does not say.
FIRST = ("pearson_r", "ubrmsd", "rmsd", "bias")
WHOLE = ("all", "all year")  # a stratum that leaves nothing out
_NO_METRIC = ("n_obs", "status", "estimate", "reference", "land")
_COMPANIONS = ("p_", "summary_", "estimate_", "annual_", "seam_", "share_", "coverage_")


def metrics_of(scores: xr.Dataset) -> list[str]:
    """Names of the scores proper: no intervals, p values, counts, pairs or summaries."""
    names = [str(name) for name in scores.data_vars]
    return [
        name
        for name in names
        if name not in _NO_METRIC
        and not name.startswith(_COMPANIONS)
        and not (name.endswith(("_low", "_high")) and name.rsplit("_", 1)[0] in names)
        and scores[name].dtype.kind == "f"
    ]


def pick(scores: xr.Dataset | xr.DataArray, metric: str | None) -> xr.DataArray:
    """The variable `metric` of `scores`; without a name the first of `FIRST` that is there.

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
        raise InputError(
            f"scores is a {type(scores).__name__}: expected the Dataset that validate returns."
        )
    names = metrics_of(scores)
    if metric is None:
        metric = next((name for name in (*FIRST, *names) if name in names), None)
        if metric is None:
            raise InputError(
                f"scores has no metric: its variables are {list(scores.data_vars)}. Expected the "
                "Dataset that validate returns."
            )
    if metric not in scores.data_vars:
        raise InputError(f"metric={metric!r} is not in scores: expected one of {names}.")
    return scores[metric]


def one_stratum(da: xr.DataArray, keep: set[str]) -> xr.DataArray:
    """`da` without the dimensions outside `keep`: their only value, or the one in `WHOLE`.

    Raises
    ------
    InputError
        If a dimension has several values and none of them is the whole.
    """
    for dim in [str(dim) for dim in da.dims if dim not in keep]:
        values = [str(value) for value in da[dim].values]
        whole = [i for i, value in enumerate(values) if value in WHOLE]
        if da.sizes[dim] > 1 and not whole:
            raise InputError(
                f"{da.name} has a value per {dim} ({', '.join(values[:12])}): select one first, "
                f'such as scores.sel({{"{dim}": {values[0]!r}}}).'
            )
        da = da.isel({dim: whole[0] if whole else 0})
    return da


def pairs_of(scores: xr.Dataset, station: str | int | None) -> tuple[xr.DataArray, xr.DataArray]:
    """Estimate and reference, of one station or of all, where they were kept.

    Parameters
    ----------
    scores : Dataset
        With ``estimate`` and ``reference`` (station, time).
    station : str, int or None
        A label of the dimension ``station``, a ``station_name``, or a position; None for all.

    Raises
    ------
    InputError
        If the pairs were not kept, or there is no such station.
    """
    missing = [name for name in ("estimate", "reference") if name not in scores.data_vars]
    if missing:
        raise InputError(
            f"scores has no {' and no '.join(missing)}: expected the pairs themselves. Keep them: "
            "validate(..., keep_pairs=True)."
        )
    if station is not None:
        scores = scores.isel(station=station_at(scores, station))
    return scores["estimate"], scores["reference"]


def station_at(scores: xr.Dataset, station: str | int) -> int:
    """Position of a station, by label, name or position."""
    for name in ("station", "station_name"):
        if name in scores.coords:
            found = [i for i, value in enumerate(scores[name].values.tolist()) if value == station]
            if found:
                return found[0]
    size = scores.sizes.get("station", 0)
    if isinstance(station, int) and -size <= station < size:
        return station
    known = [str(value) for value in scores["station"].values[:8]] if size else []
    raise InputError(
        f"station={station!r} is not in scores: expected a label, a station_name or a position "
        f"below {size}; the first are {known}."
    )


def station_text(scores: xr.Dataset, at: int) -> str:
    """Name and network of the station at a position."""
    one = scores.isel(station=at)
    name = one["station_name" if "station_name" in one.coords else "station"].item()
    return f"{name} ({one['network'].item()})" if "network" in one.coords else str(name)


def against(scores: xr.Dataset | xr.DataArray) -> str | None:
    """Title: what was compared with what, where the attributes tell."""
    return " against ".join(names_of(scores)) if "estimate_name" in scores.attrs else None


def names_of(scores: xr.Dataset | xr.DataArray) -> list[str]:
    """What to call estimate and reference: their names, unless these are one and the same."""
    roles = ["estimate", "reference"]
    names = [str(scores.attrs.get(f"{role}_name", role)) for role in roles]
    return names if names[0] != names[1] else [f"{names[0]} ({role})" for role in roles]
