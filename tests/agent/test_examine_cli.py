"""`check` and `doctor` as they are typed, on nodes whose server is away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_agent.__main__ import main
from surefoot_agent.examine_cli import agents_link
from surefoot_agent.orders import Order, OrderServer, Verb
from surefoot_shared.errors import Unreachable
from tests.agent.test_doctor import Node


def config(node: Node) -> str:
    file = node.settings.state_dir / "agent.toml"
    file.write_text(f'state_dir = "{node.settings.state_dir}"\n')
    return str(file)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(words)
    return code, capsys.readouterr().out


def test_doctor_exits_with_1_where_something_fails_and_says_it_line_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run(capsys, "doctor", "--config", config(Node(tmp_path)))

    assert code == 1
    assert "ok    credentials" in text
    assert "FAIL  broker-tcp  127.0.0.1 refuses port 1." in text


def test_doctors_json_is_one_document_with_a_hint_for_what_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run(capsys, "doctor", "--json", "--config", config(Node(tmp_path)))
    found = {row["name"]: row for row in json.loads(text)}

    assert code == 1
    assert found["identity"]["ok"] is True
    assert found["broker-tcp"]["hint"] != ""


@pytest.mark.parametrize("verb", ["check", "doctor"])
def test_a_wrong_setting_is_a_finding_of_the_json_answer_and_ends_with_2(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "agent.toml"
    file.write_text("max_starts = 0\n")

    code = main([verb, "--json", "--config", str(file)])
    said = capsys.readouterr()
    (found,) = json.loads(said.out)

    assert code == 2
    assert (found["name"], found["ok"]) == ("settings", False)
    assert "max_starts" in found["message"]
    assert "[config_invalid]" in said.err


def test_a_wrong_setting_is_said_to_a_person_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", "--config", str(tmp_path / "absent.toml")])
    said = capsys.readouterr()

    assert (code, said.out) == (2, "")
    assert "absent.toml cannot be read" in said.err


def test_no_secret_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = Node(tmp_path)

    _, text = run(capsys, "doctor", "--json", "--config", config(node))

    assert "PRIVATE" not in text
    assert (node.folder / "device.key").read_text().splitlines()[1] not in text


def test_a_running_agent_is_asked_over_its_own_connection(tmp_path: Path) -> None:
    node, asked = Node(tmp_path), []

    def take(order: Order) -> None:
        asked.append(order.verb)
        if order.verb is Verb.UPLINK:
            order.refuse(Unreachable("too_slow", "The broker acknowledged nothing within 8 s."))
        else:
            order.accept()

    server = OrderServer(node.settings.state_dir / "agent.sock", take)
    server.start()
    try:
        round_trip = agents_link(node.settings)
        assert round_trip is not None
        with pytest.raises(Unreachable, match="acknowledged nothing"):
            round_trip(8.0)
    finally:
        server.stop()

    assert asked == [Verb.STATUS, Verb.UPLINK]


def test_where_no_agent_runs_there_is_no_connection_to_ask(tmp_path: Path) -> None:
    assert agents_link(Node(tmp_path).settings) is None


def test_check_says_what_the_devices_own_programs_need(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, text = run(capsys, "check", "--config", config(Node(tmp_path)))

    assert "budget" in text
