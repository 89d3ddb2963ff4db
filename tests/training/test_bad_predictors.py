"""Predictors and targets that do not fit together: a clear error, or a result that is documented.

Of fit_estimator and estimate; of a background and of predictors of a fill see test_background.py
and test_predicted_background.py.
"""

import numpy as np
import pytest
import xarray as xr

from tests.estimation.worlds import any_model, world
from xsm.conventions.cf import ESTIMATED, MISSING_INPUT
from xsm.errors import GridError, InputError, TimeAxisError, UnitError
from xsm.training.fit_estimator import fit_estimator

torch = pytest.importorskip("torch", reason="needs xsm[train]")
SMALL = {"model": "dense", "split": "none", "epochs": 1, "progress": False}
WORLD = world()
PREDICTORS, TARGET = WORLD.drop_vars("soil"), WORLD["soil"]
DAYS = np.arange(60)
FLAG = "soil_moisture_flag"


def shifted(da, **by):
    return da.assign_coords({name: da[name] + value for name, value in by.items()})


def where_days(da, days):
    return da.where(xr.DataArray(days, dims="time")).assign_attrs(da.attrs)


def twice(obj, dim):
    part = obj.isel({dim: [0]})
    more = {"data_vars": "minimal"} if isinstance(obj, xr.Dataset) else {}
    return xr.concat([obj, part], dim, **more)


MUCH_LATER = np.timedelta64(900, "D")
FITS = {
    "other days": (PREDICTORS, shifted(TARGET, time=MUCH_LATER), TimeAxisError, "no day in common"),
    "other cells": (PREDICTORS, shifted(TARGET, lat=0.7), InputError, "has other lat than"),
    "far away": (PREDICTORS, shifted(TARGET, lat=-60), InputError, "has other lat than"),
    "days twice": (twice(PREDICTORS, "time"), TARGET, TimeAxisError, "1 repeated days"),
    "few days": (PREDICTORS.isel(time=slice(3)), TARGET.isel(time=slice(3)), InputError,
                 "the target has 60 values .*: expected 500"),
    "few values": (PREDICTORS, where_days(TARGET, DAYS < 2), InputError, "has 40 values"),
    "no value": (PREDICTORS, where_days(TARGET, DAYS < 0), InputError, "has 0 values"),
    "another unit": (PREDICTORS.assign(lst=PREDICTORS["lst"].assign_attrs(units="mm")), TARGET,
                     UnitError, "'lst'.*units 'mm': expected 'K'"),
}  # fmt: skip


@pytest.mark.parametrize("case", FITS)
def test_what_cannot_be_fitted(case):
    predictors, target, error, message = FITS[case]
    with pytest.raises(error, match=message):
        fit_estimator(predictors, target, **SMALL)


def test_gaps_and_constants_are_fitted_all_the_same():
    """Days with a gap of up to 8 days are interpolated; a constant predictor explains nothing."""
    gaps = PREDICTORS.assign(lst=where_days(PREDICTORS["lst"], DAYS % 3 > 0))
    constant = PREDICTORS.assign(lst=xr.full_like(PREDICTORS["lst"], 280.0))
    for predictors in (gaps, constant):
        model = fit_estimator(predictors, TARGET, **SMALL)
        estimate = predictors.sm.estimate(model=model)
        assert np.isfinite(estimate["soil_moisture"]).all()


def test_a_cell_that_is_fitted_twice_counts_twice():
    model = fit_estimator(twice(PREDICTORS, "lon"), twice(TARGET, "lon"), **SMALL)
    row = next(row for row in model.card["predictors"] if row["name"] == "sand")
    values = twice(PREDICTORS["sand"], "lon").values
    assert row["mean"] == pytest.approx(values.mean(), rel=1e-4)
    assert abs(row["mean"] - PREDICTORS["sand"].values.mean()) > 1e-3
    out = twice(PREDICTORS, "lon").sm.estimate(model=any_model())
    expected = PREDICTORS.sm.estimate(model=any_model())["soil_moisture"]
    np.testing.assert_array_equal(out["soil_moisture"][..., :-1], expected)
    np.testing.assert_array_equal(out["soil_moisture"][..., -1], expected[..., 0])


ESTIMATES = {
    "other days": ({"lst": shifted(PREDICTORS["lst"], time=MUCH_LATER)}, TimeAxisError,
                   "lst .* has no day in common with precipitation"),
    "other cells": ({"lst": shifted(PREDICTORS["lst"], lat=0.7)}, GridError,
                    "'lst' has other lat .*regrid="),
    "another unit": ({"lst": PREDICTORS["lst"].assign_attrs(units="mm")}, UnitError, "units 'mm'"),
}  # fmt: skip


@pytest.mark.parametrize("case", ESTIMATES)
def test_what_cannot_be_estimated(case):
    features, error, message = ESTIMATES[case]
    with pytest.raises(error, match=message):
        PREDICTORS.sm.estimate(model=any_model(), features=features)
    with pytest.raises(TimeAxisError, match="1 repeated days"):
        twice(PREDICTORS, "time").sm.estimate(model=any_model())


@pytest.mark.parametrize("kind", ["gap", "days", "far away"])
def test_estimates_without_a_predictor_are_flagged(kind):
    """A predictor that is missing for more than the model bridges is its mean there."""
    lst, regrid = PREDICTORS["lst"], None
    if kind == "gap":
        lst = where_days(lst, (DAYS < 20) | (DAYS > 40))
        with_input = (DAYS < 20) | (DAYS > 40)
    elif kind == "days":
        lst, with_input = lst.isel(time=slice(30)), DAYS < 30
    else:
        lst, regrid, with_input = shifted(lst, lat=-70), "nearest", DAYS < 0
    out = PREDICTORS.sm.estimate(model=any_model(), features={"lst": lst}, regrid=regrid)
    flag = out[FLAG].transpose("time", ...).values
    assert (flag[with_input] == ESTIMATED).all() and (flag[~with_input] == MISSING_INPUT).all()
    assert np.isfinite(out["soil_moisture"]).all()


def test_a_model_fitted_elsewhere():
    """A model without a local part is for any cells, one with it says where it has none."""
    near = PREDICTORS.sm.estimate(model=any_model())
    elsewhere = shifted(PREDICTORS, lon=60).sm.estimate(model=any_model())
    np.testing.assert_array_equal(near["soil_moisture"], elsewhere["soil_moisture"])


@pytest.mark.parametrize("fill_value", [9.96921e36, -3.4e38])
def test_fill_values_that_were_not_decoded_are_refused(fill_value):
    """Their mean would be in the card of a model that no estimate can use."""
    filled = PREDICTORS["lst"].where(PREDICTORS["lst"] < 290, fill_value).assign_attrs(units="K")
    infinite = filled.where(DAYS[:, None, None] > 3, np.inf).assign_attrs(units="K")
    for lst in (filled, infinite):
        with pytest.raises(InputError, match=r"predictor 'lst' has values up to .*e\+3.*Mask it"):
            fit_estimator(PREDICTORS.assign(lst=lst), TARGET, **SMALL)
