"""Every kind of network, with its functions and its traits. The rest of xsm asks this table.

A new kind is one file with pure functions and one row of :data:`NETWORKS`. The functions are
written against the array API: NumPy arrays on a CPU, torch tensors in training and on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal, overload

from xsm._lazy import optional_import
from xsm.errors import InputError
from xsm.networks import dense, partial_conv, recurrent, transformer, xgboost_model

Config = Mapping[str, Any]
Task = Literal["gapfill", "estimate"]

TASKS: tuple[Task, ...] = ("gapfill", "estimate")
SEQUENCE_DAYS, CONTEXT_DAYS = 365, 30  # of a sequence, as in Zhang et al. (2025)
ENSEMBLE = "ensemble"  # in the place of a kind, of a model with networks of several kinds
EXTRAS = {"torch": "torch", "triton": "gpu", "xgboost": "trees"}  # package -> extra of xsm


@dataclass(frozen=True, kw_only=True)
class Network:
    """What all kinds of networks have in common.

    Attributes
    ----------
    kind : str
        Name in the table, in ``card["network"]`` and, of an estimator, in ``config["kind"]``.
    task : {"gapfill", "estimate"}
    apply : callable
        The network, a pure function; see :class:`GapfillNetwork` and :class:`SequenceNetwork`.
    init : callable or None
        ``init(config, seed)``: parameters to start a training from, float32 by name. None for a
        kind that is not trained by gradients.
    shapes : callable or None
        ``shapes(config)``: shapes of the parameters by name, a size of None for any; raises an
        InputError for a configuration that is none. Default: those of ``init(config, None)``,
        which takes no memory.
    operations : tuple of str
        Operations of :mod:`xsm_kernels` that `apply` takes from ``ops``.
    required_package : str or None
        Package that inference needs besides the dependencies of xsm.
    training_package : str
        Package that a fit needs.
    torch_inference : bool
        Whether inference can run on torch tensors, so that backend, device and dtype apply.
    renamed : mapping of str to str
        Prefix of a parameter in files of earlier versions -> prefix in this version.
    """

    kind: str
    task: Task
    apply: Callable[..., Any]
    init: Callable[..., dict[str, Any]] | None
    shapes: Callable[[Config], Mapping[str, tuple[int | None, ...]]] | None = None
    operations: tuple[str, ...] = ()
    required_package: str | None = None
    training_package: str = "torch"
    torch_inference: bool = True
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def gradient_trained(self) -> bool:
        """Whether a fit minimises a loss of the outputs by gradients."""
        return self.init is not None

    def initial_params(self, config: Config, seed: int = 0) -> dict[str, Any]:
        """Parameters to start a training from, float32 by name.

        Raises
        ------
        InputError
            If this kind is not trained by gradients.
        """
        if self.init is None:
            raise InputError(f"network={self.kind!r} is not trained from initial parameters.")
        return self.init(config, seed)

    def param_shapes(self, config: Config) -> Mapping[str, tuple[int | None, ...]] | None:
        """Shapes of the parameters by name, None for a size that may be any.

        None if this kind cannot tell.
        """
        if self.shapes is not None:
            return self.shapes(config)
        if self.init is None:
            return None
        return {name: value.shape for name, value in self.init(config, None).items()}

    def import_required(self) -> None:
        """Import what inference needs; a MissingPackageError says what to install."""
        if self.required_package is not None:
            _import(self.required_package, f"a model of the kind {self.kind!r}")

    def import_for_training(self) -> None:
        """Import what a fit needs; a MissingPackageError says what to install."""
        _import(self.training_package, f"a fit of the kind {self.kind!r}")


@dataclass(frozen=True, kw_only=True)
class GapfillNetwork(Network):
    """A network that fills gaps of (time, lat, lon).

    Its functions::

        inputs(values, stats, config, ops) -> {name: (array, mask)}
        apply(params, inputs, config, ops, *, land=None) -> (output, mask)

    `values` (T, H, W) are departures from the seasonal cycle in m3 m-3, NaN where missing; `stats`
    (5, H, W) are those of :func:`xsm.gapfilling.statistics.record_statistics`. Arrays of the
    inputs are (B, C, T, H, W), masks (B, 1, T, H, W). `output` (B, 2, T - 2 d, H, W) holds mean
    and log-variance of the standardised anomaly, `mask` (B, 1, T - 2 d, H, W) where it is valid.
    The outermost cells of `output`, as many as ``reach``, need not be exact: they are cut off.

    Attributes
    ----------
    reach : callable
        ``reach(config)``: days (d), rows and columns on each side that an output of `apply`
        depends on.
    halo : callable
        ``halo(config)``: the same for an output of `inputs` and `apply` together.
    configs : mapping of str to callable
        Named configurations.
    fused_operations : tuple of str
        Operations that `apply` may use on a GPU besides `operations`, to launch fewer kernels.
    streaming : str or None
        ``"module:function"`` of a CPU executor that gives the same as `inputs` and `apply`:
        ``function(values, stats, model, need) -> (output (2, T, H, W), mask (T, H, W))``.
    """

    task: Task = "gapfill"
    inputs: Callable[..., dict[str, tuple[Any, Any]]]
    reach: Callable[[Config], tuple[int, int, int]]
    halo: Callable[[Config], tuple[int, int, int]]
    configs: Mapping[str, Callable[..., dict[str, Any]]] = field(default_factory=dict)
    fused_operations: tuple[str, ...] = ()
    streaming: str | None = None

    def streaming_executor(self) -> Callable[..., Any] | None:
        """The CPU executor, imported now; None if this kind has none."""
        if self.streaming is None:
            return None
        module, _, function = self.streaming.partition(":")
        return getattr(import_module(module), function)


@dataclass(frozen=True, kw_only=True)
class SequenceNetwork(Network):
    """A network that estimates every day of a sequence from the predictors.

    Its functions::

        make_config(features, **sizes) -> config
        apply(params, x, config, ops, *, state=None, dropout=None, weights=True) -> SequenceOutput

    `x` (B, T, F) holds standardised predictors, 0 where missing. `state` is the state of the LSTM
    before the first day, (h, c), each (D, B, H). ``dropout(array, name)`` is applied in training
    before (``"input"``) and after (``"hidden"``) the recurrence. `weights` asks for the weights of
    the attention.

    Attributes
    ----------
    sizes : tuple of str
        Arguments that `make_config` takes.
    looks_ahead : bool
        Whether an output depends on later days.
    days_alone : bool
        Whether each day is estimated from its own predictors alone.
    forward_state : bool
        Whether the state after one window continues exactly in the next window.
    attention : bool
        Whether there are attention weights to show.
    training : mapping
        Settings of a fit that differ from the common defaults.
    """

    task: Task = "estimate"
    make_config: Callable[..., dict[str, Any]]
    sizes: tuple[str, ...]
    looks_ahead: bool = True
    days_alone: bool = False
    forward_state: bool = False
    attention: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)

    def default_config(self, features: Sequence[str], **sizes: Any) -> dict[str, Any]:
        """Configuration for these predictors; sizes that are None take their default.

        Raises
        ------
        InputError
            If a size does not apply to this kind, or the sizes do not fit together.
        """
        given = {name: value for name, value in sizes.items() if value is not None}
        if strange := sorted(given.keys() - set(self.sizes)):
            shown = ", ".join(f"{name}={given[name]!r}" for name in strange)
            raise InputError(
                f"{shown} does not apply to a network of the kind {self.kind!r}: expected "
                f"{' or '.join(self.sizes) or 'no sizes'}; leave it out."
            )
        return {"kind": self.kind, **self.make_config(list(features), **given)}

    def min_days(self, context: int = CONTEXT_DAYS) -> int:
        """Days that a record must have at least: those of the context, if it looks ahead."""
        return context if self.looks_ahead else 1


NETWORKS: dict[str, Network] = {
    row.kind: row
    for row in (
        GapfillNetwork(
            kind="partial_conv",
            apply=partial_conv.partial_conv_network,
            init=partial_conv.initial_params,
            shapes=partial_conv.param_shapes,
            inputs=partial_conv.inputs,
            reach=partial_conv.reach,
            halo=partial_conv.halo,
            configs={"default": partial_conv.default, "sgd-sm": partial_conv.sgd_sm},
            operations=("masked_conv3d", "masked_mean"),
            fused_operations=("pointwise_layers",),
            streaming="xsm.networks.streamed_features:stream",
        ),
        SequenceNetwork(
            kind="lstm",
            apply=recurrent.lstm_network,
            init=recurrent.lstm_params,
            make_config=recurrent.lstm_config,
            sizes=("hidden", "input"),
            operations=("lstm",),
            looks_ahead=False,
            forward_state=True,
            training=recurrent.TRAINING,
        ),
        SequenceNetwork(
            kind="bilstm",
            apply=recurrent.lstm_network,
            init=recurrent.bilstm_params,
            make_config=recurrent.lstm_config,
            sizes=("hidden", "input"),
            operations=("lstm",),
            training=recurrent.TRAINING,
        ),
        SequenceNetwork(
            kind="atlstm",
            apply=recurrent.atlstm_network,
            init=recurrent.atlstm_params,
            make_config=recurrent.atlstm_config,
            sizes=("hidden", "input", "window"),
            operations=("lstm", "self_attention"),
            attention=True,
            renamed=recurrent.RENAMED,
            training=recurrent.TRAINING,
        ),
        SequenceNetwork(
            kind="transformer",
            apply=transformer.transformer_network,
            init=transformer.initial_params,
            make_config=transformer.make_config,
            sizes=("hidden", "heads", "window"),
            attention=True,
            renamed=transformer.RENAMED,
        ),
        SequenceNetwork(
            kind="dense",
            apply=dense.dense_network,
            init=dense.initial_params,
            make_config=dense.make_config,
            sizes=("hidden", "input"),
            looks_ahead=False,
            days_alone=True,
            training=dense.TRAINING,
        ),
        SequenceNetwork(
            kind="xgboost",
            apply=xgboost_model.xgboost_model,
            init=None,
            shapes=xgboost_model.param_shapes,
            make_config=xgboost_model.make_config,
            sizes=(),
            required_package="xgboost",
            training_package="xgboost",
            looks_ahead=False,
            days_alone=True,
            torch_inference=False,
        ),
    )
}


def kinds(task: Task) -> list[str]:
    """Names of the kinds for a task, in the order of the table."""
    return [kind for kind, row in NETWORKS.items() if row.task == task]


@overload
def network(
    kind: Any, task: Literal["gapfill"], *, argument: str = "network"
) -> GapfillNetwork: ...


@overload
def network(
    kind: Any, task: Literal["estimate"] = "estimate", *, argument: str = "network"
) -> SequenceNetwork: ...


def network(kind: Any, task: Any = "estimate", *, argument: str = "network") -> Any:
    """Look up a kind of network for a task.

    Parameters
    ----------
    kind : str
    task : {"estimate", "gapfill"}
    argument : str
        What the error message calls `kind`.

    Raises
    ------
    InputError
        If there is no such kind for this task.
    """
    row = NETWORKS.get(kind) if isinstance(kind, str) else None
    if row is None or row.task != task:
        raise InputError(
            f"{argument}={kind!r}: expected one of {', '.join(map(repr, kinds(task)))}."
        )
    return row


def combined_traits(rows: Sequence[SequenceNetwork]) -> SequenceNetwork:
    """Traits of a model with networks of several kinds, which has no function of its own.

    Its operations are those of all kinds. It runs on torch tensors if all of them do, and looks
    ahead if one of them does.
    """
    packages = [row.required_package for row in rows if row.required_package is not None]
    return replace(
        rows[0],
        kind=ENSEMBLE,
        apply=_several_networks,
        init=None,
        shapes=None,
        operations=tuple(dict.fromkeys(name for row in rows for name in row.operations)),
        required_package=packages[0] if packages else None,
        torch_inference=all(row.torch_inference for row in rows),
        looks_ahead=any(row.looks_ahead for row in rows),
        days_alone=all(row.days_alone for row in rows),
        forward_state=False,
        attention=False,
    )


def _several_networks(*_: Any, **__: Any) -> Any:
    raise TypeError("a model with networks of several kinds: run those of Model.components")


def _import(package: str, needed_by: str) -> None:
    optional_import(package, needed_by, EXTRAS[package])
