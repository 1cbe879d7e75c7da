"""`surefoot release`: from a folder to a published release, and every way in which it is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from surefoot_server.access.roles import Role
from surefoot_server.cli import release
from tests.server.cli.conftest import Operator


@pytest.fixture(autouse=True)
def passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.touch(0o600)
    file.write_text("passphrase of the tests")
    monkeypatch.setenv("SUREFOOT_PASSPHRASE_FILE", str(file))


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "count").write_text("#!/bin/sh\nexit 0\n")
    (folder / "bin" / "count").chmod(0o755)
    (folder / "model.bin").write_bytes(bytes(1000))
    return folder


def build(surefoot: Operator, app: Path, out: Path, version: str = "1.1", counter: str = "101") -> int:
    return surefoot(
        *("release", "build", app, "--component", "app", "--version", version, "--counter", counter),
        *("--hw", "rpi5,jetson-orin", "-o", out),
    ).code


def publish(surefoot: Operator, app: Path, out: Path) -> None:
    assert build(surefoot, app, out) == 0
    assert surefoot("release", "sign", out, "--keys", surefoot.rig.keys).code == 0
    said = surefoot("release", "publish", out)
    assert said.code == 0, said.err


def test_a_folder_is_built_signed_published_and_shown(surefoot: Operator, app: Path, tmp_path: Path) -> None:
    publish(surefoot, app, tmp_path / "out")

    assert surefoot("release", "list").out.splitlines()[1].split()[:3] == ["app/1.1", "101", "jetson-orin,rpi5"]
    assert "Counter     101" in surefoot("release", "show", "app/1.1").out


def test_only_what_the_server_lacks_is_uploaded(surefoot: Operator, app: Path, tmp_path: Path) -> None:
    publish(surefoot, app, tmp_path / "out")
    (app / "bin" / "count").write_text("#!/bin/sh\nexit 1\n")
    build(surefoot, app, tmp_path / "out2", "1.2", "102")
    surefoot("release", "sign", tmp_path / "out2", "--keys", surefoot.rig.keys)

    said = surefoot("release", "publish", tmp_path / "out2")

    assert said.code == 0
    assert "1 of 2 files to upload, 17 B." in said.err


def test_a_release_of_more_files_than_one_question_takes_is_published(
    surefoot: Operator, app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "ASKED_AT_ONCE", 1)

    publish(surefoot, app, tmp_path / "out")

    assert surefoot("release", "show", "app/1.1").code == 0


def test_a_build_that_takes_a_while_says_how_far_it_is(
    surefoot: Operator, app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "WORTH_TELLING_S", 0.0)

    said = surefoot("release", "build", app, "--component", "app", "--version", "1", "--counter", "1", "--hw", "rpi5",
                    "-o", tmp_path / "out")  # fmt: skip

    assert "  read 1.0 kB of 1.0 kB" in said.err


def test_of_an_image_only_the_chunks_that_changed_are_uploaded(surefoot: Operator, tmp_path: Path) -> None:
    first, second, image = os.urandom(4 << 20), os.urandom(4 << 20), tmp_path / "root.ext4"
    image.write_bytes(first + bytes(4 << 20) + second)
    publish(surefoot, image, tmp_path / "out")
    image.write_bytes(first + bytes(4 << 20) + second[::-1])
    build(surefoot, image, tmp_path / "out2", "1.2", "102")
    surefoot("release", "sign", tmp_path / "out2", "--keys", surefoot.rig.keys)

    said = surefoot("release", "publish", tmp_path / "out2")

    assert said.code == 0
    assert "1 of 2 chunks to upload, 4.2 MB." in said.err
    assert "12.6 MB" in surefoot("release", "show", "app/1.2").out


def test_publishing_again_changes_nothing(surefoot: Operator, app: Path, tmp_path: Path) -> None:
    publish(surefoot, app, tmp_path / "out")

    assert surefoot("release", "publish", tmp_path / "out").code == 0
    assert len(surefoot("release", "list").out.splitlines()) == 2


def test_an_unsigned_release_is_not_even_sent(surefoot: Operator, app: Path, tmp_path: Path) -> None:
    build(surefoot, app, tmp_path / "out")

    said = surefoot("release", "publish", tmp_path / "out")

    assert said.code == 2
    assert "surefoot release sign" in said.err


def test_a_release_that_others_signed_exits_with_8(surefoot: Operator, app: Path, tmp_path: Path) -> None:
    surefoot("keys", "init", tmp_path / "others")
    build(surefoot, app, tmp_path / "out")
    surefoot("release", "sign", tmp_path / "out", "--keys", tmp_path / "others")

    said = surefoot("release", "publish", tmp_path / "out")

    assert said.code == 8
    assert "Error:" in said.err
    assert surefoot("--json", "release", "list").json == []


def test_an_altered_file_is_noticed_before_anything_is_sent(surefoot: Operator, app: Path, tmp_path: Path) -> None:
    build(surefoot, app, tmp_path / "out")
    surefoot("release", "sign", tmp_path / "out", "--keys", surefoot.rig.keys)
    blob = next((tmp_path / "out" / "blobs").iterdir())
    raw = blob.read_bytes()
    blob.write_bytes(bytes([raw[0] ^ 1]) + raw[1:])

    done = surefoot("release", "publish", tmp_path / "out")

    assert done.code == 8
    assert "Build the release again" in done.err
    assert surefoot("release", "list", "--json").json == []


def test_a_build_without_what_it_needs_says_what(surefoot: Operator, app: Path, tmp_path: Path) -> None:
    said = surefoot("release", "build", app, "--component", "app", "-o", tmp_path / "out")

    assert said.code == 2
    assert "a version, a counter and hardware" in said.err


def test_a_recipe_with_an_unknown_key_is_refused_by_name(surefoot: Operator, app: Path, tmp_path: Path) -> None:
    (tmp_path / "release.toml").write_text("versoin = '1'\n")

    said = surefoot("release", "build", app, "--recipe", tmp_path / "release.toml", "-o", tmp_path / "out")

    assert said.code == 2
    assert "versoin" in said.err


def test_an_operator_may_not_publish(surefoot: Operator, app: Path, tmp_path: Path) -> None:
    build(surefoot, app, tmp_path / "out")
    surefoot("release", "sign", tmp_path / "out", "--keys", surefoot.rig.keys)
    surefoot.sign_in(Role.OPERATOR)

    assert surefoot("release", "publish", tmp_path / "out").code == 4


@pytest.mark.parametrize(("name", "code"), [("app/9.9", 3), ("app", 2), ("a/b/c", 2)])
def test_a_release_that_cannot_be_shown_says_why(surefoot: Operator, name: str, code: int) -> None:
    assert surefoot("release", "show", name).code == code


@pytest.mark.parametrize("words", ["wrong horse battery", "wrong"])
def test_a_wrong_passphrase_is_called_wrong_and_not_short(
    surefoot: Operator, app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    assert build(surefoot, app, tmp_path / "out") == 0
    monkeypatch.delenv("SUREFOOT_PASSPHRASE_FILE")
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: words)

    said = surefoot("release", "sign", tmp_path / "out", "--keys", surefoot.rig.keys, answer="")

    assert said.code == 2
    assert "cannot be opened" in said.err
    assert "passphrase" in said.err
    assert "short" not in said.err


def test_a_passphrase_file_that_is_too_short_to_be_right_is_wrong(
    surefoot: Operator, app: Path, tmp_path: Path
) -> None:
    assert build(surefoot, app, tmp_path / "out") == 0
    (tmp_path / "passphrase").write_text("wrong")

    said = surefoot("release", "sign", tmp_path / "out", "--keys", surefoot.rig.keys)

    assert (said.code, "short" in said.err) == (2, False)
    assert "cannot be opened with this passphrase" in said.err
