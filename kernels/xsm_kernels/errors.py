"""Exceptions of the kernels."""


class KernelError(Exception):
    """Base of all errors of this package."""


class ArgumentError(KernelError, ValueError):
    """An argument has the wrong shape, type or value; the message names it and the next step."""


class BackendError(KernelError, RuntimeError):
    """The backend requested by name does not support this call; the message says why."""
