"""A configuration is chosen from few, timed once if the call is large enough, and stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("triton")

from xsm_kernels import _triton_common as tuning  # noqa: E402
from xsm_kernels.masked_conv3d._triton import Config, blocks, candidates  # noqa: E402

GPU = SimpleNamespace(is_cuda=True, device="cuda:0")
FEW = candidates({"BLOCK_O": 64, "BLOCK_K": 64}, 64, 27, 3)
MANY_CELLS = tuning.MIN_CELLS_TO_TUNE


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[list[Config]]:
    """A GPU on which the last candidate is the fastest; what was timed."""
    calls: list[Config] = []

    def milliseconds(launch: Any, config: Config) -> float:
        calls.append(config)
        return 1.0 if config == FEW[-1] else 2.0

    monkeypatch.setattr(tuning, "_milliseconds", milliseconds)
    monkeypatch.setattr(tuning, "_fastest", {})
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "H200")
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setenv("XSM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("XSM_CACHE", raising=False)
    monkeypatch.delenv("XSM_KERNELS_TUNE", raising=False)
    tuning._stored.cache_clear()
    yield calls
    tuning._stored.cache_clear()


def choose(key: str = "64", cells: int = MANY_CELLS, x: Any = GPU) -> Config:
    return tuning.tuned((key,), FEW, lambda config: None, x, cells)


def test_the_fastest_is_taken_and_remembered_by_process_and_disk(
    timed: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose() == choose() == FEW[-1] and timed == FEW
    choose("32")
    assert timed == FEW * 2  # another kind of call
    monkeypatch.setattr(tuning, "_fastest", {})  # another process
    tuning._stored.cache_clear()
    assert choose() == FEW[-1] and timed == FEW * 2
    stored = json.loads(tuning._file().read_text())
    assert len(stored) == 2 and all(name.startswith("H200|") for name in stored)


def test_nothing_is_timed_where_it_tells_nothing(
    timed: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose(cells=MANY_CELLS - 1) == FEW[0]
    assert choose(x=SimpleNamespace(is_cuda=False)) == FEW[0]
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert choose() == FEW[0]
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setenv("XSM_KERNELS_TUNE", "0")
    assert choose() == FEW[0]
    assert timed == [] and tuning.tuned_configurations() == {}


@pytest.mark.parametrize("content", ["{", "[1]", '{"H200": 1}'])
def test_a_file_that_says_nothing_is_no_error(
    content: str, timed: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning._file().parent.mkdir(parents=True)
    tuning._file().write_text(content)
    assert choose() == FEW[-1] and timed == FEW
    monkeypatch.setattr(tuning, "_file", lambda: tuning.Path("/dev/null/nowhere"))
    assert choose("32") == FEW[-1]


@pytest.mark.parametrize(
    ("channels", "outputs", "itemsize"), [(1, 32, 2), (64, 64, 2), (24, 128, 4)]
)
def test_there_are_few_candidates(channels: int, outputs: int, itemsize: int) -> None:
    for precision in ("ieee", "tf32")[: 3 - itemsize // 2]:
        sizes = blocks(channels, outputs, 27, itemsize, precision)
        configs = candidates(sizes, channels, 27, 3)
        assert 1 <= len(configs) <= 3 and len(set(configs)) == len(configs)
