"""Which variable of a Dataset is the soil moisture, and its numbers as a plain array."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xsm.conventions.depth import layer_thickness
from xsm.conventions.grid import coordinate, no_grid_message
from xsm.conventions.products import PRODUCTS, STANDARD_NAMES, Product, product_of
from xsm.conventions.units import to_m3m3_factor
from xsm.conventions.valid_values import (
    LIMITS,
    DeclaredValues,
    declared_values,
    physical_range,
    soil_moisture_range,
    valid_values,
)
from xsm.errors import GridError, InputError, VariableNotFoundError

logger = logging.getLogger(__name__)

UNITS = "m3 m-3"
UNNAMED = "soil_moisture"
SAMPLES_SUFFIX = "_samples"  # of the samples of a filled variable


class SoilMoistureVariable(NamedTuple):
    """A soil-moisture variable with its unit."""

    da: xr.DataArray  # as it came
    plain: xr.DataArray  # without a pint unit
    to_m3m3_factor: float  # m3 m-3 per unit of the variable
    quantity: Any  # the pint Quantity it came as, or None
    declared: DeclaredValues  # valid range and flag codes of its attributes, in its own unit

    @property
    def valid_range(self) -> tuple[float, float]:
        """Range of filled values in its own unit."""
        return physical_range(self.declared, self.to_m3m3_factor)

    @property
    def range_is_used(self) -> bool:
        """False where the attributes declare a valid range in another unit than the values."""
        return declared_values(self.plain)[:2] == self.declared[:2]

    @property
    def usable_attrs(self) -> dict[Any, Any]:
        """Its attributes, without a valid range that is not used."""
        unused = () if self.range_is_used else LIMITS
        return {key: value for key, value in self.da.attrs.items() if key not in unused}

    def valid(self, data: Any) -> Any:
        """Values of it, NumPy or Dask, checked and without those that its attributes exclude.

        See :func:`xsm.conventions.valid_values.valid_values`.
        """
        name = str(self.da.name or UNNAMED)
        return valid_values(data, self.declared, self.to_m3m3_factor, name)


def choose(
    obj: xr.Dataset | xr.DataArray, var: str | None = None, argument: str = "obj"
) -> tuple[xr.DataArray, xr.Dataset | None]:
    """The soil-moisture variable of `obj`, and the Dataset it is of (None for a DataArray).

    `argument` is the name that `obj` was passed as, for messages.

    Raises
    ------
    VariableNotFoundError
        See :func:`find_variable`.
    InputError
        If `obj` is neither, or `var` is not the name of the DataArray.
    """
    if isinstance(obj, xr.Dataset):
        return obj[find_variable(obj, var, argument)], obj
    if not isinstance(obj, xr.DataArray):
        raise InputError(
            f"{argument} is a {type(obj).__name__}: expected an xarray Dataset or DataArray."
        )
    if var is not None and var != obj.name:
        option = _option(argument) or "var"
        raise InputError(
            f"{option}={var!r}, but the DataArray is called {obj.name!r}: leave {option} out."
        )
    return obj, None


def _option(argument: str) -> str:
    """The option that names the variable of `argument`, for messages; empty if there is none."""
    if argument == "reference":
        return "reference_var"
    return "var" if argument.startswith("obj") else ""


def _advice(argument: str, name: str = "name") -> str:
    """How the variable of `argument` is chosen."""
    option = _option(argument)
    ways = [f"{option}={name!r}"] if option else []
    # an option is for all references or products
    ways += [] if argument == "obj" else [f"the DataArray, ds[{name!r}], as {argument}"]
    return " or ".join(ways)


def find_variable(ds: xr.Dataset, var: str | None = None, argument: str = "obj") -> str:
    """Name of the soil-moisture variable.

    Parameters
    ----------
    ds : Dataset
    var : str, optional
        The answer, where the user gives it; otherwise by standard name, then by the names of the
        known products (``xsm.conventions.products.PRODUCTS``).
    argument : str
        The name that `ds` was passed as, for messages.

    Raises
    ------
    VariableNotFoundError
        If there is none, or several with the same right; says what was tried.
    """
    gridded = [str(name) for name, da in ds.data_vars.items() if da.ndim >= 2]
    of_ds = "" if argument == "obj" else f"{argument}: "
    if var is not None:
        if var not in ds.data_vars:
            raise VariableNotFoundError(
                f"{of_ds}{_option(argument) or 'var'}={var!r} is no data variable; expected one of "
                f"{_listed(gridded)}."
                + (f" Or give {_advice(argument).split(' or ')[-1]}." if of_ds else "")
            )
        return var
    product_names = list(dict.fromkeys(name for row in PRODUCTS for name in row.names))
    samples = [n for n in gridded if n.removesuffix(SAMPLES_SUFFIX) in set(gridded) - {n}]
    gridded = [n for n in gridded if n not in samples]  # to be asked for
    for standard_name in STANDARD_NAMES:
        named = [n for n in gridded if ds[n].attrs.get("standard_name") == standard_name]
        if len(named) > 1:
            preferred = [n for n in product_names if n in named]
            if not preferred:
                raise VariableNotFoundError(
                    f"{of_ds}no variable was chosen, and {_listed(named)} all have the "
                    f"standard_name {standard_name!r}. Choose one: {_advice(argument, named[0])}."
                )
            named = preferred
        if named:
            return _chosen(named, f"standard_name {standard_name!r}", argument)
    if names := [name for name in product_names if name in gridded]:
        row = product_of(names[0])
        return _chosen(names, "" if row is None else f"known from {row.title}", argument)
    names_tried = (*product_names, *STANDARD_NAMES)
    for name, da in ds.data_vars.items():
        if da.ndim == 1 and (name in names_tried or da.attrs.get("standard_name") in names_tried):
            lat, lon = (coordinate(da, ds, kind) for kind in ("latitude", "longitude"))
            raise GridError(no_grid_message(da, lat, lon))
    if not ds.data_vars:
        raise VariableNotFoundError(
            "the Dataset has no variables: is it a group of a DataTree? xsm.gapfill(tree) and "
            "tree.sm.gapfill() work on the groups that hold soil moisture, and a single group is "
            "tree['group'].to_dataset()."
        )
    raise VariableNotFoundError(
        f"{of_ds}no variable was chosen and no soil moisture was found. Tried the standard names "
        f"{_listed(STANDARD_NAMES)} and the product names {_listed(product_names)}. "
        f"The Dataset has {_listed(gridded)}: choose with {_advice(argument)}."
    )


def _chosen(names: list[str], why: str, argument: str) -> str:
    if names[1:]:  # a user has to see which one it was
        logger.warning(
            "variable %s is taken (%s), not %s: choose another with %s",
            names[0],
            why,
            _listed(names[1:]),
            _advice(argument),
        )
    else:
        logger.info("variable %s (%s)", names[0], why)
    return names[0]


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names)) or "no variable with two dimensions or more"


def read_variable(da: xr.DataArray, ds: xr.Dataset | None = None) -> SoilMoistureVariable:
    """Check that `da` is volumetric soil moisture in decoded numbers.

    No values are read, but for a declared valid range that leaves out usual soil moisture.

    Parameters
    ----------
    da : DataArray
    ds : Dataset, optional
        Where it comes from: it may hold the bounds of the soil layer.

    Raises
    ------
    UnitError
        If the unit is missing and unknown, or is another quantity; if a declared valid range may be
        in another unit and the values are on Dask.
    InputError
        If the numbers are no decoded real numbers.
    """
    name = str(da.name or UNNAMED)
    plain, quantity = without_pint(da)
    if plain.dtype.kind not in "fiu":
        raise InputError(numbers_message(plain, name))
    check_decoded(da)
    product = product_of(name)
    of_mass = product if product is not None and product.quantity == "mass per area" else None
    factor = to_m3m3_factor(
        units_of(plain),
        name,
        attrs=da.attrs,
        product=product,
        thickness=lambda: layer_thickness(da, ds) or product_thickness(of_mass),
    )
    declared = soil_moisture_range(plain, factor, name)
    return SoilMoistureVariable(da, plain, factor, quantity, declared)


def product_thickness(product: Product | None) -> float | None:
    """Thickness in m of the soil layer of a product, or None."""
    if product is None or product.layer is None:
        return None
    return product.layer[1] - product.layer[0]


def to_m3m3(da: xr.DataArray, variable: SoilMoistureVariable | None = None) -> xr.DataArray:
    """`da` in m3 m-3, float32 or float64, without a pint unit; lazy if it is a Dask array.

    Values that its attributes declare invalid are missing.

    Parameters
    ----------
    da : DataArray
    variable : SoilMoistureVariable, optional
        The variable that `da` is a part of, where its Dataset is needed to know its unit.

    Raises
    ------
    UnitError, InputError
        See :func:`read_variable`.
    """
    plain = without_pint(da)[0]
    variable = read_variable(da) if variable is None else variable
    data = variable.valid(plain.data)
    dtype = data.dtype if data.dtype.kind == "f" else np.dtype(np.float32)
    data = data.astype(dtype)
    if variable.to_m3m3_factor != 1.0:
        data = data * dtype.type(variable.to_m3m3_factor)
    out = da.copy(data=data)
    out.attrs = {"units": UNITS, "long_name": str(da.attrs.get("long_name", da.name))}
    return out


def is_file_backed(da: xr.DataArray) -> bool:
    """Whether the values are still in a file and not in Dask chunks."""
    # xarray has no public way to ask this without reading the values: its lazy arrays, unlike
    # NumPy, Dask and pint, are no duck arrays
    return not hasattr(getattr(da.variable, "_data", da), "__array_function__")


def check_chunks(da: xr.DataArray) -> None:
    """Raise an InputError if `da` is in chunks of another library than Dask."""
    if da.chunks is None or hasattr(da.data, "__dask_graph__"):
        return
    kind = f"{type(da.data).__module__}.{type(da.data).__qualname__}"
    raise InputError(
        f"{da.name or UNNAMED} is a {kind}: of arrays in chunks, xsm takes those of Dask. Load it, "
        ".load(), or open its files with Dask: "
        "xr.open_zarr(path, chunked_array_type='dask')."
    )


def units_of(da: xr.DataArray) -> str | None:
    """The attribute ``units`` as text, or None."""
    return None if da.attrs.get("units") is None else str(da.attrs["units"])


def without_pint(da: xr.DataArray) -> tuple[xr.DataArray, Any]:
    """`da` with its pint unit as an attribute instead, and the pint Quantity it held (or None).

    Raises
    ------
    InputError
        If it is a Dask array of pint quantities, or in chunks of another library.
    """
    check_chunks(da)
    if is_file_backed(da):
        return da, None
    data = da.data
    if hasattr(getattr(data, "_meta", None), "units"):
        raise InputError(
            f"{da.name or UNNAMED} is a Dask array of pint quantities, which pint cannot work "
            "with: chunk it before .pint.quantify(), or with .pint.chunk()."
        )
    if not (hasattr(data, "magnitude") and hasattr(data, "units")):
        return da, None
    return da.copy(data=data.magnitude).assign_attrs(units=str(data.units)), data


def numbers_message(da: xr.DataArray, name: str) -> str:
    """Why values that are no real numbers are refused, and how they become ones."""
    text = f"{name} has dtype {da.dtype}: expected real numbers."
    if da.dtype.kind in "OSUT":
        text += f" If they are numbers, convert them: ds[{name!r}].astype('float32')."
    return text


def check_decoded(da: xr.DataArray) -> None:
    """Raise an InputError if `da` holds the packed numbers of a file."""
    keys = ("_FillValue", "missing_value", "scale_factor", "_Unsigned")
    packing = [k for k in keys if k in da.attrs]
    if packing:
        raise InputError(
            f"{da.name or UNNAMED} is not decoded: {', '.join(packing)} among its attributes. Open "
            "the file with mask_and_scale=True (the default of xarray), or use xr.decode_cf(ds)."
        )


def check_names(obj: Any, argument: str) -> None:
    """Raise an InputError for names that are no text, which files cannot hold."""
    if not isinstance(obj, xr.Dataset | xr.DataArray):
        return
    variables = obj.data_vars if isinstance(obj, xr.Dataset) else [obj.name]
    for what, names in (("variable", variables), ("dimension", obj.dims)):
        for name in names:
            if not isinstance(name, str) and name is not None:
                raise InputError(
                    f"{argument}: the name of a {what} is {name!r}: expected text. Rename it, with "
                    ".rename()."
                )


def check_references(da: xr.DataArray, argument: str) -> None:
    """Raise an InputError for references to other variables that are no text."""
    for group in ("attrs", "encoding"):
        for key in ("grid_mapping", "coordinates", "cell_measures", "bounds"):
            value = getattr(da, group).get(key)
            if value is not None and not isinstance(value, str):
                where = f"obj[{da.name!r}].{group}[{key!r}]"
                what = "attribute" if group == "attrs" else "encoding"
                raise InputError(
                    f"{argument}: the {what} {key!r} of {da.name} is {value!r}: expected names of "
                    f"variables as text. Correct it, or delete it: del {where}."
                )
