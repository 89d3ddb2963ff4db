"""Options of validate: stations, another product, simulated gaps, several products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from xsm.argument_checks import check_choice, check_whole
from xsm.baselines import BASELINES
from xsm.errors import InputError
from xsm.gapfilling.gap_patterns import GAP_PATTERNS
from xsm.validation.temporal_matching import PAIRINGS, time_of_day, time_span

if TYPE_CHECKING:
    import xarray as xr

    from xsm.networks.block_inference import Model

SENSORS = ("mean", "each", "cell_mean")
PAIRS_OF_SEVERAL = ("common", "each")


@dataclass(frozen=True)
class StationOptions:
    """How stations are matched with the cells and days of a record.

    Parameters
    ----------
    match : {"nearest", "mean_2x2"} or float
        Cells that represent a station: the cell that contains it, the mean of the four nearest
        cells, or the mean of all cells within this radius in km.
    window : time span
        Sub-daily station values within this span before and after the time of the record are used.
        Where the times of the record are plain dates, the window is centred on 12 UTC. Daily
        station values are matched by calendar day.
    pairing : {"mean", "nearest"}
        Mean of the values in the window, or the value nearest in time.
    overpass : str, optional
        Local solar time of the observation, such as "06:00", on which the window is centred.
    depth : (float, float), mapping of layers to these, or None
        Layer in m that must contain the sensor, by nominal depths: 2 inches, 0.0508 m, are 5 cm
        (``xsm.insitu.sensor_depth.within_layer``). In :func:`xsm.validate` a mapping, such as
        {"surface": (0, 0.05), "root_zone": (0.1, 1.0)}, scores each layer. None: all sensors; those
        of one station in different layers stay separate (cosmic-ray probes sense deeper than
        0.05 m).
    flags : str, sequence of str, or None
        Quality flags of valid values, if the stations have flags. None: all values.
    sensors : {"mean", "each", "cell_mean"}
        Sensors of one station (same network and station_name, within 1 km) in the layer: their
        daily mean, with their number in ``n_sensors``, or each sensor separately. "cell_mean": the
        daily mean of all sensors in a cell, whatever their station.

    Raises
    ------
    InputError
        If a value is not one of these.
    """

    match: str | float = "nearest"
    window: Any = "12h"
    pairing: str = "mean"
    overpass: str | None = None
    depth: tuple[float, float] | None = (0.0, 0.05)
    flags: str | Sequence[str] | None = ("G",)
    sensors: str = "mean"

    def __post_init__(self) -> None:
        check_choice("stations: pairing", self.pairing, PAIRINGS)
        check_choice("stations: sensors", self.sensors, SENSORS)
        time_span("window", self.window)
        if self.overpass is not None:
            time_of_day(self.overpass)
        object.__setattr__(self, "depth", _layer(self.depth))
        flags = None if self.flags is None else as_names(self.flags)
        if flags is not None and (not flags or not all(isinstance(flag, str) for flag in flags)):
            raise InputError(
                f"stations: flags={self.flags!r}: expected texts such as ('G', 'M'), or None for "
                "all values."
            )
        object.__setattr__(self, "flags", flags)


@dataclass(frozen=True)
class ProductOptions:
    """How two gridded records are compared.

    Parameters
    ----------
    regrid : {"conservative", "nearest"}
        How the finer grid is regridded to the coarser one.
    regions : mapping, optional
        Name -> (south, north, west, east) in degrees: daily area means of both records. A region
        that is 360 degrees wide includes all longitudes.

    Raises
    ------
    InputError
        If a region is not a box of latitudes and longitudes.
    """

    regrid: str = "conservative"
    regions: Mapping[str, Sequence[float]] | None = None

    def __post_init__(self) -> None:
        if self.regions is not None and not isinstance(self.regions, Mapping):
            raise InputError(
                f"product: regions={self.regions!r}: expected a mapping of names to (south, north, "
                "west, east), such as {'Iberia': (36, 44, -10, 4)}."
            )
        for name, box in (self.regions or {}).items():
            try:
                south, north, _, _ = map(float, box)
            except (TypeError, ValueError):
                south = north = 0.0
            if not south < north:
                raise InputError(
                    f"product: regions: {name!r} is {box!r}; expected (south, north, west, east) "
                    "in degrees."
                )


@dataclass(frozen=True)
class GapOptions:
    """Which observed values are hidden, and what fills them.

    Parameters
    ----------
    model : str, path, Model, sequence of these, or None
        Networks for :func:`xsm.gapfill`. None: no network.
    baselines : str or sequence of str
        Names from ``xsm.baselines.BASELINES``.
    gap_patterns : str or sequence of str
        Shapes of the gaps: block, swath, cell, long.
    n_realizations : int
        Number of random realizations of the gaps, all of which are pooled.
    background, predictors
        Of :func:`xsm.gapfill`: the networks fill with each of them too, as fill methods named
        ``<model>+background`` and ``<model>+predictors``. An estimator is fitted in each
        realization, without the values that it hides.
    keep_patches : int
        Number of days of the first realization, those with the most hidden cells, whose maps are
        among the results: ``patch_observed``, ``patch_hidden`` and ``patch_filled``.

    Raises
    ------
    InputError
        If a name is unknown, or nothing is left that fills.
    """

    model: str | Path | Model | Sequence[str | Path | Model] | None = "default"
    baselines: str | Sequence[str] = ("linear", "window_mean", "climatology")
    gap_patterns: str | Sequence[str] = ("block", "swath", "cell")
    n_realizations: int = 3
    background: str | xr.Dataset | xr.DataArray | None = None
    predictors: str | Sequence[str] | xr.Dataset | None = None
    keep_patches: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "baselines", as_names(self.baselines))
        object.__setattr__(self, "gap_patterns", as_names(self.gap_patterns))
        if unknown := [name for name in self.baselines if name not in BASELINES]:
            raise InputError(
                f"gaps: baselines holds {unknown}: expected some of {', '.join(BASELINES)}."
            )
        unknown = [name for name in self.gap_patterns if name not in GAP_PATTERNS]
        if unknown or not self.gap_patterns:
            names = ", ".join(map(repr, unknown)) or "none given"
            raise InputError(
                f"gaps: gap_patterns={self.gap_patterns!r}: expected some of "
                f"{', '.join(GAP_PATTERNS)}; unknown: {names}."
            )
        check_whole(
            {
                "gaps: n_realizations": (self.n_realizations, 1),
                "gaps: keep_patches": (self.keep_patches, 0),
            }
        )
        if self.model is None and not (self.background is None and self.predictors is None):
            raise InputError(
                "gaps: background and predictors with model=None: expected a model, which fills "
                "departures from them."
            )
        if self.model is None and not self.baselines:
            raise InputError("gaps: model=None and no baselines: nothing would fill; name one.")


@dataclass(frozen=True)
class SeveralOptions:
    """How several products are scored against one reference.

    Parameters
    ----------
    pairs : {"common", "each"}
        "common": all products are scored on the same pairs, where all of them and the reference
        have a value. "each": each product on all pairs that it has.
    triples : bool
        Triple collocation of the reference with every two of the products.

    Raises
    ------
    InputError
        If a value is not one of these.
    """

    pairs: str = "common"
    triples: bool = True

    def __post_init__(self) -> None:
        check_choice("several: pairs", self.pairs, PAIRS_OF_SEVERAL)
        if not isinstance(self.triples, bool):
            raise InputError(f"several: triples={self.triples!r}: expected True or False.")


# argument of validate -> its class
OPTION_CLASSES: dict[str, type] = {
    "stations": StationOptions,
    "product": ProductOptions,
    "gaps": GapOptions,
    "several": SeveralOptions,
}

Options = TypeVar("Options", StationOptions, ProductOptions, GapOptions, SeveralOptions)


def read_options(argument: str, value: Any, options_class: type[Options]) -> Options:
    """Options from an argument of :func:`xsm.validate`: None, a mapping, or the options themselves.

    Raises
    ------
    InputError
        If it is something else, or the mapping has an unknown key.

    Examples
    --------
    >>> read_options("stations", {"flags": "G", "depth": (0, 0.1)}, StationOptions).depth
    (0.0, 0.1)
    """
    if isinstance(value, options_class):
        return value
    names = [field.name for field in fields(options_class)]
    if value is None:
        return options_class()
    if not isinstance(value, Mapping):
        raise InputError(
            f"{argument} is a {type(value).__name__}: expected a mapping of options "
            f"({', '.join(names)}) or xsm.validation.{options_class.__name__}."
        )
    if unknown := [str(key) for key in value if key not in names]:
        raise InputError(
            f"{argument}={dict(value)!r}: unknown {', '.join(map(repr, unknown))}; expected some "
            f"of {', '.join(names)}."
        )
    return options_class(**value)


def as_names(names: str | Sequence[str]) -> tuple[str, ...]:
    """One name or several, as a tuple."""
    return (names,) if isinstance(names, str) or not isinstance(names, Iterable) else tuple(names)


def _layer(depth: Any) -> tuple[float, float] | None:
    """A layer (top, bottom) in m, or None."""
    if depth is None:
        return None
    try:
        top, bottom = map(float, depth)
    except (TypeError, ValueError):
        top = bottom = float("nan")
    if not 0 <= top <= bottom:
        raise InputError(
            f"stations: depth={depth!r}: expected (from, to) in m, such as (0, 0.05), or None."
        )
    return top, bottom
