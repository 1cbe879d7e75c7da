"""A root filesystem runs where the kernel says that its device is mounted, and starts by a restart of the machine."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.boot.fake import COUNTER, FakeBoot
from surefoot_agent.rootfs import RootFilesystem
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName


class Devices:
    """Slots whose devices have these numbers; nothing else of the port is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **numbers: tuple[int, int]) -> None:
        self._numbers = {Path(f"/dev/slot_{name}"): number for name, number in numbers.items()}
        stat = Path.stat

        def answer(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
            number = self._numbers.get(path)
            if number is None:
                return stat(path, follow_symlinks=follow_symlinks)
            found = list(os.stat("/"))
            found[0] = 0o060600
            return os.stat_result(found, {"st_rdev": os.makedev(*number)})

        monkeypatch.setattr(Path, "stat", answer)

    def path(self, slot: SlotName) -> Path:
        return Path(f"/dev/slot_{slot.value}")


@pytest.fixture
def system(tmp_path: Path) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/exe").symlink_to("/usr/bin/python3")
    (tmp_path / "proc/self/root").symlink_to("/")
    return tmp_path


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Devices:
    return Devices(monkeypatch, A=(259, 3), B=(259, 4))


def mount(system: Path, *mounts: tuple[str, str]) -> None:
    lines = [f"{i} 1 {device} / {point} ro - ext4 /dev/x ro" for i, (point, device) in enumerate(mounts)]
    (system / "proc/self/mountinfo").write_text("\n".join(lines) + "\n")


def root(system: Path, devices: Devices, boot: FakeBoot | None = None, **given: float) -> RootFilesystem:
    return RootFilesystem(boot or FakeBoot(nature=COUNTER), devices, lambda: None, system=system, **given)  # type: ignore[arg-type]


def test_the_agents_own_root_is_what_runs_and_the_boot_is_its_start(system: Path, devices: Devices) -> None:
    mount(system, ("/", "259:3"), ("/data", "259:5"))

    running = root(system, devices).running()

    assert running is not None
    assert (running.slot, running.pid, running.start_id) == (SlotName.A, os.getpid(), guard.boot_id())
    assert (running.executable, running.directory) == ("/usr/bin/python3", "/")


def test_a_bootloader_that_names_another_slot_than_the_kernel_proves_nothing(system: Path, devices: Devices) -> None:
    mount(system, ("/", "259:4"), ("/mnt", "259:3"))

    assert root(system, devices).running() is None


def test_under_an_overlay_the_one_slot_that_is_mounted_is_the_root(system: Path, devices: Devices) -> None:
    mount(system, ("/", "0:25"), ("/media/lower", "259:3"))

    running = root(system, devices).running()

    assert running is not None
    assert running.slot is SlotName.A


def test_under_an_overlay_with_both_slots_mounted_nothing_is_proved(system: Path, devices: Devices) -> None:
    mount(system, ("/", "0:25"), ("/media/lower", "259:3"), ("/mnt", "259:4"))

    assert root(system, devices).running() is None


def test_a_verified_device_is_followed_down_to_the_slot_below_it(system: Path, devices: Devices) -> None:
    mount(system, ("/", "253:0"))
    below = system / "sys/dev/block/253:0/slaves/nvme0n1p3"
    below.mkdir(parents=True)
    (below / "dev").write_text("259:3\n")

    running = root(system, devices).running()

    assert running is not None
    assert running.slot is SlotName.A


def test_a_root_that_is_neither_slot_proves_nothing(system: Path, devices: Devices) -> None:
    mount(system, ("/", "8:1"))

    assert root(system, devices).running() is None


def test_a_boot_control_that_does_not_answer_proves_nothing(
    system: Path, devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(system, ("/", "259:3"))
    boot = FakeBoot(nature=COUNTER)

    def silent() -> SlotName:
        raise InstallFailed("boot_control_failed", "It does not answer.")

    monkeypatch.setattr(boot, "current", silent)

    assert root(system, devices, boot).running() is None


def test_a_machine_that_does_not_restart_is_told_as_such(system: Path, devices: Devices) -> None:
    orders: list[str] = []
    rootfs = RootFilesystem(FakeBoot(), devices, lambda: orders.append("restart"), limit_s=0.0, system=system)  # type: ignore[arg-type]

    with pytest.raises(InstallFailed, match="still up") as caught:
        rootfs.start(SlotName.B, None)

    assert caught.value.kind == "restart_failed"
    assert orders == ["restart"]


def test_an_agent_that_is_told_to_stop_does_not_wait_for_the_restart_that_it_ordered(
    system: Path, devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    monkeypatch.setattr(threading, "main_thread", lambda: ended)
    began = time.monotonic()

    with pytest.raises(InstallFailed):
        root(system, devices, limit_s=60.0).start(SlotName.B, None)

    assert time.monotonic() - began < 30.0


def test_the_kernels_last_lines_are_the_log_of_a_root(
    system: Path, devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [b"6,1,0,-;first\n", b"4,2,9,-;nvme: slow\n SUBSYSTEM=pci\n", b"3,3,9,-;ext4: torn\n"]

    def read(_handle: int, _limit: int) -> bytes:
        if not records:
            raise BlockingIOError
        return records.pop(0)

    (system / "dev").mkdir()
    (system / "dev/kmsg").touch()
    monkeypatch.setattr(os, "read", read)

    assert root(system, devices).log_tail(2) == "nvme: slow\next4: torn"


def test_an_agent_that_may_not_read_the_kernels_log_reports_none(system: Path, devices: Devices) -> None:
    assert root(system, devices).log_tail() == ""


def test_the_port_that_the_settings_name_is_where_checks_look(system: Path, devices: Devices) -> None:
    assert root(system, devices, metrics_port=9100).endpoint() == {"metrics_port": "9100"}
    assert root(system, devices).endpoint() == {}
