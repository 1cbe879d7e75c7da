"""`surefoot site`: where cameras are."""

from __future__ import annotations

from tests.server.cli.conftest import Operator


def test_a_site_is_placed_and_listed(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1")

    placed = surefoot("site", "place", "hanoi", "21.03", "-105.85", "--yes")
    listed = surefoot("site", "list")

    assert placed.code == 0
    assert listed.out.splitlines()[1].split() == ["hanoi", "offline", "1", "0", "0", "21.03,", "-105.85"]


def test_it_asks_with_the_number_of_devices(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1")

    said = surefoot("site", "place", "hanoi", "21.03", "105.85", answer="n\n")

    assert "Write the place of hanoi to 1 device?" in said.err
    assert said.code != 0


def test_a_site_of_nobody_is_not_found(surefoot: Operator) -> None:
    assert surefoot("site", "place", "nowhere", "1", "1", "--yes").code == 3
