"""The list of tiles that the GPU works through: what is in it, and that any number of programs do.

Run interpreted by test_triton.py, and by benchmarks/gpu.sh on a GPU.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("triton")

import xsm_kernels  # noqa: E402
from tests.kernels.samples import (  # noqa: E402
    Case,
    back,
    check_convolution,
    convert,
    draw,
    skip_where_missing,
)
from xsm_kernels._torch_common import pad_cells  # noqa: E402
from xsm_kernels.masked_conv3d import _triton as module  # noqa: E402
from xsm_kernels.masked_conv3d._triton import Config  # noqa: E402


@pytest.fixture(autouse=True)
def a_gpu_or_the_interpreter() -> None:
    skip_where_missing("triton")


@st.composite
def surveys(draw_from: st.DrawFn) -> tuple[Case, Config]:
    """A window that fits, few or many observed cells, and tiles of any shape."""
    odd, small = st.sampled_from([1, 3]), st.integers(0, 2)
    kernel = draw_from(st.tuples(odd, odd, st.sampled_from([1, 3, 5])))
    padding = draw_from(st.tuples(small, small, st.integers(0, 5)))
    dilation = draw_from(st.tuples(*[st.integers(1, 2)] * 3))
    least = [max(1, d * (k - 1) + 1) for k, d in zip(kernel, dilation, strict=True)]
    more = draw_from(st.tuples(small, st.integers(0, 6), st.integers(0, 12)))
    shape = (draw_from(st.integers(1, 2)), 1, *(a + b for a, b in zip(least, more, strict=True)))
    case = Case(
        shape, outputs=draw_from(st.sampled_from([1, 20])), kernel=kernel, padding=padding,
        dilation=dilation, wrap=draw_from(st.booleans()), seed=draw_from(st.integers(0, 99)),
        observed=draw_from(st.sampled_from([0.0, 0.005, 0.05, 0.5])),
        active=draw_from(st.sampled_from([None, 0.02, 0.5])),
    )  # fmt: skip
    tile = draw_from(st.sampled_from([(8, 16), (4, 4), (2, 8)]))
    days = draw_from(st.sampled_from([1, 2])) if dilation[0] == 1 and kernel[0] > 1 else 1
    return case, Config(*tile, days=days)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(surveys())
def test_triton_survey_lists_the_tiles_that_see_something(drawn: tuple[Case, Config]) -> None:
    case, config = drawn
    arrays = draw(case)
    mask, active = (torch.from_numpy(arrays[n]) if arrays[n] is not None else None
                    for n in ("mask", "active"))  # fmt: skip
    # brute force: the observed cells of each window, tap by tap
    wide = pad_cells(mask, case.padding, case.wrap)[:, 0]
    taps = np.array(list(np.ndindex(case.kernel))) * case.dilation
    days, rows, columns = case.cells
    observed = torch.stack([
        wide[:, a : a + days, p : p + rows, q : q + columns] for a, p, q in taps.tolist()
    ])  # fmt: skip
    observed = observed if active is None else observed & active
    bits = (observed.long() << torch.arange(len(taps)).view(-1, 1, 1, 1, 1)).sum(0)
    number = bits if len(taps) <= 31 else observed.sum(0)

    y = torch.full((case.shape[0], case.outputs, *case.cells), torch.nan)
    y = convert(y.numpy(), "triton", "float32").contiguous(memory_format=torch.channels_last_3d)
    new_mask = torch.ones((case.shape[0], 1, *case.cells), dtype=torch.bool, device=y.device)
    written_bits = torch.full(new_mask.shape, -1, dtype=torch.int32, device=y.device)
    names = ("KT", "KH", "KW", "PT", "PH", "PW", "DT", "DH", "DW")
    window = dict(zip(names, (*case.kernel, *case.padding, *case.dilation), strict=True))
    window["WRAP"] = module.wrap_mode(case.shape[-1], case.padding[2], case.wrap)
    count, tiles = module.survey(
        convert(arrays["mask"], "triton", "").view(torch.uint8),
        convert(arrays["active"], "triton", ""), new_mask, written_bits, y, config, window, 16,
    )  # fmt: skip

    np.testing.assert_array_equal(back(new_mask)[:, 0], (number > 0).numpy())
    high, wide_by = (-(-n // size) for n, size in zip((rows, columns), config[:2], strict=True))
    b, t, i, j = np.indices(number.shape)
    turns = -(-days // config.days)
    tile_of = (
        (b * turns + t // config.days) * high + i // config.tile_h
    ) * wide_by + j // config.tile_w
    wanted = np.unique(tile_of[(number > 0).numpy()])
    listed = back(tiles)[: int(count)].astype(int)
    assert sorted(listed) == wanted.tolist()
    assert len(tiles) == math.prod((case.shape[0], turns, high, wide_by))
    inside = np.isin(tile_of, wanted)
    np.testing.assert_array_equal(back(written_bits)[:, 0][inside], number.numpy()[inside])
    # zeros in all other tiles; those of the list are left to the products
    untouched = np.isnan(back(y))
    np.testing.assert_array_equal(untouched, np.broadcast_to(inside[:, None], untouched.shape))
    assert not back(y)[~untouched].any()


@pytest.mark.parametrize("number", [1, 2, 1000])
def test_triton_any_number_of_programs_takes_all_tiles(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "programs", lambda device, config: number)
    check_convolution(Case((2, 2, 3, 11, 37), 20, observed=0.05, active=0.5), "triton", "float32")


@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 5, 7)])
def test_triton_other_configurations_agree(
    kernel: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # 35 cells do not fit into the bits of a word: their masks are read again
    config = Config(tile_h=4, tile_w=8, warps=8, stages=2, per_sm=1)
    monkeypatch.setattr(module, "tuned", lambda *_: config)
    padding = kernel[0] // 2, kernel[1] // 2, kernel[2] // 2
    case = Case((1, 9, kernel[0], 7, 11), 3, kernel, padding, wrap=True)
    check_convolution(case, "triton", "float32")


def test_triton_calls_with_days_apart_are_tuned_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = {}
    monkeypatch.setattr(
        module, "tuned", lambda key, configs, *_: chosen.setdefault(key, configs[0])
    )
    for dilation in (1, 2):
        case = Case((1, 20, 6, 4, 8), 20, dilation=(dilation, 1, 1))
        check_convolution(case, "triton", "bfloat16")
    assert sorted(config.days for config in chosen.values()) == [1, 2]


@pytest.mark.parametrize("channels", [1, 20])
@pytest.mark.parametrize(("days", "padding"), [(4, 0), (5, 1)])  # even and odd days of output
def test_triton_two_days_at_once_agree(
    channels: int, days: int, padding: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "tuned", lambda *_: Config(tile_h=4, tile_w=8, days=2))
    case = Case(
        (2, channels, days, 7, 11), 20, padding=(padding, 1, 1), wrap=True, observed=0.1,
        residual=True, active=0.6,
    )  # fmt: skip
    check_convolution(case, "triton", "float32")


@pytest.mark.parametrize(
    "case",
    [
        Case((1, 1, 4, 5, 40), observed=0.1, active=0.5),
        Case((2, 1, 4, 5, 33), padding=(1, 2, 2), dilation=(2, 2, 2), wrap=True, observed=0.1),
        Case((1, 1, 2, 4, 70), kernel=(1, 3, 41), padding=(0, 1, 30), wrap=True, observed=0.02),
        Case((1, 1, 2, 4, 100), kernel=(1, 1, 3), padding=(0, 0, 32), dilation=(1, 1, 32)),
        Case((1, 1, 1, 1, 1), kernel=(1, 3, 9), padding=(0, 1, 7), wrap=True, observed=1.1),
    ],
)
def test_triton_mask_update_by_bits(case: Case) -> None:
    from xsm_kernels.update_mask._triton import update_mask

    arrays = draw(case)
    mask, active = (convert(arrays[name], "triton", "") for name in ("mask", "active"))
    options = {
        "kernel_size": case.kernel, "padding": case.padding, "dilation": case.dilation,
        "wrap_longitude": case.wrap,
    }  # fmt: skip
    result = update_mask(mask, active, **options, packed=True)
    expected = xsm_kernels.update_mask(
        arrays["mask"], case.kernel, active=arrays["active"], **case.window, backend="reference"
    )
    np.testing.assert_array_equal(back(result), expected)
