"""Implementations of a Bi-LSTM and an AtLSTM to compare, and their expected results."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import xsm_kernels
from benchmarks.speed.operation_samples import torch_dtype
from benchmarks.speed.parity_gate import Call
from tests.kernels.lstm_samples import TOLERANCE
from xsm.networks.device import operations
from xsm.networks.recurrent import atlstm_network, lstm_weights
from xsm.networks.registry import network as find_network
from xsm.networks.sequence_inference import in_blocks
from xsm_kernels.dispatch import backends, load, unsupported_reason

CHANNELS = 16
N_CHECKED = 8  # pixels compared with float64
NETWORK_ALLOWED = 1e-5  # of the outputs of a network in float32, as in tests/networks


class Sample:
    """One case with its weights and inputs, as NumPy arrays and as tensors on the device."""

    def __init__(
        self, op: str, hidden_size: int, batch_size: int, attention_window: int | None,
        dtype: str, days: int, device: str,
    ) -> None:  # fmt: skip
        self.op, self.dtype, self.device = op, dtype, device
        self.window = attention_window
        names = [f"x{n}" for n in range(CHANNELS)]
        row = find_network("atlstm")
        self.config = row.default_config(
            names, hidden=hidden_size, input=0, window=attention_window
        )
        rng = np.random.default_rng(0)
        self.params = row.initial_params(self.config, 0)
        shape = self.params["output.weight"].shape
        self.params["output.weight"] = rng.uniform(-0.1, 0.1, shape).astype(np.float32)
        self.x = rng.standard_normal((batch_size, days, CHANNELS)).astype(np.float32)
        self.weights = [np.ascontiguousarray(w) for w in lstm_weights(self.params, self.x)]
        self.tensors = {name: self.tensor(value) for name, value in self.params.items()}

    def tensor(self, array: Any) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device, torch_dtype(self.dtype))

    def expected(self) -> torch.Tensor:
        """Output of the first pixels in float64: y of the LSTM, or the mean of the network."""
        double = {name: value.to("cpu", torch.float64) for name, value in self.tensors.items()}
        x = self.tensor(self.x[:N_CHECKED]).to("cpu", torch.float64)
        ops = SimpleNamespace(lstm=partial(xsm_kernels.lstm, backend="reference"))
        if self.op == "lstm":
            return ops.lstm(x, *lstm_weights(double, x))[0]
        return atlstm_network(double, x, self.config, ops).mean

    def variants(self) -> dict[str, Callable[[], Call]]:
        """By name, a function that prepares a call returning y, or the mean."""
        return self._lstms() if self.op == "lstm" else self._networks()

    def _lstms(self) -> dict[str, Callable[[], Call]]:
        x = self.tensor(self.x)
        tensors = (x, *(self.tensor(w) for w in self.weights))
        variants: dict[str, Callable[[], Call]] = {"torch.nn.LSTM": lambda: self._layer_call(x)}
        for backend in backends("lstm"):
            arrays = (self.x, *self.weights) if backend == "numba" else tensors
            excluded = backend == "torch" or (backend == "numba" and self.device == "cuda")
            if not excluded and unsupported_reason("lstm", backend, arrays) is None:
                run = partial(xsm_kernels.lstm, *arrays, backend=backend)
                variants[backend] = lambda run=run: lambda: run()[0]
        if self.device == "cuda" and self.dtype in ("bfloat16", "float16"):
            variants["flashrnn, triton_fused"] = lambda: self._flashrnn(*tensors)
        if len(self.x) == 256 and self.weights[1].shape[-1] == 64:
            variants["reference, cell compiled"] = lambda: self._compiled(tensors)
        return variants

    def _layer(self) -> torch.nn.LSTM:
        hidden = self.config["hidden"]
        layer = torch.nn.LSTM(CHANNELS, hidden, batch_first=True, bidirectional=True)
        prefix = "lstm."
        state = {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}
        layer = layer.to(self.device, torch_dtype(self.dtype))
        layer.load_state_dict(state)
        return layer

    def _layer_call(self, x: torch.Tensor) -> Call:
        layer = self._layer()
        return lambda: layer(x)[0]

    def _compiled(self, tensors: tuple[torch.Tensor, ...]) -> Call:
        from xsm_kernels.lstm import reference

        torch.compiler.reset()
        run, cell = load("lstm", "reference"), torch.compile(reference.cell, dynamic=False)

        def call() -> torch.Tensor:
            original, reference.cell = reference.cell, cell
            try:
                return run(*tensors)[0]
            finally:
                reference.cell = original

        return call

    def _flashrnn(
        self, x: torch.Tensor, w_x: torch.Tensor, w_h: torch.Tensor, bias: torch.Tensor
    ) -> Call:
        """FlashRNN's fused Triton kernel, with the two directions as its heads."""
        from flashrnn.flashrnn.triton_fused.lstm_fw import forward_sequence

        directions, _, hidden = w_h.shape
        # (gates, heads, ...)
        recurrent = w_h.unflatten(1, (4, hidden)).transpose(0, 1).contiguous()
        offset = bias.unflatten(1, (4, hidden)).transpose(0, 1).contiguous()
        inputs = w_x.unflatten(1, (4, hidden))
        zeros = x.new_zeros((2, len(x), directions, hidden))

        def call() -> torch.Tensor:
            both = torch.stack([x, x.flip(1)])
            products = torch.einsum("dbtc,dghc->btgdh", both, inputs)
            y = forward_sequence(zeros, products, recurrent, offset)[0][:, 0]
            return torch.cat([y[:, :, 0], y[:, :, 1].flip(0)], -1).transpose(0, 1)

        return call

    def _networks(self) -> dict[str, Callable[[], Call]]:
        x = self.tensor(self.x)
        variants = {
            "torch.nn.LSTM, plain attention": partial(self._torch_network, x, False),
            "torch.nn.LSTM, scaled_dot_product_attention": partial(self._torch_network, x, True),
        }
        ops = operations(find_network("atlstm").operations)
        run = partial(atlstm_network, config=self.config, ops=ops, weights=False)
        if self.device == "cuda":
            variants["ours"] = lambda: lambda: run(self.tensors, x).mean
        else:  # as xsm.estimate does
            variants["ours"] = lambda: lambda: in_blocks(partial(run, self.params), self.x).mean
        return variants

    def _torch_network(self, x: torch.Tensor, fused: bool) -> Call:
        """The network from PyTorch layers; the attention window is a band mask."""
        from torch.nn import functional

        layer, p, days = self._layer(), self.tensors, x.shape[1]
        day = torch.arange(days, device=x.device)
        inside = None if self.window is None else (day[:, None] - day).abs() <= self.window
        outside = None if inside is None else ~inside

        def linear(name: str, values: torch.Tensor) -> torch.Tensor:
            return functional.linear(values, p[f"{name}.weight"], p[f"{name}.bias"])

        def call() -> torch.Tensor:
            y = layer(x)[0]
            query, key, value = (linear(f"attention.{n}", y) for n in ("query", "key", "value"))
            if fused:
                context = functional.scaled_dot_product_attention(query, key, value, inside)
            else:
                scores = query @ key.mT / query.shape[-1] ** 0.5
                if outside is not None:
                    scores = scores.masked_fill(outside, -torch.inf)
                context = torch.softmax(scores, -1) @ value
            joined = torch.tanh(linear("out_proj", torch.cat([context, y], -1)))
            return linear("output", joined)[..., 0]

        return call


def judge(sample: Sample, name: str, output: Any) -> tuple[dict[str, Any], float]:
    """The error against float64, and as a fraction of the allowed one (0: not required)."""
    values = torch.as_tensor(output)[:N_CHECKED].to("cpu", torch.float64)
    error = float((values - sample.expected()).abs().nan_to_num(torch.inf).max())
    if sample.op == "lstm":
        allowed = 2 * TOLERANCE[sample.dtype]
    else:
        allowed = NETWORK_ALLOWED if sample.dtype == "float32" else torch.inf
    return {"difference": error}, 0.0 if "compiled" in name else error / allowed
