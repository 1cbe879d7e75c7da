from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_agent import orders
from surefoot_agent.orders import APPLICATION_VERBS, Order, OrderServer, Verb, ask
from surefoot_shared.errors import Conflict, Unreachable, UntrustedRelease

Answer = Callable[[Order], None]
Serve = Callable[..., Path]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    servers = []

    def start(
        answer: Answer,
        path: Path | None = None,
        verbs: frozenset[Verb] = frozenset(Verb),
        admit: Answer = lambda order: None,
    ) -> Path:
        path = path or tmp_path / "agent.sock"
        server = OrderServer(path, answer, verbs, admit)
        servers.append(server)
        server.start()
        return path

    yield start
    for server in servers:
        server.stop()


def raw(path: Path, line: bytes) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(line)
        answer: dict[str, object] = json.loads(connection.makefile("rb").readline())
        return answer


@pytest.mark.parametrize("verb", list(Verb))
def test_each_verb_reaches_the_agent_and_its_answer_comes_back(serve: Serve, verb: Verb) -> None:
    path = serve(lambda order: order.accept({"heard": order.verb.value}))

    assert ask(path, verb) == {"ok": True, "heard": verb.value}


def test_a_refusal_is_raised_as_the_agent_said_it(serve: Serve) -> None:
    path = serve(lambda order: order.refuse(Conflict("conflict", "Not now.", "Later.")))

    with pytest.raises(Conflict) as caught:
        ask(path, Verb.COMMIT)

    assert (caught.value.message, caught.value.hint) == ("Not now.", "Later.")


def test_a_verifications_refusal_stays_one_on_its_way(serve: Serve) -> None:
    path = serve(lambda order: order.refuse(UntrustedRelease("metadata_expired", "It is too old.")))

    with pytest.raises(UntrustedRelease) as caught:
        ask(path, Verb.APPLY)

    assert caught.value.kind == "metadata_expired"


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b'{"verb": "lock", "for_s": true}\n',
        b'{"verb": "lock", "for_s": -1}\n',
        b"[]\n",
        b'{"verb": "format"}\n',
        b"{}\n",
        b"\n",
        b"x" * 10_000 + b"\n",
    ],
)
def test_what_is_no_order_gets_an_error_and_never_reaches_the_agent(serve: Serve, line: bytes) -> None:
    reached: list[Order] = []
    path = serve(reached.append)

    answer = raw(path, line)

    assert (answer["ok"], answer["kind"]) == (False, "malformed")
    assert reached == []


@pytest.mark.parametrize("digits", [400, 4000])
def test_a_time_that_no_float_holds_is_answered_with_what_is_wrong(serve: Serve, digits: int) -> None:
    answer = raw(serve(lambda order: order.accept()), b'{"verb": "lock", "for_s": ' + b"9" * digits + b"}\n")

    assert (answer["ok"], answer["message"]) == (False, "for_s is no number of seconds.")


def test_a_reason_that_no_journal_can_keep_is_refused_before_it_reaches_the_agent(serve: Serve) -> None:
    reached: list[Order] = []

    answer = raw(serve(reached.append), b'{"verb": "lock", "reason": "\\ud800"}\n')

    assert (answer["kind"], answer["message"], reached) == ("malformed", "reason is not Unicode text.", [])


def test_the_application_cannot_commit_itself(serve: Serve) -> None:
    path = serve(lambda order: order.accept(), verbs=APPLICATION_VERBS)

    assert ask(path, Verb.LOCK)["ok"] is True
    for verb in (Verb.COMMIT, Verb.REVERT):
        with pytest.raises(Conflict):
            ask(path, verb)


def test_who_is_not_admitted_gets_the_reason_and_never_reaches_the_agent(serve: Serve) -> None:
    reached: list[Order] = []

    def refuse(order: Order) -> None:
        raise Conflict("conflict", f"{order.start} is a stranger.")

    path = serve(reached.append, verbs=APPLICATION_VERBS, admit=refuse)

    with pytest.raises(Conflict, match="start-1 is a stranger"):
        ask(path, Verb.LOCK, start="start-1")

    assert reached == []


def test_an_agent_that_does_not_answer_holds_nobody_for_ever(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "ANSWER_S", 0.05)
    path = serve(lambda order: None)

    with pytest.raises(Conflict) as caught:
        ask(path, Verb.STATUS)

    assert caught.value.kind == "busy"


def test_without_an_agent_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="No agent answers") as caught:
        ask(tmp_path / "agent.sock", Verb.STATUS)

    assert "surefoot-agent run" in caught.value.hint


def test_only_the_owner_may_connect(serve: Serve) -> None:
    path = serve(lambda order: order.accept())

    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_socket_left_by_a_killed_agent_is_replaced(serve: Serve, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "agent.sock"))

    path = serve(lambda order: order.accept())

    assert ask(path, Verb.STATUS)["ok"] is True


def test_a_state_folder_with_a_long_name_is_served_too(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 25) / ("deeper" * 20)
    folder.mkdir(parents=True)

    path = serve(lambda order: order.accept(), folder / "agent.sock")

    assert ask(path, Verb.STATUS)["ok"] is True


def test_a_stopped_server_leaves_no_socket(tmp_path: Path) -> None:
    server = OrderServer(tmp_path / "agent.sock", lambda order: order.accept())
    server.start()

    server.stop()

    assert not (tmp_path / "agent.sock").exists()


def test_the_applications_group_may_connect_where_it_is_another_user(tmp_path: Path) -> None:
    server = OrderServer(tmp_path / "app.sock", lambda order: order.accept(), mode=0o660)

    assert stat.S_IMODE(os.stat(tmp_path / "app.sock").st_mode) == 0o660
    server.start()
    server.stop()


def test_on_the_socket_of_one_component_no_other_can_be_named(tmp_path: Path) -> None:
    heard: list[str] = []
    answer = lambda order: (heard.append(order.component), order.accept())[1]  # noqa: E731
    server = OrderServer(tmp_path / "app.sock", answer, component="app")
    server.start()
    try:
        ask(tmp_path / "app.sock", Verb.STATUS, component="model")
    finally:
        server.stop()

    assert heard == ["app"]
