"""A release signed by two people from the command line: what each reads, and the exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from surefoot_server.cli.main import run
from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import Recipe
from tests.server.cli.conftest import Operator
from tests.server.keys.people import People, gathered

HERE = "correct horse battery"


@pytest.fixture(autouse=True)
def passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.touch(0o600)
    file.write_text(HERE)
    monkeypatch.setenv("SUREFOOT_PASSPHRASE_FILE", str(file))


@pytest.fixture
def people(tmp_path: Path) -> People:
    return gathered(tmp_path / "people")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("x")
    return build_release(tmp_path / "tree", Recipe("app", "1.1", 11, hw=("rpi5",)), tmp_path / "out").folder


def test_a_release_below_its_threshold_is_refused_with_8_and_says_what_is_missing(
    surefoot: Operator, people: People, out: Path
) -> None:
    said = surefoot("release", "sign", out, "--keys", people.main, "--offline", people.stick("first"))
    refused = surefoot("release", "publish", out)

    assert said.code == 0
    assert "1 of 2 signatures; it cannot be published yet" in said.out
    assert "surefoot release cosign" in said.out
    assert refused.code == 8
    assert "signatures_missing" in refused.err
    assert "image-release-2, image-release-3" in refused.err


def test_the_second_person_reads_what_is_signed_is_asked_and_completes_it(
    surefoot: Operator, people: People, out: Path
) -> None:
    surefoot("release", "sign", out, "--keys", people.main, "--offline", people.stick("first"))
    arrived = shutil.copytree(out, people.folder / "arrived")
    options = ("--keys", people.machine("second"), "--offline", people.stick("second"))

    no = surefoot("release", "cosign", arrived, *options, answer="n\n")
    yes = surefoot("release", "cosign", arrived, *options, answer="y\n")

    assert no.code == 1
    assert "adds            releases/app/1.1/manifest.json" in no.err
    assert "signed by       image-release-1" in no.err
    assert yes.code == 0
    assert "app/1.1 is signed" in yes.out


def test_where_nobody_can_be_asked_yes_must_be_given(surefoot: Operator, people: People, out: Path) -> None:
    surefoot("release", "sign", out, "--keys", people.main, "--offline", people.stick("first"))
    options = ("--keys", people.main, "--offline", people.stick("second"))

    assert surefoot("release", "cosign", out, *options).code == 2
    assert surefoot("--json", "release", "cosign", out, *options, "--yes").json["missing"] == 0  # type: ignore[index,call-overload]


def test_signing_again_with_the_same_key_exits_with_5(surefoot: Operator, people: People, out: Path) -> None:
    options = ("--keys", people.main, "--offline", people.stick("first"))
    surefoot("release", "sign", out, *options)

    assert surefoot("release", "cosign", out, *options, "--yes").code == 5


def test_an_unknown_folder_exits_with_2(tmp_path: Path, people: People) -> None:
    assert run(["release", "cosign", str(tmp_path / "nothing"), "--keys", str(people.main), "--yes"]) == 2
