"""The process that makes packs takes one order and gives one answer, or says in one line why not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot_server.packs import child, compose, follow, members
from surefoot_server.packs.child import make
from surefoot_server.packs.members import Made
from surefoot_server.packs.orders import Answer, Order
from surefoot_shared import wire
from surefoot_shared.errors import Conflict, Invalid
from surefoot_shared.pack import Encoding
from tests.server.packs import shelf
from tests.server.packs.shelf import KIB, Shelf, noise


def order(made: Shelf, folder: Path, encoding: Encoding = Encoding.XZ, **changes: object) -> Order:
    folder.mkdir(exist_ok=True)
    said: dict[str, object] = {
        "from_manifest": str(made.manifest_file(made.old)),
        "to_manifest": str(made.manifest_file(made.new)),
        "blobs": str(made.blobs),
        "folder": str(folder),
        "encoding": encoding,
        "memory_bytes": 0,
    }
    return Order(**{**said, **changes})  # type: ignore[arg-type]


def test_a_tree_that_changed_a_little_travels_in_a_fraction(tmp_path: Path) -> None:
    made = shelf.make(tmp_path)

    answer = make(order(made, tmp_path / "packs"))

    assert answer.lacking_bytes > 600 * KIB
    assert sum(pack.size_bytes for pack in answer.packs) < 12 * KIB


def test_an_image_whose_content_moved_travels_in_a_fraction(tmp_path: Path) -> None:
    old = noise(900 * KIB, 1) + bytes(64 * KIB) + noise(60 * KIB, 2)
    new = noise(12 * KIB, 3) + noise(900 * KIB, 1) + bytes(128 * KIB) + noise(60 * KIB, 2) + bytes(12 * KIB)
    made = shelf.make(tmp_path, old=old, new=new)

    answer = make(order(made, tmp_path / "packs"))

    assert sum(pack.size_bytes for pack in answer.packs) < 16 * KIB


@pytest.mark.parametrize("encoding", list(Encoding))
def test_packs_of_the_whole_need_no_old_release(tmp_path: Path, encoding: Encoding) -> None:
    made = shelf.make(tmp_path)

    answer = make(order(made, tmp_path / "packs", encoding, from_manifest=""))

    decoded = [follow.decode((tmp_path / "packs" / p.sha256).read_bytes(), p.encoding) for p in answer.packs]
    made_of = {member.target: content for raw in decoded for member, content in follow.members(raw, None)}
    assert set(made_of.values()) == set(shelf.NEW.values())


def test_a_release_that_lacks_nothing_has_no_packs(tmp_path: Path) -> None:
    made = shelf.make(tmp_path, new=shelf.OLD)

    assert make(order(made, tmp_path / "packs")).packs == ()


@pytest.mark.slow
def test_the_process_answers_and_leaves_nothing_but_packs(tmp_path: Path) -> None:
    made = shelf.make(tmp_path)

    done = _run(order(made, tmp_path / "packs", memory_bytes=3 << 30))

    answer = wire.decode(Answer, done.stdout)
    assert sorted(os.listdir(tmp_path / "packs")) == sorted(pack.sha256 for pack in (answer.manifest, *answer.packs))


@pytest.mark.slow
@pytest.mark.parametrize("lack", ["a blob", "memory"])
def test_what_is_wrong_is_one_line_and_an_exit_code(tmp_path: Path, lack: str) -> None:
    made = shelf.make(tmp_path)
    if lack == "a blob":
        made.new.path_of(made.new.manifest.files[1].sha256).unlink()

    done = _run(order(made, tmp_path / "packs", memory_bytes=(150 << 20) if lack == "memory" else 0))

    assert done.returncode == 1
    assert len(done.stderr.decode().strip().splitlines()) == 1


def _run(given: Order) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-m", "surefoot_server.packs.child"]
    return subprocess.run(argv, input=wire.encode(given), capture_output=True, timeout=100)


def test_the_manifest_of_a_tree_that_changed_a_little_is_a_patch_and_otherwise_itself(tmp_path: Path) -> None:
    made = shelf.make(tmp_path)
    raw = made.manifest_file(made.new).read_bytes()

    patch = make(order(made, tmp_path / "packs")).manifest
    whole = make(order(made, tmp_path / "whole", from_manifest="")).manifest

    assert patch.size_bytes < whole.size_bytes < len(raw)
    old = made.manifest_file(made.old).read_bytes()
    follow.prove_manifest((tmp_path / "packs" / patch.sha256).read_bytes(), patch.encoding, old, made.new.digest)
    with pytest.raises(Invalid, match="does not come out"):
        follow.prove_manifest((tmp_path / "whole" / whole.sha256).read_bytes(), whole.encoding, b"", made.old.digest)


def test_packs_that_have_no_room_end_the_work_as_soon_as_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "DECODED_BYTES", 1024)
    asked: list[int] = []
    made = shelf.make(tmp_path, old={"a": b"a"}, new={f"{n}": noise(4 * KIB, n) for n in range(20)})
    monkeypatch.setattr(members.Maker, "make", _noting(members.Maker.make, asked))

    with pytest.raises(Invalid, match="larger than packs_limit_bytes"):
        make(order(made, tmp_path / "packs", limit_bytes=10 * KIB))

    assert 2 <= len(asked) <= 5


def _noting(real: Callable[..., Made], asked: list[int]) -> Callable[..., Made]:
    def make_one(maker: members.Maker, target: int, at: int, size_bytes: int) -> Made:
        asked.append(target)
        return real(maker, target, at, size_bytes)

    return make_one


def test_a_base_that_the_disk_damaged_makes_no_packs(tmp_path: Path) -> None:
    made = shelf.make(tmp_path)
    sizes = made.old.manifest.blobs
    path = made.old.path_of(max(sizes, key=lambda name: sizes[name]))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(raw)

    with pytest.raises(Invalid, match="of the release before is damaged"):
        make(order(made, tmp_path / "packs"))


def test_the_work_ends_once_nobody_wants_it_any_more() -> None:
    members_made = iter(range(9))

    with pytest.raises(Conflict, match="is gone"):
        list(child._while_asked_for(members_made, os.getppid() + 1))  # type: ignore[arg-type]

    assert next(members_made) == 1
