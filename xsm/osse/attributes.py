"""CF attributes of the simulated variables and coordinates."""

import itertools

import numpy as np

SOIL_MOISTURE = {
    "standard_name": "volume_fraction_of_condensed_water_in_soil",
    "units": "m3 m-3",
    "valid_range": np.array([0.0, 1.0], np.float32),
}
LIKE_SOIL_MOISTURE = {k: v for k, v in SOIL_MOISTURE.items() if k != "standard_name"}

ATTRIBUTES: dict[str, dict] = {
    "soil_moisture": SOIL_MOISTURE | {"long_name": "soil moisture, 0-5 cm"},
    # only soil_moisture has the standard name, so that functions of xsm find it by default
    "swvl1": LIKE_SOIL_MOISTURE | {"long_name": "soil moisture of a simulated reanalysis, layer 1"},
    "lst": {
        "standard_name": "surface_temperature",
        "units": "K",
        "long_name": "land surface temperature, early afternoon",
    },
    "air_temperature": {
        "standard_name": "air_temperature",
        "units": "degC",
        "long_name": "daily mean air temperature",
        "cell_methods": "time: mean",
    },
    "precipitation": {
        "standard_name": "lwe_precipitation_rate",
        "units": "mm day-1",
        "long_name": "precipitation, rain and snow",
        "cell_methods": "time: mean",
    },
    "water_input": {"units": "mm day-1", "long_name": "rain and snow melt reaching the soil"},
    "evaporation": {
        "standard_name": "lwe_water_evaporation_rate",
        "units": "mm day-1",
        "long_name": "evaporation from the top 5 cm",
    },
    "drainage": {"units": "mm day-1", "long_name": "drainage out of the top 5 cm"},
    "runoff": {"units": "mm day-1", "long_name": "water that does not enter the top 5 cm"},
    "snow": {
        "standard_name": "lwe_thickness_of_surface_snow_amount",
        "units": "mm",
        "long_name": "snow water equivalent",
    },
    "ndvi": {
        "standard_name": "normalized_difference_vegetation_index",
        "units": "1",
        "long_name": "vegetation index",
    },
    "elevation": {
        "standard_name": "surface_altitude",
        "units": "m",
        "long_name": "surface altitude",
    },
    "slope": {
        "standard_name": "ground_slope_angle",
        "units": "degree",
        "long_name": "slope between neighbouring cells",
    },
    "sand": {
        "standard_name": "volume_fraction_of_sand_in_soil",
        "units": "1",
        "long_name": "sand fraction",
    },
    "clay": {
        "standard_name": "volume_fraction_of_clay_in_soil",
        "units": "1",
        "long_name": "clay fraction",
    },
    "silt": {
        "standard_name": "volume_fraction_of_silt_in_soil",
        "units": "1",
        "long_name": "silt fraction",
    },
    "porosity": {"standard_name": "soil_porosity", "units": "m3 m-3", "long_name": "porosity"},
    "land": {"long_name": "land without permanent ice", "units": "1"},
    "land_fraction": {
        "standard_name": "land_area_fraction",
        "units": "1",
        "long_name": "share of land in the cell",
    },
}
_SKIES = {"bsa": "black-sky", "wsa": "white-sky"}
_BANDS = {"vis": "0.3-0.7 um", "nir": "0.7-5 um", "shortwave": "0.3-5 um"}
ALBEDO = tuple(f"albedo_{sky}_{band}" for sky, band in itertools.product(_SKIES, _BANDS))
ATTRIBUTES |= {
    f"albedo_{sky}_{band}": {
        "standard_name": "surface_albedo",
        "units": "1",
        "long_name": f"{_SKIES[sky]} albedo, {_BANDS[band]}",
    }
    for sky, band in itertools.product(_SKIES, _BANDS)
}

STATIC = ("elevation", "slope", "sand", "clay", "silt", "porosity", "land", "land_fraction")

COORDINATES: dict[str, dict] = {
    "lat": {
        "standard_name": "latitude",
        "units": "degrees_north",
        "long_name": "latitude",
        "axis": "Y",
    },
    "lon": {
        "standard_name": "longitude",
        "units": "degrees_east",
        "long_name": "longitude",
        "axis": "X",
    },
    "time": {"standard_name": "time", "long_name": "time", "axis": "T"},
    "depth": {
        "standard_name": "depth",
        "units": "m",
        "long_name": "middle of the soil layer, 0-0.05 m",
        "positive": "down",
    },
}
