"""Records for the tests of baselines, and what every baseline must keep."""

import numpy as np

N = np.nan


def series(*values):
    """A record of one cell."""
    return np.array(values, np.float32).reshape(-1, 1, 1)


def error(filled, truth, values):
    gaps = np.isnan(values) & np.isfinite(filled)
    return float(np.sqrt(np.mean((filled - truth)[gaps] ** 2)))


def check_contract(filled, values):
    observed = np.isfinite(values)
    np.testing.assert_array_equal(filled[observed], values[observed])
    assert filled.dtype == np.float32
    assert np.isnan(filled[:, 3, 4]).all()
    assert np.isnan(filled).sum() == filled.shape[0]
