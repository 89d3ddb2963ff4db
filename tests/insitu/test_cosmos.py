"""Tables of cosmic-ray probes, in the forms of the networks."""

import numpy as np
import pytest

from tests.validation.samples import grid
from xsm.errors import InputError
from xsm.insitu import open_cosmos
from xsm.validate import validate

DAILY = "DATE_TIME,SITE_ID,COSMOS_VWC,D86_75M,PE,SNOW\n"
HOURLY = "DATE_TIME,SITE_ID,COSMOS_VWC,D86_75M,CTS_MOD_CORR\n"
METADATA = (
    "SITE_NAME,SITE_ID,START_DATE,LATITUDE,LONGITUDE,ALTITUDE,LAND_COVER\n"
    "Chimney Meadows,CHIMN,02/10/2013,51.708,-1.479,65,Grassland\n"
    "Sheepdrove,SHEEP,24/10/2013,51.53,-1.482,170,Grassland\n"
)


@pytest.fixture
def folder(tmp_path):
    """Two sites of COSMOS-UK as the data centre has them."""
    for site in ("CHIMN", "SHEEP"):
        days = [f"2015-04-{d:02d},{site},{30 + d},{12 + d % 2},1.5,0" for d in range(1, 21)]
        days.append(f"2015-04-21,{site},-9999,-9999,-9999,-9999")
        hours = [f"2015-04-01 {h:02d}:00:00,{site},{31.5},{12},900" for h in range(24)]
        head = f"COSMOS-UK_{site}_HydroSoil"
        (tmp_path / f"{head}_Daily_2013-2018.csv").write_text(DAILY + "\n".join(days) + "\n")
        (tmp_path / f"{head}_Hourly_2013-2018.csv").write_text(HOURLY + "\n".join(hours) + "\n")
        (tmp_path / f"{head}_SH_2013-2018.csv").write_text("DATE_TIME,SITE_ID,TDT1_VWC\n")
        (tmp_path / f"{head}_SH_2013-2018_QC_Flags.csv").write_text("DATE_TIME,TDT1_VWC_QCFLAG\n")
    (tmp_path / "COSMOS-UK_SiteMetadata_2013-2018.csv").write_text(METADATA)
    return tmp_path


def test_the_files_of_the_data_centre(folder):
    ds = open_cosmos(folder)
    assert dict(ds.sizes) == {"station": 2, "time": 20}
    np.testing.assert_allclose(ds.soil_moisture[0, :3], [0.31, 0.32, 0.33], rtol=1e-6)
    assert ds.station_name.values.tolist() == ["CHIMN", "SHEEP"]
    assert ds.lat.values.tolist() == [51.708, 51.53] and ds.elevation.values.tolist() == [65, 170]
    assert set(ds.network.values) == {"COSMOS-UK"}
    assert ds.depth_from.values.tolist() == [0, 0]
    np.testing.assert_allclose(ds.depth_to, 0.125)
    assert ds.attrs["values_removed"] == "2 codes of missing values such as -9999"
    assert "skipped_files" not in ds.attrs
    cells = grid(lat=np.arange(53.0, 50, -0.5), lon=np.arange(-3.0, 1, 0.5))
    assert validate(cells, ds, stations={"depth": None}).n_obs.values.tolist() == [20, 20]


def test_hours_instead_of_days(folder):
    ds = open_cosmos(folder, resolution="hourly")
    assert ds.sizes["time"] == 24
    assert ds.time.values[1] == np.datetime64("2015-04-01T01:00")
    with pytest.raises(InputError, match="resolution='weekly'"):
        open_cosmos(folder, resolution="weekly")
    (only,) = folder.glob("*SiteMetadata*")
    with pytest.raises(InputError, match="none of the 1 files holds daily or hourly values"):
        open_cosmos(only)


def test_a_file_of_the_portal(tmp_path):
    path = tmp_path / "moorh.csv"
    path.write_text(
        "timestamp,2026-01-01T00:00:00\nsite-id,MOORH\nsite-name,Moor House\n"
        "date-decommissioned,\nparameter-id,cosmos_vwc,cosmos_vwc_flag,ta_min\n"
        "parameter-name,VWC,VWC Flag,Min Temp\nparameter-units,%,,degC\n"
        "2021-01-01,65.1,,5.0\n2021-01-02,66.2,E,5.0\n2021-01-03,,,5.0\n2021-01-04,64.0,,4\n"
    )
    ds = open_cosmos(path, lat=54.66, lon=-2.47, network="COSMOS-UK")
    np.testing.assert_allclose(ds.soil_moisture[0], [0.651, 0.662, 0.640], rtol=1e-6)
    meanings = np.array(ds.flag.attrs["flag_meanings"].split())
    assert meanings[ds.flag[0]].tolist() == ["G", "E", "G"]
    assert ds.station_name.values.tolist() == ["MOORH"]


def test_blanks_between_columns_and_a_row_of_units(tmp_path):
    path = tmp_path / "ARM-1.txt"
    path.write_text(
        "YYYY-MM-DD HH:MM  SOILM  DEP\nUTC UTC  %  cm\n"
        "2010-07-21 03:20  14.1  19\n2010-07-21 04:20  13.9  21\n"
    )
    ds = open_cosmos(path, lat=36.6, lon=-97.5)
    np.testing.assert_allclose(ds.soil_moisture[0], [0.141, 0.139], rtol=1e-6)
    assert ds.time.values[0] == np.datetime64("2010-07-21T03:20")
    assert ds.depth_to.item() == pytest.approx(0.2) and ds.network.item() == "COSMOS"
