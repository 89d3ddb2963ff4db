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


class PredictorSpec(NamedTuple):
    """A predictor, the unit the networks take it in, and how products call it."""

    name: str
    units: str
    names: tuple[str, ...] = ()
    standard_names: tuple[str, ...] = ()
    static: bool = False


def _albedo(sky: str, band: str, code: str) -> PredictorSpec:
    return PredictorSpec(f"albedo_{sky}_{band}", "1", (f"ABD_{sky.upper()}_{code}",))


PREDICTORS: tuple[PredictorSpec, ...] = (
    _albedo("bsa", "vis", "VIS"),
    _albedo("bsa", "nir", "NIR"),
    _albedo("bsa", "shortwave", "shortwave"),
    _albedo("wsa", "vis", "VIS"),
    _albedo("wsa", "nir", "NIR"),
    _albedo("wsa", "shortwave", "shortwave"),
    PredictorSpec("lst", "K", ("LST", "LST_Day_1km", "skt"), ("surface_temperature",)),
    PredictorSpec("swvl1", "m3 m-3", ("volumetric_soil_water_layer_1",)),
    PredictorSpec(
        "precipitation",
        "mm day-1",
        ("APCP_FORA", "pr", "precip"),
        ("lwe_precipitation_rate", "precipitation_flux"),
    ),
    PredictorSpec(
        "shortwave_radiation",
        "W m-2",
        ("DSWRF_FORA", "rsds"),
        ("surface_downwelling_shortwave_flux_in_air",),
    ),
    PredictorSpec(
        "longwave_radiation",
        "W m-2",
        ("DLWRF_FORA", "rlds"),
        ("surface_downwelling_longwave_flux_in_air",),
    ),
    PredictorSpec("air_temperature", "K", ("TMP_2_FORA", "t2m", "tas"), ("air_temperature",)),
    PredictorSpec("specific_humidity", "1", ("SPFH_2_FORA", "huss"), ("specific_humidity",)),
    PredictorSpec("eastward_wind", "m s-1", ("UGRD_10_FORA", "u10", "uas"), ("eastward_wind",)),
    PredictorSpec("northward_wind", "m s-1", ("VGRD_10_FORA", "v10", "vas"), ("northward_wind",)),
    PredictorSpec("ndvi", "1", ("NDVI",), ("normalized_difference_vegetation_index",)),
    PredictorSpec("elevation", "m", ("dem", "DEM", "elv"), ("surface_altitude",), static=True),
    PredictorSpec("slope", "degree", ("Slope",), ("ground_slope_angle",), static=True),
    PredictorSpec("sand", "1", ("Sand",), ("volume_fraction_of_sand_in_soil",), static=True),
    PredictorSpec("clay", "1", ("Clay",), ("volume_fraction_of_clay_in_soil",), static=True),
    PredictorSpec("silt", "1", ("Silt",), ("volume_fraction_of_silt_in_soil",), static=True),
)

# Made from the coordinates; asked for by name only.
DAY_OF_YEAR = ("day_of_year_sin", "day_of_year_cos")
POSITION = ("latitude", "longitude")

# Names of a variable of IGBP classes, and the classes without soil: permanent snow and ice, water
# (0 and 17, as the editions of MCD12 have it).
LAND_COVER = ("igbp", "IGBP", "land_cover", "Majority_Land_Cover_Type_1", "LC_Type1")
NO_SOIL = (0, 15, 17)


def predictor_spec(name: str) -> PredictorSpec | None:
    """The row of this name."""
    return next((row for row in PREDICTORS if row.name == name), None)
