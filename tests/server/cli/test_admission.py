"""Who may be a device, from the command line."""

from __future__ import annotations

from surefoot_server.enrolment.service import TokenWish
from surefoot_server.enrolment.ways import fingerprint_of
from tests.server.cli.conftest import Operator
from tests.server.enrolment.asking import Node, make_token
from tests.server.rig import NOW


def waiting(surefoot: Operator) -> Node:
    node = Node(surefoot.rig, "cam-9")
    node.ask(make_token(surefoot.rig, TokenWish()))
    return node


def test_pending_nodes_are_listed_with_the_sha256_of_their_key(surefoot: Operator) -> None:
    node = waiting(surefoot)

    said = surefoot("device", "pending")

    assert "cam-9" in said.out
    assert fingerprint_of(node.public) in said.out


def test_a_node_that_waits_can_be_turned_away(surefoot: Operator) -> None:
    waiting(surefoot)

    assert surefoot("device", "refuse", "cam-9").code == 0
    assert "cam-9" not in surefoot("device", "pending").out


def test_a_key_is_registered_for_a_device_to_come(surefoot: Operator) -> None:
    said = surefoot("device", "preauthorise", "cam-9", "--key-sha256", "AB" * 32, "--tag", "lab")

    assert said.code == 0
    assert surefoot("device", "preauthorise", "cam-9", "--key-sha256", "rubbish").code == 2
    listed = surefoot("device", "preauthorised").out.splitlines()[1].split()
    assert (listed[0], listed[2], listed[-2:]) == ("cam-9", "ab" * 32, ["not", "yet"])


def test_a_replacement_token_stands_alone_and_serves_its_device_once(surefoot: Operator) -> None:
    surefoot.rig.device("cam-9")

    token = surefoot("device", "replace", "cam-9").out.strip()
    new = Node(surefoot.rig, "cam-9")
    new.ask(token, NOW)

    assert token.startswith("sfe_")
    assert surefoot.rig.device_row("cam-9").public_key == new.public


def test_nothing_replaces_a_device_that_never_was(surefoot: Operator) -> None:
    assert surefoot("device", "replace", "cam-99").code == 3


def test_a_revoked_device_is_shut_out_only_after_a_yes(surefoot: Operator) -> None:
    surefoot.rig.device("cam-9")

    assert surefoot("device", "revoke", "cam-9").code == 2
    assert surefoot("device", "revoke", "cam-9", "--yes").code == 0
    assert surefoot.rig.device_row("cam-9").revoked_at is not None
