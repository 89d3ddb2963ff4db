"""Small files in the form of each product, and the values that they hold.

Every maker writes files below a folder and returns their paths and the values (T, H, W) that must
come out, north first where the product stores them so, in the unit of the record.
"""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np

from tests.opening.made_models import cygnss, gleam, merra2, nldas, smap_l4
from tests.opening.made_parts import (
    H,
    Made,
    W,
    axes,
    daily_mean,
    days,
    put,
    put_axes,
    some_values,
    with_sea,
    with_sentinel,
)
from xsm.opening.ease_grid import ease2_axes


def smap_l3(folder, *, rows=slice(100, 100 + H), columns=slice(400, 400 + W), both=True, n=3):
    """SMAP L3: groups by overpass; latitudes are -9999 outside the swath of the day."""
    lat, lon = (axis[part] for axis, part in zip(ease2_axes(36.0), (rows, columns), strict=True))
    h, w = lat.size, lon.size
    morning, evening = some_values(n, h, w, 1), some_values(n, h, w, 2)
    paths = []
    for k, day in enumerate(days(n, "2015-04-01")):
        path = Path(folder) / f"SMAP_L3_SM_P_{day.replace('-', '')}_R18290_001.h5"
        with netCDF4.Dataset(path, "w") as root:
            root.createGroup("Metadata").createGroup("Extent").polygonPosList = "0 0"
            for name, values, end in (("_AM", morning, ""), ("_PM", evening, "_pm")):
                if name == "_PM" and not both:
                    continue
                group = root.createGroup("Soil_Moisture_Retrieval_Data" + (name if both else ""))
                outside = (np.arange(w) + k) % 3 == 0
                values[k, :, outside] = np.nan
                dims = ("phony_dim_0", "phony_dim_1")
                attrs = {"valid_min": np.float32(0.02), "valid_max": np.float32(0.5)}
                stored = with_sentinel(values[k])
                stored[0, 1], values[k, 0, 1] = np.float32(0.02), np.float32(0.02)
                stored[0, 2], values[k, 0, 2] = np.float32(0.72), np.nan  # beyond valid_max
                put(group, "soil_moisture" + end, dims, stored, units="cm**3/cm**3", **attrs)
                put(group, "soil_moisture_error" + end, dims, stored / 10, units="cm**3/cm**3")
                flag = np.zeros((h, w), np.uint16)
                put(group, "retrieval_qual_flag" + end, dims, flag, fill=np.uint16(65534))
                put(group, "albedo" + end, dims, stored)
                put(group, "tb_time_utc" + end, dims, np.full((h, w), "2015-04-01T06:00:00.000Z"))
                fields = np.meshgrid(lat, lon, indexing="ij")
                for word, degrees in zip(("latitude", "longitude"), fields, strict=True):
                    known = np.where(outside, -9999.0, degrees).astype(np.float32)
                    put(group, word + end, dims, known)
        paths.append(path)
    made = Made(paths, morning, lat, lon, days(n, "2015-04-01"), "soil_moisture")
    made.open["evening"] = evening
    return made


def smap_points(folder):
    """Lists of points of the 9 km grid, one file a day, of which one cell has two overpasses."""
    lat, lon = (axis[600 : 600 + n] for axis, n in zip(ease2_axes(9.0), (H, W), strict=True))
    values, paths = some_values(2, seed=3), []
    values[1, 2, 3] = 0.2
    for k, day in enumerate(days()):
        path = Path(folder) / f"Somewhere_{day}.nc"
        row, column = np.nonzero(np.isfinite(values[k]))
        listed = values[k][row, column]
        if k == 1:
            row, column = np.append(row, 2), np.append(column, 3)
            listed = np.append(listed, np.float32(0.3))
        with netCDF4.Dataset(path, "w") as root:
            put(root, "latitude", ("index",), lat[row].astype(np.float32))
            put(root, "longitude", ("index",), lon[column].astype(np.float32))
            put(root, "soil_moisture", ("index",), listed)
            put(root, "soil_moisture_dca", ("index",), listed)
        paths.append(path)
    values[1, 2, 3] = 0.25
    return Made(paths, values, lat, lon, days(), "soil_moisture")


def smap_l2(folder):
    """Two half orbits of one day along one dimension, overlapping in one cell."""
    lat, lon = (axis[50 : 50 + n] for axis, n in zip(ease2_axes(36.0), (H, W), strict=True))
    values, paths = some_values(2, seed=4), []
    values[:, 0, 0], values[:, -1, -1] = 0.1, 0.4
    values[1, 0, 0] = 0.3
    for k, clock in enumerate(("013002", "150811")):
        path = Path(folder) / f"SMAP_L2_SM_P_0280{k}_D_20150811T{clock}_R18290_001.h5"
        row, column = np.nonzero(np.isfinite(values[k]))
        with netCDF4.Dataset(path, "w") as root:
            group = root.createGroup("Soil_Moisture_Retrieval_Data")
            dims = ("phony_dim_0",)
            put(group, "latitude", dims, lat[row].astype(np.float32), units="degrees_north")
            put(group, "longitude", dims, lon[column].astype(np.float32), units="degrees_east")
            fill = np.float32(-9999)
            put(group, "soil_moisture", dims, values[k][row, column], fill=fill, units="cm3/cm3")
            put(group, "EASE_row_index", dims, (row + 50).astype(np.uint16))
        paths.append(path)
    both = np.stack(values)
    count = np.isfinite(both).sum(0)
    mean = np.where(count > 0, np.nansum(both, 0) / np.maximum(count, 1), np.nan)
    return Made(paths, mean[None].astype(np.float32), lat, lon, ["2015-08-11"], "soil_moisture")


def smos_l3(folder, name="SM_OPER_MIR_CLF31A_{0}T000000_{0}T235959_300_002_7.DBL.nc"):
    """CATDS L3: packed int16, no time in the file, 25 km EASE2 axes, south first."""
    lat, lon = (axis[300 : 300 + n] for axis, n in zip(ease2_axes(25.0), (H, W), strict=True))
    lat = lat[::-1].astype(np.float32)
    scale = np.float32(3.05185094759971e-05)
    packed = np.random.default_rng(5).integers(1000, 15000, (2, H, W)).astype(np.int16)
    packed[:, 1, 1:4] = -32768
    values = np.where(packed == -32768, np.nan, packed * np.float64(scale))
    paths = []
    for k, day in enumerate(days()):
        path = Path(folder) / name.format(day.replace("-", ""))
        with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as root:
            root.institution = "SMOS CATDS Processing Chain"
            put_axes(root, lat, lon.astype(np.float32))
            fill = np.int16(-32768)
            attrs = {"scale_factor": scale, "add_offset": np.float32(0), "units": "m3 m-3"}
            put(root, "Soil_Moisture", ("lat", "lon"), packed[k], fill=fill, **attrs)
            put(root, "Soil_Moisture_Dqx", ("lat", "lon"), packed[k], fill=fill, **attrs)
            put(root, "Rfi_Prob", ("lat", "lon"), np.zeros((H, W), np.float32), units="1")
            seconds = np.full((H, W), 5000, np.int32)
            put(root, "Mean_Acq_Time_Days", ("lat", "lon"), seconds, units="d")
            put(root, "Mean_Acq_Time_Seconds", ("lat", "lon"), seconds, units="s")
        paths.append(path)
    return Made(paths, values, lat, lon.astype(np.float32), days(), "Soil_Moisture")


def smos_ic(folder):
    """SMOS-IC: as SMOS L3, with scene flags."""
    made = smos_l3(folder, "SM_RE06_MIR_CDF3SA_{0}T000000_{0}T235959_105_001_8.DBL.nc")
    for path in made.paths:
        with netCDF4.Dataset(path, "a") as root:
            put(root, "Scene_Flags", ("lat", "lon"), np.zeros((H, W), np.int8))
    return made


def lprm(folder, *, sensor="LPRM-AMSR2", bands=("c1", "x"), order=("Longitude", "Latitude")):
    """A granule a day: (Longitude, Latitude), percent, packed, the day in the name only."""
    lat, lon = axes()
    packed = np.random.default_rng(6).integers(1, 60, (2, W, H)).astype(np.int16)
    packed[:, 2, 2:4] = -32767
    paths = []
    for k, day in enumerate(days()):
        path = Path(folder) / f"{sensor}_L3_D_SOILM3_V001_{day.replace('-', '')}013507.nc4"
        with netCDF4.Dataset(path, "w") as root:
            put(root, "Longitude", ("Longitude",), lon.astype(np.float32), units="degrees_east")
            put(root, "Latitude", ("Latitude",), lat.astype(np.float32), units="degrees_north")
            attrs = {"scale_factor": 1.0, "add_offset": 0.0, "units": "percent"}
            for band in bands:
                name = f"soil_moisture_{band}"
                fill = np.int16(-32767)
                stored = packed[k] + ((band == "x") & (packed[k] > 0))
                put(root, name, order, stored.astype(np.int16), fill=fill, **attrs)
                put(root, name + "_error", order, packed[k], fill=fill, **attrs)
            put(root, "mask", order, np.zeros((W, H), np.int16))
            time = np.full((W, H), 7.0e8)
            put(root, "scantime", order, time, fill=0.0, units="seconds since 1993-01-01 00:00:00")
        paths.append(path)
    values = np.where(packed == -32767, np.nan, packed).transpose(0, 2, 1)
    return Made(paths, values, lat, lon, days(), f"soil_moisture_{bands[0]}")


def lprm_amsr_e(folder):
    return lprm(folder, sensor="LPRM-AMSR_E", bands=("c", "x"))


def cci(folder, name="ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED-{}000000-fv08.1.nc", percent=False):
    """An image a day with one time, sm, sm_uncertainty, flag and t0."""
    lat, lon = axes()
    values, paths = some_values(2, seed=7), []
    for k, day in enumerate(days()):
        path = Path(folder) / name.format(day.replace("-", ""))
        date = float((np.datetime64(day) - np.datetime64("1970-01-01")).astype(int))
        with netCDF4.Dataset(path, "w") as root:
            root.id, root.time_coverage_start = path.name, "19910805T000000Z"
            put_axes(root, lat.astype(np.float32), lon.astype(np.float32))
            units = "days since 1970-01-01 00:00:00 UTC"
            put(root, "time", ("time",), [date], units=units, standard_name="time")
            dims, fill = ("time", "lat", "lon"), np.float32(-9999)
            scale, unit = (100, "percent") if percent else (1, "m3 m-3")
            attrs = {"units": unit, "valid_range": np.array([0, scale], np.float32)}
            attrs["long_name"] = "Percent of Saturation Soil Moisture" if percent else "Volumetric"
            put(root, "sm", dims, scale * values[k : k + 1], fill=fill, **attrs)
            put(root, "sm_uncertainty", dims, scale * values[k : k + 1] / 10, fill=fill, **attrs)
            put(root, "t0", dims, np.full((1, H, W), date + 0.4), fill=-9999.0, units=units)
            meanings = {"flag_masks": np.array([1, 2], np.int8), "flag_meanings": "snow dense"}
            put(root, "flag", dims, np.zeros((1, H, W), np.int8), fill=np.int8(127), **meanings)
            put(root, "dnflag", dims, np.ones((1, H, W), np.int8), fill=np.int8(0))
        paths.append(path)
    return Made(paths, values, lat, lon, days(), "sm")


def cci_active(folder):
    made = cci(folder, "ESACCI-SOILMOISTURE-L3S-SSMS-ACTIVE-{}000000-fv05.2.nc", percent=True)
    return porous(made, made.values)


def porous(made, saturation):
    """As opened with a porosity of 0.4."""
    made.open, made.values = {"porosity": 0.4}, 0.4 * saturation
    return made


def cci_gapfilled(folder):
    made = cci(folder, "ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED_GAPFILLED-{}000000-fv09.1.nc")
    for path in made.paths:
        with netCDF4.Dataset(path, "a") as root:
            put(root, "gapmask", ("time", "lat", "lon"), np.zeros((1, H, W), np.int8))
    return made


def c3s(folder):
    return cci(folder, "C3S-SOILMOISTURE-L3S-SSMV-COMBINED-DAILY-{}000000-TCDR-v202312.0.0.nc")


def c3s_cells(folder):
    """Time-series cells: locations x time, fill values without an attribute, 2 files."""
    lat, lon = axes()
    values, paths = some_values(3, seed=8), []
    values[:, 1, 2] = np.nan  # no location here
    for number, columns in enumerate((slice(0, 4), slice(4, W))):
        row, column = np.meshgrid(np.arange(H), np.arange(W)[columns], indexing="ij")
        row, column = row.ravel(), column.ravel()
        present = ~((row == 1) & (column == 2))
        row, column = row[present], column[present]
        path = Path(folder) / f"016{number}.nc"
        with netCDF4.Dataset(path, "w") as root:
            root.product = "C3S SOILMOISTURE L3S SSMV COMBINED DAILY TCDR v202212"
            put(root, "lat", ("locations",), lat[row].astype(np.float32), units="degrees_north")
            put(root, "lon", ("locations",), lon[column].astype(np.float32), units="degrees_east")
            put(root, "location_id", ("locations",), np.arange(row.size))
            put(root, "time", ("time",), np.arange(3.0), units="days since 2016-01-30")
            dims = ("locations", "time")
            stored = with_sentinel(values[:, row, column].T)
            put(root, "sm", dims, stored, units="m3 m-3")
            put(root, "flag", dims, np.zeros(stored.shape, np.int16))
        paths.append(path)
    return Made(paths, values, lat, lon, days(3), "sm")


def ragged(folder, *, indexed=False):
    """CF ragged array: one row of observations of all locations."""
    lat, lon = axes()
    values = some_values(3, seed=9)
    row, column = (index.ravel() for index in np.meshgrid(range(H), range(W), indexing="ij"))
    series = values[:, row, column].T  # location, time
    location, day = np.nonzero(np.isfinite(series))
    path = Path(folder) / "C3S-SOILMOISTURE-cell_0002.nc"
    with netCDF4.Dataset(path, "w") as root:
        put(root, "lat", ("locations",), lat[row], units="degrees_north")
        put(root, "lon", ("locations",), lon[column], units="degrees_east")
        put(root, "location_id", ("locations",), np.arange(row.size))
        if indexed:
            order = np.argsort(day, kind="stable")
            location, day = location[order], day[order]
            name, index = "locationIndex", location.astype(np.int32)
            put(root, name, ("obs",), index, instance_dimension="locations")
        else:
            count = np.bincount(location, minlength=row.size)
            put(root, "row_size", ("locations",), count, sample_dimension="obs")
        put(root, "time", ("obs",), day + 0.3, units="days since 2016-01-30")
        put(root, "sm", ("obs",), series[location, day], units="m3 m-3")
    return Made([path], values, lat, lon, days(3), "sm")


def ragged_indexed(folder):
    return ragged(folder, indexed=True)


def cgls_ssm(folder):
    """SSM 1 km: bytes of half percent; codes above 200 are no soil moisture."""
    lat, lon = axes(1 / 112)
    packed = np.random.default_rng(10).integers(10, 200, (2, H, W)).astype(np.uint8)
    packed[:, 0, :3] = 251, 252, 241
    paths = []
    for k, day in enumerate(days()):
        path = Path(folder) / f"c_gls_SSM1km_{day.replace('-', '')}0000_CEURO_S1CSAR_V1.1.1.nc"
        with netCDF4.Dataset(path, "w") as root:
            put_axes(root, lat, lon)
            attrs = {"scale_factor": np.float32(0.5), "add_offset": np.float32(0), "units": "%"}
            attrs |= {"valid_range": np.array([0, 200], np.uint8), "long_name": "Surface SM"}
            put(root, "ssm", ("lat", "lon"), packed[k], fill=np.uint8(255), **attrs)
            put(root, "ssm_noise", ("lat", "lon"), packed[k], fill=np.uint8(255), **attrs)
        paths.append(path)
    values = np.where(packed > 200, np.nan, packed * 0.5 / 100)
    return porous(Made(paths, values, lat, lon, days(), "ssm"), values)


def cgls_swi(folder):
    """SWI 0.1 degree: several SWI, each with its quality flag."""
    lat, lon = axes(0.1)
    packed = np.random.default_rng(11).integers(10, 200, (2, H, W)).astype(np.uint8)
    packed[:, 0, :2] = 255
    paths = []
    for k, day in enumerate(days()):
        path = Path(folder) / f"c_gls_SWI_{day.replace('-', '')}1200_GLOBE_ASCAT_V3.1.1.nc"
        with netCDF4.Dataset(path, "w") as root:
            put_axes(root, lat, lon)
            put(root, "time", ("time",), [k + 0.5], units="days since 2016-01-30")
            dims = ("time", "lat", "lon")
            attrs = {"scale_factor": np.float32(0.5), "add_offset": np.float32(0), "units": "%"}
            for name in ("SWI_001", "SWI_010"):
                put(root, name, dims, packed[k : k + 1], fill=np.uint8(255), **attrs)
                quality = name.replace("SWI", "QFLAG")
                put(root, quality, dims, packed[k : k + 1], fill=np.uint8(255), **attrs)
        paths.append(path)
    values = np.where(packed > 200, np.nan, packed * 0.5 / 100)
    return porous(Made(paths, values, lat, lon, days(), "SWI_001"), values)


def ascat(folder):
    """ASCAT on a regular grid, percent of saturation."""
    lat, lon = axes()
    values = some_values(2, seed=12)
    path = Path(folder) / "h119_ascat_daily.nc"
    with netCDF4.Dataset(path, "w") as root:
        put_axes(root, lat, lon)
        put(root, "time", ("time",), np.arange(2.0), units="days since 2016-01-30")
        dims, fill = ("time", "lat", "lon"), np.float32(-9999)
        put(root, "surface_soil_moisture", dims, 100 * values, fill=fill, units="percent")
    made = Made([path], values, lat, lon, days(), "surface_soil_moisture")
    return porous(made, values)


def gldas(folder):
    """Noah 3-hourly, kg m-2 of 0-10 cm, south first, units of time with a leading space."""
    lat, lon = axes()
    lat = lat[::-1]
    values = with_sea(some_values(16, seed=13))
    paths = []
    for k in range(16):
        day, hour = days()[k // 8], 3 * (k % 8)
        path = Path(folder) / f"GLDAS_NOAH025_3H.A{day.replace('-', '')}.{hour:02d}00.021.nc4"
        with netCDF4.Dataset(path, "w") as root:
            root.title = "GLDAS2.1 LIS land surface model output"
            put_axes(root, lat, lon)
            start = f" minutes since {day} {hour:02d}:00:00"
            put(root, "time", ("time",), [0.0], units=start, bounds="time_bnds")
            put(root, "time_bnds", ("time", "bnds"), [[-180.0, 0.0]])
            attrs = {"units": "kg m-2", "standard_name": "soil_moisture_content"}
            attrs |= {"cell_methods": "time: point", "missing_value": np.float32(-9999)}
            dims, fill = ("time", "lat", "lon"), np.float32(-9999)
            mass = 100 * values[k : k + 1]
            put(root, "SoilMoi0_10cm_inst", dims, mass, fill=fill, **attrs)
            put(root, "SoilMoi10_40cm_inst", dims, mass, fill=fill, **attrs)
        paths.append(path)
    return Made(paths, daily_mean(values, 8), lat, lon, days(), "SoilMoi0_10cm_inst")


def era5(folder, *, step=0.25, name="ERA5_2024.nc", old=False):
    """ERA5 of 2024 (valid_time, expver beside, number) or of before (expver a dimension)."""
    lat, lon = axes(step)
    values = with_sea(some_values(48, seed=14))
    path = Path(folder) / name
    time = "time" if old else "valid_time"
    with netCDF4.Dataset(path, "w") as root:
        root.GRIB_centre = "ecmf"
        put_axes(root, lat, lon, ("latitude", "longitude"))
        seconds = 3600 * np.arange(48) + 86400 * (np.datetime64("2016-01-30").astype(int))
        put(root, time, (time,), seconds, units="seconds since 1970-01-01", standard_name="time")
        dims, stored = (time, "latitude", "longitude"), values
        if old:
            put(root, "expver", ("expver",), np.array([1, 5], np.int32))
            stored = np.stack([values, values], 1)
            stored[:30, 1], stored[30:, 0] = np.nan, np.nan
            dims = (time, "expver", "latitude", "longitude")
        else:
            put(root, "number", (), np.int64(0), standard_name="realization")
            put(root, "expver", (time,), np.where(np.arange(48) < 30, "0001", "0005"))
        attrs = {"units": "m**3 m**-3", "standard_name": "unknown"}
        put(root, "swvl1", dims, stored, fill=np.float32(np.nan), **attrs)
        attrs = {"units": "m", "GRIB_stepType": "accum"}
        put(root, "tp", dims, stored, fill=np.float32(np.nan), **attrs)
    return Made([path], daily_mean(values, 24), lat, lon, days(), "swvl1")


def era5_expver(folder):
    return era5(folder, name="adaptor.era5.nc", old=True)


def era5_land(folder):
    return era5(folder, step=0.1, name="data_0.nc")


def lis(folder):
    """LIS history: time beside the data, 2-D lat and lon, layers, missing places over sea."""
    lat, lon = axes(0.1)
    values = some_values(2, seed=15)
    paths = []
    for k, day in enumerate(days()):
        path = Path(folder) / f"LIS_HIST_{day.replace('-', '')}0000.d01.nc"
        with netCDF4.Dataset(path, "w") as root:
            root.title = "LIS land surface model output"
            root.SOIL_LAYER_THICKNESSES = "10.0 30.0 60.0 100.0"
            put(root, "time", ("time",), [0.0], units=f"minutes since {day} 00:00:00")
            dims = ("SoilMoist_profiles", "north_south", "east_west")
            layers = np.stack([values[k], values[k] / 2])
            attrs = {"units": "m^3 m-3", "standard_name": "soil_moisture_content"}
            attrs |= {"missing_value": np.float32(-9999)}
            fill = np.float32(-9999)
            put(root, "SoilMoist_inst", dims, layers, fill=fill, **attrs)
            fields = np.meshgrid(lat, lon, indexing="ij")
            for name, degrees in zip(("lat", "lon"), fields, strict=True):
                degrees = degrees.astype(np.float32)
                degrees[1, :3] = -9999
                put(root, name, dims[1:], degrees)
        paths.append(path)
    return Made(paths, values, lat, lon, days(), "SoilMoist_inst")


def cmip6(folder, *, bounds=True):
    """mrsos: kg m-2, noleap calendar, 0..360 longitudes, layer in depth_bnds."""
    lat, lon = 10.0 * np.arange(H), 320.0 + 5 * np.arange(W)
    values = some_values(3, seed=16)
    path = Path(folder) / "mrsos_day_Model_land-hist_r1i1p1f1_gr_20160130-20160201.nc"
    thickness = 0.05 if bounds else 0.1
    with netCDF4.Dataset(path, "w") as root:
        root.Conventions = "CF-1.7 CMIP-6.2"
        put_axes(root, lat, lon)
        attrs = {"units": "days since 2016-01-01", "calendar": "noleap", "axis": "T"}
        put(root, "time", ("time",), 29.5 + np.arange(3), **attrs)
        put(root, "depth", (), 0.05, units="m", bounds="depth_bnds", positive="down")
        if bounds:
            put(root, "depth_bnds", ("bnds",), np.array([0.0, thickness]))
        attrs = {"units": "kg m-2", "standard_name": "mass_content_of_water_in_soil_layer"}
        attrs |= {"cell_methods": "area: mean where land time: mean"}
        dims, fill = ("time", "lat", "lon"), np.float32(1e20)
        put(root, "mrsos", dims, 1000 * thickness * values, fill=fill, **attrs)
    return Made([path], values, lat, lon, days(3), "mrsos")


def sgd_sm(folder):
    """SGD-SM: a file a day on (lat, lon) of the globe in 0.25 degrees, without coordinates."""
    values = some_values(2, 720, 1440, seed=17)
    paths = []
    for k, day in enumerate(days()):
        path = Path(folder) / f"SGD-SM_{day.replace('-', '')}.nc"
        with netCDF4.Dataset(path, "w") as root:
            for name in ("original_sm_c1", "reconstructed_sm_c1"):
                put(root, name, ("lat", "lon"), np.float32(100) * values[k], fill=np.float32(-1))
        paths.append(path)
    lat, lon = 89.875 - 0.25 * np.arange(720), -179.875 + 0.25 * np.arange(1440)
    return Made(paths, np.float32(100) * values, lat, lon, days(), "original_sm_c1")


def glass(folder):
    """GLASS: day of the year in the name."""
    lat, lon = axes(0.05)
    values = some_values(2, seed=18)
    paths = []
    for k, number in enumerate((30, 31)):
        path = Path(folder) / f"GLASS_SM.A20160{number}.nc"
        with netCDF4.Dataset(path, "w") as root:
            put_axes(root, lat, lon)
            stored = with_sentinel(values[k])
            put(root, "SM", ("lat", "lon"), stored, units="m3/m3")
        paths.append(path)
    return Made(paths, values, lat, lon, days(), "SM")


MAKERS = {
    "smap_l3": smap_l3,
    "smap_points": smap_points,
    "smap_l2": smap_l2,
    "smos_l3": smos_l3,
    "smos_ic": smos_ic,
    "lprm": lprm,
    "lprm_amsr_e": lprm_amsr_e,
    "esa_cci": cci,
    "esa_cci_active": cci_active,
    "esa_cci_gapfilled": cci_gapfilled,
    "c3s": c3s,
    "c3s_cells": c3s_cells,
    "c3s_ragged": ragged,
    "c3s_ragged_indexed": ragged_indexed,
    "cgls_ssm": cgls_ssm,
    "cgls_swi": cgls_swi,
    "ascat": ascat,
    "cygnss": cygnss,
    "gldas": gldas,
    "nldas": nldas,
    "merra2": merra2,
    "smap_l4": smap_l4,
    "gleam": gleam,
    "era5": era5,
    "era5_expver": era5_expver,
    "era5_land": era5_land,
    "lis": lis,
    "cmip6": cmip6,
    "sgd_sm": sgd_sm,
    "glass": glass,
}
# Maker -> key of the product, where it is not its name.
PRODUCT_OF = {
    "smap_points": "smap_l3",
    "smap_l2": "smap_l3",
    "lprm_amsr_e": "lprm",
    "esa_cci_active": "esa_cci",
    "c3s_cells": "c3s",
    "c3s_ragged": "c3s",
    "c3s_ragged_indexed": "c3s",
    "era5_expver": "era5",
}
