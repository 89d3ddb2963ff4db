"""Gap-filling networks of partial 3-D convolutions with mask updating, from a list of layers.

A configuration lists layers. Each layer concatenates the outputs of earlier ones along the channels
and convolves them under one mask. Convolutions are valid in time, so a record of any length passes
through as one long convolution and the value of a layer at a cell and day is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.networks.features import channels, features

Config = Mapping[str, Any]
MAX_CHANNELS = 65_536


def partial_conv_network(
    params: Mapping[str, Any],
    inputs: Mapping[str, tuple[Any, Any]],
    config: Config,
    ops: Any,
    *,
    land: Any = None,
) -> tuple[Any, Any]:
    """Run the network.

    Parameters
    ----------
    params : mapping of str to array
        ``<layer>.weight`` (O, C, kt, kh, kw) and ``<layer>.bias`` (O,).
    inputs : mapping of str to (array, mask)
        Of :func:`inputs`: arrays (B, C, T, H, W) and masks (B, 1, T, H, W), True where valid.
    config : mapping
        ``layers``: a list of ``name``, ``inputs`` (names of earlier outputs, concatenated along the
        channels; all but the first must be zero where their mask is False), ``mask`` (the output
        whose mask applies; default the first input), ``kernel`` (kt, kh, kw), ``channels``,
        ``activation``, ``residual`` (added before the activation) and ``skip`` (added after it).
    ops : namespace
        Supplies ``masked_conv3d`` for arrays of this kind, and optionally ``pointwise_layers``,
        which runs consecutive layers of kernel (1, 1, 1) as one operation.
    land : bool array, shape (H, W) or (B, 1, 1, H, W), optional
        Masks never grow beyond it.

    Returns
    -------
    output : array, shape (B, O, T - 8, H, W)
        Output of the last layer; 0 where its mask is False.
    mask : bool array, shape (B, 1, T - 8, H, W)

    Notes
    -----
    The layer is that of Liu et al. (2018, doi 10.1007/978-3-030-01252-6_6) in three dimensions, as
    in SGD-SM (Zhang et al., 2021, doi 10.5194/essd-13-1385-2021, Eqs. 2-4).
    """
    outputs = dict(inputs)
    # where all samples share one land mask, cells outside it need not be computed
    active = land if land is not None and land.ndim == 2 else None
    pointwise = getattr(ops, "pointwise_layers", None)
    groups = [[layer] for layer in config["layers"]] if pointwise is None else layer_groups(config)
    for layers in groups:
        layer, name = layers[0], layers[-1]["name"]
        sources = [outputs[source][0] for source in layer["inputs"]]
        mask = outputs[layer.get("mask", layer["inputs"][0])][1]
        days = min(x.shape[2] for x in [*sources, mask])
        sources, mask = [_middle_days(x, days) for x in sources], _middle_days(mask, days)
        if pointwise is not None and len(layers) > 1:
            y, mask = pointwise(
                sources,
                mask,
                [params[f"{each['name']}.weight"][:, :, 0, 0, 0] for each in layers],
                [params[f"{each['name']}.bias"] for each in layers],
                activations=[each.get("activation") for each in layers],
                active=active,
            )
        else:
            y, mask = _convolve(layer, sources, mask, outputs, params, ops, active)
        outputs[name] = y, (mask if land is None or active is not None else mask & land)
    return outputs[config["layers"][-1]["name"]]


def _convolve(layer, sources, mask, outputs, params, ops, active):
    """Output and mask of one layer."""
    name, kernel = layer["name"], layer["kernel"]
    residual = layer.get("residual")
    if residual is not None:
        residual = _middle_days(outputs[residual][0], mask.shape[2] - kernel[0] + 1)
    y, mask = ops.masked_conv3d(
        _concat_channels(sources),
        mask,
        params[f"{name}.weight"],
        params[f"{name}.bias"],
        activation=layer.get("activation"),
        residual=residual,
        padding=(0, kernel[1] // 2, kernel[2] // 2),
        active=active,
    )
    if (skip := layer.get("skip")) is not None:
        y = y + _middle_days(outputs[skip][0], y.shape[2])
    return y, mask


def layer_groups(config: Config) -> list[list[Mapping[str, Any]]]:
    """Group the layers: chains of pointwise layers that only the next one reads, else one each.

    Examples
    --------
    >>> from xsm.networks.partial_conv import default
    >>> [layer["name"] for layer in layer_groups(default())[-1]]
    ['head1', 'head2', 'output']
    """
    readers: dict[str, set[str]] = {}
    for layer in config["layers"]:
        for name in (*layer["inputs"], *(layer.get(key) for key in ("mask", "residual", "skip"))):
            readers.setdefault(name, set()).add(layer["name"])
    groups: list[list[Mapping[str, Any]]] = []
    for layer in config["layers"]:
        previous = groups[-1][-1] if groups else None
        if (
            previous is not None
            and _is_pointwise(previous)
            and _is_pointwise(layer)
            and layer["inputs"] == [previous["name"]]
            and layer.get("mask") in (None, previous["name"])
            and readers[previous["name"]] == {layer["name"]}
        ):
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return groups


def _is_pointwise(layer: Mapping[str, Any]) -> bool:
    added = layer.get("residual"), layer.get("skip")
    return tuple(layer["kernel"]) == (1, 1, 1) and added == (None, None)


def _middle_days(x: Any, days: int) -> Any:
    """The middle `days` of (B, C, T, H, W)."""
    start = (x.shape[2] - days) // 2
    return x[:, :, start : start + days]


def _concat_channels(arrays: list[Any]) -> Any:
    if len(arrays) == 1:
        return arrays[0]
    return array_api_compat.array_namespace(*arrays).concat(arrays, axis=1)


def inputs(values: Any, stats: Any, config: Config, ops: Any) -> dict[str, tuple[Any, Any]]:
    """Inputs of the network; see :func:`xsm.networks.features.features`."""
    return features(values, stats, ops, scales=config["scales"])


def halo(config: Config) -> tuple[int, int, int]:
    """Days, rows and columns on each side that an output depends on, from the values on."""
    days, rows, columns = reach(config)
    pyramid = max(config["scales"]) // 2
    return days, rows + pyramid, columns + pyramid


def reach(config: Config) -> tuple[int, int, int]:
    """Days, rows and columns of the inputs on each side that an output of the layers depends on."""
    radius = {"anomaly": (0, 0, 0), "features": (0, 0, 0)}
    for layer in config["layers"]:
        sources = [radius[name] for name in layer["inputs"]]
        convolved = tuple(
            max(source[axis] for source in sources) + layer["kernel"][axis] // 2
            for axis in range(3)
        )
        added = [radius[layer[key]] for key in ("residual", "skip") if layer.get(key) is not None]
        days, rows, columns = (max(v) for v in zip(convolved, *added, strict=True))
        radius[layer["name"]] = days, rows, columns
    return radius[config["layers"][-1]["name"]]


def param_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Shapes of the parameters, ``<layer>.weight`` and ``<layer>.bias``, by name.

    Raises
    ------
    InputError
        If the layers do not fit together.
    """
    check_layers(config)
    width = {"anomaly": 1, "features": len(config["features"])}
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in config["layers"]:
        name, count = layer["name"], layer["channels"]
        shapes[f"{name}.weight"] = (count, sum(width[n] for n in layer["inputs"]), *layer["kernel"])
        shapes[f"{name}.bias"] = (count,)
        width[name] = count
    return shapes


def check_layers(config: Config) -> None:
    """Raise an InputError if the layers of a configuration do not fit together."""
    scales, layers = config["scales"], config["layers"]
    if not scales or not all(_is_odd(n, 1000) for n in scales):
        raise InputError(f"scales={scales!r}: expected odd numbers of cells.")
    if list(config["features"]) != channels(scales):
        raise InputError(f"features={config['features']!r}: expected those of the scales {scales}.")
    if not isinstance(layers, list) or not layers:
        raise InputError(f"layers={layers!r}: expected a list of one or more.")
    width = {"anomaly": 1, "features": len(config["features"])}
    for layer in layers:
        name, kernel, count = layer["name"], layer["kernel"], layer["channels"]
        where = f"layer {name!r}: "
        if not isinstance(name, str) or name in width:
            raise InputError(where + "expected a name that no other has.")
        if not isinstance(layer["inputs"], list) or not layer["inputs"]:
            raise InputError(where + "expected a list of inputs.")
        if len(kernel) != 3 or not all(_is_odd(n, 100) for n in kernel):
            raise InputError(where + f"kernel={kernel!r}: expected three odd numbers.")
        if not isinstance(count, int) or not 0 < count <= MAX_CHANNELS:
            raise InputError(where + f"channels={count!r}: expected 1 to {MAX_CHANNELS}.")
        if layer.get("activation") not in (None, "relu"):
            raise InputError(where + f"activation={layer['activation']!r}: expected 'relu', None.")
        added = {key: layer[key] for key in ("residual", "skip") if layer.get(key) is not None}
        for source in (*layer["inputs"], *added.values(), layer.get("mask", layer["inputs"][0])):
            if source not in width:
                raise InputError(where + f"{source!r} is no input and no earlier layer.")
        for key, source in added.items():
            if width[source] != count:
                raise InputError(where + f"{key}={source!r} has not {count} channels.")
        width[name] = count


def _is_odd(value: Any, limit: int) -> bool:
    return isinstance(value, int) and 0 < value < limit and value % 2 == 1


def initial_params(config: Config, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """He-normal weights and zero biases; the last layer is zero, so training starts at the mean.

    Returns
    -------
    dict of ndarray of float32
    """
    rng = np.random.default_rng(seed)
    last = f"{config['layers'][-1]['name']}.weight"
    params: dict[str, np.ndarray] = {}
    for name, shape in param_shapes(config).items():
        if name.endswith(".bias"):
            params[name] = np.zeros(shape, np.float32)
        else:
            std = 0.0 if name == last else np.sqrt(2 / np.prod(shape[1:]))
            params[name] = (std * rng.standard_normal(shape)).astype(np.float32)
    return params


def _layer(
    name: str, inputs: list[str], kernel: tuple[int, int, int], width: int, **more: Any
) -> dict[str, Any]:
    """One entry of ``layers``; `width` is the number of output channels."""
    return {
        "name": name,
        "inputs": inputs,
        "kernel": list(kernel),
        "channels": width,
        "activation": "relu",
        **more,
    }


def default(width: int = 32, hidden: int = 96) -> dict[str, Any]:
    """Default configuration: masked means at many scales, four 3 x 3 x 3 layers, a head per cell.

    The head also takes 5 x 5 cells of the day to fill ("spatial") and the nine days of the cell
    ("temporal"), which the trunk of 3 x 3 x 3 layers blurs.
    """
    scales = [3, 7, 15, 31, 61]
    cube = (3, 3, 3)
    return {
        "features": channels(scales),
        "scales": scales,
        "layers": [
            _layer("near", ["anomaly"], cube, width, activation=None),
            _layer("wide", ["features"], cube, width, residual="near"),
            _layer("trunk1", ["wide"], cube, width),
            _layer("trunk2", ["trunk1"], cube, width, skip="wide"),
            _layer("trunk3", ["trunk2"], cube, width),
            _layer("temporal", ["anomaly"], (9, 1, 1), 32),
            _layer("spatial", ["anomaly"], (1, 5, 5), 32),
            _layer(
                "head1",
                ["trunk3", "wide", "temporal", "spatial", "features"],
                (1, 1, 1),
                hidden,
                mask="trunk3",
            ),
            _layer("head2", ["head1"], (1, 1, 1), 64),
            _layer("output", ["head2"], (1, 1, 1), 2, activation=None),
        ],
    }


def sgd_sm(width: int = 64, depth: int = 6) -> dict[str, Any]:
    """Configuration of SGD-SM (Zhang et al., 2021), with a log-variance as second output.

    Nine days, 3 x 3 x 3 partial convolutions, ReLU, no normalisation. The paper does not say where
    time shrinks from nine days to one, nor how deep the trunk is. Here each layer of the temporal
    branch removes two days, and the trunk has `depth` layers of `width` channels on one day.
    """
    flat, cube = (1, 3, 3), (3, 3, 3)
    trunk = [
        _layer(f"trunk{i}", [f"trunk{i - 1}"] if i else ["branches"], flat, width)
        for i in range(depth)
    ]
    return {
        "features": channels([1]),
        "scales": [1],
        "layers": [
            _layer("temporal1", ["anomaly"], cube, width // 2),
            _layer("temporal2", ["temporal1"], cube, width // 2),
            _layer("temporal3", ["temporal2"], cube, width // 2),
            _layer("temporal4", ["temporal3"], cube, width // 2),
            _layer("spatial", ["anomaly"], flat, width // 2),
            _layer("branches", ["temporal4", "spatial"], flat, width),
            *trunk,
            _layer("output", [f"trunk{depth - 1}"], flat, 2, activation=None),
        ],
    }
