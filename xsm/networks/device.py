"""Where a network runs: on NumPy arrays, or on torch tensors of some device and precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from xsm.errors import InputError


class Place(NamedTuple):
    """Kernels, device of torch (None: that of the kernels) and precision (None: float32)."""

    backend: str = "auto"
    device: str | None = None
    dtype: str | None = None

    @property
    def numpy(self) -> bool:
        """Whether arrays stay with NumPy, on CPUs."""
        return self.device is None and self.dtype is None and self.backend != "triton"

    def tensors(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """Arrays as torch tensors in this place.

        Raises
        ------
        InputError
            If torch knows no such device or sees none.
        """
        import torch

        device = torch_device(self.device or ("cuda" if self.backend == "triton" else "cpu"))
        kind = getattr(torch, self.dtype or "float32")
        return {k: torch.as_tensor(v).to(device=device, dtype=kind) for k, v in arrays.items()}


def torch_device(name: str) -> Any:
    """The device of this name, which is there.

    Raises
    ------
    InputError
        If it is not.
    """
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(
            f"device={name!r}: expected one of torch, such as 'cpu', 'cuda' or 'cuda:1'."
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device={name!r}: torch {torch.__version__} sees {torch.cuda.device_count()} NVIDIA "
            "GPUs here; leave it out to work on the CPU."
        )
    return device


def host(tensor: Any) -> NDArray[Any]:
    """The values as NumPy, floats in float32."""
    return (tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy()
