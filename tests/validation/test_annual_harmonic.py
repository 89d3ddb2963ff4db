"""Annual harmonic of observed and filled records."""

import numpy as np
import pytest

from tests.validation.samples import NO_NETWORK, gappy
from xsm.validate import validate
from xsm.validation.annual_harmonic import harmonic


def test_annual_cycle_of_a_year_and_more(network):
    ds = gappy(days=400, start="2015-01-01")
    day = ds.time.dt.dayofyear.values
    wave = 0.1 * np.cos(2 * np.pi * (day - 41) / 365.2425)
    noise = ds.soil_moisture - ds.soil_moisture.mean(["lat", "lon"])
    cycle = (0.25 + noise + wave[:, None, None]).astype(np.float32)
    ds = ds.assign(soil_moisture=cycle.assign_attrs(units="m3 m-3"))
    options = {**NO_NETWORK, "baselines": ["linear"]}
    scores = validate(ds, gaps={**options, "gap_patterns": ["cell"]})
    assert float(scores.annual_amplitude_original) == pytest.approx(0.1, abs=0.002)
    assert float(scores.annual_phase_original) == pytest.approx(41, abs=1)
    assert float(scores.annual_amplitude_filled[0]) == pytest.approx(0.1, abs=0.002)
    assert float(scores.annual_phase_filled[0]) == pytest.approx(41, abs=1)
    short = validate(ds.isel(time=slice(0, 200)), gaps=options)
    assert "annual_phase_filled" not in short


def test_a_harmonic_needs_all_quarters():
    t = np.arange(730.0)
    values = np.full((730, 1, 2), 0.2)
    values[(t % 365) < 100, 0, 1] = np.nan
    assert np.isfinite(harmonic(values, t)[:, 0]).tolist() == [[True, False]] * 2
