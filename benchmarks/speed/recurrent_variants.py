"""The ways to compute a Bi-LSTM and an AtLSTM that are compared, and what is right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import xsm_kernels
from benchmarks.speed.operations import torch_dtype
from benchmarks.speed.verified import Call
from tests.kernels.lstm_samples import TOLERANCE
from xsm.networks.device import operations
from xsm.networks.recurrent import atlstm_network, lstm_weights
from xsm.networks.registry import network as find_network
from xsm.networks.sequence_inference import in_blocks
from xsm_kernels.dispatch import backends, load, unsupported_reason

CHANNELS = 16
CHECKED = 8  # pixels that are compared with float64
NETWORK_ALLOWED = 1e-5  # of the outputs of a network in float32, as in tests/networks


class Sample:
    """One case with its weights and inputs, as NumPy arrays and as tensors on the device."""

    def __init__(
        self, op: str, hidden: int, batch: int, window: int | None, dtype: str, days: int,
        device: str,
    ) -> None:  # fmt: skip
        self.op, self.dtype, self.device, self.window = op, dtype, device, window
        names = [f"x{n}" for n in range(CHANNELS)]
        row = find_network("atlstm")
        self.config = row.default_config(names, hidden=hidden, window=window)
        rng = np.random.default_rng(0)
        self.params = row.initial_params(self.config, 0)
        shape = self.params["output.weight"].shape
        self.params["output.weight"] = rng.uniform(-0.1, 0.1, shape).astype(np.float32)
        self.x = rng.standard_normal((batch, days, CHANNELS)).astype(np.float32)
        self.weights = [np.ascontiguousarray(w) for w in lstm_weights(self.params, self.x)]
        self.tensors = {name: self.tensor(value) for name, value in self.params.items()}

    def tensor(self, array: Any) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device, torch_dtype(self.dtype))

    def expected(self) -> torch.Tensor:
        """What the first pixels must give: y of the LSTM, or the mean of the network; float64."""
        double = {name: value.to("cpu", torch.float64) for name, value in self.tensors.items()}
        x = self.tensor(self.x[:CHECKED]).to("cpu", torch.float64)
        plain = SimpleNamespace(lstm=partial(xsm_kernels.lstm, backend="reference"))
        if self.op == "lstm":
            return plain.lstm(x, *lstm_weights(double, x))[0]
        return atlstm_network(double, x, self.config, plain).mean

    def variants(self) -> dict[str, Callable[[], Call]]:
        """By name, what prepares a call that gives y, or the mean."""
        return self._lstms() if self.op == "lstm" else self._networks()

    def _lstms(self) -> dict[str, Callable[[], Call]]:
        x = self.tensor(self.x)
        given = (x, *(self.tensor(w) for w in self.weights))
        found: dict[str, Callable[[], Call]] = {"torch.nn.LSTM": lambda: self._layer_call(x)}
        for backend in backends("lstm"):
            arrays = (self.x, *self.weights) if backend == "numba" else given
            elsewhere = backend == "torch" or (backend == "numba" and self.device == "cuda")
            if not elsewhere and unsupported_reason("lstm", backend, arrays) is None:
                run = partial(xsm_kernels.lstm, *arrays, backend=backend)
                found[backend] = lambda run=run: lambda: run()[0]
        if len(self.x) == 256 and self.weights[1].shape[-1] == 64:
            found["reference, cell compiled"] = lambda: self._compiled(given)
        return found

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

    def _compiled(self, given: tuple[torch.Tensor, ...]) -> Call:
        from xsm_kernels.lstm import reference

        torch.compiler.reset()
        run, cell = load("lstm", "reference"), torch.compile(reference.cell, dynamic=False)

        def call() -> torch.Tensor:
            plain, reference.cell = reference.cell, cell
            try:
                return run(*given)[0]
            finally:
                reference.cell = plain

        return call

    def _networks(self) -> dict[str, Callable[[], Call]]:
        x = self.tensor(self.x)
        found = {
            "torch.nn.LSTM, plain attention": partial(self._torch_network, x, False),
            "torch.nn.LSTM, scaled_dot_product_attention": partial(self._torch_network, x, True),
        }
        ops = operations(find_network("atlstm").operations)
        run = partial(atlstm_network, config=self.config, ops=ops, weights=False)
        if self.device == "cuda":
            found["ours"] = lambda: lambda: run(self.tensors, x).mean
        else:  # as xsm.estimate does
            found["ours"] = lambda: lambda: in_blocks(partial(run, self.params), self.x).mean
        return found

    def _torch_network(self, x: torch.Tensor, fused: bool) -> Call:
        """The network as one writes it in PyTorch: its layers, a band as the mask of a window."""
        from torch.nn import functional

        layer, p, days = self._layer(), self.tensors, x.shape[1]
        day = torch.arange(days, device=x.device)
        near = None if self.window is None else (day[:, None] - day).abs() <= self.window
        beyond = None if near is None else ~near

        def linear(name: str, values: torch.Tensor) -> torch.Tensor:
            return functional.linear(values, p[f"{name}.weight"], p[f"{name}.bias"])

        def call() -> torch.Tensor:
            y = layer(x)[0]
            query, key, value = (linear(f"attention.{n}", y) for n in ("query", "key", "value"))
            if fused:
                context = functional.scaled_dot_product_attention(query, key, value, near)
            else:
                scores = query @ key.mT / query.shape[-1] ** 0.5
                if beyond is not None:
                    scores = scores.masked_fill(beyond, -torch.inf)
                context = torch.softmax(scores, -1) @ value
            joined = torch.tanh(linear("out_proj", torch.cat([context, y], -1)))
            return linear("output", joined)[..., 0]

        return call


def judge(sample: Sample, name: str, output: Any) -> tuple[dict[str, Any], float]:
    """The error against float64, and as a part of the allowed one (0 where it is a finding)."""
    found = torch.as_tensor(output)[:CHECKED].to("cpu", torch.float64)
    off = float((found - sample.expected()).abs().nan_to_num(torch.inf).max())
    if sample.op == "lstm":
        allowed = 2 * TOLERANCE[sample.dtype]
    else:
        allowed = NETWORK_ALLOWED if sample.dtype == "float32" else torch.inf
    return {"difference": off}, 0.0 if "compiled" in name else off / allowed
