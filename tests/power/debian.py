"""A Debian for x86-64 whose PID 1 is systemd: the packages unpacked without root, and made into a disk for QEMU.

Promises: nothing of the host's package database changes; the units, users and temporary files of the machine are made
by its own systemd at its first start. Nothing of the product is in it: what a device gets comes on a second disk.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

from tests.power import disk, packages

KERNEL = "linux-image-cloud-amd64"
PACKAGES = (
    *("usr-is-merged", "systemd", "systemd-sysv", "udev", "kmod", "python3", "bash", "dash"),
    *("coreutils", "util-linux", "mount", "grep", "sed", "base-files", "base-passwd", "iproute2", "procps"),
)
WHEELS = (*packages.WHEELS, "pycparser", "backports-zstd", "hdiffpatch", "attrs")
"""What `surefoot[agent,delta]` is installed with."""
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
MODULES = (
    *("drivers/virtio/*", "drivers/net/virtio_net.ko", "drivers/net/net_failover.ko", "net/core/failover.ko"),
    *("fs/autofs/*", "fs/efivarfs/*"),
)
"""What the network card needs; everything else that this machine has is built in."""
GUEST = Path(__file__).parent / "systemd"
PLACES = {
    "door.py": "usr/local/lib/door.py",
    "door.service": "etc/systemd/system/door.service",
    "wired.network": "etc/systemd/network/wired.network",
    "sudo": "usr/local/bin/sudo",
}
ENABLED = {
    "multi-user.target": ("systemd-networkd.service", "door.service"),
    "network-online.target": ("systemd-networkd-wait-online.service",),
}
FILES = {
    "etc/machine-id": "5afe" * 8 + "\n",
    "etc/hostname": "camera\n",
    "etc/fstab": "/dev/nvme1n1 /media/stick ext4 defaults 0 0\n",
    "etc/systemd/journald.conf.d/console.conf": "[Journal]\nForwardToConsole=yes\nMaxLevelConsole=info\n",
}
UNUSED = ("doc", "man", "locale", "lintian", "bash-completion", "bug", "zoneinfo", "perl5", "info", "i18n")
MASKED = ("systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "getty.target", "serial-getty@ttyS0.service")
"""Nobody sits at this machine, and it runs nothing foreign."""
DISK_MIB = 900


def base() -> Path:
    """Return the folder with `disk.img`, `vmlinuz` and `wheels/`; made once."""
    folder = packages.cache_folder() / f"debian-{_key()}"
    with packages.alone(folder.name):
        if not folder.exists():
            making = folder.with_name(f"{folder.name}.{os.getpid()}")
            _make(making)
            making.rename(folder)
    return folder


def _make(folder: Path) -> None:
    root, kernel, debs, wheels = (folder / name for name in ("root", "kernel", "debs", "wheels"))
    for made in (root, debs):
        made.mkdir(parents=True)
    own = packages.private_apt(folder / "apt", "amd64")
    resolved = packages.run("apt-get", "-qq", "install", "--no-install-recommends", "--print-uris", *PACKAGES, env=own)
    named = re.search(r"Depends: (linux-image-\S+)", packages.run("apt-cache", "depends", KERNEL, env=own))
    assert named is not None, f"{KERNEL} names no kernel"
    names = [line.split()[1].partition("_")[0] for line in resolved.splitlines()]
    for deb in packages.download([named[1], *names], own, debs):
        packages.run("dpkg", "-x", str(deb), str(kernel if deb.name.startswith("linux-image") else root))
    packages.merge_usr(root)
    _take_kernel(kernel, folder / "vmlinuz", root)
    _furnish(root)
    packages.compile_python(root / "usr/lib/python3.11", root)
    packages.download_wheels(wheels, WHEELS, PLATFORMS)
    disk.make_filesystem(folder / "disk.img", root, DISK_MIB)
    for done in (root, kernel, debs, folder / "apt"):
        shutil.rmtree(done)


def _furnish(root: Path) -> None:
    """What packages do when they are installed, as far as this machine needs it."""
    for name in UNUSED:
        shutil.rmtree(root / "usr/share" / name, ignore_errors=True)
    shutil.rmtree(root / "usr/lib/x86_64-linux-gnu/gconv", ignore_errors=True)
    for name in ("dev", "proc", "sys", "run", "tmp", "media/stick", "root", "var/lib", "var/log/journal"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "root").chmod(0o700)
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / "etc" / name)
    for name, place in PLACES.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(GUEST / name, root / place)
        (root / place).chmod(0o755 if place.startswith("usr/local/bin") else 0o644)
    for place, text in FILES.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text)
    for target, units in ENABLED.items():
        wants = root / f"etc/systemd/system/{target}.wants"
        wants.mkdir(parents=True, exist_ok=True)
        for unit in units:
            own = "/etc/systemd/system" if unit == "door.service" else "/lib/systemd/system"
            (wants / unit).symlink_to(f"{own}/{unit}")
    for unit in MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")


def _take_kernel(kernel: Path, image: Path, root: Path) -> None:
    (found,) = (kernel / "boot").glob("vmlinuz-*")
    shutil.copy(found, image)
    (modules,) = (kernel / "lib/modules").iterdir()
    target = root / "usr/lib/modules" / modules.name
    for pattern in MODULES:
        for module in (modules / "kernel").glob(pattern):
            place = target / "kernel" / module.relative_to(modules / "kernel")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(module, place)
    for listed in modules.glob("modules.*"):
        shutil.copy(listed, target)
    # the machine's own depmod, by its own loader: the host need not have one, nor be allowed to enter the tree
    libraries = ["--library-path", str(root / "usr/lib/x86_64-linux-gnu"), "--argv0", "depmod"]
    loader = str((root / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2").resolve())
    packages.run(loader, *libraries, str(root / "usr/bin/kmod"), "-b", str(root / "usr"), modules.name)


def _key() -> str:
    found = hashlib.sha256("\n".join(packages.pins(WHEELS)).encode())
    for path in (Path(__file__), Path(packages.__file__), Path(disk.__file__), *sorted(GUEST.iterdir())):
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()[:16]
