"""Layers of the soil: each variable of a product against the sensors of its depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import xarray as xr

from xsm.errors import InputError
from xsm.validation.joined_scores import join_scores
from xsm.validation.reference_options import StationOptions

LAYER = "layer"


def layered_arguments(arguments: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The arguments of :func:`xsm.validate` for each layer; empty if they name no layers.

    Layers are named where ``var``, ``reference_var`` or the depth of the stations is a mapping.

    Raises
    ------
    InputError
        If the layers of these mappings differ, or there are stations without depths of the layers.

    Examples
    --------
    >>> arguments = {"var": {"surface": "sm1", "root_zone": "sm2"}, "reference_var": None}
    >>> depths = {"surface": (0, 0.05), "root_zone": (0.1, 1)}
    >>> layers = layered_arguments(arguments | {"stations": {"depth": depths}})
    >>> layers["root_zone"]["var"], layers["root_zone"]["stations"]
    ('sm2', {'depth': (0.1, 1)})
    """
    options = arguments["stations"]
    options = asdict(options) if isinstance(options, StationOptions) else options
    depth = options.get("depth") if isinstance(options, Mapping) else None
    given = {"var": arguments["var"], "reference_var": arguments["reference_var"]}
    given["stations: depth"] = depth
    mappings = {name: value for name, value in given.items() if isinstance(value, Mapping)}
    if not mappings:
        return {}
    first, *others = mappings.items()
    for name, value in others:
        if {*value} != {*first[1]}:
            raise InputError(
                f"{name} has the layers {', '.join(map(str, value))}, {first[0]} has "
                f"{', '.join(map(str, first[1]))}: expected the same layers."
            )
    if not first[1]:
        raise InputError(f"{first[0]} is empty: expected a mapping of layers.")
    layers = {}
    for layer in first[1]:
        own = dict(arguments)
        for name in ("var", "reference_var"):
            if name in mappings:
                own[name] = mappings[name][layer]
        if "stations: depth" in mappings:
            own["stations"] = dict(options or {}) | {"depth": mappings["stations: depth"][layer]}
        layers[str(layer)] = own
    return layers


def validate_layers(
    run: Callable[[Mapping[str, Any]], xr.Dataset], layers: Mapping[str, Mapping[str, Any]]
) -> xr.Dataset:
    """Scores of each layer, (layer, ...); `run` scores one of them."""
    parts = []
    for layer, arguments in layers.items():
        try:
            parts.append(run(arguments))
        except InputError as error:
            raise type(error)(f"layer {layer!r}: {error}") from error
    return join_scores(parts, list(layers), LAYER).assign_attrs(parts[0].attrs)
