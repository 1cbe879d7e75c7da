"""The device's command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot_agent.__main__ import (
    CONFLICT,
    FAILED,
    NOT_ALLOWED,
    NOT_FOUND,
    UNTRUSTED,
    USAGE,
    _plain,
    exit_code,
    main,
    parser,
)
from surefoot_agent.journal import open_journal
from surefoot_agent.node import only_one
from surefoot_agent.orders import OrderServer, Verb
from surefoot_shared.errors import (
    ConfigError,
    Conflict,
    InstallFailed,
    Invalid,
    NotAllowed,
    NotFound,
    SurefootError,
    Unreachable,
    UntrustedRelease,
)
from surefoot_shared.identity import key_from_pem, public_to_pem
from surefoot_shared.trust.bundle import Bundle, pack

VERBS = ("enrol", "key", "run", "status", "check", "commit", "revert", "lock", "unlock", "apply", "trust")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "agent.toml"
    file.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    return file


def test_status_of_a_node_that_was_never_enrolled_says_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--config", str(config)]) == USAGE
    assert "[not_enrolled]" in capsys.readouterr().err


def test_a_legacy_locale_changes_no_name(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f'state_dir = "{tmp_path}/thiết-bị"\n', encoding="utf-8")
    legacy = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    argv = [sys.executable, "-m", "surefoot_agent", "status", "--config", str(config)]

    done = subprocess.run(argv, env={**os.environ, **legacy}, capture_output=True)

    assert f"{tmp_path}/thiết-bị holds no identity" in done.stderr.decode()


def test_status_of_a_new_node_says_that_nothing_runs(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_journal(_made(config.parent / "state") / "journal.db").close()

    code = main(["status", "--json", "--config", str(config)])

    shown = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (shown["state"], shown["running_slot"], shown["committed"]) == ("idle", None, None)


@pytest.mark.parametrize("words", [("status",), ("status", "--json"), ("check",), ("--help",)])
def test_a_reader_that_leaves_ends_a_command_quietly(config: Path, words: tuple[str, ...]) -> None:
    open_journal(_made(config.parent / "state") / "journal.db").close()
    given = () if words == ("--help",) else ("--config", str(config))
    reader, writer = os.pipe()
    os.close(reader)

    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "surefoot_agent", *words, *given]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=buffered, check=False)
    os.close(writer)

    assert (done.returncode, done.stderr) == (FAILED, b"")


def test_status_shows_each_component_of_a_device_that_has_several(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_journal(_made(config.parent / "state") / "journal.db").close()
    config.write_text(config.read_text() + "[components.app]\n[components.model]\n")

    main(["status", "--json", "--config", str(config)])
    every = json.loads(capsys.readouterr().out)
    main(["status", "--json", "--component", "model", "--config", str(config)])
    one = json.loads(capsys.readouterr().out)
    main(["status", "--config", str(config)])
    text = capsys.readouterr().out

    assert [facts["component"] for facts in every["components"]] == ["app", "model"]
    assert one["component"] == "model"
    assert [line.split()[1] for line in text.splitlines() if line.startswith("component")] == ["app", "model"]


def test_a_component_that_the_device_does_not_have_is_not_found(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_journal(_made(config.parent / "state") / "journal.db").close()

    code = main(["status", "--component", "modle", "--config", str(config)])

    assert code == NOT_FOUND
    assert "It has app." in capsys.readouterr().err


def test_check_of_a_node_that_is_not_enrolled_fails_and_says_what_to_do(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["check", "--config", str(config)])

    assert code == FAILED
    assert "Run `surefoot-agent enrol`" in capsys.readouterr().out


def test_check_answers_in_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--json", "--config", str(config)])

    findings = json.loads(capsys.readouterr().out)
    assert {"identity", "slots", "guard"} <= {finding["name"] for finding in findings}


def test_an_unknown_key_is_named_with_its_file(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text('soak_forever = "yes"\n')

    code = main(["run", "--config", str(config)])

    assert code == USAGE
    said = capsys.readouterr().err
    assert "soak_forever" in said
    assert str(config) in said


def test_running_before_enrolment_says_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["run", "--config", str(config)])

    assert code == USAGE
    assert "[not_enrolled]" in capsys.readouterr().err


def test_a_second_agent_on_the_same_state_is_refused(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_one(tmp_path / "state"):
        code = main(["run", "--config", str(config)])

    assert code == CONFLICT
    assert "[already_running]" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["commit", "revert", "lock", "unlock"])
def test_an_order_reaches_the_running_agent(
    config: Path, tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: list[Verb] = []
    (tmp_path / "state").mkdir()

    server = OrderServer(tmp_path / "state" / "agent.sock", lambda order: (taken.append(order.verb), order.accept())[1])
    server.start()
    try:
        code = main([verb, "--config", str(config)])
    finally:
        server.stop()

    assert (code, taken) == (0, [Verb(verb)])
    assert "ordered" in capsys.readouterr().out


def test_a_neighbours_bundle_from_the_sites_stick_is_refused_at_once(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "state" / "identity"
    folder.mkdir(parents=True)
    mqtt = {"host": "x.example", "port": 8883, "protocol": 5}
    facts = {"device": "cam-1", "hw": "rpi5", "server_url": "https://x.example", "mqtt": mqtt, "v": 1}
    (folder / "device.json").write_text(json.dumps(facts))
    (folder / "device.key").touch(mode=0o600)
    (tmp_path / "cam-2.bundle").write_bytes(pack(Bundle("cam-2")))
    (tmp_path / "cam-1.bundle").write_bytes(pack(Bundle("cam-1")))

    theirs = main(["apply", str(tmp_path / "cam-2.bundle"), "--config", str(config)])
    said = capsys.readouterr().err
    own = main(["apply", str(tmp_path / "cam-1.bundle"), "--config", str(config)])

    assert (theirs, own) == (UNTRUSTED, FAILED)
    assert "[wrong_device]" in said
    assert "surefoot-agent run" in capsys.readouterr().err, "its own goes on to the agent, which does not run here"


def test_a_bundle_that_the_agent_does_not_trust_ends_with_the_reason_and_its_exit_code(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "cam-1.bundle").write_bytes(pack(Bundle("cam-1")))
    refusal = UntrustedRelease("metadata_expired", "The bundle is too old.")

    server = OrderServer(tmp_path / "state" / "agent.sock", lambda order: order.refuse(refusal))
    server.start()
    try:
        code = main(["apply", str(tmp_path / "cam-1.bundle"), "--config", str(config)])
    finally:
        server.stop()

    assert code == UNTRUSTED
    assert "[metadata_expired]" in capsys.readouterr().err


def test_an_order_without_a_running_agent_fails_and_says_how_to_start_it(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["commit", "--config", str(config)])

    assert code == FAILED
    assert "surefoot-agent run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("config_invalid", "x"), USAGE),
        (ConfigError("already_running", "x"), CONFLICT),
        (NotFound("not_found", "x"), NOT_FOUND),
        (NotAllowed("not_allowed", "x"), NOT_ALLOWED),
        (Conflict("conflict", "x"), CONFLICT),
        (UntrustedRelease("metadata_untrusted", "x"), UNTRUSTED),
        (InstallFailed("no_space", "x"), FAILED),
        (Unreachable("unreachable", "x"), FAILED),
        (Invalid("malformed", "x"), USAGE),
        (ConfigError("port_in_use", "x"), CONFLICT),
    ],
)
def test_each_family_of_errors_has_its_exit_code(error: SurefootError, code: int) -> None:
    assert exit_code(error) == code


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_shows_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        parser().parse_args([verb, "--help"])

    assert done.value.code == 0
    assert f"surefoot-agent {verb}" in capsys.readouterr().out.split("Example:")[1].replace("\n", " ")


def test_the_sha256_of_the_key_is_the_same_every_time_and_openssls(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["key", "--config", str(config)]) == 0
    first, again = capsys.readouterr().out.split()

    key = key_from_pem((tmp_path / "state/identity/device.key").read_bytes())
    assert first == again == hashlib.sha256(public_to_pem(key.public_key())).hexdigest()


def test_status_of_an_unreadable_journal_says_what_is_unknown_and_the_way_out(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/journal.db").write_bytes(b"rot" * 4000)

    assert main(["status", "--config", str(config)]) == 0

    said = capsys.readouterr().out
    assert "move journal.db* out of its state folder" in said
    assert "way back   unknown: the journal cannot be read" in said
    assert "holds no good release" not in said


def test_a_reason_of_the_application_cannot_move_the_cursor() -> None:
    assert _plain("\x1b[2Jblack box \u2713") == "\ufffd[2Jblack box \u2713"
