"""What every test relies on: the marker `needs(program)` and a closing list of what could not run and why.

Promises: a test is skipped only because a program it names is missing, and the last lines of every run say which, how
many tests that cost, and how the program is installed. Refuses a marker that names a program without a known package.
"""

from __future__ import annotations

import gc
import glob
import os
import shutil
from collections import Counter
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine says nothing about the code
hypothesis.settings.load_profile("untimed")

PACKAGES = {
    "zstd": "zstd",
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_sub": "mosquitto-clients",
    "mosquitto_rr": "mosquitto-clients",
    "softhsm2-util": "softhsm2",
    "systemd-analyze": "systemd",
    "faketime": "faketime",
    "fw_printenv": "libubootenv-tool",
    "fw_setenv": "libubootenv-tool",
    "qemu-system-aarch64": "qemu-system-arm",
    "/usr/lib/u-boot/qemu_arm64/u-boot.bin": "u-boot-qemu",
    "mkimage": "u-boot-tools",
    "mkenvimage": "u-boot-tools",
    "mkfs.ext4": "e2fsprogs",
    "sfdisk": "fdisk",
    "losetup": "mount",
    "/usr/share/mender/modules/v3/single-file": "mender-client",
    "mender": "mender-client",
    "mender-artifact": "mender-artifact",
    "jq": "jq",
    "rauc": "rauc",
    "mksquashfs": "squashfs-tools",
    "dbus-daemon": "dbus-daemon",
    "grub-emu": "grub-emu",
    "grub-editenv": "grub-common",
    "/usr/bin/efibootmgr": "efibootmgr",
    "/usr/share/AAVMF/AAVMF_CODE.fd": "qemu-efi-aarch64",
    "chroot": "coreutils",
    "apt-get": "apt",
    "dpkg": "dpkg",
    "groff": "groff",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "mkfs.ext2": "e2fsprogs",
    "initdb": "postgresql",
    "/usr/bin/chromium": "chromium",
}
"""Program, or file → the Debian package that brings it; `.ci/run` installs every one of them."""

DEVICES = {"losetup": "/dev/loop-control", "chroot": "/etc/shadow"}
"""Program → what it must be allowed to write, or it is as good as missing."""


SERVERS = {"rig", "postgresql_rig"}
"""Fixtures that put a whole server together: a fifth of the tests, which take more time than all others."""

CRASHES = "tests/crash/"
"""The one folder of the tests marked `crash`: they are run by its name, since to look through all others takes long."""

MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 << 30
"""Four times what the fast tests leave there at their end."""


def pytest_configure(config: pytest.Config) -> None:
    """Let tests work in memory where programs may be started there; SUREFOOT_TESTS_ON_DISK=1 keeps the disk.

    Each of some hundred thousand fsyncs waits for a disk that other programs use as well; measured, two thirds of the
    whole time. What is durable when is shown by media that lose what was not synced, not by a disk that never fails.
    """
    if not os.environ.get("SUREFOOT_TESTS_ON_DISK") and _programs_run_in(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _programs_run_in(folder: Path) -> bool:
    """Whether there is room for files and leave to execute them."""
    try:
        usage = os.statvfs(folder)
    except OSError:
        return False
    room = usage.f_bavail * usage.f_frsize >= ROOM_BYTES
    return room and os.access(folder, os.W_OK) and not usage.f_flag & os.ST_NOEXEC


def pytest_collection_finish() -> None:
    """What is loaded by now stays until the end: the collector of cycles need not look through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    programs = [str(name) for marker in item.iter_markers("needs") for name in marker.args]
    for program in programs:
        if not _is_here(program):
            pytest.skip(f"{program} is missing; install with: apt-get install {PACKAGES[program]}")
        if program in DEVICES and not os.access(DEVICES[program], os.W_OK):
            pytest.skip(f"{program} may not write {DEVICES[program]}; run the tests as root")


def _is_here(program: str) -> bool:
    """A firmware is a file and is named by its path; what makes disks and databases is not on everybody's PATH."""
    path = ":".join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", *glob.glob("/usr/lib/postgresql/*/bin")])
    return Path(program).is_file() or shutil.which(program, path=path) is not None


@pytest.hookimpl(tryfirst=True)  # before the markers choose
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("served")
        if item.get_closest_marker("crash") and not item.nodeid.startswith(CRASHES):
            raise pytest.UsageError(f"{item.nodeid} ends the world outside {CRASHES}, where make test looks for it")
        unknown = {str(n) for marker in item.iter_markers("needs") for n in marker.args} - PACKAGES.keys()
        if unknown:
            raise pytest.UsageError(f"{item.nodeid} needs {sorted(unknown)}: add the package to tests/conftest.py")


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)  # after the markers chose
def pytest_longest_first(config: pytest.Config, items: list[pytest.Item]) -> None:
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        from tests import longest  # this file is tried alone too, without the others

        items[:] = longest.dealt(items, lambda item: item.nodeid.partition("::")[0], worker["workercount"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    if not skipped:
        return
    terminalreporter.section("could not run")
    for reason, count in sorted(skipped.items()):
        terminalreporter.write_line(f"{count} test{'s' if count > 1 else ''}: {reason}")


def _reason(report: pytest.TestReport) -> str:
    """The sentence a skip was given; pytest stores it as (file, line, "Skipped: sentence")."""
    where = report.longrepr
    return where[2].removeprefix("Skipped: ") if isinstance(where, tuple) else str(where)
