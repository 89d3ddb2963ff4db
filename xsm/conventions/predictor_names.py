"""The known predictors: their units, and how products call them. One row each."""

from __future__ import annotations

from typing import NamedTuple


class PredictorSpec(NamedTuple):
    """A predictor, the unit the networks take it in, and how products call it.

    other : words in the description of a variable of one of the names that is another quantity
    """

    name: str
    units: str
    names: tuple[str, ...] = ()
    standard_names: tuple[str, ...] = ()
    static: bool = False
    other: tuple[str, ...] = ()


def _albedo(sky: str, band: str, code: str) -> PredictorSpec:
    return PredictorSpec(f"albedo_{sky}_{band}", "1", (f"ABD_{sky.upper()}_{code}",))


PREDICTORS: tuple[PredictorSpec, ...] = (
    _albedo("bsa", "vis", "VIS"),
    _albedo("bsa", "nir", "NIR"),
    _albedo("bsa", "shortwave", "shortwave"),
    _albedo("wsa", "vis", "VIS"),
    _albedo("wsa", "nir", "NIR"),
    _albedo("wsa", "shortwave", "shortwave"),
    # TS: the skin in MERRA-2, the soil at flux towers
    PredictorSpec(
        "lst",
        "K",
        ("LST", "LST_Day_1km", "skt", "skin_temperature", "TS"),
        ("surface_temperature",),
        other=("soil",),
    ),
    PredictorSpec("swvl1", "m3 m-3", ("volumetric_soil_water_layer_1",)),
    # weather: names of NLDAS-2, CMIP, ERA5 and ERA5-Land, GLDAS, MERRA-2, IMERG
    PredictorSpec(
        "precipitation",
        "mm day-1",
        (
            "APCP_FORA",
            "APCP",
            "pr",
            "tp",
            "total_precipitation",
            "Rainf",
            "Rainf_f_tavg",
            "Rainf_tavg",
            "PRECTOTCORR",
            "PRECTOT",
            "precipitationCal",
            "precip",
        ),
        (
            "lwe_precipitation_rate",
            "precipitation_flux",
            "precipitation_amount",
            "lwe_thickness_of_precipitation_amount",
        ),
    ),
    PredictorSpec(
        "shortwave_radiation",
        "W m-2",
        (
            "DSWRF_FORA",
            "DSWRF",
            "rsds",
            "ssrd",
            "surface_solar_radiation_downwards",
            "SWdown",
            "SWdown_f_tavg",
            "SWGDN",
        ),
        (
            "surface_downwelling_shortwave_flux_in_air",
            "integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air",
        ),
    ),
    PredictorSpec(
        "longwave_radiation",
        "W m-2",
        (
            "DLWRF_FORA",
            "DLWRF",
            "rlds",
            "strd",
            "surface_thermal_radiation_downwards",
            "LWdown",
            "LWdown_f_tavg",
        ),
        (
            "surface_downwelling_longwave_flux_in_air",
            "integral_wrt_time_of_surface_downwelling_longwave_flux_in_air",
        ),
    ),
    PredictorSpec(
        "air_temperature",
        "K",
        ("TMP_2_FORA", "TMP", "t2m", "2m_temperature", "tas", "Tair", "Tair_f_inst", "T2M"),
        ("air_temperature",),
    ),
    PredictorSpec(
        "specific_humidity",
        "1",
        ("SPFH_2_FORA", "SPFH", "huss", "Qair", "Qair_f_inst", "QV2M"),
        ("specific_humidity",),
    ),
    PredictorSpec(
        "dewpoint_temperature",
        "K",
        ("d2m", "2m_dewpoint_temperature", "T2MDEW"),
        ("dew_point_temperature",),
    ),
    PredictorSpec("relative_humidity", "1", ("hurs", "RH2M"), ("relative_humidity",)),
    PredictorSpec(
        "surface_pressure",
        "Pa",
        ("PRES_SFC_FORA", "PRES", "sp", "ps", "PSurf", "Psurf_f_inst", "PS"),
        ("surface_air_pressure",),
    ),
    PredictorSpec(
        "eastward_wind",
        "m s-1",
        ("UGRD_10_FORA", "UGRD", "u10", "10m_u_component_of_wind", "uas", "Wind_E", "U10M"),
        ("eastward_wind",),
    ),
    PredictorSpec(
        "northward_wind",
        "m s-1",
        ("VGRD_10_FORA", "VGRD", "v10", "10m_v_component_of_wind", "vas", "Wind_N", "V10M"),
        ("northward_wind",),
    ),
    PredictorSpec("wind_speed", "m s-1", ("sfcWind", "Wind_f_inst", "si10"), ("wind_speed",)),
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
