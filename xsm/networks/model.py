"""Weights are data: a safetensors file and the JSON card that says what they are.

No pickle. A card carries the schema version, the network and its configuration, what it was
trained on and how well it did, the calibration of its uncertainty, the licence and the sha256 of
the weights.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from xsm.errors import InputError, ModelError
from xsm.gapfilling.statistics import HALO
from xsm.networks.partial_conv import reach
from xsm.networks.recurrent import CONTEXT, KINDS
from xsm.networks.xgboost_model import KIND

SCHEMA = 1
SHIPPED = Path(__file__).parent / "weights"
TASKS = ("gapfill", "estimate")
TASK = "gapfill"  # of a card that names none
DEFAULTS = {"estimate": "atlstm"}  # what "default" is called, where that is another name


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network: its card and its parameters (float32 arrays, or bytes, by name)."""

    card: dict[str, Any]
    params: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        """Name by which the model was saved."""
        return str(self.card["name"])

    @property
    def config(self) -> dict[str, Any]:
        """Configuration of the network."""
        return dict(self.card["config"])

    @cached_property
    def halo(self) -> tuple[int, int, int]:
        """Days, rows and columns around a cell that its value depends on, statistics given."""
        days, rows, columns = reach(self.config)
        pyramid = max(self.config["scales"]) // 2
        return days, rows + pyramid, columns + pyramid

    @property
    def statistics_halo(self) -> int:
        """Cells around a cell that its statistics depend on."""
        return HALO

    @property
    def identity(self) -> str:
        """Name and fingerprint, for the attributes of what the model filled."""
        return f"{self.name} (sha256 {self.card['sha256'][:12]})"

    def __repr__(self) -> str:
        size = sum(p.size for p in self.params.values())
        return f"<xsm Model {self.name!r}: {size:,} parameters>"


def make_model(name: str, card: dict[str, Any], params: dict[str, np.ndarray]) -> Model:
    """A model from its parts; ``schema``, ``name`` and ``sha256`` of the card are made here."""
    params = {key: _plain(value) for key, value in params.items()}
    rest = {k: v for k, v in card.items() if k not in ("schema", "name", "sha256")}
    fingerprint = hashlib.sha256(save(params)).hexdigest()
    return Model({"schema": SCHEMA, "name": name, **rest, "sha256": fingerprint}, params)


def _plain(value: np.ndarray) -> np.ndarray:
    """Bytes as they are, all else as float32."""
    return np.ascontiguousarray(value, np.uint8 if value.dtype == np.uint8 else np.float32)


def save_model(path: str | Path, card: dict[str, Any], params: dict[str, np.ndarray]) -> Model:
    """Write ``<path>.safetensors`` and ``<path>.json``.

    Parameters
    ----------
    path : str or Path
        With or without a suffix.
    card : dict
        ``config`` and whatever else is known.
    params : dict of ndarray

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        See :func:`own_path`.
    """
    path = own_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    model = make_model(path.name, card, params)
    path.with_name(f"{path.name}.safetensors").write_bytes(save(model.params))
    path.with_name(f"{path.name}.json").write_text(json.dumps(model.card, indent=1) + "\n")
    return model


def own_path(path: str | Path) -> Path:
    """Where a model of one's own goes, without a suffix.

    Raises
    ------
    ModelError
        If it is the bare name of a shipped model, which would be found in its place.
    """
    plain = _without_suffix(Path(path))
    if str(plain) in models():
        raise ModelError(
            f"path={str(path)!r} is the name of a shipped model, which model={str(plain)!r} would "
            "find in its place: choose another name."
        )
    return plain


def _without_suffix(path: Path) -> Path:
    return path.with_suffix("") if path.suffix in (".json", ".safetensors") else path


def load_model(model: str | Path | Model = "default", task: str | None = None) -> Model:
    """Find a model: shipped by name, or the user's own by path.

    Parameters
    ----------
    model : str, Path or Model
        A name that :func:`models` lists, or the path of a ``.safetensors`` file or its ``.json``
        card (both must be there, side by side).
    task : {"gapfill", "estimate"}, optional
        What it is to do: ``"default"`` is the shipped model of this task.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If there is no such model, a file is unreadable, the card's schema is another one, the
        weights are not those that the card describes, or they are for another task.
    """
    if not isinstance(model, str | Path | Model):
        raise ModelError(
            f"model={model!r}: expected one of {sorted(models(task))}, the path of a model, or a "
            "model itself."
        )
    if model == "default":
        model = DEFAULTS.get(task or TASK, "default")
    found = model if isinstance(model, Model) else _found(model, task)
    if task is not None and (own := found.card.get("task", TASK)) != task:
        raise ModelError(
            f"model={found.name!r} is for {own}, not for {task}: expected one of "
            f"{sorted(models(task))}, or one of your own."
        )
    return found


def _found(model: str | Path, task: str | None) -> Model:
    path = _without_suffix(Path(model).expanduser())
    if path.name == str(model) and (SHIPPED / f"{model}.json").exists():
        path = SHIPPED / path.name
    card_path, weights_path = (path.with_name(path.name + end) for end in (".json", ".safetensors"))
    for wanted in (card_path, weights_path):
        if not wanted.is_file():
            raise ModelError(
                f"model={str(model)!r}: there is no file {str(wanted)!r}. Expected one of "
                f"{sorted(models(task))} or the path of a .safetensors file with its .json card."
            )
    return _read(card_path, weights_path, card_path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(card_path: Path, weights_path: Path, _changed: int) -> Model:
    try:
        card = json.loads(card_path.read_text())
    except ValueError as error:
        raise ModelError(f"model card {str(card_path)!r} is not JSON: {error}.") from error
    schema = card.get("schema") if isinstance(card, dict) else None
    if schema != SCHEMA:
        raise ModelError(
            f"model card {str(card_path)!r} has schema {schema!r}, this version of xsm reads "
            f"{SCHEMA}. Fit the model again, or install the xsm that it was fitted with."
        )
    blob = weights_path.read_bytes()
    found = hashlib.sha256(blob).hexdigest()
    if found != card.get("sha256"):
        raise ModelError(
            f"weights {str(weights_path)!r} have sha256 {found[:12]}..., the card says "
            f"{str(card.get('sha256'))[:12]}...: not those it describes. Copy both files again."
        )
    try:
        params = load(blob)
    except SafetensorError as error:
        raise ModelError(f"weights {str(weights_path)!r} are not safetensors: {error}.") from error
    return Model(card, params)


def models(task: str | None = None) -> dict[str, dict[str, Any]]:
    """Shipped models and their cards.

    Parameters
    ----------
    task : {"gapfill", "estimate"}, optional
        Those for one task only; default all.

    Returns
    -------
    dict of str to dict
        Card by name; ``card["description"]`` says in a line what it is for.

    Raises
    ------
    ModelError
        If there is no such task.

    Examples
    --------
    >>> sorted(models("gapfill")), sorted(models("estimate"))
    (['default', 'sgd-sm'], ['atlstm'])
    """
    if task not in (None, *TASKS):
        raise ModelError(f"task={task!r}: expected one of {', '.join(map(repr, TASKS))}, or None.")
    cards = {path.stem: json.loads(path.read_text()) for path in sorted(SHIPPED.glob("*.json"))}
    return {k: card for k, card in cards.items() if task in (None, card.get("task", TASK))}


NEEDED = ("name", "config", "predictors", "target", "sequence")  # of the card


def load_estimator(model: str | Path | Model) -> Model:
    """Load a model that :func:`xsm.estimate` takes.

    Parameters
    ----------
    model : str, Path or Model
        ``"default"``, the name of a shipped one, the path of a model of
        :func:`xsm.fit_estimator`, or a model itself.

    Raises
    ------
    ModelError
        If there is no such model, or it is one of another task or of another form.
    """
    found = load_model(model, "estimate")
    if lost := [key for key in NEEDED if key not in found.card]:
        raise ModelError(
            f"the card of model {str(model)!r} lacks {lost}: not one of xsm.fit_estimator, or "
            "changed. Fit it again."
        )
    wanted = [row.get("name") for row in found.card["predictors"]]
    if found.config.get("kind") not in (*KINDS, KIND) or found.config.get("features") != wanted:
        raise ModelError(
            f"the card of model {found.name!r} does not fit its network: kind "
            f"{found.config.get('kind')!r}, features {found.config.get('features')} against "
            f"predictors {wanted}. Fit it again with xsm.fit_estimator."
        )
    return found


def check_kind(kind: str, argument: str = "model") -> None:
    """Raise an InputError if there is no such kind of model."""
    if kind not in (*KINDS, KIND):
        kinds = ", ".join(map(repr, (*KINDS, KIND)))
        raise InputError(f"{argument}={kind!r}: expected one of {kinds}.")


def shortest_record(kind: str, context: int = CONTEXT) -> int:
    """Days that a record must have for a kind of model: those of the context, if it looks ahead."""
    return 1 if kind in ("lstm", "dense", KIND) else context
