"""What a file contains, read from its headers, and its variables as a Dataset."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import xarray as xr

from xsm.conventions.write_log import is_incomplete
from xsm.errors import InputError
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
    """

    source: Source
    groups: dict[str, dict[str, VariableHeader]]
    attrs: dict[str, Any]
    tree: xr.DataTree | None = None

    def dataset(self, group: str, names: Iterable[str]) -> xr.Dataset:
        """The variables `names` of a group, decoded and not read; times only where they decode."""
        wanted = set(names)
        if self.tree is not None:
            ds = self.tree[group or "/"].to_dataset()
            ds = ds.drop_vars([name for name in ds.variables if name not in wanted])
        else:
            ds = self._open_group(group, wanted)
        ds.encoding["source"] = self.source.name
        ds.attrs = {**self.attrs, **ds.attrs}
        for variable in ds.variables.values():
            variable.attrs = {k: v for k, v in variable.attrs.items() if k not in _STORAGE}
        return ds

    def _open_group(self, group: str, wanted: set[str]) -> xr.Dataset:
        options: dict[str, Any] = {
            "group": group or None,
            "drop_variables": [name for name in self.groups[group] if name not in wanted],
            "decode_timedelta": False,
            "engine": "netcdf4",
        }
        with warnings.catch_warnings():
            # several fill values: all are masked
            warnings.simplefilter("ignore", xr.SerializationWarning)
            try:
                return xr.open_dataset(self.source.location, **options)
            except (ValueError, OverflowError):
                return xr.open_dataset(self.source.location, decode_times=False, **options)


def read_contents(source: Source) -> FileContents:
    """Read the headers of a file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if not isinstance(source.location, str):
        return _of_tree(source, source.location)
    try:
        if source.zarr:
            options: dict[str, Any] = {"decode_timedelta": False, "chunks": None}
            if "://" not in source.location:
                options["consolidated"] = False
            tree = xr.open_datatree(source.location, engine="zarr", **options)
            incomplete = is_incomplete({name: node.attrs for name, node in tree.children.items()})
            contents = _of_tree(source, tree)
        else:
            incomplete, contents = False, _of_netcdf(source)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        raise InputError(
            f"{source.name} cannot be read ({type(error).__name__}: {error}). Expected NetCDF, "
            "HDF5 or Zarr. If the download was cut short, repeat it; convert GRIB and HDF4 to "
            "NetCDF first."
        ) from error
    if incomplete:
        raise InputError(
            f"{source.name} is not complete: xsm.write_zarr was interrupted, and values of the "
            "regions that it lacks would be missing. Repeat the call that wrote it, which goes on "
            "where it ended."
        )
    return contents


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
