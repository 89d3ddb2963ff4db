"""From a reference to the kind of validation it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import xarray as xr

from xsm.blockwise.chunks import chunk_file_backed
from xsm.conventions.record import GriddedRecord, open_record
from xsm.errors import InputError
from xsm.validation.in_situ import Collocation, validate_stations
from xsm.validation.product import validate_product
from xsm.validation.scoring import Request, interval_options, needs_whole_series
from xsm.validation.station_reader import station_dim
from xsm.validation.strata import named
from xsm.validation.triple import triple_at_stations, triple_of_grids

Options = Mapping[str, Any]


def validated(obj: Any, reference: Any, options: Options) -> xr.Dataset:
    """Scores with their kind and names; `options` are the other arguments of `xsm.validate`."""
    request = Request(
        metrics=_several(options["metrics"]),
        ci=interval_options(options["ci"], options["seed"]),
        **{k: options[k] for k in ("scaling", "anomalies", "p_values", "min_pairs", "seed")},
    )
    named(options["by"])  # says what is wrong before anything is read
    record = open_record(obj, options["var"], single=True)
    how, references = _kind(reference)
    grids = [
        open_record(one, options["reference_var"], argument="reference", single=True)
        for one in references
        if station_dim(one) is None
    ]
    stations = [one for one in references if station_dim(one) is not None]
    scores = _RUN[how](record, grids, stations, request, options)
    said = [*(grid.name for grid in grids), *(["stations"] if stations else [])]
    return scores.assign_attrs(
        xsm_scores=how,
        estimate_name=record.name,
        reference_name=", ".join(said) or "the same, hidden",
    )


def _kind(reference: Any) -> tuple[str, list[Any]]:
    """What kind of validation a reference asks for, and the references as a list."""
    if reference is None:
        return "simulated_gaps", []
    given = list(reference) if isinstance(reference, list | tuple) else [reference]
    for one in given:
        if not isinstance(one, xr.Dataset | xr.DataArray):
            raise InputError(
                f"reference is or holds a {type(one).__name__}: expected None, a Dataset of "
                "stations or a list of them, a gridded Dataset or DataArray, or two of these."
            )
    if given and all(station_dim(one) is not None for one in given):
        return "in_situ", given
    if len(given) == 1:
        return "product", given
    if len(given) == 2:
        return "triple_collocation", given
    raise InputError(
        f"reference holds {len(given)} records: expected one product, two for triple collocation, "
        "or any number of sets of stations."
    )


def _gaps(
    record: GriddedRecord,
    grids: list[GriddedRecord],
    stations: list[Any],
    request: Request,
    options: Options,
) -> xr.Dataset:
    if request.anomalies is not None:
        raise InputError(
            "anomalies: simulated gaps are hidden cells, not series; anomaly_r is among their "
            "scores. Leave anomalies out."
        )
    from xsm.validation.gaps import Plan, validate_gaps

    plan = Plan(
        baselines=_several(options["baselines"]),
        kinds=_several(options["kinds"]),
        **{name: options[name] for name in ("model", "draws", "seed", "progress")},
    )
    return validate_gaps(record, request, plan, by=options["by"])


def _in_situ(
    record: GriddedRecord,
    grids: list[GriddedRecord],
    stations: list[Any],
    request: Request,
    options: Options,
) -> xr.Dataset:
    return validate_stations(
        record,
        stations,
        request,
        _collocation(options),
        by=options["by"],
        var=options["reference_var"],
        keep_pairs=options["keep_pairs"],
    )


def _product(
    record: GriddedRecord,
    grids: list[GriddedRecord],
    stations: list[Any],
    request: Request,
    options: Options,
) -> xr.Dataset:
    how = {name: options[name] for name in ("by", "regrid", "regions", "keep_pairs")}
    records = [record, grids[0]]
    first, second = (_in_blocks(one, request) for one in records)
    scores = validate_product(first, second, request, **how)
    return _as_given(scores, records)


def _triple(
    record: GriddedRecord,
    grids: list[GriddedRecord],
    stations: list[Any],
    request: Request,
    options: Options,
) -> xr.Dataset:
    if options["by"] is not None or request.scaling or request.anomalies:
        raise InputError(
            "by, scaling and anomalies are not for triple collocation: select or transform the "
            "three records first."
        )
    intervals = dict(request.ci or {})
    ci = intervals.pop("method", "bca") if request.ci is not None else None
    given: dict[str, Any] = {"min_pairs": request.min_pairs, "ci": ci, **intervals}
    records = [record, *grids]
    if not stations:
        cut = [_in_blocks(one, request) for one in records]
        return _as_given(triple_of_grids(cut, regrid=options["regrid"], options=given), records)
    return triple_at_stations(
        records, stations[0], _collocation(options), var=options["reference_var"], options=given
    )


def _in_blocks(record: GriddedRecord, request: Request) -> GriddedRecord:
    """A record in a file in blocks: of days as files are, of rows where whole series are needed."""
    dim = record.layout.y if needs_whole_series(request) else record.layout.time
    return replace(record, da=chunk_file_backed(record.da, dim))


def _as_given(scores: xr.Dataset, records: list[GriddedRecord]) -> xr.Dataset:
    """Scores in memory, but lazy if a record came as a Dask array."""
    if any(record.da.chunks is not None for record in records):
        return scores
    # sums over days and sums over cells, taken at once, would hold all blocks
    daily = [name for name, da in scores.data_vars.items() if "time" in da.dims]
    return scores.drop_vars(daily).compute().assign(scores[daily].compute())


# kind of validation -> what runs it
_RUN = {
    "simulated_gaps": _gaps,
    "in_situ": _in_situ,
    "product": _product,
    "triple_collocation": _triple,
}


def _collocation(options: Options) -> Collocation:
    flags = None if options["flags"] is None else _several(options["flags"])
    names = ("match", "window", "pairing", "overpass", "depth", "sensors")
    return Collocation(flags=flags, **{name: options[name] for name in names})


def _several(names: Any) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
