"""Where a network runs: backend of its kernels, device and precision of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

import xsm_kernels
from xsm._lazy import optional_import
from xsm.errors import BackendError, InputError

if TYPE_CHECKING:
    from xsm.networks.registry import Network

# inputs and parameters of these operations are cast to the working precision
CAST: dict[str, Callable[..., tuple[Any, ...]]] = {
    "masked_conv3d": lambda to, x, mask, weight, bias: (to(x), mask, to(weight), to(bias)),
    "pointwise_layers": lambda to, sources, mask, weights, biases: (
        list(map(to, sources)),
        mask,
        list(map(to, weights)),
        list(map(to, biases)),
    ),
}


class ExecutionConfig(NamedTuple):
    """Backend of the kernels, device of torch and precision of a network.

    Attributes
    ----------
    backend : {"auto", "numba", "reference", "torch", "triton"}
    device : str or None
        Device of torch; None for the default of the backend.
    dtype : str or None
        Precision; None for float32.
    """

    backend: str = "auto"
    device: str | None = None
    dtype: str | None = None

    @property
    def on_numpy(self) -> bool:
        """Whether the network runs on NumPy arrays, on the CPU."""
        return (
            self.device is None and self.dtype is None and self.backend not in ("torch", "triton")
        )

    @property
    def on_gpu(self) -> bool:
        """Whether the network runs on a GPU."""
        return not self.on_numpy and self.torch_device().type == "cuda"

    @property
    def needs_torch(self) -> str | None:
        """The option that needs torch, as the user wrote it, or None."""
        if self.device is not None:
            return f"device={self.device!r}"
        if self.dtype is not None:
            return f"dtype={self.dtype!r}"
        return None if self.backend in ("auto", "numba") else f"backend={self.backend!r}"

    def check(self, row: Network) -> None:
        """Check that a kind of network can run with these options, before any work.

        Raises
        ------
        InputError
            If the kind runs outside the kernels and torch, so that an option does not apply, or if
            torch does not see the device.
        BackendError
            If the backend lacks an operation of the network.
        MissingPackageError
            If the network or an option needs a package that is not installed.
        """
        given = [
            f"{name}={value!r}"
            for name, value in self._asdict().items()
            if value not in (None, "auto")
        ]
        if given and not row.torch_inference:
            raise InputError(
                f"{', '.join(given)}: a model of the kind {row.kind!r} always works on the CPU; "
                "leave it out."
            )
        row.import_required()
        if not row.operations and self.backend in ("numba", "triton"):
            raise BackendError(
                f"backend={self.backend!r}: a network of the kind {row.kind!r} runs no kernels of "
                "xsm; leave it out, or use device= to run on a GPU."
            )
        check_backend(row.operations, self.backend)
        if self.needs_torch is not None:
            optional_import("torch", self.needs_torch, "torch")
            self.torch_device()
        if self.backend == "triton":
            optional_import("triton", "backend='triton'", "gpu")

    def torch_device(self) -> Any:
        """Device of torch that the network runs on; see :func:`torch_device`."""
        if self.device is None and self.backend == "triton":
            return torch_device("cuda", "backend='triton'")
        return torch_device(self.device or "cpu")

    def tensors(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """Arrays as torch tensors of this device and precision."""
        torch = optional_import("torch", self.needs_torch or "running on torch", "torch")
        device, dtype = self.torch_device(), getattr(torch, self.dtype or "float32")
        return {k: torch.as_tensor(v).to(device=device, dtype=dtype) for k, v in arrays.items()}


CPU = ExecutionConfig()


def torch_device(name: str, argument: str | None = None) -> Any:
    """The torch device of this name; `argument` is what messages call the option that asks for it.

    Raises
    ------
    MissingPackageError
        If torch is not installed.
    InputError
        If torch does not know the device or does not see it.
    """
    argument = argument or f"device={name!r}"
    torch = optional_import("torch", argument, "torch")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"{argument}: expected a device of torch, such as 'cpu', 'cuda' or 'cuda:1'."
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"{argument}: torch {torch.__version__} sees {torch.cuda.device_count()} NVIDIA "
            "GPUs here; leave it out to work on the CPU."
        )
    return device


def to_numpy(tensor: Any) -> NDArray[Any]:
    """Values of a tensor as a NumPy array, floats in float32."""
    return (tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy()


def operations(names: Sequence[str], backend: str = "auto", dtype: Any = None) -> SimpleNamespace:
    """The operations that a network takes from :mod:`xsm_kernels`, on one backend.

    Parameters
    ----------
    names : sequence of str
        Of the operations, as a row of :data:`xsm.networks.registry.NETWORKS` lists them.
    backend : {"auto", "numba", "reference", "torch", "triton"}
        ``auto`` chooses for each call by the arrays, and by whether gradients are wanted.
    dtype : torch.dtype, optional
        Working precision of the layers of gap-filling networks; their inputs keep their own.

    Returns
    -------
    namespace of callables
        Each raises :class:`xsm.errors.BackendError` where the backend cannot do the call.

    Raises
    ------
    BackendError
        If the backend lacks an operation; the message names all of them.
    """
    check_backend(names, backend)
    return SimpleNamespace(**{name: _operation(name, names, backend, dtype) for name in names})


def check_backend(names: Sequence[str], backend: str) -> None:
    """Raise a BackendError if a backend asked for by name lacks one of the operations."""
    if backend == "auto":
        return
    available = {name: xsm_kernels.backends(name) for name in names}
    lacking = [
        f"{name} (has {', '.join(rows)})" for name, rows in available.items() if backend not in rows
    ]
    if lacking:
        raise BackendError(
            f"backend={backend!r} cannot run this network, it has no {' and no '.join(lacking)}. "
            "Choose a backend that has all of them, or 'auto'."
        )


def _operation(name: str, names: Sequence[str], backend: str, dtype: Any) -> Callable[..., Any]:
    function, cast = getattr(xsm_kernels, name), CAST.get(name)

    def to(array: Any) -> Any:
        return array.to(dtype)

    @wraps(function)
    def call(*arrays: Any, **options: Any) -> Any:
        if dtype is not None and cast is not None:
            arrays = cast(to, *arrays)
        try:
            return function(*arrays, backend=backend, **options)
        except xsm_kernels.BackendError as error:
            raise BackendError(f"{error} (The network runs {', '.join(names)}.)") from error

    return call
