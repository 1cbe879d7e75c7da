"""A key stands for one request of one caller, for a day."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot_server.idempotency import service
from surefoot_server.idempotency.service import AT_WORK, KEPT, Answer, Asked
from surefoot_shared.errors import Conflict, Unreachable
from tests.server.rig import NOW, Rig

ASKED = Asked("Bearer sf_1_x", "k1", "POST", "/api/v1/cohorts?", b'{"name": "a"}')
ANSWER = Answer(201, "application/json", b'{"name": "a"}')


def test_the_answer_comes_again_for_a_day_and_not_longer(rig: Rig) -> None:
    assert service.begin(rig.db, ASKED, NOW) is None
    service.keep(rig.db, ASKED, ANSWER)

    assert service.begin(rig.db, ASKED, NOW + KEPT - timedelta(seconds=1)) == ANSWER
    assert service.begin(rig.db, ASKED, NOW + KEPT) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, body=b'{"name": "b"}'),
        replace(ASKED, address="/api/v1/cohorts?x=1"),
        replace(ASKED, method="PUT"),
    ],
)
def test_another_request_under_the_same_key_is_refused(rig: Rig, other: Asked) -> None:
    service.begin(rig.db, ASKED, NOW)
    service.keep(rig.db, ASKED, ANSWER)

    with pytest.raises(Conflict, match="another request"):
        service.begin(rig.db, other, NOW)


def test_the_same_key_of_another_caller_is_another_key(rig: Rig) -> None:
    service.begin(rig.db, ASKED, NOW)

    assert service.begin(rig.db, replace(ASKED, credential="Bearer sf_2_y"), NOW) is None


def test_of_many_that_come_at_once_one_is_answered(rig: Rig) -> None:
    told = list[str]()

    def ask() -> None:
        try:
            told.append(str(service.begin(rig.db, ASKED, NOW)))
        except Unreachable as error:
            told.append(error.kind)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == ["None", *["busy"] * 5]


def test_what_nobody_knows_the_end_of_is_not_run_again(rig: Rig) -> None:
    service.begin(rig.db, ASKED, NOW)

    with pytest.raises(Conflict, match="ended while"):
        service.begin(rig.db, ASKED, NOW + AT_WORK)


def test_a_request_that_did_nothing_may_come_again(rig: Rig) -> None:
    service.begin(rig.db, ASKED, NOW)
    service.forget(rig.db, ASKED)

    assert service.begin(rig.db, replace(ASKED, body=b"other"), NOW) is None
