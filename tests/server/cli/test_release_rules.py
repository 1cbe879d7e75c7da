"""`surefoot release policy`, `permit` and `withdraw` from the command line, on files alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_server.cli.main import run
from tests.server.keys.fleet import PASSPHRASE, Fleet
from tests.server.keys.people import gathered

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.touch(0o600)
    file.write_bytes(PASSPHRASE)
    monkeypatch.setenv("SUREFOOT_PASSPHRASE_FILE", str(file))


@pytest.fixture
def keys(tmp_path: Path) -> str:
    fleet = Fleet(tmp_path / "fleet")
    for version, counter in (("1.1", 101), ("1.2", 102)):
        fleet.built(version, counter)
    return str(fleet.keys)


def test_a_policy_is_changed_option_by_option_and_shown(keys: str, capsys: Capture) -> None:
    assert run(["release", "policy", "app", "--min-svn", "1", "--keys", keys]) == 0
    assert run(["release", "policy", "app", "--revoke", "1.1", "--max-offline-days", "30", "--keys", keys]) == 0
    capsys.readouterr()

    assert run(["--json", "release", "policy", "app", "--keys", keys]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert (shown["min_svn"], shown["max_offline_days"], len(shown["revoked"])) == (1, 30, 1)
    assert run(["release", "policy", "app", "--min-svn", "0", "--keys", keys]) == 5


def test_a_release_is_withdrawn_and_another_permitted(keys: str, capsys: Capture) -> None:
    asked = ["release", "permit", "lens-42", "--from", "app/1.2", "--to", "1.1", "--device", "cam-17"]
    told = ["--until", "2030-01-01T00:00:00Z", "--reason", "1.2 blinds this lens", "--keys", keys]

    assert run([*asked, *told]) == 0
    assert run(["release", "withdraw", "app/1.1", "--keys", keys]) == 0

    assert "surefoot keys install" in capsys.readouterr().out
    assert run(["release", "withdraw", "app/1.1", "--keys", keys]) == 3
    assert run(["release", "withdraw", "app", "--keys", keys]) == 2


def test_the_next_person_sees_what_the_signature_says(tmp_path: Path, capsys: Capture) -> None:
    people = gathered(tmp_path / "people")
    keys, linh, ana = str(people.main), str(people.stick("linh")), str(people.stick("ana"))
    assert run(["release", "policy", "app", "--min-svn", "4", "--keys", keys, "--offline", linh]) == 0
    rotation = str(people.main / "pending" / "rotation.json")

    assert run(["keys", "cosign", rotation, "--keys", keys, "--offline", ana, "--yes"]) == 0

    assert '"min_svn":4' in capsys.readouterr().err
