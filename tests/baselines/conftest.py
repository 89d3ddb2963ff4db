"""A field that spatial methods must be able to fill."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def smooth():
    """A smooth moving field (16, 14, 18), 40 % of it missing, one cell always."""
    t, y, x = np.ogrid[:16, :14, :18]
    field = 0.25 + 0.1 * np.cos(x / 5 + t / 6) * np.cos(y / 6) + 0.03 * np.sin(t / 4)
    truth = field.astype(np.float32)
    rng = np.random.default_rng(3)
    values = np.where(rng.random(truth.shape) < 0.4, np.nan, truth).astype(np.float32)
    values[:, 3, 4] = np.nan
    return truth, values
