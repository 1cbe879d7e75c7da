from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent.ports import Slots
from surefoot_agent.slots import label, tree
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.release import digest_of, manifest_bytes
from surefoot_shared.status import SlotName
from tests.agent.slots.contract import Offer, SlotsContract
from tests.agent.trees import install, piece, release, snapshot

A, B = SlotName.A, SlotName.B
FILES = {"bin/camera": b"#!/bin/sh\n", "lib/model.bin": bytes(range(256)) * 40, "empty": b""}
MANIFEST = release(FILES, executable=["bin/camera"])
RAW = manifest_bytes(MANIFEST)
MODEL = piece("lib/model.bin", FILES["lib/model.bin"])


@pytest.fixture
def slots(tmp_path: Path) -> DirectorySlots:
    return DirectorySlots(tmp_path / "app")


class TestContract(SlotsContract):
    @pytest.fixture
    def offers(self) -> list[Offer]:
        newer = FILES | {"lib/model.bin": b"retrained" * 1000}
        return [
            Offer(release(files, version, ["bin/camera"]), {digest_of(c): c for c in files.values()})
            for files, version in ((FILES, "1.0"), (newer, "2.0"))
        ]

    def damage(self, slots: Slots, slot: SlotName, offer: Offer) -> None:
        file = slots.path(slot) / "lib/model.bin"
        file.chmod(0o644)
        file.write_bytes(b"\x01" + file.read_bytes()[1:])
        file.chmod(0o444)

    def reopened(self, slots: Slots) -> Slots:
        return DirectorySlots(slots.path(A).parent.parent)


def begun(slots: DirectorySlots, slot: SlotName = B) -> DirectorySlots:
    slots.begin(slot, MANIFEST, RAW)
    return slots


def test_a_slot_written_and_sealed_holds_exactly_the_release(slots: DirectorySlots) -> None:
    install(slots, B, MANIFEST, FILES)

    assert snapshot(slots.path(B)) == FILES
    assert slots.installed(B) == MANIFEST
    assert slots.digest(B) == digest_of(RAW)


def test_installed_files_are_read_only_and_executables_stay_so(slots: DirectorySlots) -> None:
    install(slots, B, MANIFEST, FILES)

    modes = {p: (slots.path(B) / p).stat().st_mode & 0o7777 for p in FILES}
    assert modes == {"bin/camera": 0o555, "lib/model.bin": 0o444, "empty": 0o444}


def test_a_slot_without_a_seal_is_not_installed(slots: DirectorySlots) -> None:
    begun(slots)
    for path, content in FILES.items():
        slots.write(B, piece(path, content), lambda offset, c=content: [c[offset:]])

    assert (slots.installed(B), slots.digest(B), list(slots.missing(B))) == (None, None, [])


def test_beginning_takes_the_seal_away_before_anything_else_changes(
    slots: DirectorySlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(slots, B, MANIFEST, FILES)
    sealed_when_pruned: list[str | None] = []
    monkeypatch.setattr(tree, "prune", lambda *_: sealed_when_pruned.append(slots.digest(B)))
    monkeypatch.setattr(label, "write_file", lambda *_: sealed_when_pruned.append(slots.digest(B)))

    slots.begin(B, MANIFEST, RAW + b" ")

    assert sealed_when_pruned == [None, None]


@pytest.mark.parametrize("damage", ["seal", "manifest", "garbage"])
def test_seal_and_manifest_that_disagree_mean_nothing_is_installed(slots: DirectorySlots, damage: str) -> None:
    install(slots, B, MANIFEST, FILES)
    root = slots.path(B).parent
    if damage == "seal":
        (root / "B.sealed").write_text('{"digest": "00"}')
    elif damage == "manifest":
        (root / "B.manifest").write_bytes(RAW + b" ")
    else:
        (root / "B.sealed").write_bytes(b"\x00" * 20)

    assert slots.installed(B) is None


def test_an_interrupted_file_goes_on_where_it_stopped(slots: DirectorySlots) -> None:
    content, offsets = FILES["lib/model.bin"], []

    def cut(offset: int) -> Iterator[bytes]:
        offsets.append(offset)
        yield content[offset : offset + 3000]
        raise Unreachable("unreachable", "cut")

    for _ in range(2):
        with pytest.raises(Unreachable):
            begun(slots).write(B, MODEL, cut)
    slots.write(B, MODEL, lambda offset: offsets.append(offset) or [content[offset:]])

    assert offsets == [0, 3000, 6000]
    assert (slots.path(B) / "lib/model.bin").read_bytes() == content


def test_a_beginning_that_was_spoiled_is_fetched_anew_without_blaming_the_source(slots: DirectorySlots) -> None:
    content = FILES["lib/model.bin"]
    (begun(slots).path(B).parent / "B.part" / digest_of(content)).write_bytes(b"\x00" * 5000)

    slots.write(B, MODEL, lambda offset: [content[offset:]])

    assert (slots.path(B) / "lib/model.bin").read_bytes() == content


@pytest.mark.parametrize("wrong", [b"x" * 10240, FILES["lib/model.bin"] + b"x", b"x" * 20000])
def test_bytes_that_were_not_signed_never_get_a_name_in_the_tree(slots: DirectorySlots, wrong: bytes) -> None:
    with pytest.raises(InstallFailed) as caught:
        begun(slots).write(B, MODEL, lambda offset: [wrong])

    assert caught.value.kind == "artifact_corrupt"
    assert snapshot(slots.path(B)) == {}
    assert list((slots.path(B).parent / "B.part").iterdir()) == []


def test_a_source_without_end_is_left_at_the_signed_size(slots: DirectorySlots) -> None:
    sent = 0

    def endless(_: int) -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            yield b"x" * 1000

    with pytest.raises(InstallFailed, match="signed hash"):
        begun(slots).write(B, MODEL, endless)

    assert sent == 11_000


def test_a_source_that_ends_early_is_worth_another_try(slots: DirectorySlots) -> None:
    with pytest.raises(Unreachable):
        begun(slots).write(B, MODEL, lambda _: [b"short"])


def test_links_devices_and_strays_in_a_slot_are_removed(slots: DirectorySlots, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    root = slots.path(B)
    (root / "lib").symlink_to(outside)
    (root / "empty").symlink_to(outside / "precious")
    os.mkfifo(root / "bin")
    (root / "stray").mkdir()
    (root / "stray" / "file").write_text("x")

    install(slots, B, MANIFEST, FILES)

    assert snapshot(root) == FILES
    assert snapshot(outside) == {"precious": b"kept"}


def test_a_link_put_in_the_way_while_writing_is_never_followed(slots: DirectorySlots, tmp_path: Path) -> None:
    begun(slots)
    (slots.path(B) / "lib").symlink_to(tmp_path)

    with pytest.raises(InstallFailed) as caught:
        slots.write(B, MODEL, lambda _: [FILES["lib/model.bin"]])

    assert caught.value.kind == "slot_write_failed"
    assert not (tmp_path / "model.bin").exists()


def test_a_path_that_is_not_in_the_manifest_cannot_be_written(slots: DirectorySlots) -> None:
    with pytest.raises(InstallFailed, match="manifest"):
        begun(slots).write(B, piece("../A/evil"), lambda _: [b"x"])


def test_files_of_the_other_slot_are_linked_and_not_fetched(slots: DirectorySlots) -> None:
    install(slots, A, MANIFEST, FILES)
    begun(slots)

    reused = [wanted.name for wanted in slots.missing(B) if not slots.reuse(B, wanted)]
    slots.seal(B)

    assert sorted(reused) == sorted(FILES)
    assert (slots.path(A) / "lib/model.bin").samefile(slots.path(B) / "lib/model.bin")


def test_a_moved_file_is_found_by_its_content(slots: DirectorySlots) -> None:
    install(slots, A, MANIFEST, FILES)
    moved = release({"models/new-name.bin": FILES["lib/model.bin"]}, version="2")
    slots.begin(B, moved, manifest_bytes(moved))

    assert not slots.reuse(B, piece("models/new-name.bin"))


def test_a_rotten_file_of_the_other_slot_is_not_reused(slots: DirectorySlots) -> None:
    install(slots, A, MANIFEST, FILES)
    rotten = slots.path(A) / "lib/model.bin"
    rotten.chmod(0o644)
    rotten.write_bytes(b"y" * len(FILES["lib/model.bin"]))
    rotten.chmod(0o444)

    assert begun(slots).reuse(B, MODEL) == (MODEL,)


def test_a_file_system_without_links_gets_copies(slots: DirectorySlots, monkeypatch: pytest.MonkeyPatch) -> None:
    install(slots, A, MANIFEST, FILES)
    begun(slots)

    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    for wanted in slots.missing(B):
        assert not slots.reuse(B, wanted)
    slots.seal(B)

    assert snapshot(slots.path(B)) == FILES
    assert not (slots.path(A) / "empty").samefile(slots.path(B) / "empty")


@pytest.mark.parametrize("damage", ["flipped bit", "missing", "mode", "extra", "link"])
def test_a_seal_is_refused_when_what_was_written_does_not_read_back(
    slots: DirectorySlots, damage: str, tmp_path: Path
) -> None:
    begun(slots)
    for path, content in FILES.items():
        slots.write(B, piece(path, content), lambda offset, c=content: [c[offset:]])
    file = slots.path(B) / "lib/model.bin"
    if damage == "flipped bit":
        file.chmod(0o644)
        file.write_bytes(b"\x01" + FILES["lib/model.bin"][1:])
        file.chmod(0o444)
    elif damage == "missing":
        file.unlink()
    elif damage == "mode":
        file.chmod(0o4755)
    elif damage == "extra":
        (slots.path(B) / "extra").write_text("x")
    else:
        shutil.move(file, tmp_path / "model.bin")
        file.symlink_to(tmp_path / "model.bin")

    with pytest.raises(InstallFailed) as caught:
        slots.seal(B)

    assert caught.value.kind == "slot_corrupt"
    assert slots.installed(B) is None
    install(slots, B, MANIFEST, FILES)
    assert slots.installed(B) == MANIFEST


def test_a_slot_that_rots_after_its_seal_is_found_by_verify(slots: DirectorySlots) -> None:
    install(slots, B, MANIFEST, FILES)
    (slots.path(B) / "empty").unlink()

    with pytest.raises(InstallFailed, match="empty"):
        slots.verify(B)


def test_no_room_is_said_before_the_first_byte(tmp_path: Path) -> None:
    slots = DirectorySlots(tmp_path, reserve_bytes=1 << 20)
    free = shutil.disk_usage(tmp_path).free

    with pytest.raises(InstallFailed) as caught:
        slots.room(free + (1 << 30), 1, B)

    assert caught.value.kind == "no_space"
    slots.room(1000, 3, B)


def test_the_reserve_is_never_given_to_a_release(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed, match="reserve"):
        DirectorySlots(tmp_path, reserve_bytes=1 << 60).room(1, 1, B)


def test_too_few_inodes_are_said_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)
    few = os.statvfs_result((*tuple(real)[:5], 1000, 900, 900, *tuple(real)[8:]))  # some file systems have no limit
    monkeypatch.setattr(os, "statvfs", lambda _path: few)

    with pytest.raises(InstallFailed, match="inodes"):
        DirectorySlots(tmp_path, reserve_inodes=1 << 60).room(1, 1, B)


def test_what_the_slot_holds_already_counts_as_room_except_where_it_is_linked(slots: DirectorySlots) -> None:
    install(slots, A, MANIFEST, FILES)
    alone, _ = tree.reclaimable(slots.path(A))
    begun(slots)
    for wanted in slots.missing(B):
        slots.reuse(B, wanted)

    shared, _ = tree.reclaimable(slots.path(A))

    assert alone - shared >= len(FILES["lib/model.bin"])


def test_a_disk_that_fills_up_is_told_apart_from_a_broken_one(
    slots: DirectorySlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(slots)
    kinds = []
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):

        def broken(*_: object, code: int = number) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(tree, "write_all", broken)
        with pytest.raises(InstallFailed) as caught:
            slots.write(B, MODEL, lambda _: [FILES["lib/model.bin"]])
        kinds.append(caught.value.kind)

    assert kinds == ["no_space", "no_space", "slot_write_failed", "slot_write_failed"]


def test_a_cleared_slot_is_empty_and_unsealed(slots: DirectorySlots) -> None:
    install(slots, B, MANIFEST, FILES)

    slots.clear(B)

    assert snapshot(slots.path(B)) == {}
    assert slots.installed(B) is None


def test_files_left_behind_by_a_kill_are_swept(slots: DirectorySlots) -> None:
    stray = slots.path(B).parent / "B.manifest.123.456.tmp"
    stray.write_bytes(b"x")

    begun(slots)

    assert not stray.exists()


def test_the_other_slot_is_never_touched(slots: DirectorySlots) -> None:
    install(slots, A, MANIFEST, FILES)
    other = {"bin/camera": b"new"}
    manifest = release(other, version="2", executable=["bin/camera"])

    install(slots, B, manifest, other)
    slots.clear(B)

    assert snapshot(slots.path(A)) == FILES
    assert slots.installed(A) == MANIFEST


WRITER = """
import os, sys
from pathlib import Path
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.release import parse_manifest
from surefoot_shared.status import SlotName
slots, raw = DirectorySlots(Path(sys.argv[1])), Path(sys.argv[2]).read_bytes()
slots.begin(SlotName.B, parse_manifest(raw), raw)
def chunks(path):
    def of(offset):
        content = Path(sys.argv[3], path).read_bytes()[offset:]
        for at in range(0, len(content), 4096):
            yield content[at:at + 4096]
            print(path, offset + at, flush=True)
            sys.stdin.readline()
    return of
for piece in slots.missing(SlotName.B):
    slots.write(SlotName.B, piece, chunks(piece.name))
slots.seal(SlotName.B)
print("sealed", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines_before_the_kill", [1, 7, 12, 13, 20])
def test_a_writer_killed_anywhere_resumes_and_fetches_nothing_twice(tmp_path: Path, lines_before_the_kill: int) -> None:
    files = {f"data/{n}.bin": os.urandom(40_000) for n in range(3)}
    manifest = release(files)
    source = tmp_path / "source"
    for path, content in files.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(content)
    (tmp_path / "manifest.json").write_bytes(manifest_bytes(manifest))
    command = [sys.executable, "-c", WRITER, str(tmp_path / "app"), str(tmp_path / "manifest.json"), str(source)]

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as writer:
        assert writer.stdout is not None
        assert writer.stdin is not None
        for _ in range(lines_before_the_kill - 1):
            writer.stdout.readline()
            writer.stdin.write("go on\n")
        writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    slots = DirectorySlots(tmp_path / "app")
    unsealed = slots.installed(B)
    again = subprocess.run(command, input="", capture_output=True, text=True, check=True).stdout.split("\n")

    assert unsealed is None
    assert snapshot(slots.path(B)) == files
    assert slots.installed(B) == manifest
    chunks_in_all, fetched = 30, sum(line.startswith("data/") for line in again)
    assert fetched <= chunks_in_all - lines_before_the_kill
