"""`surefoot enrol-token`: the token stands alone on stdout, talk does not."""

from __future__ import annotations

import pytest

from surefoot_server.access.roles import Role
from tests.server.cli.conftest import Operator


def test_the_token_stands_alone_on_stdout(surefoot: Operator) -> None:
    said = surefoot("enrol-token", "create", "--uses", "12", "--valid", "1h", "--tag", "lab", "--attribute", "site=hn")

    assert said.code == 0
    assert len(said.out.split()) == 1
    assert "Good for 12 devices until" in said.err


def test_its_devices_are_let_in_at_once_unless_somebody_wants_to_look_first(surefoot: Operator) -> None:
    now = surefoot("--json", "enrol-token", "create").json
    later = surefoot("--json", "enrol-token", "create", "--approve-later").json

    assert isinstance(now, dict)
    assert isinstance(later, dict)
    assert (now["auto_approve"], later["auto_approve"]) == (True, False)


def test_the_list_shows_no_secret(surefoot: Operator) -> None:
    token = surefoot("enrol-token", "create").out.strip()

    said = surefoot("enrol-token", "list")

    assert "0 of 1" in said.out
    assert token not in said.out


def test_a_revoked_token_is_shown_as_such(surefoot: Operator) -> None:
    made = surefoot("--json", "enrol-token", "create").json
    assert isinstance(made, dict)

    surefoot("enrol-token", "revoke", str(made["id"]))

    listed = surefoot("--json", "enrol-token", "list").json
    assert isinstance(listed, list)
    assert isinstance(listed[0], dict)
    assert listed[0]["revoked_at"] is not None


def test_a_viewer_lets_nobody_in(surefoot: Operator) -> None:
    surefoot.sign_in(Role.VIEWER)

    assert surefoot("enrol-token", "create").code == 4


def test_a_wrong_duration_or_pair_is_a_usage_error(surefoot: Operator) -> None:
    assert surefoot("enrol-token", "create", "--valid", "1").code == 2
    assert surefoot("enrol-token", "create", "--attribute", "site").code == 2


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--valid", "0s", "0s is outside 1s to 365d"),
        ("--valid", "366d", "366d is outside 1s to 365d"),
        ("--uses", "0", "0 is not a whole number from 1 to 100000"),
        ("--uses", "many", "many is not a whole number from 1 to 100000"),
        ("--tag", "a b", "'a b' is not a tag"),
        ("--device", "", "it is empty"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_range(
    surefoot: Operator, option: str, value: str, words: str
) -> None:
    said = surefoot("enrol-token", "create", option, value)

    assert said.code == 2
    assert option in said.err
    assert words in said.err
