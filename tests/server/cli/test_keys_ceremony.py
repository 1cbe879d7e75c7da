"""`surefoot keys rotate`, `revoke`, `renew`, `cosign` and `new` from the command line, on files alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from surefoot_server.cli.main import run
from surefoot_server.keys.init import init_keys
from surefoot_server.keys.layout import KeyFolder
from surefoot_server.keys.rotation import read_current, role_keys
from surefoot_server.keys.signers import name_of
from tests.server.keys.fleet import NOW, PASSPHRASE
from tests.server.keys.people import People, gathered

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.touch(0o600)
    file.write_bytes(PASSPHRASE)
    monkeypatch.setenv("SUREFOOT_PASSPHRASE_FILE", str(file))


@pytest.fixture
def people(tmp_path: Path) -> People:
    return gathered(tmp_path)


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    init_keys(tmp_path / "alone", PASSPHRASE, NOW)
    return tmp_path / "alone"


def surefoot(*arguments: str | Path) -> int:
    return run([str(each) for each in arguments])


def names(folder: Path, role: str) -> list[str]:
    return [name_of(key) for key in role_keys(read_current(KeyFolder(folder)), role).keys]


def test_thresholds_are_given_on_the_command_line_and_shown(tmp_path: Path, capsys: Capture) -> None:
    sticks = [tmp_path / name for name in ("first", "second", "third")]
    dealt = [each for stick in sticks for each in ("--offline", stick)]
    thresholds = ("--threshold", "root=3/5", "--threshold", "release=2/3", "--threshold", "targets=2/3")

    assert surefoot("keys", "init", tmp_path / "keys", *thresholds, *dealt) == 0
    assert "ONE KEY" not in capsys.readouterr().err
    assert surefoot("keys", "show", tmp_path / "keys") == 0

    shown = capsys.readouterr().out
    assert "3 of 5" in shown
    assert "2 of 3" in shown
    assert "image-root-1, image-root-2" in shown
    assert "DAYS LEFT" in shown


def test_a_plan_file_says_it_all(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "plan.toml").write_text('fleet = "north"\ncomponents = ["model"]\n[thresholds]\nrelease = "2/2"\n')

    assert surefoot("keys", "init", tmp_path / "keys", "--plan", tmp_path / "plan.toml") == 0
    capsys.readouterr()
    assert surefoot("keys", "show", tmp_path / "keys", "--json") == 0

    shown = json.loads(capsys.readouterr().out)
    assert (shown["fleet"], shown["components"]) == ("north", ["model"])
    assert [(r["threshold"], len(r["keyids"])) for r in shown["roles"] if r["role"] == "rel-model"] == [(2, 2)]


def test_alone_a_rotation_is_in_force_at_once(alone: Path, capsys: Capture) -> None:
    assert surefoot("keys", "rotate", "director", "--online", "--keys", alone) == 0

    assert "It is in force" in capsys.readouterr().out
    assert (names(alone, "director"), names(alone, "halt")) == (["director-2"], ["halt-2"])


def test_a_rotation_goes_round_by_file(people: People, capsys: Capture) -> None:
    first, second = people.stick("first"), people.stick("second")
    assert surefoot("keys", "rotate", "root", "--keys", people.main, "--offline", first) == 0
    said = capsys.readouterr().out
    assert "Hand " in said
    assert re.search(r"director/2.root.json +old keys 1 of 2, new keys [0-9] of 2 ", said)
    file = people.folder / "rotation.json"
    people.machine("second")
    shutil.copy(people.main / "pending" / "rotation.json", file)
    surefoot("keys", "install", people.main, "--data", people.folder / "data")
    assert "pending/rotation.json lacks signatures" in capsys.readouterr().err
    surefoot("keys", "show", people.main)
    assert "Waits for signatures: New keys for image-root, director-root." in capsys.readouterr().out

    assert (
        surefoot("keys", "cosign", file, "--keys", people.machine("second"), "--offline", second) == 2
    )  # nobody to ask
    assert surefoot("keys", "cosign", file, "--keys", people.machine("second"), "--offline", second, "--yes") == 0
    assert surefoot("keys", "cosign", file, "--keys", people.main, "--yes") == 0

    assert read_current(KeyFolder(people.main)).director.version == 2


def test_a_lost_key_is_revoked_by_name(alone: Path) -> None:
    assert surefoot("keys", "revoke", "image-release", "--keys", alone) == 0

    assert names(alone, "image-release") == ["image-release-2"]


def test_revoking_a_key_that_nobody_lists_exits_with_3(alone: Path) -> None:
    assert surefoot("keys", "revoke", "nobody", "--keys", alone) == 3


def test_dates_are_renewed(alone: Path) -> None:
    assert surefoot("keys", "renew", "root", "targets", "release", "--keys", alone) == 0

    current = read_current(KeyFolder(alone))
    assert (current.image.version, current.director.version, current.targets.version) == (2, 2, 2)
    assert current.roles["app"].version == 2


def test_a_persons_own_key_is_made_and_taken_in(alone: Path, tmp_path: Path, capsys: Capture) -> None:
    assert surefoot("keys", "new", "third", "-o", tmp_path / "third") == 0
    public = tmp_path / "third" / "third.pub"
    assert str(public) in capsys.readouterr().out

    assert surefoot("keys", "rotate", "release", "--keys", alone, "--keep", "--add", public, "--threshold", "1/2") == 0

    assert names(alone, "image-release") == ["image-release", "third"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("rotate", "image"),
        ("rotate", "image-root", "--online"),
        ("rotate", "nothing"),
        ("rotate", "release", "--threshold", "4/3"),
        ("rotate", "release", "--offline", "/no/such/folder"),
        ("renew", "director"),
        ("renew",),
    ],
)
def test_what_makes_no_sense_exits_with_2(alone: Path, arguments: tuple[str, ...]) -> None:
    assert surefoot("keys", *arguments, "--keys", alone) == 2
    assert not (alone / "pending").exists()


def test_without_a_passphrase_nothing_is_made(alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.delenv("SUREFOOT_PASSPHRASE_FILE")

    assert surefoot("keys", "rotate", "root", "--keys", alone) == 2
    assert "SUREFOOT_PASSPHRASE_FILE" in capsys.readouterr().err
    assert not (alone / "pending").exists()


def test_a_rotation_is_given_to_the_server_with_install(alone: Path, tmp_path: Path, capsys: Capture) -> None:
    assert surefoot("keys", "rotate", "director", "--online", "--keys", alone) == 0
    capsys.readouterr()

    assert surefoot("keys", "install", alone, "--data", tmp_path / "data", "--json") == 0

    assert json.loads(capsys.readouterr().out)["roots"] == {"director": 2, "image": 1}
    assert (tmp_path / "data" / "keys" / "halt-retired.pem").exists()
    assert not list((tmp_path / "data").rglob("image-root*"))


def test_a_folder_that_is_not_whole_is_not_installed(alone: Path, tmp_path: Path) -> None:
    (alone / "online" / "director.pem").unlink()

    assert surefoot("keys", "install", alone, "--data", tmp_path / "data") == 2
    assert not (tmp_path / "data").exists()
