"""The groups of a DataTree: a function of a Dataset applied to those that it is meant for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xarray as xr

from xsm.conventions.variables import find_variable
from xsm.errors import VariableNotFoundError, XsmError


def soil_moisture_groups(tree: xr.DataTree, var: str | None = None) -> list[str]:
    """Paths of the groups that hold soil moisture, or the variable `var`.

    Raises
    ------
    VariableNotFoundError
        If none does; lists the groups and their variables.
    """
    groups = [node.path for node in tree.subtree if _holds_soil_moisture(node, var)]
    if not groups:
        wanted = "soil moisture was found" if var is None else f"var={var!r} was found"
        variables = {node.path: list(map(str, node.data_vars)) for node in tree.subtree}
        shown = "; ".join(
            f"{path}: {', '.join(names) or 'none'}" for path, names in variables.items()
        )
        raise VariableNotFoundError(
            f"no {wanted} in any group of the DataTree, whose groups have the variables {shown}. "
            "Choose one with var='name', or work on the Dataset of one group: "
            "tree['group'].to_dataset()."
        )
    return groups


def data_groups(tree: xr.DataTree) -> list[str]:
    """Paths of the groups that have variables on two dimensions or more.

    Raises
    ------
    VariableNotFoundError
        If none has.
    """
    groups = [n.path for n in tree.subtree if any(v.ndim > 1 for v in n.data_vars.values())]
    if not groups:
        paths = [node.path for node in tree.subtree]
        raise VariableNotFoundError(
            f"no group of the DataTree has gridded variables; there are {paths}."
        )
    return groups


def over_groups(
    function: Callable[..., xr.Dataset], tree: xr.DataTree, groups: list[str], **options: Any
) -> xr.DataTree:
    """A tree with ``function(dataset, **options)`` in `groups`; the others stay as they are.

    A value of `options` that is a DataTree is taken group by group.

    Raises
    ------
    XsmError
        That of the function, with the name of the group.
    """
    results = {}
    for path in groups:
        own = {k: _of_group(v, path, k) for k, v in options.items()}
        try:
            results[path] = function(tree[path].to_dataset(), **own)
        except XsmError as error:
            raise type(error)(f"group {path!r}: {error}") from error
    others = {n.path: n.to_dataset(inherit=False) for n in tree.subtree if n.path not in results}
    return xr.DataTree.from_dict(others | results, name=tree.name)


def _holds_soil_moisture(node: xr.DataTree, var: str | None) -> bool:
    try:
        find_variable(node.to_dataset(), var)
    except XsmError:
        return False
    return True


def _of_group(value: Any, path: str, argument: str) -> Any:
    if not isinstance(value, xr.DataTree):
        return value
    if path not in {node.path for node in value.subtree}:
        raise VariableNotFoundError(
            f"{argument} is a DataTree without a group {path!r}: expected the groups of the "
            f"record, there are {[node.path for node in value.subtree]}."
        )
    return value[path].to_dataset()
