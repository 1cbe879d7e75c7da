"""RAUC as Debian has it writes the slots: its real service on a private bus, real bundles, slots that are files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_agent.boot.variables import Names
from surefoot_agent.slots.rauc import Program, RaucSlots
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest, manifest_bytes
from surefoot_shared.status import Outcome, SlotName
from surefoot_simulators.bench.rauc import Rauc, running_rauc
from tests.agent.fakes import FRAME, QUICK, Device
from tests.agent.modules.world import executable
from tests.agent.trees import Files, release

A, B = SlotName.A, SlotName.B
SIZE = 64 * 1024
STATUS = """#!/bin/sh
echo "$*" >> "{calls}"
case "$1" in
    install) [ -e "{fails}" ] && {{ echo "signature verification failed" >&2; exit 1; }}; echo x >> "{count}" ;;
    status) n=$(cat "{count}" 2>/dev/null | wc -l)
        echo '{{"slots":[{{"rootfs.1":{{"bootname":"B","slot_status":{{"installed":{{"count":'$n'}}}}}}}}]}}' ;;
esac
"""


def fill(slots: RaucSlots, manifest: Manifest, files: Files) -> None:
    slots.begin(B, manifest, manifest_bytes(manifest))
    for piece in slots.missing(B):
        slots.write(B, piece, lambda offset, content=files[piece.name]: [content[offset:]])


class Stand:
    """A stand-in that counts, for what must be refused before or after the real one is asked."""

    def __init__(self, folder: Path) -> None:
        self.calls, self.fails = folder / "calls", folder / "fails"
        self.conf = folder / "system.conf"
        self.conf.write_text("[system]\nactivate-installed=false\n")
        text = STATUS.format(calls=self.calls, fails=self.fails, count=folder / "count")
        program = Program(str(executable(folder / "rauc", text)), self.conf)
        self.devices = {A: folder / "a.img", B: folder / "b.img"}
        self.slots = RaucSlots(folder / "rootfs", self.devices, Names("A", "B"), 0, program)

    def installs(self) -> int:
        return self.calls.read_text().count("install ") if self.calls.exists() else 0


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


BUNDLE = {"x.raucb": b"a bundle"}


def test_it_is_installed_once_and_only_then_counts(stand: Stand) -> None:
    manifest = release(BUNDLE)
    fill(stand.slots, manifest, BUNDLE)
    assert (stand.slots.installed(B), stand.slots.digest(B)) == (None, None)

    stand.slots.seal(B)
    stand.slots.seal(B)

    assert stand.installs() == 1
    assert stand.slots.installed(B) == manifest
    assert stand.slots.path(B) == stand.devices[B]


def test_a_slot_is_nobodys_from_before_its_first_byte_until_rauc_wrote_it(stand: Stand) -> None:
    fill(stand.slots, release(BUNDLE), BUNDLE)
    stand.slots.seal(B)
    newer = release({"x.raucb": b"another"}, "1.1")

    fill(stand.slots, newer, {"x.raucb": b"another"})
    stand.fails.touch()
    with pytest.raises(InstallFailed, match="signature verification failed"):
        stand.slots.seal(B)

    assert stand.slots.installed(B) is None
    stand.fails.unlink()
    stand.slots.seal(B)
    assert stand.slots.installed(B) == newer


def test_what_rauc_wrote_elsewhere_is_not_believed(stand: Stand) -> None:
    slots = RaucSlots(stand.conf.parent / "other", stand.devices, Names("A", "system1"), 0, stand.slots._program)
    fill(slots, release(BUNDLE), BUNDLE)

    with pytest.raises(InstallFailed, match="bootname=system1"):
        slots.seal(B)
    assert slots.installed(B) is None


@pytest.mark.parametrize("files", [{"readme": b""}, {"a.raucb": b"", "b.raucb": b"b"}])
def test_a_release_holds_exactly_one_bundle(stand: Stand, files: Files) -> None:
    fill(stand.slots, release(files), files)

    with pytest.raises(InstallFailed, match="RAUC takes one"):
        stand.slots.seal(B)


@pytest.mark.parametrize("text", ["[system]\n", "[system]\nactivate-installed=true\n", ""])
def test_a_rauc_that_would_switch_by_itself_is_refused_before_the_first_byte(stand: Stand, text: str) -> None:
    stand.conf.write_text(text)

    with pytest.raises(InstallFailed, match="next start"):
        stand.slots.room(1, 1, B)


def test_a_cleared_slot_is_empty(stand: Stand) -> None:
    fill(stand.slots, release(BUNDLE), BUNDLE)
    stand.slots.seal(B)

    stand.slots.clear(B)
    assert stand.slots.digest(B) is None


# --- the real one -----------------------------------------------------------------------------------------------------


@pytest.fixture
def rauc(tmp_path: Path) -> Iterator[tuple[Rauc, dict[SlotName, Path]]]:
    devices = {A: tmp_path / "a.img", B: tmp_path / "b.img"}
    for device in devices.values():
        device.write_bytes(bytes(SIZE))
    with running_rauc(tmp_path / "rauc", (devices[A], devices[B]), activate=False) as service:
        yield service, devices


def bundled(rauc: Rauc, folder: Path, content: bytes) -> Files:
    image = folder / f"{hashlib.sha256(content).hexdigest()[:8]}.img"
    image.write_bytes(content)
    return {"update.raucb": rauc.bundle(image).read_bytes()}


Made = Callable[[Path], RaucSlots]


@pytest.fixture
def real(rauc: tuple[Rauc, dict[SlotName, Path]]) -> Made:
    service, devices = rauc
    program = Program("rauc", service.folder / "rauc.conf", service.environment)
    return lambda folder: RaucSlots(folder, devices, Names("A", "B"), 0, program)


@pytest.mark.slow
@pytest.mark.needs("rauc", "mksquashfs", "dbus-daemon")
def test_the_real_rauc_writes_the_other_slot_and_refuses_a_bundle_of_somebody_else(
    rauc: tuple[Rauc, dict[SlotName, Path]], real: Made, tmp_path: Path
) -> None:
    (service, devices), content = rauc, os.urandom(SIZE)
    files, slots = bundled(service, tmp_path, content), real(tmp_path / "rootfs")
    fill(slots, release(files), files)

    slots.seal(B)

    assert devices[B].read_bytes() == content
    assert devices[A].read_bytes() == bytes(SIZE)
    forged = {"update.raucb": files["update.raucb"][:-1] + bytes([files["update.raucb"][-1] ^ 1])}
    fill(slots, release(forged, "1.1"), forged)
    with pytest.raises(InstallFailed) as raised:
        slots.seal(B)
    assert raised.value.kind == "rauc_failed"
    assert slots.installed(B) is None


@pytest.mark.slow
@pytest.mark.needs("rauc", "mksquashfs", "dbus-daemon")
@pytest.mark.parametrize("sick", [False, True])
def test_a_whole_update_keeps_windows_health_and_the_way_back_and_rauc_only_writes(
    rauc: tuple[Rauc, dict[SlotName, Path]], real: Made, tmp_path: Path, sick: bool
) -> None:
    (service, devices), content = rauc, os.urandom(SIZE)
    device = Device(tmp_path / "device")
    files = bundled(service, tmp_path, content)
    manifest = release(files, "1.1", checks=(FRAME,), probation=QUICK)
    device.manifests["1.1"] = manifest
    raw = manifest_bytes(manifest)
    device.downloader.blobs.update({hashlib.sha256(blob).hexdigest(): blob for blob in (raw, *files.values())})
    part, slots = device.parts["app"], real(device.component_dir)
    slots._keep(A, part.digest("1.0"))  # what was installed before, by whoever
    part.slots = part.application._slots = part.downloader._slots = slots  # type: ignore[assignment]
    device.health.sick = {"1.1"} if sick else set()

    device.assign(device.wish("1.1", "a-1"))
    device.run_until_idle(device.start_agent())

    (outcome,) = device.server.outcomes()
    assert outcome == (("a-1", Outcome.REVERTED, "health_failed") if sick else ("a-1", Outcome.COMMITTED, None))
    assert device.boot_control.current() is (A if sick else B)
    assert devices[B].read_bytes() == content
    assert slots.installed(B) == manifest
