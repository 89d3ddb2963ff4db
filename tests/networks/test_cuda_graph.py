"""What a CUDA graph replays: padded, cut back, kept; nothing in it waits for or needs the host."""

import logging

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from tests.networks.test_block_inference import fill, record  # noqa: E402
from tests.networks.test_streamed_features import MODELS  # noqa: E402
from xsm.errors import InputError  # noqa: E402
from xsm.networks import block_inference, cuda_graph  # noqa: E402
from xsm.networks.device import operations  # noqa: E402


class OnTheHost:
    """Stands for a capture where there is no GPU: runs the function on the inputs it keeps."""

    made = 0

    def __init__(self, function, inputs):
        type(self).made += 1
        self.function, self.inputs = function, inputs

    def __call__(self):
        return self.function(*self.inputs)


@pytest.fixture
def captures(monkeypatch):
    cuda_graph.clear()
    monkeypatch.setattr(OnTheHost, "made", 0)
    monkeypatch.setattr(cuda_graph, "CapturedGraph", OnTheHost)
    yield OnTheHost
    cuda_graph.clear()


@pytest.fixture
def on_the_host(monkeypatch, captures):
    """``fill_block`` takes the way of the GPU, with the definition as its kernels."""
    monkeypatch.setattr(cuda_graph, "unsupported_reason", lambda device, backend: None)
    return captures


@pytest.mark.parametrize("name", MODELS)
def test_padded_and_cut_back_it_is_the_same(name, on_the_host):
    model, values = MODELS[name], record(days=6, height=11, width=13)
    days, rows, columns = model.halo
    stats = block_inference.record_statistics(values)
    around = ((rows, rows), (columns, columns))
    wide = np.pad(values, ((days, days), *around), constant_values=np.nan)
    given = wide, np.pad(stats, ((0, 0), *around)), model
    for first in (0, 3):  # the second time with other values under them
        found = block_inference.fill_block(*given, backend="reference", device="cpu", first=first)
        right = block_inference.fill_block(*given, backend="numba", first=first)
        np.testing.assert_allclose(found, right, atol=1e-5)
    assert on_the_host.made == 1


def test_few_graphs_serve_all_tiles_and_the_oldest_goes(captures):
    def function(values, stats):
        return values[2:-2, 1:-1, 1:-1] + stats[0, 1:-1, 1:-1], torch.isnan(values)[
            2:-2, 1:-1, 1:-1
        ]

    def run(*shape, key=0):
        values = np.random.default_rng(0).normal(size=shape).astype("float32")
        stats = np.ones((2, *shape[1:]), "float32")
        found, missing = cuda_graph.replay(key, function, values, stats, device="cpu")
        np.testing.assert_array_equal(found, values[2:-2, 1:-1, 1:-1] + 1)
        assert missing.shape == found.shape and missing.dtype == bool and not missing.any()

    run(9, 20, 50)
    run(16, 32, 64)  # as large in whole steps
    assert captures.made == 1
    for key in range(cuda_graph.MAX_GRAPHS + 1):
        run(9, 20, 50, key=key)
    assert (
        captures.made == cuda_graph.MAX_GRAPHS + 1
        and len(cuda_graph._graphs) == cuda_graph.MAX_GRAPHS
    )
    run(9, 20, 50)
    assert captures.made == cuda_graph.MAX_GRAPHS + 2


def test_what_cannot_be_captured_runs_without_and_says_so_once(captures, monkeypatch, caplog):
    def refuse(function, inputs):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(cuda_graph, "CapturedGraph", refuse)
    values, stats = np.ones((3, 4, 5), "float32"), np.ones((1, 4, 5), "float32")
    options = {"device": "cpu"}
    with caplog.at_level(logging.WARNING, "xsm.networks.cuda_graph"):
        for _ in range(2):
            (found,) = cuda_graph.replay("k", lambda v, s: (v + s,), values, stats, **options)
            np.testing.assert_array_equal(found, 2)
    assert caplog.text.count("launched one by one: operation not permitted") == 1
    with pytest.raises(RuntimeError, match="not permitted"):
        cuda_graph.replay("k", lambda v, s: (v + s,), values, stats, must=True, **options)


def test_a_graph_that_cannot_be_is_refused_by_name(caplog):
    model = MODELS["default"]
    with pytest.raises(InputError, match="graph=True: device='cpu' is no NVIDIA GPU"):
        fill(record(), model, backend="reference", graph=True)
    with caplog.at_level(logging.DEBUG, "xsm.networks.block_inference"):
        fill(record(), model, backend="reference")
    assert "no CUDA graph: device='cpu' is no NVIDIA GPU" in caplog.text


class OnTheDevice(TorchDispatchMode):
    """Refuses whatever a capture would: memory of the host, and waiting for a value.

    Tensors without memory stand for those of a GPU.
    """

    waits = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_pinned", "equal")

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        self.seen.add(name)
        assert not any(f"aten.{wait}." in name for wait in self.waits), name
        out = function(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, out)):
            if isinstance(leaf, torch.Tensor):
                assert leaf.is_meta, f"{name}: {tuple(leaf.shape)} on {leaf.device}"
        return out


class Launched:
    """Stands for a kernel: counts its launches."""

    def __init__(self):
        self.times = 0

    def __getitem__(self, grid):
        return self

    def __call__(self, *args, **options):
        self.times += 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_nothing_that_is_captured_touches_the_host(dtype, monkeypatch):
    pytest.importorskip("triton")
    from xsm_kernels.masked_conv3d import _triton as convolution
    from xsm_kernels.masked_mean import _triton as mean
    from xsm_kernels.pointwise_layers import _triton as layers

    launched = Launched()
    for module, names in (
        (convolution, ("survey_kernel", "convolve_kernel")),
        (layers, ("layers_kernel",)),
        (mean, ("sum_rows_kernel", "mean_kernel")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, launched)
    transposed = Launched()  # for channels that do not fill whole loads
    monkeypatch.setattr(convolution, "transpose_kernel", transposed)
    monkeypatch.setenv("TRITON_INTERPRET", "1")  # so that the backend takes them
    model, kind = MODELS["default"], getattr(torch, dtype)
    row = model.network
    ops = operations((*row.operations, *row.fused_operations), "triton", kind)
    days, rows, columns = model.halo
    shape = 3 + 2 * days, 5 + 2 * rows, 6 + 2 * columns
    with torch.inference_mode():
        params = {
            name: torch.empty(array.shape, dtype=kind, device="meta")
            for name, array in model.params.items()
        }
        values = torch.empty(shape, device="meta")
        stats = torch.empty((5, *shape[1:]), device="meta")
        with OnTheDevice() as mode:
            output, mask = block_inference.run_network(values, stats, params, model, ops)
    assert output.shape == (2, 3, 5, 6) and mask.shape == (3, 5, 6)
    # two a layer, the last three are one in reduced precision; two a masked mean
    single = len(model.config["layers"]) - (3 if dtype == "bfloat16" else 0)
    assert launched.times == 2 * single + (dtype == "bfloat16") + 2 * len(model.config["scales"])
    assert 1 <= transposed.times < single
    assert any("aten.zeros" in name for name in mode.seen)


def test_the_mode_that_watches_would_notice():
    x = torch.zeros(3, device="meta")
    with OnTheDevice():
        with pytest.raises(AssertionError, match="on cpu"):
            torch.where(x > 0, x, torch.zeros(()))
        with pytest.raises(AssertionError, match="nonzero"):
            torch.nonzero(x)
