"""Correlated random errors: their correlation, and that nothing but the position decides."""

import numpy as np
import pytest

from xsm.gapfilling.correlated_errors import (
    FIELDS,
    LENGTHS,
    PHI,
    WIDTHS,
    CellGrid,
    Stream,
    cell_width,
    correlated_errors,
    correlation_at,
)

DAYS = np.arange(18_000, 18_040)
SHAPE = (48, 60)


def weights_of(*fields: tuple[float, float, float]) -> np.ndarray:
    """Weights of (weight, length, phi)."""
    weights = np.zeros((len(LENGTHS), len(PHI)))
    for weight, length, phi in fields:
        weights[LENGTHS.index(length), PHI.index(phi)] = weight
    return weights.ravel()


MIXED = weights_of((0.2, 0.0, 0.0), (0.3, 1.0, 0.5), (0.3, 4.0, 0.93), (0.2, 16.0, 0.98))


def grid(*, wrap: bool = False, first_column: int = 0, width: float = 1.0) -> CellGrid:
    return CellGrid(SHAPE, wrap, first_column, np.full(SHAPE[0], width))


def fields(weights, samples, of=None, days=DAYS, rows=SHAPE[0], columns=SHAPE[1]) -> np.ndarray:
    """Errors (samples, days, rows, columns)."""
    of = grid() if of is None else of
    return np.stack(
        [
            correlated_errors(weights, days, slice(0, rows), slice(0, columns), of, Stream(5, 0, n))
            for n in range(samples)
        ]
    )


@pytest.mark.parametrize("wrap", [False, True])
def test_same_bits_whatever_else_is_asked_for(wrap):
    of = CellGrid(SHAPE, wrap, 7 if wrap else 0, np.linspace(0.3, 1.0, SHAPE[0]))
    whole = correlated_errors(MIXED, DAYS, slice(0, 48), slice(0, 60), of, Stream(1, 2, 3))
    for days, rows, columns in (
        (slice(0, 1), slice(0, 1), slice(0, 1)),
        (slice(13, 14), slice(30, 48), slice(41, 60)),
        (slice(3, 25), slice(5, 6), slice(0, 60)),
        (slice(39, 40), slice(0, 48), slice(6, 9)),
    ):
        part = correlated_errors(MIXED, DAYS[days], rows, columns, of, Stream(1, 2, 3))
        assert part.tobytes() == whole[days, rows, columns].tobytes()


def test_days_may_be_any_and_in_any_number():
    whole = correlated_errors(MIXED, DAYS, slice(0, 4), slice(0, 5), grid(), Stream(1, 0, 0))
    some = correlated_errors(
        MIXED, DAYS[[2, 3, 30]], slice(0, 4), slice(0, 5), grid(), Stream(1, 0, 0)
    )
    assert (some == whole[[2, 3, 30]]).all()
    early = correlated_errors(
        MIXED, np.array([-700, -3, 0]), slice(0, 4), slice(0, 5), grid(), Stream(1, 0, 0)
    )
    assert np.isfinite(early).all()


@pytest.mark.parametrize("other", [Stream(2, 0, 0), Stream(1, 1, 0), Stream(1, 0, 1)], ids=str)
def test_streams_are_independent(other):
    first = correlated_errors(MIXED, DAYS, slice(0, 48), slice(0, 60), grid(), Stream(1, 0, 0))
    second = correlated_errors(MIXED, DAYS, slice(0, 48), slice(0, 60), grid(), other)
    nugget = weights_of((1.0, 0.0, 0.0))
    a, b = (
        correlated_errors(nugget, DAYS, slice(0, 48), slice(0, 60), grid(), stream)
        for stream in (Stream(1, 0, 0), other)
    )
    assert not (first == second).any()
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(a.size)


@pytest.mark.parametrize("length", LENGTHS[:-1])
def test_correlation_in_space_is_the_one_asked_for(length):
    weights = weights_of((1.0, length, 0.0))
    z = fields(weights, 8)
    assert z.mean() == pytest.approx(0, abs=0.05)
    assert z.std() == pytest.approx(1, abs=0.03)
    for distance in (1, 2, 5, 10):
        expected = correlation_at(weights, np.array(float(distance)), np.array(0.0))
        along_row = (z[..., distance:] * z[..., :-distance]).mean()
        along_column = (z[:, :, distance:] * z[:, :, :-distance]).mean()
        assert along_row == pytest.approx(expected, abs=0.04)
        assert along_column == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("phi", PHI)
def test_correlation_in_time_is_the_one_asked_for(phi):
    weights = weights_of((1.0, 0.0, phi))
    z = fields(weights, 2, days=np.arange(18_400, 18_460))  # with a multiple of 512
    for lag in (1, 2, 3, 7):
        assert (z[:, lag:] * z[:, :-lag]).mean() == pytest.approx(phi**lag, abs=0.04)
    assert z.var(axis=(0, 2, 3)) == pytest.approx(np.ones(60), abs=0.1)


def test_narrow_cells_are_correlated_over_more_columns():
    weights = weights_of((1.0, 4.0, 0.0))
    z = fields(weights, 8, grid(width=0.5))
    assert (z[..., 8:] * z[..., :-8]).mean() == pytest.approx(np.exp(-0.5), abs=0.04)
    assert (z[:, :, 4:] * z[:, :, :-4]).mean() == pytest.approx(np.exp(-0.5), abs=0.04)


@pytest.mark.parametrize("columns", [60, 16, 3])
def test_a_grid_around_the_globe_closes(columns):
    of = CellGrid((20, columns), True, 0, np.ones(20))
    weights = weights_of((1.0, 2.0, 0.0))
    z = np.stack(
        [
            correlated_errors(weights, DAYS, slice(0, 20), slice(0, columns), of, Stream(0, 0, n))
            for n in range(8)
        ]
    )
    inside = (z[..., 1] * z[..., 0]).mean()
    across = (z[..., 0] * z[..., -1]).mean()
    assert z.std() == pytest.approx(1, abs=0.05)
    assert across == pytest.approx(inside, abs=0.05)


def test_the_first_column_does_not_matter_around_the_globe():
    west_first = CellGrid(SHAPE, True, 0, np.ones(48))
    greenwich_first = CellGrid(SHAPE, True, 30, np.ones(48))
    a, b = (
        correlated_errors(MIXED, DAYS, slice(0, 48), slice(0, 60), of, Stream(0, 0, 0))
        for of in (west_first, greenwich_first)
    )
    assert (np.roll(a, 30, axis=-1) == b).all()


def test_width_of_cells():
    assert cell_width(np.array([60.0]), np.array([0.0, 1.0])) == pytest.approx([0.5])
    poles = cell_width(np.linspace(90, -90, 5), np.linspace(0, 30, 5))
    assert poles.min() == WIDTHS[0] and poles.max() <= WIDTHS[1]


def test_weights_are_of_all_pairs():
    at = correlation_at(MIXED, np.array([0.0, 1e9]), np.array([0.0, 0.0]))
    assert MIXED.size == FIELDS and at == pytest.approx([1.0, 0.0])
