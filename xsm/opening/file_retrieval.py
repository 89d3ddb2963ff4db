"""One retrieval of one file as a Dataset on (time, y, x): variables, units, time and places."""

from __future__ import annotations

import logging
import re
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xsm.conventions.cf import STANDARD_NAME
from xsm.conventions.depth import DEPTH_NAMES
from xsm.conventions.grid import TIME_NAMES, X_NAMES, Y_NAMES
from xsm.conventions.products import RECORD_OF, product_of, product_row
from xsm.conventions.variables import find_variable, numbers_message
from xsm.errors import InputError, UnitError, VariableNotFoundError
from xsm.opening.file_contents import FileContents, VariableHeader
from xsm.opening.file_forms import (
    EVENING,
    FILE_FORMS,
    GENERIC,
    PRODUCT_KEYS,
    FileForm,
    describe,
    form_of,
    matches,
    soil_moisture_groups,
)
from xsm.opening.file_time import on_time
from xsm.opening.group_names import CELL_PLACES
from xsm.opening.missing_values import mask_missing
from xsm.opening.placement import on_rows_and_columns
from xsm.opening.points import ragged_dimension
from xsm.opening.volumetric import (
    is_layer_mass,
    is_saturation,
    is_uncertainty,
    mass_to_volumetric,
    saturation_message,
    thickness_of,
    uncertainties,
)

logger = logging.getLogger(__name__)

POSITIONS = ("lat", "latitude", "lon", "longitude", "nav_lat", "nav_lon", "long", *CELL_PLACES)
BESIDE = ("time", "valid_time", "time_utc", "expver", "number", "depth", "depth_bnds", "row_size")
RESULTS = ("{var}_uncertainty", "{var}_flag", "{var}_screening")  # of xsm, in a file that it wrote
_LAYERS = re.compile(
    r"(?i)s?depths?|lev|levels?|layers?|(soil|depth)\w*(layers?|profiles?|levels?|depths?)"
)
LARGE_FILE = 128 * 2**20  # bytes of a variable that is split into chunks


class Retrieval(NamedTuple):
    """Where a file holds soil moisture.

    group : of the file, "" is the root
    variable : its name
    overpass : "AM", "PM", or "" where the product has none
    """

    group: str
    variable: str
    overpass: str


class Options(NamedTuple):
    """The arguments of ``open_record`` that concern a single file."""

    var: str | None
    variables: Any
    chunks: Any
    layer: int
    saturation: bool  # degree of saturation is taken; the caller has the porosity
    quality: Any


def retrievals(contents: FileContents, form: FileForm, var: str | None) -> list[Retrieval]:
    """The retrievals of a file, one for each overpass.

    Raises
    ------
    VariableNotFoundError
        If there is no soil moisture.
    """
    only = None
    if var is not None:
        only, own = _group_and_name(contents, var)
        form = form._replace(variables=(re.escape(own),))
        if not (soil_moisture_groups(contents, form) if only is None else only in contents.groups):
            raise VariableNotFoundError(
                f"var={var!r} is in no group of {contents.source.name}. It has "
                f"{describe(contents)}."
            )
    elif form is GENERIC:
        form = form._replace(variables=(re.escape(_generic_variable(contents)),))
    listed = []
    for group in soil_moisture_groups(contents, form) if only is None else [only]:
        names = list(contents.groups[group])
        for ending in ("", EVENING):
            plain = [n.removesuffix(EVENING) for n in names if n.endswith(EVENING) == bool(ending)]
            preferred = (n for pattern in form.variables for n in plain if matches((pattern,), n))
            name = next(preferred, None)
            if name is not None:
                overpass = "PM" if ending else _overpass(form, group, contents)
                listed.append(Retrieval(group, name + ending, overpass))
    return listed


def _group_and_name(contents: FileContents, var: str) -> tuple[str | None, str]:
    """The group that `var` names, as in ``group/name`` or in a flattened name; None for any."""
    for group, variables in contents.groups.items():
        for name in variables:
            origin, own = contents.stored.get((group, name), (group, name))
            if group and var in (f"{group}/{name}", f"{origin}/{own}".strip("/")):
                ending = EVENING if name.endswith(EVENING) else ""
                return group, name.removesuffix(ending)
    return None, var


def _overpass(form: FileForm, group: str, contents: FileContents) -> str:
    written = contents.attrs.get("overpass")
    if RECORD_OF in contents.attrs and written in ("AM", "PM"):
        return str(written)
    for text in (contents.source.name, group):
        for pattern, overpass in form.overpasses:
            if re.search(pattern, text):
                return overpass
    return ""


def _generic_variable(contents: FileContents) -> str:
    for group, headers in contents.groups.items():
        ds = xr.Dataset()
        for name, header in headers.items():
            dims = [f"{dim}_{size}" for dim, size in zip(header.dims, header.shape, strict=True)]
            dims = dims if len(dims) > 1 else [*dims, "one"] if dims else []
            shape = (1,) * len(dims)
            if len(set(dims)) == len(dims):
                ds[name] = xr.Variable(dims, np.zeros(shape), header.attrs)
        try:
            return find_variable(ds)
        except VariableNotFoundError:
            logger.debug("no soil moisture in group %r of %s", group, contents.source.name)
    raise VariableNotFoundError(
        f"{contents.source.name} has no soil moisture that is known here. It has "
        f"{describe(contents)}. Choose one with var='name', or give product=, one of "
        f"{', '.join(map(repr, PRODUCT_KEYS))}."
    )


def read_retrieval(
    contents: FileContents, form: FileForm, retrieval: Retrieval, options: Options
) -> tuple[xr.Dataset, str, FileForm]:
    """Open a retrieval; nothing but coordinates is read where the result is in Dask chunks.

    Returns
    -------
    ds : Dataset
        Soil moisture on (..., time, lat, lon), or on (..., time, y, x) with lat and lon 2-D or
        absent where the files have to be looked at together.
    name : str
        Of its soil moisture.
    form : FileForm
        The row, the finer of two that share their files' form (ERA5-Land).
    """
    headers = contents.groups[retrieval.group]
    name = retrieval.variable
    ds = contents.dataset(retrieval.group, _wanted(headers, form, retrieval, options))
    source = ds.encoding["source"]
    if retrieval.overpass == "PM" and name.endswith(EVENING):
        endings = {
            n: n.removesuffix(EVENING) for n in map(str, ds.variables) if n.endswith(EVENING)
        }
        ds, name = ds.rename(endings), name.removesuffix(EVENING)
    ds = _squeezed(ds, name)
    beside = (*POSITIONS, "depth", "depth_bnds")
    ds = ds.set_coords([n for n in map(str, ds.data_vars) if n.lower() in beside])
    small = [n for n, v in ds.coords.items() if n not in ds.indexes and v.ndim < 2]
    loaded = {n: ds[n].variable.compute() for n in small}
    ds = ds.assign_coords(loaded) if loaded else ds
    ds = _without_experiment_version(_in_chunks(ds, options.chunks))
    ds = _one_layer(ds, name, form, options.layer)
    ds = _masked(ds, name, form)
    ds = _in_volumetric_units(ds, name, form, options).drop_vars("depth_bnds", errors="ignore")
    ds.encoding["source"] = source
    ds = on_time(ds, name)
    ds = _in_chunks(on_rows_and_columns(ds, name, form), options.chunks)
    if form.product == "era5" and "lat" in ds.indexes and ds.sizes["lat"] > 1:
        if abs(float(ds["lat"][1] - ds["lat"][0])) < 0.15:
            form = form_of("era5_land")
    return ds, name, form


def _wanted(
    headers: dict[str, VariableHeader], form: FileForm, retrieval: Retrieval, options: Options
) -> set[str]:
    """Names of the variables to open, as in the file."""
    evening = retrieval.variable.endswith(EVENING)
    companions = tuple(
        text.replace("{var}", re.escape(retrieval.variable.removesuffix(EVENING)))
        for text in (*form.companions, *RESULTS)
    )
    plain_variable = retrieval.variable.removesuffix(EVENING)
    flags = _screening_variables(plain_variable, form, options.quality)
    extra = options.variables
    extra = () if extra is None else (extra,) if isinstance(extra, str) else tuple(extra)
    shape = headers[retrieval.variable]
    wanted = {retrieval.variable}
    for name, header in headers.items():
        plain = name.removesuffix(EVENING)
        of_overpass = (
            name.endswith(EVENING) == evening or name == plain and plain + EVENING not in headers
        )
        named = plain.lower() in (*POSITIONS, *BESIDE) or _is_coordinate(name, header, shape)
        numeric = set(header.dims) <= set(shape.dims) or name in extra
        asked = name in extra or plain in extra or extra == ("all",)
        beside = matches(companions, plain) or plain in flags
        if (named or asked or (beside and numeric)) and of_overpass:
            wanted.add(name)
    names = {name.removesuffix(EVENING) for name in headers}
    if absent := [
        name for name in extra if name != "all" and name.removesuffix(EVENING) not in names
    ]:
        raise InputError(
            f"variables={options.variables!r}: the file has no {', '.join(map(repr, absent))}; "
            f"expected some of {', '.join(map(repr, sorted(names)))}."
        )
    return wanted


def _screening_variables(name: str, form: FileForm, quality: Any) -> set[str]:
    """Variables that the quality rules to apply read; those recommended where none is applied."""
    if not form.product:
        return set()
    row = product_row(form.product)
    named = () if quality is None or isinstance(quality, str) else tuple(quality)
    rules = [rule for rule in row.rules if rule.recommended or rule.name in named]
    return {flag for rule in rules for flag in rule.flag_names(name, row.stem)}


def _is_coordinate(name: str, header: VariableHeader, of: VariableHeader) -> bool:
    """Whether a variable gives the axes, positions or counts of the data."""
    attrs = header.attrs
    standard = str(attrs.get("standard_name", ""))
    if "sample_dimension" in attrs or "instance_dimension" in attrs:
        return True
    if name.lower() in ("locationindex", "location_index", "station_index"):
        return True
    return (
        header.dims == (name,)
        or standard in ("latitude", "longitude", "time", "projection_x_coordinate")
        or str(attrs.get("units", "")).lower() in ("degrees_north", "degrees_east")
        and set(header.dims) <= set(of.dims)
    )


def _squeezed(ds: xr.Dataset, name: str) -> xr.Dataset:
    """`ds` without dimensions of one element that are neither time nor place."""
    keep = {*TIME_NAMES, *Y_NAMES, *X_NAMES, "overpass"}
    single = [
        d
        for d in ds[name].dims
        if ds.sizes[d] == 1 and str(d).lower() not in keep and not _is_layer_dim(ds, str(d))
    ]
    dates = [d for d in single if d in ds.variables and ds[d].dtype.kind in "MO"]
    return ds.squeeze([d for d in single if d not in dates and ds[name].ndim > 2], drop=True)


def _in_chunks(ds: xr.Dataset, chunks: Any) -> xr.Dataset:
    """`ds` with its data in Dask chunks if Dask is installed: one a file, or parts of large ones.

    Coordinates stay in memory, and so do ragged arrays, which are read to be placed.
    """
    if chunks is None or find_spec("dask") is None or ragged_dimension(ds) is not None:
        return ds
    chunked = {}
    for name, da in ds.data_vars.items():
        own = chunks
        if chunks == {} and da.nbytes > LARGE_FILE:
            times = [dim for dim in da.dims if str(dim).lower() in TIME_NAMES]
            own = {times[0]: "auto"} if times else {}
        elif isinstance(chunks, dict):
            own = {dim: size for dim, size in chunks.items() if dim in da.dims}
        if da.chunks is None or own:
            chunked[name] = da.variable.chunk(own)
    return ds.assign(chunked) if chunked else ds


def _without_experiment_version(ds: xr.Dataset) -> xr.Dataset:
    """ERA5: final (1) and preliminary (5) data as one; `expver` and `number` are dropped."""
    if "expver" in ds.dims:
        versions = [ds.isel(expver=i, drop=True) for i in range(ds.sizes["expver"])]
        merged = versions[0]
        for version in versions[1:]:
            merged = merged.fillna(version)
        ds = merged.assign_attrs(ds.attrs)
    return ds.drop_vars([n for n in ("expver", "number") if n in ds.variables and n not in ds.dims])


def _one_layer(ds: xr.Dataset, name: str, form: FileForm, layer: int) -> xr.Dataset:
    """`ds` at one soil layer."""
    dims = [d for d in ds[name].dims if d in form.layer_dims or _is_layer_dim(ds, str(d))]
    for dim in dims:
        if not 0 <= layer < ds.sizes[dim]:
            raise InputError(
                f"layer={layer!r}: {name} has {ds.sizes[dim]} layers along {dim!r}, counted from 0."
            )
        # its depth and bounds tell the thickness
        ds = ds.isel({dim: ds.sizes[dim] - 1 - layer if _deepest_first(ds, str(dim)) else layer})
        if dim in ds.coords and ds[dim].attrs.get("axis") != "Z" and dim not in DEPTH_NAMES:
            ds = ds.drop_vars([dim])
    thicknesses = ds.attrs.get("SOIL_LAYER_THICKNESSES")  # of LIS, cm
    if dims and thicknesses is not None:
        values = thicknesses.split() if isinstance(thicknesses, str) else np.ravel(thicknesses)
        thickness = 0.01 * float(values[layer])
        ds = ds.assign({name: ds[name].assign_attrs(layer_thickness=thickness)})
    return ds


def _deepest_first(ds: xr.Dataset, dim: str) -> bool:
    """Whether the coordinate of a dimension of layers goes upwards."""
    if dim not in ds.coords or ds[dim].dtype.kind not in "fiu" or ds.sizes[dim] < 2:
        return False
    depths = np.abs(ds[dim].values.astype(np.float64))
    return bool((np.diff(depths) < 0).all())


def _is_layer_dim(ds: xr.Dataset, dim: str) -> bool:
    """Whether a dimension is that of soil layers: by its coordinate, or by its name."""
    attrs = ds[dim].attrs if dim in ds.variables else {}
    vertical = attrs.get("axis") == "Z" or attrs.get("standard_name") == "depth"
    return vertical or bool(_LAYERS.fullmatch(dim))


def _masked(ds: xr.Dataset, name: str, form: FileForm) -> xr.Dataset:
    """`ds` without fill values and values out of range, in soil moisture and its uncertainty."""
    if ds[name].dtype.kind not in "fiu":
        raise InputError(numbers_message(ds[name], name))
    every = {n for row in (form, *FILE_FORMS) if row.product == form.product for n in row.variables}
    masked = {}
    for variable in map(str, ds.data_vars):
        da = ds[variable]
        similar = variable == name or matches(tuple(every), variable) or is_uncertainty(variable)
        if similar and da.dtype.kind in "fiu":
            percent = "%" in str(da.attrs.get("units")) or "percent" in str(da.attrs.get("units"))
            factor = 0.01 if percent or is_layer_mass(da) else 1.0
            fitting = None if is_uncertainty(variable) else factor
            masked[variable] = mask_missing(da, form.fill_values, fitting).variable
    return ds.assign(masked)


def _in_volumetric_units(ds: xr.Dataset, name: str, form: FileForm, options: Options) -> xr.Dataset:
    da = ds[name]
    if da.attrs.get("units") is None:
        row = product_of(name)
        units = form.units or (row.units if row is not None else None)
        if units is not None:
            da.attrs["units"] = units
    if is_layer_mass(da):
        thickness = thickness_of(da, ds, form)
        same = uncertainties(ds, name)
        return ds.assign({n: mass_to_volumetric(ds[n], thickness) for n in (name, *same)})
    if is_saturation(da, form):
        if not options.saturation:
            raise UnitError(saturation_message(da))
        return ds
    da.attrs["standard_name"] = STANDARD_NAME
    return ds
