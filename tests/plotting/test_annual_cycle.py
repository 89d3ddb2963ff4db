"""The annual cycle of one place."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.plotting.scores_made_up import SM, stations
from xsm import plotting
from xsm.errors import InputError
from xsm.plotting.annual_cycle import annual_statistics


def test_means_and_percentiles_are_of_days_near_the_day_of_the_year():
    time = pd.date_range("2015-01-01", "2018-12-31")
    day, rng = time.day_of_year.to_numpy(), np.random.default_rng(1)
    values = np.sin(2 * np.pi * day / 366) + rng.normal(0, 0.1, day.size)
    values[rng.random(day.size) < 0.2] = np.nan
    mean, low, high = annual_statistics(values, day)
    # the first day of the year, by hand: 25 December to 8 January
    near = ((day <= 8) | (day >= 360)) & np.isfinite(values)
    assert mean[0] == pytest.approx(values[near].mean())
    assert (low[0], high[0]) == pytest.approx(tuple(np.percentile(values[near], [10, 90])))
    np.testing.assert_allclose(mean, np.sin(2 * np.pi * np.arange(1, 367) / 366), atol=0.06)


def test_a_station_and_a_cell_are_drawn_and_many_cells_are_refused():
    scores = stations(6, days=400)
    ax = plotting.cycle(scores, "Station <2> & sons")
    assert ax.get_title(loc="left") == "Station <2> & sons (RSMN)"
    assert [line.get_label() for line in ax.get_lines()] == ["in situ", "AMSR2, filled"]
    one = xr.Dataset({n: ("time", scores[n].values[0], {"units": SM}) for n in ("estimate",
                      "reference")}, {"time": scores.time})  # fmt: skip
    assert plotting.cycle(one).get_ylabel() == "soil moisture (m³\xa0m⁻³)"
    with pytest.raises(InputError, match="select one place and product first"):
        plotting.cycle(one.expand_dims(lat=2, lon=2))
    for draw in (plotting.series, plotting.cycle):
        with pytest.raises(InputError, match="select one"):
            draw(one.expand_dims(lat=2))
