from __future__ import annotations

import pytest

from surefoot_server.enrolment import repository
from surefoot_server.enrolment.service import TokenWish
from surefoot_shared.errors import NotFound
from tests.server.enrolment.asking import Node, make_token, token_id
from tests.server.rig import Rig, later


def test_a_token_that_is_not_there_is_named(rig: Rig) -> None:
    with rig.db.read() as session, pytest.raises(NotFound, match="'nothing'"):
        repository.token(session, "nothing")


def test_a_token_to_use_that_is_not_there_is_none_so_that_its_answer_does_not_differ(rig: Rig) -> None:
    with rig.db.write() as session:
        assert repository.token_to_use(session, "nothing") is None


def test_the_newest_token_comes_first(rig: Rig) -> None:
    old, new = make_token(rig), make_token(rig, now=later(5))

    with rig.db.read() as session:
        assert [row.id for row in repository.tokens(session)] == [token_id(new), token_id(old)]


def test_requests_are_listed_by_state_the_longest_waiting_first(rig: Rig) -> None:
    waits, enters = make_token(rig, TokenWish(max_uses=5)), make_token(rig)
    Node(rig, "cam-2").ask(waits)
    Node(rig, "cam-1").ask(waits, later(5))
    Node(rig, "cam-3").ask(enters)

    with rig.db.read() as session:
        assert [row.device_id for row in repository.enrolments(session, "pending")] == ["cam-2", "cam-1"]
        assert len(repository.enrolments(session, None)) == 3
