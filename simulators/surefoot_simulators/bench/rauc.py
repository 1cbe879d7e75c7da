"""RAUC as it comes with Debian, installing plain bundles into two files: a private bus, an own key, no bootloader.

Promises: the real program with its real service and its real signature check; the custom boot backend says that slot A
runs and takes every other order. Everything lies in the folder given, and is stopped at the end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from surefoot_shared.errors import InstallFailed
from surefoot_simulators.bench.peers import private_bus, started

NEEDED = {"rauc": "rauc", "mksquashfs": "squashfs-tools", "dbus-daemon": "dbus-daemon"}
START_LIMIT_S = 20.0
COMPATIBLE = "x86-box"


def lacking() -> str:
    """What must be installed before RAUC can be measured; empty when nothing is."""
    packages = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    return f"rauc is not measured (apt-get install {' '.join(packages)})" if packages else ""


@dataclass(frozen=True)
class Rauc:
    """A running service; `install` returns the seconds from the command to its end."""

    folder: Path
    environment: Mapping[str, str]

    def bundle(self, image: Path) -> Path:
        """Make a signed plain bundle of an image, stored as it is."""
        content, bundle = self.folder / f"{image.name}.content", self.folder / f"{image.name}.raucb"
        content.mkdir()
        os.link(image, content / "root.img")
        (content / "manifest.raucm").write_text(
            f"[update]\ncompatible={COMPATIBLE}\nversion=1\n[bundle]\nformat=plain\n[image.rootfs]\nfilename=root.img\n"
        )
        uncompressed = "-noD -noF -noI -noX"  # as RAUC would leave random bytes, only sooner
        keys = [f"--cert={self.folder / 'cert.pem'}", f"--key={self.folder / 'key.pem'}"]
        self._run(["rauc", *keys, f"--mksquashfs-args={uncompressed}", "bundle", str(content), str(bundle)])
        return bundle

    def install(self, bundle: Path) -> float:
        began = time.monotonic()
        self._run(["rauc", "install", str(bundle)])
        return time.monotonic() - began

    def _run(self, argv: list[str]) -> None:
        done = subprocess.run(argv, env={**os.environ, **self.environment}, capture_output=True, text=True)
        if done.returncode:
            raise InstallFailed("slot_write_failed", f"{argv[0]} failed: {done.stdout[-300:]}{done.stderr[-300:]}")


@contextmanager
def running_rauc(folder: Path, slots: tuple[Path, Path], activate: bool = True) -> Iterator[Rauc]:
    """Start bus and service for two slots that are files; raises InstallFailed where the service does not answer.

    `activate`: whether RAUC enters what it has installed at the next start, as it does unless it is told otherwise.
    """
    folder.mkdir()
    write_certificate(folder)
    config = folder / "rauc.conf"
    config.write_text(config_text(folder, slots, activate))
    (folder / "backend").write_text(BACKEND)
    (folder / "backend").chmod(0o755)
    (folder / "mnt").mkdir()
    service = ["rauc", "--conf", str(config), "--override-boot-slot=A", "service"]
    with private_bus(folder) as environment, started(service, folder, environment):
        rauc = Rauc(folder, environment)
        _wait_for(rauc)
        yield rauc


BACKEND = """#!/bin/sh
case "$1" in
    get-primary | get-current) echo A ;;
    get-state) echo good ;;
esac
"""


def config_text(folder: Path, slots: tuple[Path, Path], activate: bool = True) -> str:
    lines = [
        "[system]",
        f"compatible={COMPATIBLE}",
        "bootloader=custom",
        f"statusfile={folder}/status",
        f"mountprefix={folder}/mnt",
        "bundle-formats=plain",
        f"activate-installed={'true' if activate else 'false'}",
        "[handlers]",
        f"bootloader-custom-backend={folder}/backend",
        "[keyring]",
        f"path={folder}/cert.pem",
    ]
    for number, (name, device) in enumerate(zip("AB", slots, strict=True)):
        lines += [f"[slot.rootfs.{number}]", f"device={device}", "type=raw", f"bootname={name}"]
    return "\n".join(lines) + "\n"


def write_certificate(folder: Path) -> None:
    """A key for a day, of the kind that RAUC's manual makes."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.open(folder / "key.pem", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(private)


def _wait_for(rauc: Rauc) -> None:
    until = time.monotonic() + START_LIMIT_S
    while True:
        try:
            rauc._run(["rauc", "status"])
            return
        except InstallFailed:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
