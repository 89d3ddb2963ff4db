"""What a file contains, read from its headers, and its variables as a Dataset."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import xarray as xr

from xsm.conventions.write_log import is_incomplete
from xsm.errors import InputError
from xsm.opening.file_kinds import advice_for, grib_datasets, is_readable_grib
from xsm.opening.group_names import as_grouped
from xsm.opening.packing import in_cf_attributes, repaired
from xsm.opening.sources import Source

# Attributes that some formats keep in a group of metadata
_METADATA = ("rangeBeginningDateTime", "RangeBeginningDate", "shortName")
# Attributes that describe the storage in a file, and names of it that do not exist elsewhere
_STORAGE = (
    "DIMENSION_LIST",
    "REFERENCE_LIST",
    "CLASS",
    "NAME",
    "coordinates",
    "bounds",
    "fullnamepath",
    "origname",
)


class VariableHeader(NamedTuple):
    """Dimensions, shape and attributes of a variable in a file."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    attrs: dict[str, Any]


class FileContents(NamedTuple):
    """Headers of a file.

    groups : path of each group that has variables ("" is the root) -> its variables
    attrs : of the file
    tree : the open tree, for Zarr stores and objects; None for a file that is opened by group
    stored : (group, variable) -> the group and name that the file has it by, where these are
        others: see :func:`xsm.opening.group_names.as_grouped`
    """

    source: Source
    groups: dict[str, dict[str, VariableHeader]]
    attrs: dict[str, Any]
    tree: xr.DataTree | None = None
    stored: Mapping[tuple[str, str], tuple[str, str]] = MappingProxyType({})

    def dataset(self, group: str, names: Iterable[str]) -> xr.Dataset:
        """The variables `names` of a group, decoded and not read; times only where they decode."""
        by_origin: dict[str, dict[str, str]] = {}
        for name in names:
            origin, own = self.stored.get((group, name), (group, name))
            by_origin.setdefault(origin, {})[own] = name
        parts = []
        for origin, names_there in by_origin.items():
            part = self._of_group(origin, set(names_there))
            parts.append(part.rename({k: v for k, v in names_there.items() if k in part}))
        ds = xr.merge(parts, compat="override", join="override", combine_attrs="override")
        ds.encoding["source"] = self.source.name
        ds.attrs = {**self.attrs, **parts[0].attrs}
        for variable in ds.variables.values():
            variable.attrs = {k: v for k, v in variable.attrs.items() if k not in _STORAGE}
        return ds

    def _of_group(self, group: str, wanted: set[str]) -> xr.Dataset:
        if self.tree is None:
            return self._open_group(group, wanted)
        ds = self.tree[group or "/"].to_dataset()
        return repaired(ds.drop_vars([name for name in ds.variables if name not in wanted]))

    def _open_group(self, group: str, wanted: set[str]) -> xr.Dataset:
        moved = {own for origin, own in self.stored.values() if origin == group}
        unwanted = (moved | set(self.groups.get(group, ()))) - wanted
        options: dict[str, Any] = {"drop_variables": list(unwanted), "engine": "netcdf4"}
        raw = in_cf_attributes(
            xr.open_dataset(self.source.location, group=group or None, decode_cf=False, **options)
        )
        with warnings.catch_warnings():
            # several fill values: all are masked
            warnings.simplefilter("ignore", xr.SerializationWarning)
            try:
                return xr.decode_cf(raw, decode_timedelta=False)
            except (ValueError, OverflowError):
                return xr.decode_cf(raw, decode_timedelta=False, decode_times=False)


def read_contents(source: Source) -> FileContents:
    """Read the headers of a file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if not isinstance(source.location, str):
        return _grouped(_of_tree(source, source.location))
    try:
        if source.zarr:
            options: dict[str, Any] = {"decode_timedelta": False, "chunks": None}
            if "://" not in source.location:
                options["consolidated"] = False
            tree = xr.open_datatree(source.location, engine="zarr", **options)
            incomplete = is_incomplete({name: node.attrs for name, node in tree.children.items()})
            contents = _of_tree(source, tree)
        elif is_readable_grib(source.location):
            parts = {f"grib_{k}": ds for k, ds in enumerate(grib_datasets(source.location))}
            tree = xr.DataTree.from_dict(parts)
            tree.attrs = next((dict(ds.attrs) for ds in parts.values()), {})
            incomplete, contents = False, _of_tree(source, tree)
        else:
            incomplete, contents = False, _of_netcdf(source)
    except (OSError, EOFError, ValueError, RuntimeError, KeyError, ImportError) as error:
        raise InputError(
            f"{source.name} cannot be read ({type(error).__name__}: {error}). "
            f"{advice_for(source.location)}"
        ) from error
    if incomplete:
        raise InputError(
            f"{source.name} is not complete: xsm.write_zarr was interrupted, and values of the "
            "regions that it lacks would be missing. Repeat the call that wrote it, which goes on "
            "where it ended."
        )
    return _grouped(contents)


def _grouped(contents: FileContents) -> FileContents:
    groups, stored = as_grouped(contents.groups)
    return contents._replace(groups=groups, stored=stored)


def _of_netcdf(source: Source) -> FileContents:
    import netCDF4

    groups: dict[str, dict[str, VariableHeader]] = {}
    with netCDF4.Dataset(source.location) as root:
        attrs = _attributes(root)
        pending = [root]
        while pending:
            group = pending.pop(0)
            pending += group.groups.values()
            if group is not root:
                attrs |= {k: v for k, v in _attributes(group, _METADATA).items() if k not in attrs}
            if group.variables:
                groups[group.path.strip("/")] = {
                    name: VariableHeader(
                        tuple(variable.dimensions), tuple(variable.shape), _attributes(variable)
                    )
                    for name, variable in group.variables.items()
                }
    return FileContents(source, groups, attrs)


def _attributes(obj: Any, names: Iterable[str] | None = None) -> dict[str, Any]:
    attrs = {}
    for name in obj.ncattrs():
        if names is not None and name not in names:
            continue
        try:
            attrs[name] = obj.getncattr(name)
        except (AttributeError, KeyError, OSError, RuntimeError, UnicodeDecodeError):
            continue  # of a type that netCDF4 cannot read, such as a reference
    return attrs


def _of_tree(source: Source, obj: xr.Dataset | xr.DataTree) -> FileContents:
    tree = obj if isinstance(obj, xr.DataTree) else xr.DataTree(obj)
    groups = {}
    for node in tree.subtree:
        ds = node.to_dataset()
        path = node.relative_to(tree).strip("/")
        if ds.variables:
            groups["" if path == "." else path] = {
                str(name): VariableHeader(tuple(map(str, v.dims)), v.shape, dict(v.attrs))
                for name, v in ds.variables.items()
            }
    return FileContents(source, groups, {str(k): v for k, v in tree.attrs.items()}, tree)
