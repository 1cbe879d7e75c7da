"""Which devices a command means, and tags on all of them."""

from __future__ import annotations

from tests.server.cli.conftest import Operator


def test_the_list_takes_a_cohort_and_a_standing(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1", tags=["lab"])
    surefoot.rig.device("cam-2")

    said = surefoot("device", "list", "--cohort", "tag('lab')", "--is", "offline")

    assert [line.split()[0] for line in said.out.splitlines()[1:]] == ["cam-1"]


def test_many_devices_are_tagged_once_their_number_was_confirmed(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1", tags=["lab"])
    surefoot.rig.device("cam-2")

    said = surefoot("device", "retag", "-q", "cam", "--add", "canary", "--remove", "lab", "--yes")

    assert said.code == 0
    assert "2 devices: 2 tags were added and 1 removed." in said.out
    assert "canary" in surefoot("device", "show", "cam-2").out


def test_it_asks_with_the_number_and_no_means_no(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1")

    said = surefoot("device", "retag", "--add", "canary", answer="n\n")

    assert "Add canary on 1 device?" in said.err
    assert said.code != 0
    assert "canary" not in surefoot("device", "show", "cam-1").out


def test_no_tag_at_all_is_a_wrong_use(surefoot: Operator) -> None:
    said = surefoot("device", "retag", "-q", "cam")

    assert said.code == 2
    assert "--add or --remove" in said.err
