"""A map that needs no other server: every site in view, no more points than can be seen."""

from __future__ import annotations

import re

import pytest

from surefoot_server.console import atlas
from surefoot_server.console.atlas import HEIGHT, WIDTH
from surefoot_server.devices.sites import Site

HANOI, SAIGON, SYDNEY, LIMA = (21.03, 105.85), (10.78, 106.7), (-33.87, 151.2), (-12.05, -77.04)


def at(name: str, place: tuple[float, float], devices: int = 1) -> Site:
    return Site(name, devices=devices, latitude=place[0], longitude=place[1])


@pytest.mark.parametrize("places", [[HANOI], [HANOI, SAIGON], [HANOI, SYDNEY, LIMA], [(89.0, 0.0), (-89.0, 0.0)]])
def test_every_site_is_in_view(places: list[tuple[float, float]]) -> None:
    drawn = atlas.draw([at(f"s{n}", place) for n, place in enumerate(places)])

    assert len(drawn.dots) == len(places)
    assert all(0 <= dot.x <= WIDTH and 0 <= dot.y <= HEIGHT for dot in drawn.dots)


def test_north_is_up_and_east_is_right() -> None:
    by_name = {
        d.site.name: d for d in atlas.draw([at("hanoi", HANOI), at("saigon", SAIGON), at("sydney", SYDNEY)]).dots
    }

    assert by_name["hanoi"].y < by_name["saigon"].y < by_name["sydney"].y
    assert by_name["hanoi"].x < by_name["sydney"].x


def test_the_land_below_a_site_is_drawn() -> None:
    land = atlas.draw([at("hanoi", HANOI)]).land

    assert land.startswith("M")
    assert land.endswith("Z")
    assert not re.search(r"nan|inf", land)


def test_a_map_is_no_heavier_than_a_page_may_be() -> None:
    for places in ([], [HANOI], [HANOI, LIMA], [SYDNEY, (60.0, 10.0)]):
        assert len(atlas.draw([at(str(n), place) for n, place in enumerate(places)]).land) < 90_000


def test_more_devices_make_a_larger_dot_and_keep_their_label() -> None:
    few, many = at("few", HANOI), at("many", (21.04, 105.86), devices=100)

    dots = {dot.site.name: dot for dot in atlas.draw([few, many]).dots}

    assert dots["many"].radius > dots["few"].radius
    assert (dots["many"].labelled, dots["few"].labelled) == (True, False)


def test_a_site_without_a_place_is_on_no_map_and_the_world_is_drawn() -> None:
    drawn = atlas.draw([Site("somewhere", devices=3)])

    assert drawn.dots == ()
    assert drawn.land.count("M") > 50


def test_no_line_runs_across_the_map() -> None:
    """Land on both sides of the antimeridian is not joined by lines around the world."""
    longest = WIDTH / 8

    for ring in atlas.draw([]).land.split("M")[1:]:
        points = [tuple(map(float, point.split())) for point in ring.rstrip("Z").split("L")]
        shore = [abs(a[0] - b[0]) for a, b in zip(points, points[1:] + points[:1], strict=True)]
        assert max(shore) < longest
