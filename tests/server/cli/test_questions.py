"""A device is asked through the real API; its answer comes as its gateway would bring it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from surefoot_server import db
from surefoot_server.cli import questions
from surefoot_shared.messages import Request, Response
from tests.server.cli.conftest import Operator


def answering(surefoot: Operator, answer: Callable[[Request], Response], monkeypatch: object = None) -> None:
    """Let cam-1 answer whatever it is asked, at once."""
    rig = surefoot.rig
    rig.device("cam-1")
    heard = rig.said.requests.append

    def ask(device_id: str, request: Request) -> None:
        heard((device_id, request))
        threading.Thread(target=store, args=(request,)).start()

    def store(request: Request) -> None:
        with rig.db.write() as session:
            rig.devices.response(session, "cam-1", answer(request), db.utc_now())

    rig.said.request = ask  # type: ignore[method-assign]


def test_the_doctors_answer_is_shown_and_carries_no_escape_sequence(surefoot: Operator) -> None:
    answering(surefoot, lambda r: Response(r.id, True, "ok    identity   fine\nFAIL  mqtt\x1b[2J  refused"))

    said = surefoot("device", "doctor", "cam-1")

    assert said.code == 0
    assert "ok    identity   fine\nFAIL  mqtt\ufffd[2J  refused" in said.out


def test_the_lines_that_are_wanted_are_asked_for(surefoot: Operator) -> None:
    answering(surefoot, lambda r: Response(r.id, True, f"{r.kind.value} {r.lines}"))

    assert surefoot("device", "logs", "cam-1", "--lines", "7").out == "logs 7\n"


def test_a_device_that_answers_that_it_cannot_is_a_failure(surefoot: Operator) -> None:
    answering(surefoot, lambda r: Response(r.id, False, "The log cannot be read."))

    said = surefoot("device", "logs", "cam-1")

    assert (said.code, said.out) == (1, "The log cannot be read.\n")


def test_a_device_that_does_not_answer_ends_the_waiting_with_7(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1")

    said = surefoot("device", "doctor", "cam-1", "--timeout", "1s")

    assert said.code == 7
    assert "did not answer within 1 s" in said.out


def test_a_device_that_nobody_knows_is_not_found(surefoot: Operator) -> None:
    assert surefoot("device", "doctor", "cam-404").code == 3


def test_waiting_asks_twice_a_second_at_most() -> None:
    assert questions.POLL_S >= 0.5
