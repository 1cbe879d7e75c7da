from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent.ports import Slots
from surefoot_agent.privileged import gate
from surefoot_agent.privileged.slots import Evidence
from surefoot_agent.privileged.vault import Vault
from surefoot_shared.errors import InstallFailed, Unreachable, UntrustedRelease
from surefoot_shared.release import parse_manifest
from surefoot_shared.status import SlotName
from tests.agent.images import BLOCK, fill
from tests.agent.privileged.image_rig import ImageRig
from tests.agent.slots.contract import Offer, SlotsContract
from tests.agent.slots.test_image import NEW, OLD, flip

A, B = SlotName.A, SlotName.B
AS_ROOT = os.geteuid() == 0
SOMEBODY = pwd.getpwnam("nobody").pw_uid if AS_ROOT else os.geteuid()
"""Whose the agent is: only root can start it as somebody else."""
AGENT = """
import os, sys
from pathlib import Path
from surefoot_agent.privileged.proxies import Line
from surefoot_agent.privileged.slots import Evidence, PrivilegedImages
from surefoot_shared.release import parse_manifest
from surefoot_shared.status import SlotName
folder, uid = Path(sys.argv[1]), int(sys.argv[2])
if uid != os.getuid():
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
devices = {slot: folder / "dev" / f"slot-{slot.value.lower()}" for slot in SlotName}
for device in devices.values():
    for mode in ("rb", "r+b"):
        try:
            open(device, mode).close()
            print("opened", device.name, mode)
        except PermissionError:
            pass
raw, content = (folder / "manifest").read_bytes(), (folder / "content").read_bytes()
manifest = parse_manifest(raw)
index, slots = manifest.image.index(), PrivilegedImages(folder / "app", devices, Line(folder / "helper.sock", "app"),
    Evidence(folder / "agent-trust"))
def source(piece):
    parts = [content[b * index.block_bytes:][:index.length(b)] for b in index.blob(piece.chunk).blocks]
    return lambda offset: [b"".join(parts)[offset:piece.end]]
slots.begin(SlotName.B, manifest, raw)
for missing in slots.missing(SlotName.B):
    for piece in slots.reuse(SlotName.B, missing):
        slots.write(SlotName.B, piece, source(piece))
slots.seal(SlotName.B)
print(os.getuid(), slots.installed(SlotName.B).version)
"""
"""The networked half's part of an installation as whoever it is: it tries both devices first, then asks."""
CONTENT = b"".join(bytes([number + 10]) * BLOCK for number in range(8))


class TestPrivilegedImages(SlotsContract):
    """The contract of all slots, through the socket. Proof and gate have tests of their own."""

    @pytest.fixture
    def offers(self) -> list[Offer]:
        return [Offer(OLD.manifest, OLD.blobs), Offer(NEW.manifest, NEW.blobs)]

    @pytest.fixture
    def slots(self, board: ImageRig, monkeypatch: pytest.MonkeyPatch) -> Slots:
        self._board = board
        monkeypatch.setattr(gate, "may_write", lambda *_: None)
        monkeypatch.setattr(Vault, "prove", lambda _self, _component, _chain, raw, *_: parse_manifest(raw))
        monkeypatch.setattr(Evidence, "frames", lambda *_: (b"", b"", ()))
        for path in board.devices.values():
            os.truncate(path, max(len(OLD.content), len(NEW.content)))
        board.slots.clear(A)
        return board.proxies()[1]

    def damage(self, slots: Slots, slot: SlotName, offer: Offer) -> None:
        flip(slots.path(slot), 5 * BLOCK + 5)

    def reopened(self, slots: Slots) -> Slots:
        self._board.serve_anew()
        return self._board.proxies()[1]


def test_a_release_whose_proof_is_not_here_is_not_asked_for(board: ImageRig) -> None:
    made = board.publish(CONTENT, "1.1", 101)
    (board.trust / "image" / "targets.json").unlink()

    with pytest.raises(UntrustedRelease, match="is not here"):
        board.proxies()[1].begin(B, made.manifest, made.raw)


def test_a_helper_that_died_while_an_image_was_filled_is_told_to_begin_anew_and_goes_on(board: ImageRig) -> None:
    made = board.publish(CONTENT, "1.1", 101)
    slots = board.proxies()[1]
    slots.begin(B, made.manifest, made.raw)
    first, *_ = slots.missing(B)
    slots.write(B, first, lambda offset: made.source(first, offset))

    board.serve_anew()
    with pytest.raises(InstallFailed) as caught:
        slots.write(B, first, lambda offset: made.source(first, offset))
    board.prepare(made)

    assert caught.value.kind == "helper_unreachable"  # so the whole step is done once more
    assert slots.digest(B) == made.digest


def test_blocks_that_came_before_the_line_was_lost_are_not_sent_again(board: ImageRig) -> None:
    made = board.publish(CONTENT, "1.1", 101)
    slots = board.proxies()[1]
    slots.begin(B, made.manifest, made.raw)
    piece, asked = slots.missing(B)[0], list[int]()

    def breaks(offset: int) -> Iterator[bytes]:
        asked.append(offset)
        yield made.blobs[piece.sha256][offset : offset + BLOCK]
        raise Unreachable("unreachable", "The network is gone.")

    for _ in range(2):
        with pytest.raises(Unreachable):
            slots.write(B, piece, breaks)

    assert asked == [piece.begin, piece.begin + BLOCK]


def test_bases_of_patches_are_given_from_a_whole_slot_as_they_were_signed(board: ImageRig) -> None:
    slots = board.proxies()[1]

    assert b"".join(slots.held(A, 100, 3 * BLOCK)) == board.old.content[100 : 100 + 3 * BLOCK]
    with pytest.raises(InstallFailed, match="ends before"):
        list(slots.held(A, 0, len(board.old.content) + 1))


def test_what_the_device_changed_in_a_slot_by_itself_is_given_to_nobody(board: ImageRig) -> None:
    flip(board.devices[A], BLOCK + 7)
    slots = board.proxies()[1]

    with pytest.raises(InstallFailed, match="not as signed"):
        list(slots.held(A, BLOCK, 10))
    with pytest.raises(InstallFailed, match="no whole image"):
        list(slots.held(B, 0, 10))

    assert b"".join(slots.held(A, 0, 10)) == board.old.content[:10]


def test_an_image_is_read_and_filled_by_one_line_at_once(board: ImageRig) -> None:
    made = board.publish(CONTENT, "1.1", 101)
    fill(board.proxies()[1], B, made)

    assert b"".join(board.proxies()[1].held(A, 0, 5)) == board.old.content[:5]


@pytest.mark.slow
def test_a_user_who_may_open_neither_device_installs_an_image_through_the_helper() -> None:
    with tempfile.TemporaryDirectory() as name:  # another user may enter it, which pytest's own is not
        folder = Path(name)
        folder.chmod(0o755)
        board = ImageRig(folder, SOMEBODY)
        made = board.publish(CONTENT, "1.1", 101)
        (folder / "manifest").write_bytes(made.raw)
        (folder / "content").write_bytes(CONTENT)
        for device in board.devices.values():
            device.chmod(0o600)

        words = [sys.executable, "-c", AGENT, name, str(SOMEBODY)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        board.close()

        told = done.stdout.splitlines()
        assert done.returncode == 0, done.stderr
        assert told[-1] == f"{SOMEBODY} 1.1"
        assert len(told) == (1 if AS_ROOT else 5)  # as ourselves the devices are open
        assert board.slots.digest(B) == made.digest
        assert board.devices[B].read_bytes()[: len(CONTENT)] == CONTENT
