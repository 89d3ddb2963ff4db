"""Estimate a year of SMAP from weather alone: ``python -m benchmarks.skill.smap_conus --out FILE``.

Fits ``xsm.fit_estimator`` with default arguments to April 2015 to March 2016 and estimates the year
after, of which no SMAP is given, for 412 cells of the United States, as Fang et al. (2017, doi
10.1002/2017GL075619) did.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import xarray as xr

import xsm
from benchmarks.skill.evaluation_records import data_folder

FILE = "smap_conus/smap_nldas_conus_2015_2018.nc"
TRAIN, TEST = slice("2015-04-01", "2016-03-31"), slice("2016-04-01", "2017-03-31")
UNITS = {
    "APCP_FORA": "mm hour-1", "DLWRF_FORA": "W m-2", "DSWRF_FORA": "W m-2", "TMP_2_FORA": "K",
    "SPFH_2_FORA": "1", "UGRD_10_FORA": "m s-1", "VGRD_10_FORA": "m s-1", "NDVI": "1",
    "Clay": "%", "Sand": "%", "Silt": "%",
}  # fmt: skip


def load(path: Path) -> xr.Dataset:
    """Both years, with units; SMAP of the first only."""
    if not path.exists():
        raise SystemExit(f"{path} is absent; set XSM_DATA, or give --data")
    with xr.open_dataset(path) as ds:
        ds = ds.sel(time=slice(TRAIN.start, TEST.stop)).load()
    for name, units in UNITS.items():
        ds[name].attrs["units"] = units
    return ds.assign(SMAP_AM=ds["SMAP_AM"].sel(time=TRAIN).reindex(time=ds["time"]))


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=data_folder() / FILE)
    parser.add_argument("--out", type=Path, required=True, help="NetCDF of the later year")
    parsed = parser.parse_args(arguments)
    ds = load(parsed.data)
    model = xsm.fit_estimator(ds, "SMAP_AM")
    sm = ds.sm.estimate(model=model).sel(time=TEST)
    parsed.out.parent.mkdir(parents=True, exist_ok=True)
    sm[["soil_moisture"]].where(ds["SMAP_AM"].notnull().any("time")).to_netcdf(parsed.out)


if __name__ == "__main__":
    main()
