"""From the predictors of a Dataset to the inputs of a network.

Inputs are the predictors as they are, indicators of the classes of a predictor such as land cover,
and antecedent predictors in place of daily weather. The card of a model lists them under
``inputs``; in a card without it, the predictors are the inputs. Those of a model with a local part
end with what :mod:`xsm.estimation.local` adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.conventions.grid import wrap_longitude
from xsm.conventions.predictor_names import DAY_OF_YEAR, POSITION
from xsm.estimation.memory import WEATHER, antecedent_names, antecedent_predictors

MAX_CLASSES = 32
Rows = Sequence[Mapping[str, Any]]


def input_rows(predictors: Rows, *, antecedent: bool) -> list[dict[str, Any]]:
    """Entries ``inputs`` of a card, still without mean and standard deviation.

    Parameters
    ----------
    predictors : sequence of mapping
        Entries ``predictors`` of the card; one with ``classes`` has an indicator for each of them.
    antecedent : bool
        Replace the weather by antecedent predictors.
    """
    names = [str(row["name"]) for row in predictors]
    made = antecedent_names(names, latitude=_has_day_and_latitude(names)) if antecedent else []
    rows: list[dict[str, Any]] = []
    for row in predictors:
        name = str(row["name"])
        if made and name in WEATHER:
            continue
        if "classes" in row:
            rows += [
                {"name": f"{name}={value:g}", "predictor": name, "class": value, "static": True}
                for value in row["classes"]
            ]
        else:
            rows.append({"name": name, "predictor": name, "static": bool(row.get("static"))})
    rows += [{"name": name, "antecedent": True, "static": False} for name in made]
    return rows


def network_inputs(x: NDArray[np.floating], card: Mapping[str, Any]) -> NDArray[np.float32]:
    """Inputs (B, T, G) of the network of a card, from its predictors (B, T, F).

    Parameters
    ----------
    x : ndarray, (B, T, F)
        Consecutive days, in the order and units of the card; NaN where missing.
    card : mapping
        With the entries ``predictors`` and, if it has other inputs, ``inputs``. Those of the local
        part are left out.
    """
    names = [row["name"] for row in card["predictors"]]
    x = _near_fitted_longitudes(x, card["predictors"], names)
    if "inputs" not in card:
        return np.asarray(x, np.float32)
    rows = [row for row in card["inputs"] if not row.get("local")]
    made: dict[str, NDArray[np.float32]] = {}
    if any(row.get("antecedent") for row in rows):
        made = _antecedent(x, names)
    out = np.empty((*x.shape[:2], len(rows)), np.float32)
    for g, row in enumerate(rows):
        if row.get("antecedent"):
            out[:, :, g] = made[row["name"]].T
            continue
        values = x[:, :, names.index(row["predictor"])]
        if "class" in row:
            values = np.where(np.isfinite(values), values == row["class"], np.nan)
        out[:, :, g] = values
    return out


def classes_of(values: NDArray[np.floating]) -> list[float] | None:
    """Classes of a static predictor (P,): 3 to 32 different whole numbers; else None."""
    different = np.unique(values[np.isfinite(values)])
    if not 3 <= different.size <= MAX_CLASSES or (different % 1).any():
        return None
    return [float(value) for value in different]


def _near_fitted_longitudes(
    x: NDArray[np.floating], rows: Rows, names: list[str]
) -> NDArray[np.floating]:
    """Predictors with longitudes within half a turn of those of the fit, from -180 or from 0."""
    if POSITION[1] not in names:
        return x
    f = names.index(POSITION[1])
    x = x.copy()
    x[:, :, f] = wrap_longitude(x[:, :, f], rows[f].get("mean", 0.0))
    return x


def _has_day_and_latitude(names: Sequence[str]) -> bool:
    return {*DAY_OF_YEAR, "latitude"} <= {*names}


def _antecedent(x: NDArray[np.floating], names: list[str]) -> dict[str, NDArray[np.float32]]:
    weather = {name: x[:, :, names.index(name)].T for name in WEATHER if name in names}
    if not _has_day_and_latitude(names):
        return antecedent_predictors(weather)
    sine, cosine = (x[:, :, names.index(name)].T for name in DAY_OF_YEAR)
    return antecedent_predictors(
        weather, np.arctan2(sine, cosine), x[:, 0, names.index("latitude")]
    )
