"""Errors of the package; messages name argument, value, what was expected and the next step."""


class XsmError(Exception):
    """Base of all errors of this package."""


class InputError(XsmError, ValueError):
    """An argument, or the data in it, is not what was expected."""


class VariableNotFoundError(InputError):
    """The soil-moisture variable cannot be identified."""


class UnitError(InputError):
    """A variable has no unit, or a unit that cannot be converted."""


class TimeAxisError(InputError):
    """The time axis is missing, or its days are repeated, unsorted or not daily."""


class GridError(InputError):
    """The data are not on a grid: points, an empty dimension, unordered coordinates."""


class ModelError(XsmError, ValueError):
    """A model does not exist, has another schema, or its weights do not match its card."""


class BackendError(XsmError, ValueError):
    """A backend asked for by name cannot run an operation that the call needs."""


class MissingPackageError(XsmError, ImportError):
    """An optional package is not installed."""
