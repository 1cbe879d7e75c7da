"""A map of sites that needs no other server: outlines of land and a dot for each site, as numbers for SVG. Pure.

Promises: what is drawn is what lies in view, with no more points than can be seen; every site with a place is in view,
at the same spot for everybody. Borders of states are not drawn. Source of the outlines: land/LICENSE.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_server.devices.sites import Site

LAND = Path(__file__).parent / "land" / "land.json"
WIDTH, HEIGHT = 960.0, 480.0
MARGIN, LEAST_SPAN = 0.18, 3.0
"""Of the span, around the outermost sites; and the fewest degrees shown, since the outlines are no finer."""
FINE_PX, COARSE_PX = 1.5, 60.0
"""How far apart points of an outline are drawn, within the view and outside of it."""
SMALL_PX = 2.5
LABELS = 60
NEAR_X, NEAR_Y = 90.0, 15.0
"""A label nearer to another than this is left out; its dot and the list still name the site."""


@dataclass(frozen=True, slots=True)
class View:
    """Degrees at the edges; `squeeze` is how much narrower a degree of longitude is in the middle."""

    west: float
    north: float
    scale: float
    squeeze: float

    def x(self, longitude: float) -> float:
        return (longitude - self.west) * self.scale * self.squeeze

    def y(self, latitude: float) -> float:
        return (self.north - latitude) * self.scale


@dataclass(frozen=True, slots=True)
class Dot:
    site: Site
    x: float
    y: float
    radius: float
    labelled: bool
    left: bool
    """The label stands to the left of the dot: on the right it would leave the drawing."""


@dataclass(frozen=True, slots=True)
class Map:
    land: str
    dots: tuple[Dot, ...]


def draw(sites: Sequence[Site]) -> Map:
    """Those that have a place; without any the whole world is drawn."""
    placed = [(site, site.latitude, site.longitude) for site in sites]
    known = [(site, lat, lon) for site, lat, lon in placed if lat is not None and lon is not None]
    view = _view([(lat, lon) for _, lat, lon in known])
    most = max((site.devices for site, _, _ in known), default=1)
    dots: list[Dot] = []
    for site, lat, lon in sorted(known, key=lambda each: (-each[0].devices, each[0].name)):
        x, y = round(view.x(lon), 1), round(view.y(lat), 1)
        free = all(abs(x - d.x) > NEAR_X or abs(y - d.y) > NEAR_Y for d in dots if d.labelled)
        labelled = free and len(dots) < LABELS
        dots.append(Dot(site, x, y, round(4 + 4 * math.sqrt(site.devices / most), 1), labelled, x > WIDTH - 160))
    return Map(outline(view), tuple(dots))


def _view(places: Sequence[tuple[float, float]]) -> View:
    if not places:
        return _around(10.0, 0.0, 145.0, 360.0)
    lats, lons = [lat for lat, _ in places], [lon for _, lon in places]
    middle = (min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2
    tall, wide = max(lats) - min(lats), max(lons) - min(lons)
    return _around(*middle, max(LEAST_SPAN, tall * (1 + 2 * MARGIN)), max(LEAST_SPAN, wide * (1 + 2 * MARGIN)))


def _around(latitude: float, longitude: float, tall: float, wide: float) -> View:
    squeeze = max(0.3, math.cos(math.radians(latitude)))
    scale = min(HEIGHT / tall, WIDTH / (wide * squeeze))
    return View(longitude - WIDTH / scale / squeeze / 2, latitude + HEIGHT / scale / 2, scale, squeeze)


@functools.lru_cache(maxsize=8)
def outline(view: View) -> str:
    """The land in view as one path."""
    return "".join(_ring(view, ring) for ring in _land())


def _ring(view: View, ring: Sequence[tuple[float, float]]) -> str:
    points = [(view.x(lon), view.y(lat)) for lon, lat in ring]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    outside = max(xs) < 0 or min(xs) > WIDTH or max(ys) < 0 or min(ys) > HEIGHT
    if outside or max(max(xs) - min(xs), max(ys) - min(ys)) < SMALL_PX:
        return ""
    kept = list(_seen(points))
    return "M" + "L".join(f"{x:.0f} {y:.0f}" if _far(x, y) else f"{x:.1f} {y:.1f}" for x, y in kept) + "Z"


def _seen(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    last = points[0]
    yield last
    for point in points[1:-1]:
        step = COARSE_PX if _far(*point) and _far(*last) else FINE_PX
        if abs(point[0] - last[0]) >= step or abs(point[1] - last[1]) >= step:
            last = point
            yield point
    yield points[-1]


def _far(x: float, y: float) -> bool:
    return not (-COARSE_PX < x < WIDTH + COARSE_PX and -COARSE_PX < y < HEIGHT + COARSE_PX)


@functools.cache
def _land() -> tuple[tuple[tuple[float, float], ...], ...]:
    """Rings of (longitude, latitude); each is stored as its first point and the steps from one to the next.

    What lies across the antimeridian is stored with steps around the world. It is drawn twice and whole, once at each
    edge of the map, instead of as lines across it.
    """
    made: list[tuple[tuple[float, float], ...]] = []
    for ring in json.loads(LAND.read_text()):
        x = y = 0
        points = []
        for n, (dx, dy) in enumerate(zip(ring[::2], ring[1::2], strict=True)):
            x, y = x + (dx if n == 0 or abs(dx) < 180_00 else dx - math.copysign(360_00, dx)), y + dy
            points.append((x / 100, y / 100))
        lons = [lon for lon, _ in points]
        shifts = (0.0, 360.0 * (min(lons) < -180), -360.0 * (max(lons) > 180))
        made += [tuple((lon + shift, lat) for lon, lat in points) for shift in dict.fromkeys(shifts)]
    return tuple(made)
