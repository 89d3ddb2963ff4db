"""The known products: one row each. A new product is one row more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import xarray as xr

from xsm.conventions.quality_rules import (
    ASCAT_RULES,
    CCI_RULES,
    CGLS,
    CGLS_CODE,
    QA4SM,
    SMAP_RULES,
    SMOS_IC_RULES,
    SMOS_L3_RULES,
    QualityRule,
    model_rules,
)
from xsm.errors import InputError

Quantity = Literal["volumetric", "saturation", "wetness index", "mass per area"]


class Product(NamedTuple):
    """How a product calls its soil moisture, what it means by it, and what its flags remove."""

    key: str
    title: str
    names: tuple[str, ...]  # of the variable, the preferred one first
    units: str | None  # where the file gives none; None: it must
    quantity: Quantity = "volumetric"  # unless the unit of the file is a volumetric one
    files: str = ""  # names of the files
    layer: tuple[float, float] | None = None  # top and bottom, m, where the product defines it
    repeat_cycle: int | None = None  # of the satellite, days
    overpasses: Mapping[str, str] = MappingProxyType({})  # name -> local solar time
    variable_titles: Mapping[str, str] = MappingProxyType({})  # band, algorithm or overpass
    stem: str = ""  # what the names of the variables begin with, for {suffix} in rules
    pattern: str = ""  # regular expression: in the global attributes of its files
    markers: tuple[str, ...] = ()  # other variables of its files
    rules: tuple[QualityRule, ...] = ()
    tested: tuple[str, ...] = ("made",)  # on "real" files, on "made" ones in their form
    reference: str = ""

    @property
    def saturation(self) -> bool:
        """Whether it is relative to saturation: to be multiplied by the porosity."""
        return self.quantity in ("saturation", "wetness index")

    @property
    def recommended(self) -> tuple[QualityRule, ...]:
        """The rules of ``quality="recommended"``."""
        return tuple(rule for rule in self.rules if rule.recommended)


_MORNING = MappingProxyType({"descending": "06:00", "ascending": "18:00"})

PRODUCTS: tuple[Product, ...] = (
    Product(
        "lprm",
        "LPRM AMSR2 and AMSR-E",
        ("soil_moisture_c1", "soil_moisture_c2", "soil_moisture_x"),
        "percent",
        files="LPRM-AMSR2_L3_*.nc4, LPRM-AMSR_E_L3_*.nc",
        repeat_cycle=16,
        overpasses=MappingProxyType({"descending": "01:30", "ascending": "13:30"}),
        variable_titles={
            "soil_moisture_c1": "C1 band (6.9 GHz)",
            "soil_moisture_c2": "C2 band (7.3 GHz)",
            "soil_moisture_x": "X band (10.7 GHz)",
        },
        stem="soil_moisture",
        pattern="LPRM",
        markers=("opt_depth_c1", "opt_depth_x", "ts"),
        rules=(
            QualityRule(
                "frozen",
                ("ts",),
                "surface below 0 degC",
                "Owe et al. 2008, doi.org/10.1029/2007JF000769: liquid water only",
                below=273.15,
                units="K",
            ),
        ),
        tested=("real", "made"),
        reference="https://disc.gsfc.nasa.gov/datasets/LPRM_AMSR2_D_SOILM3_001/summary",
    ),
    Product(
        "sgd_sm",
        "SGD-SM",
        ("original_sm_c1", "original_sm_x"),
        "percent",
        files="LPRM_AMSR2_YYYYMMDD.nc",
        variable_titles={
            "original_sm_c1": "C1 band (6.9 GHz), not filled",
            "original_sm_x": "X band (10.7 GHz), not filled",
        },
        stem="original_sm",
        pattern="SGD-?SM",
        markers=("reconstructed_sm_c1", "reconstructed_sm_x"),
        reference="https://doi.org/10.5194/essd-13-1385-2021",
    ),
    Product(
        "smap_l3",
        "SMAP L3",
        (
            "soil_moisture",
            "soil_moisture_am",
            "soil_moisture_pm",
            "soil_moisture_dca",
            "soil_moisture_dca_pm",
        ),
        "m3 m-3",
        files="SMAP_L3_SM_P_*.h5, SMAP_L3_SM_P_E_*.h5, SMAP_L2_SM_P_*.h5",
        layer=(0.0, 0.05),
        repeat_cycle=8,
        overpasses=_MORNING,
        variable_titles={
            "soil_moisture": "baseline algorithm",
            "soil_moisture_am": "baseline algorithm, 6 am",
            "soil_moisture_pm": "baseline algorithm, 6 pm",
            "soil_moisture_dca": "dual channel algorithm",
            "soil_moisture_dca_pm": "dual channel algorithm, 6 pm",
        },
        stem="soil_moisture",
        pattern="SMAP",
        markers=("retrieval_qual_flag", "retrieval_qual_flag_pm", "EASE_row_index"),
        rules=SMAP_RULES,
        tested=("real", "made"),
        reference="https://nsidc.org/data/spl3smp",
    ),
    Product(
        "esa_cci",
        "ESA CCI",
        ("sm",),
        "m3 m-3",
        files="ESACCI-SOILMOISTURE-L3S-*.nc",
        layer=(0.0, 0.05),
        pattern=r"ESA.?CCI(?![^\n]*GAP.?FILLED)",
        markers=("freqbandID", "dnflag", "sm_uncertainty"),
        rules=CCI_RULES,
        tested=("real", "made"),
        reference="https://doi.org/10.1016/j.rse.2017.07.001",
    ),
    Product(
        "c3s",
        "C3S",
        ("sm",),
        "m3 m-3",
        files="C3S-SOILMOISTURE-L3S-*.nc, time-series cells *.nc",
        layer=(0.0, 0.05),
        pattern="C3S",
        markers=("freqbandID", "dnflag", "sm_uncertainty"),
        rules=CCI_RULES,
        tested=("real", "made"),
        reference="https://doi.org/10.24381/cds.d7782f18",
    ),
    Product(
        "esa_cci_gapfilled",
        "ESA CCI GAPFILLED",
        ("sm",),
        "m3 m-3",
        files="ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED_GAPFILLED-*.nc",
        layer=(0.0, 0.05),
        pattern="GAP.?FILLED",
        markers=("gapmask", "frozenmask"),
        rules=(
            QualityRule(
                "frozen",
                ("frozenmask",),
                "soil frozen: interpolated linearly",
                QA4SM,
                values=(1,),
                recommended=False,
            ),
        ),
        reference="https://doi.org/10.5194/essd-17-4305-2025",
    ),
    Product(
        "smos_l3",
        "SMOS L3",
        ("Soil_Moisture", "SM"),
        "m3 m-3",
        files="SM_*_MIR_CLF31A_*.nc, SM_*_MIR_CLF31D_*.nc",
        layer=(0.0, 0.05),
        overpasses=MappingProxyType({"ascending": "06:00", "descending": "18:00"}),
        pattern="CATDS L3|MIR_CLF",
        markers=("Soil_Moisture_Dqx", "Science_Flags", "Rfi_Prob", "Mean_Acq_Time_Days"),
        rules=SMOS_L3_RULES,
        tested=("real", "made"),
        reference="https://doi.org/10.5194/essd-9-293-2017",
    ),
    Product(
        "smos_ic",
        "SMOS-IC",
        ("Soil_Moisture",),
        "m3 m-3",
        files="SM_*_MIR_CDF3SA_*.nc, SM_*_MIR_CDF3SD_*.nc",
        layer=(0.0, 0.05),
        overpasses=MappingProxyType({"ascending": "06:00", "descending": "18:00"}),
        pattern="SMOS.?IC|MIR_CDF3S",
        markers=("Scene_Flags", "RMSE", "Soil_Moisture_StdError"),
        rules=SMOS_IC_RULES,
        reference="https://doi.org/10.3390/rs9050457",
    ),
    Product(
        "cygnss",
        "CYGNSS (UCAR and University of Colorado)",
        ("SM_daily",),
        "m3 m-3",
        files="ucar_cu_cygnss_sm_v1_*.nc, cyg.ddmi.*.l3.grid-soil-moisture-36km.*.nc",
        layer=(0.0, 0.05),
        pattern="CYGNSS",
        markers=("SIGMA_daily", "SM_subdaily", "timeintervals"),
        reference="https://doi.org/10.3390/rs12101558",
    ),
    Product(
        "ascat",
        "ASCAT",
        ("surface_soil_moisture", "ssm", "SSM", "soil_moisture_ascat"),
        None,
        quantity="saturation",
        files="H SAF ASCAT SSM *.nc",
        layer=(0.0, 0.05),
        repeat_cycle=29,
        overpasses=MappingProxyType({"descending": "09:30", "ascending": "21:30"}),
        pattern="ASCAT|H.?SAF",
        markers=("ssf", "proc_flag", "processing_flag", "frozen_soil_probability", "frozen_prob"),
        rules=ASCAT_RULES,
        reference="https://hsaf.meteoam.it/Products/Detail?prod=h29",
    ),
    Product(
        "cgls_ssm",
        "Copernicus Global Land SSM",
        ("ssm", "SSM"),
        None,
        quantity="saturation",
        files="c_gls_SSM1km_*.nc",
        layer=(0.0, 0.05),
        repeat_cycle=12,
        stem="ssm",
        pattern="c_gls_SSM|Copernicus Global Land|CGLOPS|SSM.?1km",
        markers=("ssm_noise",),
        rules=(CGLS_CODE,),
        reference="https://land.copernicus.eu/en/products/soil-moisture",
    ),
    Product(
        "cgls_swi",
        "Copernicus Global Land SWI",
        tuple(f"SWI_{days:03d}" for days in (1, 5, 10, 15, 20, 40, 60, 100)),
        None,
        quantity="wetness index",
        files="c_gls_SWI*.nc",
        variable_titles={
            f"SWI_{days:03d}": f"characteristic time {days} d"
            for days in (1, 5, 10, 15, 20, 40, 60, 100)
        },
        stem="SWI",
        pattern="c_gls_SWI|Soil Water Index",
        markers=("SSF", "QFLAG_001"),
        rules=(
            CGLS_CODE,
            QualityRule(
                "frozen", ("SSF",), "surface frozen, melting or flooded", CGLS, values=(2, 3)
            ),
        ),
        reference="https://land.copernicus.eu/global/content/technical-characteristics-swi1km",
    ),
    Product(
        "gldas",
        "GLDAS Noah",
        ("SoilMoi0_10cm_inst",),
        None,
        quantity="mass per area",
        files="GLDAS_NOAH025_3H.*.nc4",
        layer=(0.0, 0.1),
        stem="SoilMoi",
        pattern="GLDAS",
        markers=("SoilMoi10_40cm_inst", "SoilTMP0_10cm_inst"),
        rules=model_rules("SoilTMP{suffix}", ("SWE_inst",)),
        tested=("real", "made"),
        reference="https://doi.org/10.1175/BAMS-85-3-381",
    ),
    Product(
        "nldas",
        "NLDAS-2",
        ("SoilM_0_10cm",),
        None,
        quantity="mass per area",
        files="NLDAS_NOAH0125_H.*.nc, NLDAS_MOS0125_H.*.nc",
        layer=(0.0, 0.1),
        stem="SoilM",
        pattern="NLDAS",
        markers=("SoilM_10_40cm", "SoilM_0_100cm", "SoilT_0_10cm"),
        rules=model_rules("SoilT{suffix}", ("SWE",)),
        reference="https://doi.org/10.1029/2011JD016048",
    ),
    Product(
        "era5",
        "ERA5",
        ("swvl1", "volumetric_soil_water_layer_1"),
        "m3 m-3",
        files="*.nc of the Climate Data Store",
        layer=(0.0, 0.07),
        stem="swvl",
        pattern="ERA5(?!.?Land)",
        markers=("stl1", "expver"),
        rules=model_rules("stl{suffix}"),
        tested=("real", "made"),
        reference="https://doi.org/10.1002/qj.3803",
    ),
    Product(
        "era5_land",
        "ERA5-Land",
        ("swvl1", "volumetric_soil_water_layer_1"),
        "m3 m-3",
        files="*.nc of the Climate Data Store",
        layer=(0.0, 0.07),
        stem="swvl",
        pattern="ERA5.?Land",
        markers=("stl1", "expver"),
        rules=model_rules("stl{suffix}"),
        reference="https://doi.org/10.5194/essd-13-4349-2021",
    ),
    Product(
        "merra2",
        "MERRA-2",
        ("SFMC",),
        "m3 m-3",
        files="MERRA2_*.tavg1_2d_lnd_Nx.*.nc4",
        layer=(0.0, 0.05),
        pattern="MERRA-?2",
        markers=("RZMC", "GWETTOP", "TSOIL1"),
        rules=model_rules("TSOIL1", ("SNOMAS",)),
        reference="https://doi.org/10.5067/RKPHT8KC1Y1T",
    ),
    Product(
        "smap_l4",
        "SMAP L4",
        ("sm_surface", "sm_surface_analysis"),
        "m3 m-3",
        files="SMAP_L4_SM_gph_*.h5, SMAP_L4_SM_aup_*.h5",
        layer=(0.0, 0.05),
        pattern="SMAP.?L4|SPL4SM|L4_SM",
        markers=("sm_rootzone", "sm_surface_wetness", "sm_rootzone_analysis"),
        rules=model_rules("soil_temp_layer1", ("snow_mass",)),
        reference="https://nsidc.org/data/spl4smgp",
    ),
    Product(
        "gleam",
        "GLEAM",
        ("SMs", "SMsurf"),
        "m3 m-3",
        files="SMs_*_GLEAM_*.nc, SMsurf_*_GLEAM_*.nc",
        layer=(0.0, 0.1),
        pattern="GLEAM",
        reference="https://www.gleam.eu",
    ),
    Product(
        "lis",
        "NASA LIS",
        ("SoilMoist_tavg", "SoilMoist_inst"),
        None,
        files="LIS_HIST_*.nc",
        stem="SoilMoist",
        pattern="LIS land surface model output",
        markers=("SoilTemp_tavg", "SoilTemp_inst"),
        rules=model_rules("SoilTemp{suffix}", ("SWE{suffix}",)),
        reference="https://doi.org/10.1016/j.envsoft.2005.07.004",
    ),
    Product(
        "cmip6",
        "CMIP6",
        ("mrsos",),
        None,
        quantity="mass per area",
        files="mrsos_day_*.nc",
        layer=(0.0, 0.1),
        pattern="CMIP6",
        tested=("real", "made"),
        reference="https://doi.org/10.5194/gmd-9-1937-2016",
    ),
    Product(
        "glass",
        "GLASS",
        ("SM",),
        "m3 m-3",
        files="GLASS*.hdf",
        layer=(0.0, 0.05),
        pattern="GLASS",
        reference="https://doi.org/10.5194/essd-17-5181-2025",
    ),
)

# CF names of volumetric soil moisture, the preferred one first.
STANDARD_NAMES: tuple[str, ...] = (
    "volume_fraction_of_condensed_water_in_soil",
    "volume_fraction_of_water_in_soil",
    "soil_moisture_content",
)


def product_of(name: str) -> Product | None:
    """The first row that has a variable of this name."""
    return next((row for row in PRODUCTS if name in row.names), None)


def product_row(product: str | Product) -> Product:
    """The row with this key.

    Raises
    ------
    InputError
        If there is none.
    """
    if isinstance(product, Product):
        return product
    row = next((row for row in PRODUCTS if product == row.key), None)
    if row is None:
        raise InputError(
            f"product={product!r}: expected one of {[row.key for row in PRODUCTS]}; "
            "xsm.products() describes them."
        )
    return row


RECORD_OF = "xsm_product"  # attribute of a record of open_record: the product that it is from
# names that many datasets give their soil moisture: no evidence against a title of another origin
GENERIC_NAMES = ("soil_moisture", "sm")
_IDENTIFYING = ("title", "product", "id", "project", "source", "institution", "summary", "mip_era")


def recognise(ds: xr.Dataset, var: str | None = None) -> Product | None:
    """The product that `ds` is of: by variable, then by global attributes, then by the others.

    A record of ``open_record`` says its product itself.

    Parameters
    ----------
    ds : Dataset
        As opened from a file of the product, or a selection of its variables.
    var : str, optional
        Its soil moisture; default: any variable that a product has. A name that only begins with
        the stem of a product, such as ``soil_moisture_option3``, needs further variables of it;
        one of ``GENERIC_NAMES`` needs those or the product's name, where the dataset has a title,
        a source or the like.
    """
    names = [var] if var is not None else [str(name) for name in ds.data_vars]
    texts = [str(ds.attrs.get(key, "")) for key in _IDENTIFYING]
    texts.append(str(ds.encoding.get("source", "")).rsplit("/", 1)[-1])
    text = "\n".join(texts)
    best, best_rank = None, (False, 0, False)
    written = [row for row in PRODUCTS if row.key == ds.attrs.get(RECORD_OF)]
    for row in written or PRODUCTS:
        exact = any(name in row.names for name in names)
        begins = bool(row.stem) and any(name.startswith(f"{row.stem}_") for name in names)
        named = bool(row.pattern) and re.search(row.pattern, text, re.IGNORECASE) is not None
        markers = sum(marker in ds.variables for marker in row.markers)
        rank = (named, markers, exact)
        if text.strip() and not named and not markers:
            exact = any(name in row.names and name not in GENERIC_NAMES for name in names)
        if (exact or (begins and any(rank))) and (best is None or rank > best_rank):
            best, best_rank = row, rank
    return best


def repeat_cycle_of(name: str, attrs: Mapping[Any, Any]) -> int | None:
    """Repeat cycle in days of the satellite whose name is in that of a variable or its titles."""
    keys = ("long_name", "title", "source", "description", "product")
    text = " ".join([name, *(str(attrs.get(key, "")) for key in keys)]).lower()
    cycles = {
        word.lower(): row.repeat_cycle
        for row in PRODUCTS
        if row.repeat_cycle is not None
        for word in row.title.split()
        if len(word) > 3 and word.isupper()
    }
    return next((cycle for word, cycle in cycles.items() if word in text), None)
