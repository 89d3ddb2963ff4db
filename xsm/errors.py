"""What the library raises: each message names the argument, its value, what was expected, and the
next step."""


class XsmError(Exception):
    """Base of all errors of this package."""


class InputError(XsmError, ValueError):
    """An argument, or the data in it, is not what was expected."""


class VariableNotFoundError(InputError):
    """No variable of soil moisture could be told from the others."""


class UnitError(InputError):
    """A variable has no unit, or one that is no volumetric soil moisture."""


class TimeAxisError(InputError):
    """There is no time axis, or its days are repeated, unsorted or not daily."""


class GridError(InputError):
    """The data lie on no grid: points, an empty dimension, unordered coordinates."""


class ModelError(XsmError, ValueError):
    """A model is not there, is of another schema, or its weights are not those of its card."""


class BackendError(XsmError, ValueError):
    """A backend asked for by name cannot run an operation that the call needs."""


class MissingPackageError(XsmError, ImportError):
    """An optional package is not installed."""
