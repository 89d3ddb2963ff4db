"""Models as data: weights in a safetensors file, and a JSON card that describes them.

No pickle. A card holds the schema version, the kind of network and its configuration, the training
data, the scores, the calibration of the uncertainty, the licence and the sha256 of the weights and
of the card itself. :mod:`xsm.networks.model_checks` checks that they fit together.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from xsm.errors import InputError, ModelError
from xsm.networks.model_checks import card_digest, cards_of_kinds, check_card, check_model
from xsm.networks.registry import ENSEMBLE, TASKS, Network, combined_traits, network

SCHEMA = 2
READABLE = (1, 2)  # cards of schema 1 have no checksum of their own
SHIPPED = Path(__file__).parent / "weights"
DEFAULT_TASK = "gapfill"  # of a card without the entry "task"
DEFAULT_NETWORK = "partial_conv"  # of a gap-filling card without the entry "network"
DEFAULT_MODELS = {"estimate": "atlstm"}  # file that "default" stands for, if not "default" itself
LARGEST_CARD = 2**26  # bytes
CHECKSUMS = ("sha256", "card_sha256")


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network: its card and its parameters (float32 arrays, or bytes, by name).

    Models of the same card and parameters are equal. Each task of a cluster unpickles a model of
    its own; what is made from one, such as packed weights, is then kept once.
    """

    card: dict[str, Any]
    params: dict[str, np.ndarray]

    @cached_property
    def digest(self) -> str:
        """sha256 of the card and all parameters, as they are when it is first asked for."""
        content = hashlib.sha256(card_digest(self.card).encode())
        for name, value in sorted(self.params.items()):
            content.update(repr((name, value.dtype.str, value.shape)).encode())
            content.update(np.ascontiguousarray(value).tobytes())
        return content.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Model) and self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def name(self) -> str:
        """Name under which the model was saved."""
        return str(self.card["name"])

    @property
    def config(self) -> dict[str, Any]:
        """Configuration of the network."""
        return dict(self.card["config"])

    @property
    def task(self) -> str:
        """``"gapfill"`` or ``"estimate"``."""
        return str(self.card.get("task", DEFAULT_TASK))

    @property
    def kind(self) -> str:
        """Kind of the network, a key of :data:`xsm.networks.registry.NETWORKS`.

        Or ``"ensemble"``, of an estimator with networks of several kinds; see :attr:`components`.
        """
        return str(self.card.get("network", self.config.get("kind", DEFAULT_NETWORK)))

    @property
    def network(self) -> Any:
        """Functions and traits of the kind of network, a row of the registry.

        Raises
        ------
        ModelError
            If there is no such kind for the task of the model.
        """
        try:
            if self.kind == ENSEMBLE and self.task == "estimate":
                return combined_traits([part.network for part in self.components.values()])
            return network(self.kind, self.task)  # type: ignore[call-overload]
        except InputError as error:
            raise ModelError(
                f"the card of model {self.card.get('name')!r} names an unknown network: {error} "
                "Fit the model again, or install the version of xsm that wrote it."
            ) from error

    @cached_property
    def components(self) -> dict[str, Model]:
        """The networks of each kind as a model; the model itself if all are of one kind.

        Such a part has card and parameters of the whole model, but for ``network``, ``config`` and
        the parameters of the other networks.
        """
        if self.kind != ENSEMBLE:
            return {self.kind: self}
        parts, first = {}, 0
        for card, members in cards_of_kinds(self.card):
            numbers = {str(first + n) for n in range(members)}
            first += members
            own = {name: p for name, p in self.params.items() if name.split("/")[0] in numbers}
            parts[card["network"]] = Model(card, own)
        return parts

    @property
    def weights(self) -> dict[str, float]:
        """Weight of the mean of the networks of each kind in an estimate; their sum is 1."""
        if self.kind != ENSEMBLE:
            return {self.kind: 1.0}
        return {entry["network"]: float(entry["weight"]) for entry in self.card["networks"]}

    @property
    def regional_weights(self) -> dict[str, float]:
        """The same in cells that were not fitted, where the model has a local part."""
        if self.kind != ENSEMBLE:
            return self.weights
        entries = self.card["networks"]
        return {e["network"]: float(e.get("regional_weight", e["weight"])) for e in entries}

    @cached_property
    def halo(self) -> tuple[int, int, int]:
        """Days, rows and columns around a cell that its filled value depends on.

        The statistics of the record are inputs, with a halo of their own.
        """
        return tuple(self.network.halo(self.config))

    @property
    def identity(self) -> str:
        """Name and start of the sha256, for the attributes of a result."""
        return f"{self.name} (sha256 {self.card['sha256'][:12]})"

    def __repr__(self) -> str:
        size = sum(p.size for p in self.params.values())
        return f"<xsm Model {self.name!r}: {size:,} parameters>"


def make_model(name: str, card: dict[str, Any], params: dict[str, np.ndarray]) -> Model:
    """Build a model from its parts.

    Sets ``schema``, ``name``, ``sha256`` (of the weights) and ``card_sha256`` (of all other entries
    of the card) of the card.
    """
    params = {key: _as_stored(value) for key, value in params.items()}
    card = as_json(card)
    rest = {k: v for k, v in card.items() if k not in ("schema", "name", *CHECKSUMS)}
    weights = hashlib.sha256(save(params)).hexdigest()
    card = {"schema": SCHEMA, "name": name, **rest, "sha256": weights}
    return Model(card | {"card_sha256": card_digest(card)}, params)


def as_json(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card as it is read from its file: NumPy numbers and arrays become numbers and lists.

    Raises
    ------
    InputError
        If an entry is none of what a file in JSON can hold.
    """
    plain = {}
    for key, value in card.items():
        try:
            plain[str(key)] = json.loads(json.dumps(value, default=_plain))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"card[{key!r}] cannot be written to a file: {error}. Expected text, numbers, True "
                "or False, None, and lists and mappings of these: convert it, such as with str()."
            ) from error
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind in "biufU":
        return value.tolist()
    raise TypeError(f"it holds a {type(value).__name__}")


def _as_stored(value: np.ndarray) -> np.ndarray:
    """Bytes unchanged, all other arrays in float32."""
    return np.ascontiguousarray(value, np.uint8 if value.dtype == np.uint8 else np.float32)


def save_model(path: str | Path, card: dict[str, Any], params: dict[str, np.ndarray]) -> Model:
    """Write ``<path>.safetensors`` and ``<path>.json``.

    Parameters
    ----------
    path : str or Path
        With or without a suffix.
    card : dict
        ``config``, and other entries of a card.
    params : dict of ndarray

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        See :func:`model_path`.
    """
    path = model_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    model = make_model(path.name, card, params)
    path.with_name(f"{path.name}.safetensors").write_bytes(save(model.params))
    path.with_name(f"{path.name}.json").write_text(json.dumps(model.card, indent=1) + "\n")
    return model


def model_path(path: str | Path) -> Path:
    """Check a path to save a model to, and return it without a suffix.

    Raises
    ------
    ModelError
        If it is no path of a file, or the bare name of a shipped model, which would be loaded
        instead.
    """
    if not isinstance(path, str | os.PathLike) or not Path(path).name:
        raise ModelError(f"path={path!r}: expected the path of a file, such as 'fits/mine'.")
    stem = _without_suffix(Path(path))
    if str(stem) in models():
        raise ModelError(
            f"path={str(path)!r} is the name of a shipped model, which model={str(stem)!r} would "
            "load instead: choose another name."
        )
    return stem


def _without_suffix(path: Path) -> Path:
    return path.with_suffix("") if path.suffix in (".json", ".safetensors") else path


def load_model(model: str | Path | Model = "default", task: str | None = None) -> Model:
    """Load a shipped model by name, or another one by path.

    Parameters
    ----------
    model : str, Path or Model
        A name that :func:`models` lists, or the path of a ``.safetensors`` file or its ``.json``
        card (both must be there, side by side).
    task : {"gapfill", "estimate"}, optional
        Task of the model. ``"default"`` is the shipped model of this task.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If there is no such model, a file is unreadable, the card has another schema or names a
        network that does not exist, card or weights do not have their sha256, the weights are not
        finite or not of the shapes that the card gives, or the model is for another task.
    """
    if not isinstance(model, str | Path | Model) or not (
        isinstance(model, Model) or Path(model).name
    ):
        raise ModelError(
            f"model={model!r}: expected one of {sorted(models(task))}, the path of a model, or a "
            "Model."
        )
    if model == "default":
        model = DEFAULT_MODELS.get(task or DEFAULT_TASK, "default")
    loaded = model if isinstance(model, Model) else _load_files(model, task)
    if task is not None and loaded.task != task:
        raise ModelError(
            f"model={loaded.name!r} is for {loaded.task}, not for {task}: expected one of "
            f"{sorted(models(task))}, or one that you fitted."
        )
    check_card(loaded.card)
    check_model(loaded.card, loaded.params, loaded.network)
    return loaded


def _load_files(model: str | Path, task: str | None) -> Model:
    path = _without_suffix(Path(model).expanduser())
    if path.name == str(model) and path.name in _shipped():
        path = SHIPPED / path.name
    card_path, weights_path = (path.with_name(path.name + end) for end in (".json", ".safetensors"))
    for file in (card_path, weights_path):
        try:
            there = file.is_file()
        except (OSError, ValueError):  # no name that a file could have
            there = False
        if not there:
            raise ModelError(
                f"model={str(model)!r}: there is no file {str(file)!r}. Expected one of "
                f"{sorted(models(task))} or the path of a .safetensors file with its .json card."
            )
    return _read(card_path, weights_path, card_path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(card_path: Path, weights_path: Path, _modified: int) -> Model:
    if card_path.stat().st_size > LARGEST_CARD:
        raise ModelError(f"model card {str(card_path)!r} has more than {LARGEST_CARD >> 20} MB.")
    try:
        card = json.loads(card_path.read_text())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"model card {str(card_path)!r} is not JSON: {error}.") from error
    schema = card.get("schema") if isinstance(card, dict) else None
    if schema not in READABLE or isinstance(schema, bool):
        raise ModelError(
            f"model card {str(card_path)!r} has schema {schema!r}, this version of xsm reads "
            f"{SCHEMA}. Fit the model again, or install the xsm that it was fitted with."
        )
    check_card(card)
    if schema > 1 and card.get("card_sha256") != card_digest(card):
        raise ModelError(
            f"model card {str(card_path)!r} does not have its sha256: it was changed after the "
            "model was saved. Copy both files again; to change entries, save the model with "
            "xsm.networks.model.save_model."
        )
    blob = weights_path.read_bytes()
    fingerprint = hashlib.sha256(blob).hexdigest()
    if fingerprint != card.get("sha256"):
        raise ModelError(
            f"weights {str(weights_path)!r} have sha256 {fingerprint[:12]}..., expected "
            f"{str(card.get('sha256'))[:12]}... as in the card. Copy both files again."
        )
    try:
        params = load(blob)
    except SafetensorError as error:
        raise ModelError(f"weights {str(weights_path)!r} are not safetensors: {error}.") from error
    model = Model(card, params)
    if model.kind != ENSEMBLE:
        return Model(card, _renamed(params, model.network))
    current = {name: p for name, p in params.items() if not name.split("/")[0].isdigit()}
    for part in model.components.values():
        current |= _renamed(part.params, part.network)
    return Model(card, current)


def _renamed(params: dict[str, np.ndarray], row: Network) -> dict[str, np.ndarray]:
    """Parameters of a file under the names of this version, also behind ``<member>/``."""

    def current(name: str) -> str:
        member, slash, bare = name.rpartition("/")
        prefix, _, end = bare.rpartition(".")
        return f"{member}{slash}{row.renamed.get(prefix, prefix)}.{end}" if prefix else name

    return {current(name): value for name, value in params.items()}


def models(task: str | None = None) -> dict[str, dict[str, Any]]:
    """List the shipped models with their cards.

    Parameters
    ----------
    task : {"gapfill", "estimate"}, optional
        Only models for this task; default all.

    Returns
    -------
    dict of str to dict
        Card by name; ``card["description"]`` is one line on the purpose of the model.

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
    return {k: card for k, card in cards.items() if task in (None, card.get("task", DEFAULT_TASK))}


def _shipped() -> set[str]:
    """Names of the shipped models."""
    return {path.stem for path in SHIPPED.glob("*.json")}
