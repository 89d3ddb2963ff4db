"""From the reference to the kind of validation, and the arguments that apply to it."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import xarray as xr

from xsm.blockwise.chunks import chunk_file_backed
from xsm.conventions.filled import warn_of_filled_values
from xsm.conventions.record import GriddedRecord, gridded_record
from xsm.errors import InputError, XsmError
from xsm.validation.in_situ import validate_stations
from xsm.validation.product import validate_product
from xsm.validation.reference_options import (
    OPTION_CLASSES,
    SeveralOptions,
    as_names,
    read_options,
)
from xsm.validation.scoring import ScoreOptions, interval_options, needs_whole_series
from xsm.validation.several import several_at_stations, several_maps
from xsm.validation.soil_layers import layered_arguments, validate_layers
from xsm.validation.station_reader import station_dim
from xsm.validation.strata import stratum_definitions
from xsm.validation.triple import triple_at_stations, triple_of_grids, unique_labels

Arguments = Mapping[str, Any]
SCORE_OPTIONS = ("scaling", "anomalies", "p_values", "min_pairs", "seed", "across")


@dataclass(frozen=True)
class Call:
    """A call of :func:`xsm.validate` with its arguments checked and its records opened.

    records : name -> record to be scored; one, or several products
    grids : gridded references
    stations : references with a station dimension, as they were given
    options : StationOptions, ProductOptions or GapOptions, whichever applies
    several : options for several products
    gapfill : :func:`xsm.gapfill`, for the networks that fill simulated gaps
    """

    records: Mapping[str, GriddedRecord]
    grids: list[GriddedRecord]
    stations: list[Any]
    score_options: ScoreOptions
    options: Any
    by: Any
    keep_pairs: bool
    reference_var: str | None
    progress: bool | None
    gapfill: Callable[..., xr.Dataset]
    several: SeveralOptions

    @property
    def record(self) -> GriddedRecord:
        """The only record."""
        (record,) = self.records.values()
        return record


class ReferenceKind(NamedTuple):
    """A kind of validation.

    title : for messages
    label : the attribute ``xsm_scores`` of the result
    run : function (Call) -> scores
    group : the argument with its options
    refused : argument that does not apply -> what to do instead
    """

    title: str
    label: str
    run: Callable[[Call], xr.Dataset]
    group: str
    refused: Mapping[str, str]


def run_validation(
    obj: Any,
    reference: Any,
    arguments: Arguments,
    defaults: Arguments,
    gapfill: Callable[..., xr.Dataset],
) -> xr.Dataset:
    """Scores with their kind, names and settings in the attributes.

    Parameters
    ----------
    obj, reference
        See :func:`xsm.validate`.
    arguments, defaults : mapping
        The other arguments of :func:`xsm.validate`, and their default values.
    gapfill : callable
        :func:`xsm.gapfill`.
    """
    layers = layered_arguments(arguments)
    if layers:

        def run(own: Arguments) -> xr.Dataset:
            return run_validation(obj, reference, own, defaults, gapfill)

        scores = validate_layers(run, layers)
        return scores.assign_attrs(settings=_settings(arguments))
    score_options = ScoreOptions(
        metrics=as_names(arguments["metrics"]),
        ci=interval_options(arguments["ci"], arguments["seed"]),
        **{k: arguments[k] for k in SCORE_OPTIONS},
    )
    stratum_definitions(arguments["by"])  # an unknown name is an error before anything is read
    records = _records(obj, arguments["var"])
    references = _as_list(reference)
    kind = KINDS[_kind_of(references)]
    _check_applicable(kind, arguments, defaults)
    several = read_options("several", arguments["several"], SeveralOptions)
    _check_number(records, kind, arguments)
    options = read_options(kind.group, arguments[kind.group], OPTION_CLASSES[kind.group])
    grids = [
        gridded_record(item, arguments["reference_var"], argument="reference", single=True)
        for item in references
        if station_dim(item) is None
    ]
    taken_as_observed = [(grid, "reference") for grid in grids]
    if kind.label == "triple_collocation":
        taken_as_observed += [(record, "obj") for record in records.values()]
    for record, argument in taken_as_observed:
        warn_of_filled_values(record.da, record.ds, argument)
    stations = [item for item in references if station_dim(item) is not None]
    shared = {k: arguments[k] for k in ("by", "keep_pairs", "reference_var", "progress")}
    call = Call(
        records, grids, stations, score_options, options, gapfill=gapfill, several=several, **shared
    )
    names = [*(grid.name for grid in grids), *(["stations"] if stations else [])]
    histories = [str(r.ds.attrs["history"]) for r in records.values()
                 if r.ds is not None and "history" in r.ds.attrs]  # fmt: skip
    provenance = {"estimate_history": "; ".join(histories)} if histories else {}
    return kind.run(call).assign_attrs(
        provenance,
        xsm_scores="spatial" if score_options.across == "space" else kind.label,
        estimate_name=", ".join(records),
        reference_name=", ".join(names) or "the same, hidden",
        settings=_settings({**arguments, kind.group: options}),
    )


def _records(obj: Any, var: str | None) -> dict[str, GriddedRecord]:
    """The records to be scored, by name: of one object, or of several."""
    if isinstance(obj, xr.Dataset | xr.DataArray):
        record = gridded_record(obj, var, single=True)
        return {record.name: record}
    given = isinstance(obj, Mapping)
    if not given and not isinstance(obj, list | tuple):
        raise InputError(
            f"obj is a {type(obj).__name__}: expected a Dataset or DataArray, a list of them, or a "
            "mapping of names to them."
        )
    if not obj:
        raise InputError("obj is empty: expected at least one product.")
    texts = [str(name) for name in obj] if given else [""] * len(obj)
    records = []
    for i, item in enumerate(obj.values() if given else obj):
        argument = f"obj[{texts[i]!r}]" if given else f"obj[{i}]"
        try:
            records.append(gridded_record(item, var, argument=argument, single=True))
        except XsmError as error:
            if argument in str(error):
                raise
            raise type(error)(f"{argument}: {error}") from error
    names = texts if given else unique_labels([record.name for record in records])
    return dict(zip(names, records, strict=True))


def _check_number(
    records: Mapping[str, GriddedRecord], kind: ReferenceKind, arguments: Arguments
) -> None:
    """Several products need one reference; options for several need several products."""
    if len(records) > 1 and kind not in (KINDS["in_situ"], KINDS["product"]):
        raise InputError(
            f"obj holds {len(records)} products, which does not apply to {kind.title}: give one "
            "reference, stations or a product (triple collocation is among the results), or one "
            "product."
        )
    if len(records) == 1 and arguments["several"] is not None:
        raise InputError(
            f"several={reprlib.repr(arguments['several'])} applies to several products: give obj "
            "as a list or a mapping, or leave several out."
        )


def _as_list(reference: Any) -> list[Any]:
    """The references as a list of Datasets and DataArrays."""
    if reference is None:
        return []
    references = list(reference) if isinstance(reference, list | tuple) else [reference]
    for item in references:
        if not isinstance(item, xr.Dataset | xr.DataArray):
            raise InputError(
                f"reference is or holds a {type(item).__name__}: expected None, a Dataset of "
                "stations or a list of them, a gridded Dataset or DataArray, or two of these. "
                "Open files first: xsm.open_stations(table) a table, path or DataFrame of "
                "stations, xsm.open_ismn(path) an archive, xsm.open_record(path) a product."
            )
        if station_dim(item) is None and max((len(d) for d in _dims_of(item)), default=2) < 2:
            raise InputError(
                "reference is or holds a single series: expected stations along a dimension, or "
                "rows and columns. Select one station or cell with a list, which keeps its "
                "dimension, such as stations.isel(station=[0])."
            )
    if not references:
        raise InputError("reference is empty: expected None, or at least one reference.")
    return references


def _dims_of(obj: xr.Dataset | xr.DataArray) -> list[tuple[Any, ...]]:
    """Dimensions of each variable."""
    arrays = obj.data_vars.values() if isinstance(obj, xr.Dataset) else [obj]
    return [da.dims for da in arrays]


def _kind_of(references: list[Any]) -> str:
    """The kind of validation, a key of `KINDS`."""
    if not references:
        return "simulated_gaps"
    of_stations = [station_dim(item) is not None for item in references]
    if all(of_stations):
        return "in_situ"
    if len(references) == 1:
        return "product"
    if len(references) == 2:
        return "triple_at_stations" if any(of_stations) else "triple_of_grids"
    raise InputError(
        f"reference holds {len(references)} records: expected one product, two for triple "
        "collocation, or any number of sets of stations."
    )


def _check_applicable(kind: ReferenceKind, arguments: Arguments, defaults: Arguments) -> None:
    """Refuse arguments that would be ignored."""
    for group in OPTION_CLASSES:
        if group not in (kind.group, "several") and arguments[group] is not None:
            raise InputError(
                f"{group}={reprlib.repr(arguments[group])} does not apply to {kind.title}, whose "
                f"options are given by {kind.group}: leave {group} out."
            )
    for name, instead in kind.refused.items():
        if _differs(name, arguments[name], defaults[name]):
            raise InputError(
                f"{name}={reprlib.repr(arguments[name])} does not apply to {kind.title}: {instead}"
            )


def _differs(name: str, value: Any, default: Any) -> bool:
    if name == "metrics":
        return as_names(value) != default
    if name == "progress":  # False asks for what happens anyway
        return bool(value)
    return value is not default and value != default


def _settings(arguments: Arguments) -> str:
    """The arguments of a call as JSON."""

    def readable(value: Any) -> Any:
        if type(value) in OPTION_CLASSES.values():
            return vars(value)
        return os.fspath(value) if isinstance(value, os.PathLike) else f"<{type(value).__name__}>"

    return json.dumps(dict(arguments), default=readable)


def _simulated_gaps(call: Call) -> xr.Dataset:
    from xsm.validation.gaps import validate_gaps

    return validate_gaps(
        call.record,
        call.score_options,
        call.options,
        gapfill=call.gapfill,
        by=call.by,
        progress=call.progress,
    )


def _in_situ(call: Call) -> xr.Dataset:
    if len(call.records) > 1:
        return several_at_stations(
            call.records,
            call.stations,
            call.score_options,
            call.options,
            call.several,
            triple_options=_triple_options(call.score_options, call.several.triples),
            by=call.by,
            var=call.reference_var,
            keep_pairs=call.keep_pairs,
        )
    return validate_stations(
        call.record,
        call.stations,
        call.score_options,
        call.options,
        by=call.by,
        var=call.reference_var,
        keep_pairs=call.keep_pairs,
    )


def _product(call: Call) -> xr.Dataset:
    if len(call.records) > 1:
        whole = {"whole_series": call.several.triples}
        everything = [*call.records.values(), *call.grids]
        return several_maps(
            {n: _in_blocks(r, call.score_options, **whole) for n, r in call.records.items()},
            _in_blocks(call.grids[0], call.score_options, **whole),
            call.score_options,
            call.options,
            call.several,
            triple_options=_triple_options(call.score_options, call.several.triples),
            finish=lambda scores: _computed_unless_dask(scores, everything),
            by=call.by,
            keep_pairs=call.keep_pairs,
        )
    records = [call.record, *call.grids]
    first, second = (_in_blocks(record, call.score_options) for record in records)
    scores = validate_product(
        first, second, call.score_options, call.options, by=call.by, keep_pairs=call.keep_pairs
    )
    return _computed_unless_dask(scores, records)


def _triple_of_grids(call: Call) -> xr.Dataset:
    if call.options.regions:
        raise InputError(
            f"product: regions={reprlib.repr(call.options.regions)} does not apply to triple "
            "collocation: leave it out, or validate against one product."
        )
    records = [call.record, *call.grids]
    errors = triple_of_grids(
        [_in_blocks(record, call.score_options) for record in records],
        regrid=call.options.regrid,
        statistic_options=_triple_options(call.score_options),
    )
    return _computed_unless_dask(errors, records)


def _triple_at_stations(call: Call) -> xr.Dataset:
    return triple_at_stations(
        [call.record, *call.grids],
        call.stations[0],
        call.options,
        var=call.reference_var,
        statistic_options=_triple_options(call.score_options),
    )


def _triple_options(options: ScoreOptions, wanted: bool = True) -> dict[str, Any]:
    """Options of :func:`xsm.metrics.triple_collocation`.

    Raises
    ------
    InputError
        If it is wanted, and has no intervals of the method.
    """
    interval = dict(options.ci or {})
    if wanted and interval.get("method") == "analytic":
        raise InputError(
            "ci='analytic': triple collocation has no analytic intervals. Use another method, such "
            "as 'bca', or, for several products, several={'triples': False}."
        )
    method = None if options.ci is None else interval.pop("method", "bca")
    return {"min_pairs": options.min_pairs, "ci": method, **interval}


def _in_blocks(
    record: GriddedRecord, options: ScoreOptions, *, whole_series: bool = False
) -> GriddedRecord:
    """A record in a file as blocks: of days, or of rows where whole series are needed."""
    whole_series = whole_series or needs_whole_series(options)
    dim = record.layout.y if whole_series else record.layout.time
    return replace(record, da=chunk_file_backed(record.da, dim))


def _computed_unless_dask(scores: xr.Dataset, records: list[GriddedRecord]) -> xr.Dataset:
    """Scores in memory, but lazy if a record came as a Dask array."""
    if any(record.da.chunks is not None for record in records):
        return scores
    # sums over days and sums over cells, computed together, would hold all blocks
    daily = [name for name, da in scores.data_vars.items() if "time" in da.dims]
    return scores.drop_vars(daily).compute().assign(scores[daily].compute())


_OF_PAIRS = (
    "by, scaling and anomalies are not for triple collocation: select or transform the three "
    "records first."
)
_TRIPLE_REFUSED = {
    "metrics": "its statistics are fixed; leave metrics out.",
    "by": _OF_PAIRS,
    "scaling": _OF_PAIRS,
    "anomalies": _OF_PAIRS,
    "p_values": "it has none; use ci for confidence intervals.",
    "keep_pairs": "there are no pairs; leave it out.",
    "across": "its statistics are of series; leave it out.",
    "progress": "it has no progress bar; leave it out.",
}
_NO_PROGRESS = {"progress": "it has no progress bar; leave it out."}

KINDS = {
    "simulated_gaps": ReferenceKind(
        "simulated gaps (no reference)",
        "simulated_gaps",
        _simulated_gaps,
        "gaps",
        {
            "reference_var": "there is no reference; give one, or use var.",
            "anomalies": "hidden cells are not series, and anomaly_r is always among the scores.",
            "keep_pairs": "hidden cells are not kept; leave it out.",
            "across": "hidden cells are scored together; leave it out.",
        },
    ),
    "in_situ": ReferenceKind(
        "validation against stations", "in_situ", _in_situ, "stations", _NO_PROGRESS
    ),
    "product": ReferenceKind(
        "validation against another product", "product", _product, "product", _NO_PROGRESS
    ),
    "triple_of_grids": ReferenceKind(
        "triple collocation of three products",
        "triple_collocation",
        _triple_of_grids,
        "product",
        _TRIPLE_REFUSED,
    ),
    "triple_at_stations": ReferenceKind(
        "triple collocation at stations",
        "triple_collocation",
        _triple_at_stations,
        "stations",
        _TRIPLE_REFUSED,
    ),
}
