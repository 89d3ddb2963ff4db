"""Maps: what is drawn where, in which colour."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.figure import Figure

from tests.plotting.scores_made_up import product, seasons, stations
from xsm import plotting
from xsm.errors import InputError, MissingPackageError
from xsm.plotting import map_background


def of_type(ax, kind):
    return [artist for artist in ax.collections if isinstance(artist, kind)]


def colour_bar(ax):
    return next(other for other in ax.figure.axes if other is not ax)


def test_stations_lie_where_they_are_and_have_the_colour_of_their_score():
    scores = stations()
    ax = plotting.map(scores, "pearson_r")
    (points,) = [p for p in of_type(ax, PathCollection) if p.get_array() is not None]
    scored = np.isfinite(scores["pearson_r"].values)
    xy = np.stack([scores["lon"].values, scores["lat"].values], axis=1)[scored]
    np.testing.assert_array_equal(points.get_offsets(), xy)
    np.testing.assert_array_equal(points.get_array(), scores["pearson_r"].values[scored])
    assert ax.get_title(loc="right") == "× no score: 1 of 24"
    assert ax.get_title(loc="left") == "AMSR2, filled against in situ"


def test_a_bias_of_zero_is_drawn_in_the_middle_of_a_diverging_map():
    ax = plotting.map(product(), "bias")
    (mesh,) = of_type(ax, QuadMesh)
    low, high = mesh.get_clim()
    assert low == -high and mesh.get_cmap().name == "BrBG"
    assert mesh.norm(0.0) == pytest.approx(0.5)
    assert min(mesh.cmap(mesh.norm(0.0))[:3]) > 0.95
    assert colour_bar(ax).get_ylabel() == "mean difference (m³\xa0m⁻³)"


def test_an_outlier_does_not_compress_the_colour_scale():
    scores = product()
    scores["rmsd"][3, 9] = 50.0
    ax = plotting.map(scores, "rmsd")
    (mesh,) = of_type(ax, QuadMesh)
    assert mesh.get_clim()[1] < 0.08
    assert mesh.colorbar.extend == "both"


def test_cells_keep_their_position_whatever_the_order_of_dimensions():
    scores = product()
    meshes = [
        of_type(plotting.map(one, "rmsd"), QuadMesh)[0]
        for one in (scores, scores.transpose("lon", "lat", ...))
    ]
    for array in ("get_coordinates", "get_array"):
        np.testing.assert_array_equal(*(getattr(mesh, array)() for mesh in meshes))


def test_aspect_and_degrees():
    ax = plotting.map(product(), "rmsd")
    south, north = ax.get_ylim()
    assert ax.get_aspect() == pytest.approx(1 / np.cos(np.deg2rad((south + north) / 2)))
    assert (south, north) == (37.25, 44.25)  # edges of cells, not centres
    assert ax.xaxis.get_major_formatter()(-8, None) == "8°W"


def test_a_projected_grid_is_drawn_at_its_own_latitudes_and_longitudes():
    scores = product().drop_vars(["lat", "lon"]).rename(lat="y", lon="x")
    y, x = np.meshgrid(np.linspace(44, 37, 14), np.linspace(-9, 2, 20), indexing="ij")
    scores = scores.assign_coords(lat=(("y", "x"), y + x / 50), lon=(("y", "x"), x))
    (mesh,) = of_type(plotting.map(scores, "rmsd"), QuadMesh)
    corners = mesh.get_coordinates()
    centre = (corners[5, 7] + corners[6, 8]) / 2
    np.testing.assert_allclose(centre, [x[5, 7], (y + x / 50)[5, 7]], atol=0.02)


def test_a_difference_of_two_scores_is_signed_and_a_given_centre_is_kept():
    scores = product()
    difference = scores["rmsd"] - scores["rmsd"].mean()
    difference.name = "rmsd"
    (mesh,) = of_type(plotting.map(difference), QuadMesh)
    assert mesh.get_clim()[0] == -mesh.get_clim()[1]
    (mesh,) = of_type(plotting.map(scores, "pearson_r", center=0.7), QuadMesh)
    assert np.mean(mesh.get_clim()) == pytest.approx(0.7)


def test_land_is_drawn_under_the_stations_and_bounds_the_map():
    land = xr.DataArray(
        np.arange(40) % 40 > 5 * np.ones((30, 1)),
        dims=("lat", "lon"),
        coords={"lat": np.linspace(36, 44, 30), "lon": np.linspace(-10, 4, 40)},
    )
    ax = plotting.map(stations(), "bias", land=land)
    shades = {tuple(np.round(c.get_facecolor()[0], 3)) for c in ax.collections[:1]}
    assert shades and ax.collections[0].get_zorder() < 1
    assert ax.get_ylim()[1] <= 44.0


def test_the_axes_given_are_drawn_on():
    ax = Figure().subplots()
    assert plotting.map(product(), "rmsd", ax=ax, title="Here") is ax
    assert ax.get_title(loc="left") == "Here"


def test_the_stratum_of_all_is_taken_and_else_one_has_to_be_selected():
    scores = seasons()
    ax = plotting.map(scores, "pearson_r")
    (points,) = [p for p in of_type(ax, PathCollection) if p.get_array() is not None]
    values = scores["pearson_r"].sel(season="all").values
    np.testing.assert_array_equal(points.get_array(), values[np.isfinite(values)])
    with pytest.raises(InputError, match=r'scores.sel\(\{"season": \'JJA\'\}\)'):
        plotting.map(scores.isel(season=slice(1, None)), "pearson_r")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: (s, "skill"), "metric='skill' is not in scores: expected one of"),
        (lambda s: (s.assign(rmsd=s["rmsd"] * np.nan), "rmsd"), "no finite value"),
        (lambda s: (s.drop_vars(["lat", "lon"]), "rmsd"), r"has no latitude.*'lat', 'lon'"),
        (lambda s: (s.isel(lat=3, lon=5), "rmsd"), "is a single value: a map needs"),
        (lambda s: (s["rmsd"], "bias"), "the DataArray is called 'rmsd'"),
        (lambda s: (s.values, None), "expected the Dataset that validate returns"),
    ],
)
def test_what_cannot_be_drawn_raises(change, message):
    with pytest.raises(InputError, match=message):
        plotting.map(*change(product()))


def test_regions_have_the_coast_of_globe_and_borders_that_end_there():
    ax = plotting.map(product(), "rmsd")
    assert ax.get_ylim() == (37.25, 44.25) and ax.get_xlim() == (-10.25, -0.25)
    lon, lat, land = map_background.land_fraction((37.25, 44.25, -10.25, -0.25))
    assert land[np.abs(lat - 40.4).argmin(), np.abs(lon + 3.7).argmin()] == 1  # Madrid
    assert land[np.abs(lat - 40.0).argmin(), np.abs(lon + 9.8).argmin()] == 0
    (borders,) = [c for c in of_type(ax, LineCollection) if c.get_zorder() == 1.4]
    points = np.concatenate(borders.get_segments())
    on_sea = (points[:, 0] < -9.0) & (points[:, 1] > 40)
    assert len(points) > 20 and not on_sea.any()


@pytest.mark.parametrize("first", [-179.0, 1.0])
def test_the_globe_is_drawn_in_equal_earth(first):
    lat, lon = np.arange(89.0, -90, -2.0), np.arange(first, first + 360, 2.0)
    values = np.cos(np.deg2rad(lat))[:, None] * np.cos(np.deg2rad(lon))
    scores = xr.Dataset({"rmsd": (("lat", "lon"), values)}, {"lat": lat, "lon": lon})
    ax = plotting.map(scores)
    (mesh,) = of_type(ax, QuadMesh)
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[..., 0].max(), 2.7066, atol=1e-3)
    # equal areas on the map for equal areas on the globe
    a, b, c, d = corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]
    p, q = c - a, d - b
    area = np.abs(p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]) / 2
    np.testing.assert_allclose(area / np.cos(np.deg2rad(lat))[:, None], area[45, 0], rtol=2e-3)
    # the largest value is at 0 east, the middle of the map
    middle = mesh.get_array().reshape(90, 180)[45]
    assert np.argmax(middle) in (89, 90)
    assert not ax.xaxis.get_ticklocs().size


def test_without_the_land_mask_the_coast_is_of_natural_earth(monkeypatch):
    def missing():
        raise MissingPackageError("no package")

    monkeypatch.setattr("xsm.conventions.globe_land.sea_samples", missing)
    ax = plotting.map(product(), "rmsd")
    (coast,) = [c for c in of_type(ax, LineCollection) if c.get_zorder() == 1.5]
    points = np.concatenate(coast.get_segments())
    near_lisbon = np.hypot(points[:, 0] + 9.5, points[:, 1] - 38.7).min()
    assert near_lisbon < 0.5


def test_lines_of_natural_earth_are_on_the_globe_and_closed_where_they_should_be():
    for kind, number in (("coast", 100), ("border", 100), ("lake", 20), ("land", 200)):
        lines = map_background.natural_earth(kind)
        points = np.concatenate(lines)
        assert (
            len(lines) > number and np.abs(points).max() <= 180 and np.abs(points[:, 1]).max() <= 90
        )
    assert all((line[0] == line[-1]).all() for line in map_background.natural_earth("land"))


def test_axes_of_cartopy_in_any_projection():
    crs = pytest.importorskip("cartopy.crs", reason="cartopy is not installed")
    ax = Figure().add_subplot(projection=crs.Robinson())
    assert plotting.map(product(), "rmsd", ax=ax) is ax
    assert ax.get_extent(crs.PlateCarree())[0] == pytest.approx(-10.25, abs=1.5)


@pytest.mark.parametrize(
    ("selection", "south_north", "west_east"),
    [
        ({"lat": [3]}, (42.25, 42.75), (-10.25, -0.25)),
        ({"lon": [3]}, (37.25, 44.25), (-8.75, -8.25)),
        ({"lat": [3], "lon": [3]}, (42.375, 42.625), (-8.625, -8.375)),
    ],
)
def test_a_single_row_column_or_cell_is_drawn(selection, south_north, west_east):
    ax = plotting.map(product().isel(selection), "rmsd")
    assert ax.get_ylim() == pytest.approx(south_north)
    assert ax.get_xlim() == pytest.approx(west_east)
    (mesh,) = of_type(ax, QuadMesh)
    corners = mesh.get_coordinates()
    assert (corners[..., 1].min(), corners[..., 1].max()) == pytest.approx(south_north)
    assert (corners[..., 0].min(), corners[..., 0].max()) == pytest.approx(west_east)


def test_a_region_across_greenwich_is_drawn_as_one_wherever_longitudes_begin():
    scores = product().assign_coords(lon=np.arange(20) * 0.5 - 4.25)
    stored = scores.assign_coords(lon=scores["lon"] % 360).sortby("lon")
    ax, other = (plotting.map(ds, "rmsd") for ds in (scores, stored))
    for axes in (ax, other):
        assert axes.get_xlim() == pytest.approx((-4.5, 5.5))
    meshes = [of_type(axes, QuadMesh)[0] for axes in (ax, other)]
    np.testing.assert_allclose(*(mesh.get_coordinates() for mesh in meshes))
    np.testing.assert_array_equal(*(mesh.get_array() for mesh in meshes))


def test_stations_on_both_sides_of_the_date_line_are_neighbours():
    scores = stations()
    lon = np.where(np.arange(24) % 2, 178.0, -179.0)
    ax = plotting.map(scores.assign_coords(lon=("station", lon)), "pearson_r")
    west, east = ax.get_xlim()
    assert east - west < 10


def test_cells_without_pairs_stay_empty_on_a_map_of_their_number():
    (mesh,) = of_type(plotting.map(product(), "n_obs"), QuadMesh)
    assert np.ma.count_masked(mesh.get_array()) == 3 * 14  # the sea
    assert mesh.get_cmap().name == "cividis"
