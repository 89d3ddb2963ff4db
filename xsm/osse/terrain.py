"""Terrain and soil texture: mountain ranges as ridges, smaller scales as random fields."""

import numpy as np

from xsm.conventions.grid import wrap_longitude
from xsm.osse.earth_grid import KM_PER_DEGREE, Grid
from xsm.osse.fields import RandomField, ZonalSynthesis

# approximate ridge lines: (lat, lon) to (lat, lon), crest height m, half width km
RANGES = (
    (-53, -72, -18, -69, 2600, 170),  # southern Andes
    (-18, -69, 8, -76, 3300, 190),  # northern Andes
    (31, -107, 50, -116, 1900, 420),  # Rockies and the plateau west of them
    (50, -118, 62, -145, 1400, 260),  # Canadian cordillera
    (18, -99, 30, -106, 1800, 220),  # Mexico
    (36, -119, 49, -121, 1300, 90),  # Sierra Nevada, Cascades
    (35, -84, 44, -72, 500, 120),  # Appalachians
    (31, 80, 35, 95, 4700, 430),  # Tibet
    (28, 95, 37, 101, 3300, 260),  # eastern Tibet
    (35, 72, 42, 78, 3400, 230),  # Pamir, Tien Shan
    (44, 82, 50, 95, 1800, 260),  # Altai
    (46, 97, 52, 115, 1200, 350),  # Mongolia
    (60, 130, 66, 142, 900, 300),  # Verkhoyansk
    (30, 52, 36, 46, 1700, 200),  # Zagros
    (33, 57, 36, 68, 1500, 260),  # Iran, Hindu Kush
    (38, 30, 40, 45, 1400, 180),  # Anatolia, Caucasus
    (45, 7, 47, 14, 1700, 90),  # Alps
    (42.5, -1, 42.5, 2, 1200, 50),  # Pyrenees
    (40, -5, 41, -2, 900, 130),  # Meseta
    (31, -7, 35, 0, 1300, 120),  # Atlas
    (60, 7, 66, 14, 900, 120),  # Scandes
    (53, 59, 66, 60, 600, 90),  # Urals
    (6, 37, 14, 39, 2000, 220),  # Ethiopia
    (-12, 34, 2, 31, 1300, 280),  # East Africa
    (-31, 26, -22, 20, 1200, 380),  # southern Africa
    (15, 44, 22, 41, 1400, 130),  # western Arabia
    (24, 100, 27, 108, 1500, 260),  # Yunnan
    (12, 76, 19, 76, 600, 150),  # Deccan
    (-37, 148, -28, 152, 600, 120),  # Great Dividing Range
    (-45, 168, -40, 175, 800, 80),  # New Zealand
    (-6, 138, -4, 144, 1900, 110),  # New Guinea
    (64, -42, 78, -40, 2900, 420),  # Greenland
    (-80, -120, -76, 120, 3200, 1300),  # Antarctica
)


def ridges(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Smooth height of the mountain ranges, (H, W), m.

    Lines and heights are estimates from an atlas, in place of a terrain model.
    """
    height = np.zeros((lat.size, lon.size), np.float32)
    for lat0, lon0, lat1, lon1, crest, width in RANGES:
        shrink = np.cos(np.deg2rad((lat0 + lat1) / 2))
        reach = 3.0 * width / KM_PER_DEGREE
        rows = np.flatnonzero((lat > min(lat0, lat1) - reach) & (lat < max(lat0, lat1) + reach))
        middle = (lon0 + lon1) / 2
        east = wrap_longitude(lon - middle)
        cols = np.flatnonzero(np.abs(east) < abs(lon1 - lon0) / 2 + reach / shrink)
        if rows.size == 0 or cols.size == 0:
            continue
        y = (lat[rows] - lat0)[:, None] * KM_PER_DEGREE
        x = (east[cols] + middle - lon0)[None, :] * KM_PER_DEGREE * shrink
        dy, dx = (lat1 - lat0) * KM_PER_DEGREE, (lon1 - lon0) * KM_PER_DEGREE * shrink
        along = np.clip((y * dy + x * dx) / (dy**2 + dx**2), 0.0, 1.0)
        distance2 = (y - along * dy) ** 2 + (x - along * dx) ** 2
        bump = crest * np.exp(-0.5 * distance2 / width**2)
        box = np.ix_(rows, cols)
        height[box] = np.maximum(height[box], bump)
    return height


def elevation(synthesis: ZonalSynthesis, seed: int) -> np.ndarray:
    """Surface altitude over land, (H, W), m: ridges times local relief, plus lowland."""
    broad = ridges(synthesis.grid.lat, synthesis.grid.lon)
    relief = RandomField(
        synthesis, seed, "relief", [350, 120, 45, 22], [0.35, 0.3, 0.2, 0.15]
    ).draw()
    low = RandomField(synthesis, seed, "lowland", [900, 250, 60], [0.5, 0.35, 0.15]).draw()
    high = broad * np.exp(0.30 * relief - 0.045)
    return (np.maximum(high + 230.0 * np.exp(0.7 * low + 0.25 * relief), 1.0)).astype(np.float32)


def slope(height: np.ndarray, grid: Grid) -> np.ndarray:
    """Mean slope from cell to cell, (H, W), degrees; of a single row that along it alone."""
    rise = np.gradient(height, axis=0) if height.shape[0] > 1 else np.zeros_like(height)
    north = rise / (grid.dlat * KM_PER_DEGREE * 1000)
    parallel = np.maximum(np.cos(np.deg2rad(grid.lat)), 0.05)[:, None]
    padded = np.pad(height, ((0, 0), (1, 1)), mode="wrap" if grid.is_global else "edge")
    across = padded[:, 2:] - padded[:, :-2]
    steps = np.full(height.shape[1], 2.0)
    if not grid.is_global:
        steps[[0, -1]] = 1.0
    east = across / steps / (grid.dlon * KM_PER_DEGREE * 1000 * parallel)
    return np.rad2deg(np.arctan(np.hypot(north, east))).astype(np.float32)


def texture(synthesis: ZonalSynthesis, seed: int, dryness: np.ndarray) -> dict[str, np.ndarray]:
    """Soil texture and porosity from random fields, sandier where dry.

    Parameters
    ----------
    synthesis : ZonalSynthesis
    seed : int
    dryness : ndarray (H, W)
        0 (humid) to 1 (desert).

    Returns
    -------
    dict
        `sand`, `clay`, `silt` (fractions of the solid, sum 1) and `porosity` (m3 m-3), each (H, W).

    References
    ----------
    Porosity: Cosby et al., Water Resour. Res. 20, 682, 1984, 0.489 - 0.126 x sand.
    """
    lengths, fractions = [500, 150, 40], [0.4, 0.35, 0.25]
    a = RandomField(synthesis, seed, "sand", lengths, fractions).draw()
    b = RandomField(synthesis, seed, "clay", lengths, fractions).draw()
    sand = np.exp(0.55 * a + 0.9 * dryness)
    clay = 0.55 * np.exp(0.45 * b - 0.5 * dryness)
    total = sand + clay + 0.9
    sand, clay = (sand / total).astype(np.float32), (clay / total).astype(np.float32)
    return {
        "sand": sand,
        "clay": clay,
        "silt": (1.0 - sand - clay).astype(np.float32),
        "porosity": (0.489 - 0.126 * sand).astype(np.float32),
    }
