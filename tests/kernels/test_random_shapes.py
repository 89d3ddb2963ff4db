"""Random sizes and options: the CPU kernels against the reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import xsm_kernels
from tests.kernels.samples import TOLERANCE, Case, check_convolution, draw
from xsm_kernels.arguments import ACTIVATIONS

small = st.integers(0, 3)


@st.composite
def cases(draw_from: st.DrawFn) -> Case:
    """A case whose window fits into its array."""
    odd = st.sampled_from([1, 3, 5])
    kernel = draw_from(st.tuples(odd, odd, odd))
    padding = draw_from(st.tuples(small, small, small))
    dilation = draw_from(st.tuples(*[st.integers(1, 3)] * 3))
    # what the window needs at least, and a little or a tile more
    least = [
        max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, padding, dilation, strict=True)
    ]
    more = draw_from(st.tuples(small, st.integers(0, 12), st.integers(0, 40)))
    return Case(
        shape=(
            draw_from(st.integers(1, 2)),
            draw_from(st.integers(1, 9)),
            *(low + extra for low, extra in zip(least, more, strict=True)),
        ),
        outputs=draw_from(st.integers(1, 18)),
        kernel=kernel,
        padding=padding,
        dilation=dilation,
        wrap=draw_from(st.booleans()),
        activation=draw_from(st.sampled_from(ACTIVATIONS)),
        residual=draw_from(st.booleans()),
        active=draw_from(st.sampled_from([None, 0.01, 0.5])),
        observed=draw_from(st.sampled_from([0.0, 0.01, 0.3, 0.9, 1.1])),
        seed=draw_from(st.integers(0, 9)),
    )


@settings(max_examples=60, deadline=None)
@given(cases())
def test_convolution(case: Case) -> None:
    check_convolution(case, "numba", "float32")


@settings(max_examples=40, deadline=None)
@given(cases())
def test_mask_update_is_the_convolution_s_mask(case: Case) -> None:
    arrays = draw(case)
    _, expected = xsm_kernels.masked_conv3d(
        arrays["x"].astype("float32"),
        arrays["mask"],
        arrays["weight"].astype("float32"),
        **case.window,
    )
    result = xsm_kernels.update_mask(arrays["mask"], case.kernel, **case.window)
    np.testing.assert_array_equal(result, expected)


@settings(max_examples=40, deadline=None)
@given(cases(), st.sampled_from([1, 3, 5, 11]))
def test_mean(case: Case, size: int) -> None:
    arrays = draw(case, "float32")
    x, mask, options = arrays["x"], arrays["mask"], {"wrap_longitude": case.wrap}
    mean, fraction = xsm_kernels.masked_mean(x.astype("float32"), mask, size, **options)
    exact = xsm_kernels.masked_mean(x, mask, size, **options, backend="reference")
    scale = xsm_kernels.masked_mean(np.abs(x), mask, size, **options, backend="reference")
    assert np.all(np.abs(mean - exact[0]) <= TOLERANCE["float32"] * scale[0])
    assert np.all(np.abs(fraction - exact[1]) <= TOLERANCE["float32"] * exact[1])
