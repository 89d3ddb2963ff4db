"""Orbits repeat, swaths cover what they should."""

from dataclasses import replace

import numpy as np
import pytest

from xsm.errors import InputError
from xsm.osse import SENSORS, observed_mask
from xsm.osse.earth_grid import EARTH_RADIUS_KM
from xsm.osse.satellites import edge_offset, node_longitudes

LAT, LON = np.arange(-59.5, 60), np.arange(-179.5, 180)
EQUATOR, MIDDLE, HIGH = slice(58, 62), slice(103, 107), slice(118, 120)  # rows of LAT


def days(start: str, count: int) -> np.ndarray:
    return np.datetime64(start) + np.arange(count)


@pytest.mark.parametrize(("name", "period"), [("amsr2", 16), ("smap", 8)])
def test_the_swaths_repeat_after_the_cycle_and_not_before(name, period):
    observed = observed_mask(LAT, LON, days("2015-04-01", period + 1), name).values
    np.testing.assert_array_equal(observed[0], observed[period])
    for earlier in range(1, period):
        assert (observed[0] != observed[earlier]).mean() > 0.02


def test_orbits_of_a_cycle():
    sensor = SENSORS["amsr2"][0]
    nodes = [node_longitudes(sensor, day, "descending") for day in range(16526, 16542)]
    assert sum(map(len, nodes)) == 233
    assert {len(n) for n in nodes} == {14, 15}
    spacing = np.diff(nodes[0]) % -360
    assert spacing == pytest.approx(-360 * 16 / 233)


@pytest.mark.parametrize("which", ["ascending", "descending"])
def test_the_edges_are_half_a_swath_from_the_track(which):
    sensor = replace(SENSORS["amsr2"][0], cycle_days=0, cycle_orbits=1)  # Earth at rest
    inclination, away = np.deg2rad(sensor.inclination), 600.0
    lat = np.array([-50.0, -10.0, 0.0, 35.0, 60.0])
    sign = -1 if which == "ascending" else 1
    normal = np.array([0, sign * np.sin(inclination), np.cos(inclination)])  # of the orbital plane
    for side in (-1, 1):  # right and left of the flight
        lon, phi = np.deg2rad(edge_offset(sensor, lat, side * away, which)), np.deg2rad(lat)
        point = np.array([np.cos(phi) * np.cos(lon), np.cos(phi) * np.sin(lon), np.sin(phi)])
        distance = np.arcsin(normal @ point) * EARTH_RADIUS_KM
        assert distance == pytest.approx(side * away, abs=0.1)


def test_coverage_by_latitude():
    observed = observed_mask(LAT, LON, days("2015-04-01", 16), "amsr2").mean(("time", "lon")).values
    equator, middle, high = (observed[rows].mean() for rows in (EQUATOR, MIDDLE, HIGH))
    # 1,600 km of the 2,752 km between tracks, crossed obliquely
    assert equator == pytest.approx(1600 / 2752 / np.cos(np.deg2rad(12)), abs=0.02)
    assert equator < middle < high <= 1
    np.testing.assert_allclose(observed, observed[::-1], atol=0.03)


def test_gaps_are_lenses_that_close_poleward_and_shift():
    observed = observed_mask(np.arange(-79.5, 80), LON, days("2015-04-01", 2), "amsr2").values
    gaps = (~observed).sum(-1)
    assert 4 * gaps[0, 140] < gaps[0, 80]
    best = max(range(-20, 21), key=lambda k: (np.roll(observed[0], k, -1) == observed[1]).mean())
    step = 360 * 16 / 233  # 14.5625 orbits a day: 9/16 of a step east is 7/16 of one west
    assert min(abs(best - step * 9 / 16), abs(best + step * 7 / 16)) < 1


def test_smap_is_narrower_and_cci_sees_most():
    when = days("2015-04-01", 8)
    smap, amsr2, cci = (observed_mask(LAT, LON, when, n).values for n in ("smap", "amsr2", "cci"))
    assert smap.mean() < amsr2.mean() < cci.mean()
    assert cci.mean() > 0.9
    assert cci[amsr2].all()


def test_grids_of_any_orientation_agree():
    when = days("2015-04-01", 2)
    plain = observed_mask(LAT, LON, when)
    north_first = observed_mask(LAT[::-1], LON, when)
    np.testing.assert_array_equal(north_first.values[:, ::-1], plain.values)
    np.testing.assert_array_equal(north_first.lat, LAT[::-1])
    east = observed_mask(LAT, np.arange(0.5, 360), when)
    np.testing.assert_array_equal(np.roll(east.values, 180, -1), plain.values)
    part = observed_mask(LAT[30:50], LON[170:200], when)
    np.testing.assert_array_equal(part.values, plain.values[:, 30:50, 170:200])


def test_an_unknown_sensor_is_named():
    with pytest.raises(InputError, match="sensor is 'hubble'; expected one of .*amsr2"):
        observed_mask(LAT, LON, ["2015-04-01"], "hubble")
