"""Open the files that users have as one lazy daily record."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import xarray as xr

from xsm.conventions.cf import CONVENTIONS, call_text, history_line, is_filled
from xsm.conventions.daily import has_steps
from xsm.conventions.products import RECORD_OF, product_row
from xsm.conventions.products import recognise as recognise_product
from xsm.conventions.screening import RECOMMENDED, screen
from xsm.errors import InputError, UnitError, VariableNotFoundError
from xsm.opening.daily_record import Piece, join, to_days
from xsm.opening.file_contents import read_contents
from xsm.opening.file_forms import GENERIC, FileForm, edition, recognise
from xsm.opening.file_retrieval import Options, Retrieval, read_retrieval, retrievals
from xsm.opening.sources import Source, list_sources
from xsm.opening.volumetric import is_saturation, saturation_message, volumetric_dataset

logger = logging.getLogger(__name__)

Quality = str | Sequence[str] | None
OVERPASSES = ("AM", "PM", "both")


def open_record(
    paths: Any,
    product: str | None = None,
    *,
    quality: Quality = "recommended",
    overpass: str | None = None,
    var: str | None = None,
    variables: str | Iterable[str] | None = None,
    layer: int = 0,
    porosity: float | xr.DataArray | None = None,
    daily: bool = True,
    chunks: Any = {},  # noqa: B006  (never changed)
) -> xr.Dataset:
    """Open files of soil moisture as one daily record on a grid.

    Parameters
    ----------
    paths : str, path, Dataset, DataTree, or list of them
        Files, folders, globs, zip archives or Zarr stores of one product: NetCDF, HDF5 with
        groups. Members of an archive are unpacked to a temporary folder, removed when Python
        ends.
    product : str, optional
        Key of the product, such as ``"smap_l3"``; by default recognised from names, groups,
        variables and attributes.
    quality : {"recommended", None} or sequence of str
        Apply the quality rules that the guide of the product recommends, as far as their flags are
        in the files; or the rules of these names; None keeps every retrieval. See
        :func:`xsm.screen` and ``xsm.quality_rules()``.
    overpass : {"AM", "PM", "both"}, optional
        Which overpass, for products that have two. "both" gives a dimension ``overpass``. By
        default the morning where the files have both, else the one that they have.
    var : str, optional
        The soil-moisture variable, where the preferred one of the product is not wanted.
    variables : str or iterable of str, optional
        Further variables to keep, ``"all"`` for all. By default: soil moisture, its uncertainty,
        flags that screening needs, and the time of observation.
    layer : int
        Soil layer where the file has a dimension of layers; 0 is the uppermost.
    porosity : float or DataArray, optional
        Pore volume per volume of soil, which converts a degree of saturation (ASCAT, CGLS, ESA
        CCI ACTIVE).
    daily : bool
        Average the times of a day (models) and stamp days at midnight; False keeps the times.
    chunks : dict, int, "auto" or None
        Dask chunks, as in ``xarray.open_dataset``. By default one for each file, or parts of
        large files. Without Dask, or with None, values are read into memory.

    Returns
    -------
    Dataset
        On (time, lat, lon), with 1-D coordinates, or (time, y, x) with 2-D lat and lon where the
        grid has no axes; a dimension ``overpass`` before these. Days are sorted; days without a
        file are absent. Soil moisture keeps name and unit of the file (m3 m-3, percent);
        mass of water in a layer (kg m-2) is converted to m3 m-3.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read; its subclasses below.
    VariableNotFoundError
        If a file has no soil moisture; lists what it has.
    UnitError
        If it is a degree of saturation and `porosity` is not given.
    GridError
        If the files lie on different grids, or are points or swaths that lie on none.
    TimeAxisError
        If a file has no date, or a time is in several files with different values.

    Examples
    --------
    A folder of SMAP L3 files, morning overpass, recommended quality::

        ds = xsm.open_record("SMAP/")
        filled = ds.sm.gapfill()
    """
    if overpass is not None and overpass not in OVERPASSES:
        raise InputError(f"overpass={overpass!r}: expected 'AM', 'PM', 'both' or None.")
    options = Options(var, _names(variables), chunks, layer, porosity is not None, quality)
    pieces, form, name = _opened(list_sources(paths), product, overpass, options)
    pieces = _chosen_overpasses(pieces, overpass)
    records = {
        key: _screened_days(join(value, name), name, form, quality, daily)
        for key, value in pieces.items()
    }
    ds = _with_overpasses(records, overpass)
    ds = _without_saturation(ds, name, form, porosity)
    return _described(ds, name, form, records, paths, {"quality": quality, "overpass": overpass})


def _names(variables: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if variables is None:
        return None
    return (variables,) if isinstance(variables, str) else tuple(variables)


def _opened(
    sources: list[Source], product: str | None, overpass: str | None, options: Options
) -> tuple[dict[str, list[Piece]], FileForm, str]:
    """Overpass -> Datasets of the files; their form, and the name of the soil moisture."""
    pieces: dict[str, list[Piece]] = {}
    forms: dict[tuple[str, str, str], tuple[FileForm, str]] = {}
    without: list[tuple[str, VariableNotFoundError]] = []
    refused: UnitError | None = None
    for source in sources:
        contents = read_contents(source)
        form = recognise(contents, product)
        try:
            listed = retrievals(contents, form, options.var)
        except VariableNotFoundError as error:
            without.append((source.name, error))
            continue
        for retrieval in _of_overpass(listed, overpass):
            try:
                ds, name, own = read_retrieval(contents, form, retrieval, options)
            except UnitError as error:  # files of another kind are named first
                refused = refused or error
                kind = form.product, edition(contents, form), retrieval.variable
                forms[kind] = form, source.name
                continue
            pieces.setdefault(retrieval.overpass, []).append(Piece(ds, source.name))
            forms[own.product, edition(contents, own), name] = own, source.name
    if without and all(form is GENERIC for form, _ in forms.values()):
        raise without[0][1]  # beside files of a product, a mask or a static field is left out
    if without:
        names = ", ".join(name for name, _ in without[:3])
        logger.warning(
            "%d files without soil moisture are left out (%s%s): %s",
            *(len(without), names, ", ..." if len(without) > 3 else "", without[0][1]),
        )
    if len(forms) > 1:
        raise InputError(_several_records(forms))
    if refused is not None:
        raise refused
    if not forms:
        raise InputError(
            f"overpass={overpass!r}: the files hold no such overpass. Leave it out, or give 'both'."
        )
    (_, _, name), (form, _) = next(iter(forms.items()))
    return pieces, form, name


def _several_records(forms: dict[tuple[str, str, str], tuple[FileForm, str]]) -> str:
    """The records that files hold, and how one of them is opened."""
    listing = ", ".join(
        f"{name!r} of {' '.join(filter(None, (form.title, kind)))} in {file}"
        for (_, kind, name), (form, file) in forms.items()
    )
    arguments = {"product": {key[0] for key in forms}, "var": {key[2] for key in forms}}
    choices = [f"{name}=" for name, values in arguments.items() if len(values) > 1]
    advice = f"choose with {' and '.join(choices)}" if choices else ""
    if not choices:  # only the name tells them apart
        files = [file for _, file in forms.values()]
        kinds = [(key[1], file) for key, (_, file) in forms.items() if key[1]]
        # COMBINED is a part of COMBINED_ADJUSTED
        alone = [pair for pair in kinds if sum(pair[0] in file for file in files) == 1]
        kind, file = (alone or kinds)[0]
        pattern = f"*{kind}*" if kind in file else file
        advice = f"give a pattern of their names, such as {pattern!r}"
    return f"paths holds several records: {listing}. Open one at a time: {advice}."


def _of_overpass(listed: list[Retrieval], overpass: str | None) -> list[Retrieval]:
    """The retrievals of one file to open."""
    if overpass == "both":
        return listed
    if overpass is None:
        return [one for one in listed if one.overpass == "AM"] or listed[:1]
    return [one for one in listed if one.overpass == overpass]


def _chosen_overpasses(
    pieces: dict[str, list[Piece]], overpass: str | None
) -> dict[str, list[Piece]]:
    if "" in pieces and (len(pieces) > 1 or overpass == "both"):
        raise InputError(
            f"overpass={overpass!r}: neither group nor name of {pieces[''][0].source} tells its "
            "overpass. Open such files with overpass=None, apart from the others."
        )
    if overpass is None and len(pieces) > 1:
        logger.info("the morning overpass is opened; overpass='both' gives all")
        return {"AM": pieces["AM"]}
    return pieces


def _screened_days(
    ds: xr.Dataset, name: str, form: FileForm, quality: Quality, daily: bool
) -> xr.Dataset:
    ds = _screened(ds, name, form, quality)
    model = form.model or (form is GENERIC and has_steps(ds["time"].values))
    return to_days(ds, name, model=model) if daily else ds


def _screened(ds: xr.Dataset, name: str, form: FileForm, quality: Quality) -> xr.Dataset:
    """`ds` with the quality rules of its product applied."""
    if quality == RECOMMENDED and is_filled(ds, name):
        return ds  # what was to be screened was screened before it was filled
    row = product_row(form.product) if form.product else recognise_product(ds, name)
    return ds if quality is None or row is None else screen(ds, row, quality, name)


def _with_overpasses(records: dict[str, xr.Dataset], overpass: str | None) -> xr.Dataset:
    if len(records) == 1 and overpass != "both":
        return next(iter(records.values()))
    order = sorted(records)
    label = xr.Variable(
        "overpass", order, {"long_name": "overpass: AM morning, PM evening, local time"}
    )
    return xr.concat(
        [records[key] for key in order],
        label,
        join="outer",
        data_vars="all",
        coords="minimal",
        compat="override",
        combine_attrs="drop_conflicts",
    )


def _without_saturation(ds: xr.Dataset, name: str, form: FileForm, porosity: Any) -> xr.Dataset:
    if not is_saturation(ds[name], form):
        return ds
    if porosity is None:
        raise UnitError(saturation_message(ds[name]))
    return volumetric_dataset(ds, name, porosity)


def _described(
    ds: xr.Dataset,
    name: str,
    form: FileForm,
    records: dict[str, xr.Dataset],
    paths: Any,
    options: dict[str, Any],
) -> xr.Dataset:
    listed = str(ds[name].attrs.pop("ancillary_variables", "")).split()
    if present := [beside for beside in listed if beside in ds.variables]:
        ds[name].attrs["ancillary_variables"] = " ".join(present)
    ds["time"].attrs = {"standard_name": "time", "long_name": "time", "axis": "T"}
    if form.product:
        ds.attrs[RECORD_OF] = form.product
    if len(records) == 1 and (key := next(iter(records))):
        ds.attrs["overpass"] = key
    ds.attrs["Conventions"] = CONVENTIONS
    first = repr(paths) if isinstance(paths, str) else f"{type(paths).__name__}"
    call = call_text("open_record", first, options)
    ds.attrs["history"] = history_line(call, ds.attrs.get("history"))
    logger.info("%s as %s: %s, %d days", name, form.title, dict(ds[name].sizes), ds.sizes["time"])
    return ds
