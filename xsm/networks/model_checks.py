"""What a card and its weights must be, checked before anything is computed with them.

Compiled loops trust the shapes of their arrays, so weights of other shapes than the card's network
has would be read out of bounds. Cards and weights come from files that may be edited or damaged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError, ModelError
from xsm.networks.registry import ENSEMBLE, TASKS, Network, network

REQUIRED = {  # entries of a card, by task
    "gapfill": ("name", "config"),
    "estimate": ("name", "config", "predictors", "target", "sequence"),
}
LARGEST = 2**20  # of any size in a configuration
LARGEST_NUMBER = 1e30  # in a card, such as the mean of a predictor
LOCAL = "local/"  # of the parameters of a local part
_KINDS = {str: "text", dict: "a mapping", list: "a list", bool: "True or False"}

Params = Mapping[str, NDArray[Any]]
Shapes = Mapping[str, tuple[int | None, ...]]


def card_digest(card: Mapping[str, Any]) -> str:
    """sha256 of a card without its own entry ``card_sha256``; of the form in which it is stored."""
    rest = {key: value for key, value in card.items() if key != "card_sha256"}
    text = json.dumps(json.loads(json.dumps(rest)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_model(card: Mapping[str, Any], params: Params, row: Network) -> None:
    """Raise a ModelError if the weights are not those of the network that the card describes.

    Parameters
    ----------
    card : mapping
        That passes :func:`check_card`.
    params : mapping of str to ndarray
        Under the names of this version.
    row : Network
        The kind of network of the card.
    """
    name = str(card["name"])
    for key, value in params.items():
        if value.dtype == np.uint8:
            continue
        if value.dtype != np.float32:
            raise _refused(name, f"the weights {key!r} are {value.dtype}, expected float32")
        if not np.isfinite(value).all():
            count = int((~np.isfinite(value)).sum())
            raise _refused(name, f"{count} of {value.size} weights {key!r} are not finite")
    if row.task == "gapfill":
        if (shapes := _param_shapes(name, row, card["config"])) is not None:
            _check_shapes(name, "", shapes, params)
        return
    others = {key: value for key, value in params.items() if not key.startswith(LOCAL)}
    members = sorted({key.partition("/")[0] for key in others}, key=lambda key: (len(key), key))
    if not members or members != [str(n) for n in range(len(members))]:
        raise _refused(name, f"the weights are of the ensemble members {members}, expected 0, 1 ..")
    of_members = _shapes_of_members(card, row, len(members))
    if len(of_members) != len(members):
        raise _refused(name, f"there are {len(members)} networks, the card has {len(of_members)}")
    for member, shapes in zip(members, of_members, strict=True):
        if shapes is None:
            continue
        prefix = f"{member}/"
        own = {k.removeprefix(prefix): v for k, v in others.items() if k.startswith(prefix)}
        _check_shapes(name, prefix, shapes, own)
    _check_local(card, params)


def _shapes_of_members(card: Mapping[str, Any], row: Network, count: int) -> list[Shapes | None]:
    """Shapes of the parameters of each network of an estimator."""
    name = str(card["name"])
    if row.kind != ENSEMBLE:
        return [_param_shapes(name, row, card["config"])] * count
    of_members: list[Shapes | None] = []
    for part, members in cards_of_kinds(card):
        shapes = _param_shapes(name, network(part["network"]), part["config"])
        of_members += [shapes] * members
    return of_members


def _param_shapes(name: str, row: Network, config: Mapping[str, Any]) -> Shapes | None:
    try:
        return row.param_shapes(config)
    except (InputError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _refused(name, f"its configuration is none of {row.kind!r}: {error!r}") from error


def cards_of_kinds(card: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """Card and number of networks of each kind in an ensemble, in the order of its parameters."""
    for entry in card["networks"]:
        own = {"network": entry["network"], "config": entry["config"]}
        yield {**card, **own}, entry["ensemble_size"]


def _check_networks(name: str, card: Mapping[str, Any]) -> None:
    """Entry ``networks`` of an ensemble of several kinds."""
    entries = _need(name, "networks", card.get("networks"), list)
    total = regional = 0.0
    for n, entry in enumerate(entries):
        _need(name, f"networks[{n}]", entry, dict)
        if _need(name, f"networks[{n}].network", entry.get("network"), str) == ENSEMBLE:
            raise _refused(name, f"networks[{n}] is an ensemble itself")
        _need(name, f"networks[{n}].config", entry.get("config"), dict)
        _need_size(name, f"networks[{n}].ensemble_size", entry.get("ensemble_size"), least=1)
        total += _need_number(name, f"networks[{n}].weight", entry.get("weight"), least=0.0)
        of_new_cells = entry.get("regional_weight", entry["weight"])
        regional += _need_number(name, f"networks[{n}].regional_weight", of_new_cells, least=0.0)
    if len({entry["network"] for entry in entries}) < len(entries):
        raise _refused(name, "networks has a kind twice")
    for weights, sums in (("weights", total), ("regional weights", regional)):
        if abs(sums - 1) > 1e-3:
            problem = f"the {weights} of its networks have the sum {sums:g}, expected 1"
            raise _refused(name, problem)


def _check_shapes(name: str, prefix: str, shapes: Shapes, params: Params) -> None:
    """Compare names and shapes; a size of None may be any."""
    if lacking := sorted(shapes.keys() - params.keys()):
        raise _refused(name, f"there are no weights {prefix + lacking[0]!r}")
    if strange := sorted(params.keys() - shapes.keys()):
        raise _refused(name, f"the network has no weights {prefix + strange[0]!r}")
    for key, shape in shapes.items():
        have = params[key].shape
        if len(have) != len(shape) or any(
            n not in (None, m) for n, m in zip(shape, have, strict=True)
        ):
            raise _refused(
                name, f"the weights {prefix + key!r} have the shape {have}, the card gives {shape}"
            )


def _check_local(card: Mapping[str, Any], params: Params) -> None:
    """Shapes of the local part of an estimator, see :class:`xsm.estimation.local.LocalPart`."""
    name, entry = str(card["name"]), card.get("local")
    own = {k.removeprefix(LOCAL): v for k, v in params.items() if k.startswith(LOCAL)}
    if entry is None:
        if own:
            raise _refused(name, f"there are weights {LOCAL}*, but no entry 'local'")
        return
    numbers = ("regional_error", "tolerance", "amplitude", "constant", "track")
    _need(name, "local", entry, dict)
    for key in numbers:
        _need_number(name, f"local.{key}", entry.get(key), least=0.0)
    cycle = _need_size(name, "local.repeat_cycle", entry.get("repeat_cycle"), least=0)
    columns = _need(name, "local.inputs", entry.get("inputs"), list)
    count = len(card.get("inputs", card["predictors"]))
    if not all(_is_int(n) and 0 <= n < count for n in columns):
        raise _refused(name, f"local.inputs={columns} are no numbers of its {count} inputs")
    cells, inputs = len(own.get("mean", ())), len(columns)
    frequencies = own.get("frequencies", np.empty((0, 0))).shape[-1]
    features = 1 + inputs + 2 * frequencies + cycle
    cell, plane = (cells,), (cells, inputs)
    shapes: dict[str, tuple[int | None, ...]] = {
        **dict.fromkeys(("mean", "std", "error"), cell),
        **dict.fromkeys(("input_mean", "input_scale"), plane),
        **dict.fromkeys(("linear", "global_std"), (inputs,)),
        "position": (cells, 2),
        "weights": (cells, features),
        "frequencies": (inputs, frequencies),
    }
    _check_shapes(name, LOCAL, shapes, own)


def check_card(card: Any) -> None:
    """Raise a ModelError if a card lacks an entry, or one is not what the network needs."""
    if not isinstance(card, dict):
        raise ModelError(f"a model card is a {type(card).__name__}: expected a mapping.")
    name = str(card.get("name"))
    task = card.get("task", "gapfill")
    if task not in TASKS:
        raise _refused(name, f"task={task!r}: expected one of {', '.join(map(repr, TASKS))}")
    if missing := [key for key in REQUIRED[task] if key not in card]:
        raise ModelError(
            f"the card of model {name!r} lacks {missing}: it was not written by xsm, or changed "
            "since. Fit the model again."
        )
    _need(name, "name", card["name"], str)
    config = _need(name, "config", card["config"], dict)
    kind = card.get("network", config.get("kind", "partial_conv"))
    if kind == ENSEMBLE and task == "estimate":
        _check_networks(name, card)
        for part, _ in cards_of_kinds(card):
            check_card(part)
        return
    try:
        row = network(kind, task)
    except InputError as error:
        raise ModelError(
            f"the card of model {card.get('name')!r} names an unknown network: {error} "
            "Fit the model again, or install the version of xsm that wrote it."
        ) from error
    _check_calibration(name, card.get("calibration"), task)
    if task == "estimate":
        _check_estimator(name, card, row)


def _check_estimator(name: str, card: Mapping[str, Any], row: Network) -> None:
    predictors = _check_rows(name, "predictors", card["predictors"])
    for n, entry in enumerate(predictors):
        _need(name, f"predictors[{n}].units", entry.get("units"), str)
        _need_size(name, f"predictors[{n}].max_interp_gap", entry.get("max_interp_gap", 0), least=0)
        _need_number(name, f"predictors[{n}].reference", entry.get("reference", 0.0))
        for value in _need(name, f"predictors[{n}].classes", entry.get("classes", []), list):
            _need_number(name, f"predictors[{n}].classes", value)
    names = [entry["name"] for entry in predictors]
    inputs = predictors
    if "inputs" in card:
        inputs = _check_rows(name, "inputs", card["inputs"])
        for n, entry in enumerate(inputs):
            made = entry.get("antecedent") or entry.get("local")
            if not made and entry.get("predictor", entry["name"]) not in names:
                raise _refused(name, f"inputs[{n}]={entry['name']!r} is none of the predictors")
    columns = [entry["name"] for entry in inputs]
    config = card["config"]
    if config.get("kind") != row.kind or config.get("features") != columns:
        raise ModelError(
            f"the card of model {name!r} does not fit its network: kind {config.get('kind')!r} "
            f"against network {row.kind!r}, features {config.get('features')} against inputs "
            f"{columns}. Fit the model again with xsm.fit_estimator."
        )
    for key, least in (("hidden", 1), ("input", 1), ("heads", 1), ("ffn_width", 1), ("window", 0)):
        if config.get(key) is not None:
            _need_size(name, f"config.{key}", config[key], least=least)
    target = _need(name, "target", card["target"], dict)
    for key in ("location", "scale"):
        value = target.get(key)
        if not (isinstance(value, str) and value in columns):
            _need_number(name, f"target.{key}", value, above=0.0 if key == "scale" else None)
    if "local" in card or "range" in target:
        limits = _need(name, "target.range", target.get("range"), list)
        if len(limits) != 2 or not all(_is_number(v) for v in limits) or limits[0] > limits[1]:
            raise _refused(name, f"target.range={limits!r}: expected two increasing numbers")
    sequence = _need(name, "sequence", card["sequence"], dict)
    _need_size(name, "sequence.days", sequence.get("days"), least=1)
    _need_size(name, "sequence.context", sequence.get("context"), least=0)


def _check_rows(name: str, entry: str, rows: Any) -> list[dict[str, Any]]:
    """Names, means and standard deviations of the predictors or inputs."""
    if not _need(name, entry, rows, list):
        raise _refused(name, f"{entry} is empty")
    for n, row in enumerate(rows):
        _need(name, f"{entry}[{n}]", row, dict)
        _need(name, f"{entry}[{n}].name", row.get("name"), str)
        _need_number(name, f"{entry}[{n}].mean", row.get("mean"))
        _need_number(name, f"{entry}[{n}].std", row.get("std"), above=0.0)
    if len({row["name"] for row in rows}) < len(rows):
        raise _refused(name, f"{entry} has a name twice")
    return rows


def _check_calibration(name: str, calibration: Any, task: str) -> None:
    if calibration is None:
        return
    _need(name, "calibration", calibration, dict)
    if task == "estimate":
        if "scale" in calibration:
            _need_number(name, "calibration.scale", calibration["scale"], least=0.0)
        return
    points, scale = (
        _need(name, f"calibration.{key}", calibration.get(key), list)
        for key in ("log_variance", "scale")
    )
    for key, values, least in (("log_variance", points, None), ("scale", scale, 0.0)):
        for value in values:
            _need_number(name, f"calibration.{key}", value, least=least)
    if not points or len(points) != len(scale) or sorted(points) != points:
        raise _refused(name, "calibration: expected as many scales as increasing log-variances")


def _need(name: str, entry: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise _refused(name, f"{entry}={_short(value)}: expected {_KINDS[kind]}")
    return value


def _need_number(
    name: str, entry: str, value: Any, *, least: float | None = None, above: float | None = None
) -> float:
    good = _is_number(value)
    if not good or (least is not None and value < least) or (above is not None and value <= above):
        limit = f" of {least:g} or more" if least is not None else ""
        limit += f" above {above:g}" if above is not None else ""
        raise _refused(name, f"{entry}={_short(value)}: expected a finite number{limit}")
    return float(value)


def _need_size(name: str, entry: str, value: Any, *, least: int) -> int:
    if not _is_int(value) or not least <= value <= LARGEST:
        raise _refused(name, f"{entry}={_short(value)}: expected a number of {least} or more")
    return int(value)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and abs(value) < LARGEST_NUMBER


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:60]}..."


def _refused(name: str, problem: str) -> ModelError:
    return ModelError(
        f"model {name!r} cannot be used: {problem}. Its card or its weights were changed, or not "
        "written by xsm: copy both files again, or fit the model again."
    )
