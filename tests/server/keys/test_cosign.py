"""A rotation goes round by file: every signature is kept, nothing is in force before its time, crashes are mended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_server.keys import cosign as module
from surefoot_server.keys.cosign import Proposed, cosign, load
from surefoot_server.keys.layout import KeyFolder
from surefoot_server.keys.rotate import rotate
from surefoot_server.keys.rotation import read_current
from surefoot_server.keys.signers import KeyRing
from surefoot_shared.errors import ConfigError, Invalid, UntrustedRelease
from tests.server.keys.fleet import NOW, PASSPHRASE, Fleet
from tests.server.keys.people import People, gathered


@pytest.fixture
def people(tmp_path: Path) -> People:
    return gathered(tmp_path)


def proposed(people: People, *roles: str) -> Proposed:
    return rotate(people.main, roles or ("image-targets",), people.ring("first"), NOW)


def mailed(people: People, done: Proposed, to: str) -> Path:
    """The rotation file, as it arrives on somebody's machine."""
    people.machine(to)
    arrived = people.folder / "machines" / to / "rotation.json"
    arrived.write_bytes(done.path.read_bytes())
    return arrived


def test_a_second_person_signs_on_another_machine_and_the_file_finishes_it_at_home(people: People) -> None:
    done = proposed(people)
    assert (done.in_force, done.signed_now[0]) == (False, "image-root-1")
    arrived = mailed(people, done, "second")

    away = cosign(arrived, people.machine("second"), people.ring("second", people.machine("second")))

    assert "image-root-2" in away.signed_now
    assert read_current(KeyFolder(people.main)).image.version == 1
    nobody = KeyRing(people.main, PASSPHRASE, offline=(people.folder / "empty",))
    assert cosign(arrived, people.main, nobody).in_force
    assert read_current(KeyFolder(people.main)).image.version == 2


def test_two_people_may_sign_copies_at_the_same_time(people: People) -> None:
    done = proposed(people, "image-root")
    second, third = mailed(people, done, "second"), mailed(people, done, "third")
    for name, file in (("second", second), ("third", third)):
        cosign(file, people.machine(name), people.ring(name, people.machine(name)))
    nobody = KeyRing(people.main, PASSPHRASE, offline=(people.folder / "empty",))

    assert cosign(second, people.main, nobody).in_force
    assert cosign(third, people.main, nobody).in_force  # it is already


def test_the_person_who_signed_cannot_sign_again(people: People) -> None:
    done = proposed(people, "image-root")

    with pytest.raises(ConfigError) as caught:
        cosign(done.path, people.main, people.ring("first"))

    assert caught.value.kind == "key_missing"


def test_a_file_that_was_changed_on_its_way_is_refused(people: People) -> None:
    done = proposed(people, "image-root")
    arrived = mailed(people, done, "second")
    rotation = json.loads(arrived.read_text())
    name = "image/2.root.json"
    rotation["files"][name] = rotation["files"][name].replace('"threshold":2', '"threshold":1')
    arrived.write_text(json.dumps(rotation))

    cosign(arrived, people.machine("second"), people.ring("second", people.machine("second")))
    with pytest.raises(UntrustedRelease):
        cosign(arrived, people.main, people.ring("third"))

    assert read_current(KeyFolder(people.main)).image.version == 1


def test_a_rotation_that_does_not_follow_what_is_known_here_is_not_signed(people: People) -> None:
    people.machine("second")  # she has the repository of before
    both = KeyRing(people.main, PASSPHRASE, offline=(people.stick("first"), people.stick("second")))
    assert rotate(people.main, ("image-root",), both, NOW).in_force
    done = rotate(people.main, ("image-root",), people.ring("second"), NOW)
    arrived = mailed(people, done, "second")
    before = arrived.read_bytes()

    with pytest.raises(UntrustedRelease):
        cosign(arrived, people.machine("second"), people.ring("second", people.machine("second")))

    assert arrived.read_bytes() == before


def test_below_the_threshold_a_server_sees_nothing_of_it(people: People, tmp_path: Path) -> None:
    proposed(people, "image-root", "image-targets", "director-root", "director")

    online = Fleet.serving(people.main, tmp_path / "data")

    assert online.hint().director_root == 1


@pytest.mark.parametrize("step", ["write_durably", "sync_folder", "rmtree"])
def test_a_crash_while_it_comes_into_force_is_mended_by_the_same_command(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    done = proposed(people, "director", "halt")
    arrived = mailed(people, done, "second")
    cosign(arrived, people.machine("second"), people.ring("second", people.machine("second")))
    nobody = KeyRing(people.main, PASSPHRASE, offline=(people.folder / "empty",))
    with monkeypatch.context() as patch:
        where = module.shutil if step == "rmtree" else module
        calls: list[object] = []
        real = getattr(where, step)

        def fails(*arguments: object, **more: object) -> None:
            calls.append(arguments)
            if len(calls) > (2 if step == "write_durably" else 0):
                raise OSError(5, "Input/output error")
            real(*arguments, **more)

        patch.setattr(where, step, fails)
        with pytest.raises(OSError, match="Input/output"):
            cosign(arrived, people.main, nobody)

    assert cosign(arrived, people.main, nobody).in_force
    assert not (people.main / "pending").exists()
    assert Fleet.serving(people.main, tmp_path / "data").hint().director_root == 2


def test_new_agents_are_given_the_new_root(people: People) -> None:
    both = KeyRing(people.main, PASSPHRASE, offline=(people.stick("first"), people.stick("second")))

    rotate(people.main, ("image-root",), both, NOW)

    assert (people.main / "bootstrap" / "image.root.json").read_bytes() == (
        people.main / "repository" / "image" / "2.root.json"
    ).read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"v":1,"files":{"../x":"{}"}}'])
def test_what_is_no_rotation_is_refused(people: People, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file.json"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises((Invalid, UntrustedRelease)):
        cosign(file, people.main, people.ring("first"))


def test_a_rotation_says_why_it_was_made(people: People) -> None:
    assert load(proposed(people, "image-root").path).why == "New keys for image-root."
