"""The known products: one row each. A new product is one row more."""

from __future__ import annotations

from typing import NamedTuple


class Product(NamedTuple):
    """How a product calls its soil moisture, and what it means by it."""

    title: str
    names: tuple[str, ...]  # of the variable, the preferred one first
    units: str | None  # where the file gives none; None: it must
    saturation: bool = False  # degree of saturation, unless the unit is a volumetric one


PRODUCTS: tuple[Product, ...] = (
    Product(
        "LPRM AMSR2 and AMSR-E",
        ("soil_moisture_c1", "soil_moisture_c2", "soil_moisture_x"),
        "percent",
    ),
    Product("SGD-SM", ("original_sm_c1", "original_sm_x"), "percent"),
    Product(
        "SMAP L3",
        (
            "soil_moisture",
            "soil_moisture_am",
            "soil_moisture_pm",
            "soil_moisture_dca",
            "soil_moisture_dca_pm",
        ),
        "m3 m-3",
    ),
    Product("ESA CCI and C3S", ("sm",), "m3 m-3"),
    Product("SMOS", ("Soil_Moisture", "SM"), "m3 m-3"),
    Product(
        "ASCAT",
        ("surface_soil_moisture", "ssm", "SSM", "soil_moisture_ascat"),
        None,
        saturation=True,
    ),
)

# CF names of volumetric soil moisture, the preferred one first.
STANDARD_NAMES: tuple[str, ...] = (
    "volume_fraction_of_condensed_water_in_soil",
    "volume_fraction_of_water_in_soil",
    "soil_moisture_content",
)


def product_of(name: str) -> Product | None:
    """The row that knows a variable of this name."""
    return next((row for row in PRODUCTS if name in row.names), None)
