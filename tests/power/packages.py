"""What a slot of the machine is made of: Debian packages for arm64 and the agent's wheels, unpacked without root.

Promises: nothing of the host's package database changes (apt works in a root of its own); wheels have the versions of
requirements.lock; what was fetched once for the same list is not fetched again. Uses the mirrors and indexes that this
machine's apt and pip are set up with, and verifies Debian's signatures.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.house.tree import ROOT

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
KERNEL = "linux-image-cloud-arm64"
"""This kernel has NVMe and ext4 built in, so that a slot boots without an initramfs."""
PACKAGES = (
    *("busybox-static", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libubootenv-tool"),
    *("libubootenv0.1", "libc6", "zlib1g", "libexpat1", "libssl3", "libffi8", "libbz2-1.0", "liblzma5", "libuuid1"),
    *("libgcc-s1", "libsqlite3-0", "libcrypt1", "libeatmydata1"),
)
"""The last one plays a missing fsync in a planted bug; nothing else loads it."""
WHEELS = ("cffi", "cryptography", "paho-mqtt", "psutil", "securesystemslib", "tuf", "urllib3")
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_28_aarch64")
MODULES = (
    *("drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_modern_dev"),
    *("drivers/virtio/virtio_pci_legacy_dev", "drivers/virtio/virtio_pci", "net/core/failover"),
    *("drivers/net/net_failover", "drivers/net/virtio_net"),
)
"""What the network card needs, in the order in which it is loaded."""
TOOLS = (
    *("sh", "mount", "umount", "mkdir", "ln", "basename", "cat", "sed", "sleep", "insmod", "ip", "sync"),
    *("kill", "reboot", "httpd"),
)
UNUSED = ("lib2to3", "idlelib", "pydoc_data", "ensurepip", "test", "distutils", "turtledemo", "tkinter")
PIP_VERSION = "311"


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "surefoot" / "power"


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Let one process at a time make what is kept under this name; the others wait and find it."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def base_tree() -> Path:
    """Return the folder with `root/`, a whole userland without the agent, and `root/boot/Image`; made once."""
    folder = cache_folder() / f"base-{_key()}"
    with alone(folder.name):
        if not folder.exists():
            making = folder.with_name(f"{folder.name}.{os.getpid()}")
            _make(making)
            making.rename(folder)
    return folder


def compile_python(folder: Path, root: Path, keep: bool = False) -> None:
    """Leave compiled files in the place of the sources: Python starts three times as fast, and the slot is smaller.

    `keep`: beside the sources, as an installation has them.
    """
    interpreter = _same_python()
    if interpreter is None:
        return  # the guest reads the sources: slower, and nothing else
    place = [] if keep else ["-b"]
    command = [interpreter, "-m", "compileall", "-q", *place, "--invalidation-mode", "unchecked-hash"]
    run(*command, "-s", str(root), "-p", "/", str(folder))
    for source in folder.rglob("*.py"):
        if source.with_suffix(".pyc").exists():
            source.unlink()


def _same_python() -> str | None:
    """An interpreter of the guest's minor version, whose compiled files the guest can read."""
    own = sys.executable if sys.version_info[:2] == (3, 11) else None
    return own or shutil.which("python3.11")


def _make(folder: Path) -> None:
    root, kernel, debs = folder / "root", folder / "kernel", folder / "debs"
    for made in (debs, root / "usr/lib/modules", root / "boot"):
        made.mkdir(parents=True)
    for deb in _fetch_debs(folder / "apt", debs):
        run("dpkg", "-x", str(deb), str(kernel if deb.name.startswith("linux-image") else root))
    merge_usr(root)
    _furnish(root)
    _take_kernel(kernel, root)
    _fetch_wheels(folder / "wheels", root / "usr/lib/python3/dist-packages")
    for library in ("python3.11", "python3"):
        compile_python(root / "usr/lib" / library, root)
    for done in (debs, kernel, folder / "apt", folder / "wheels"):
        shutil.rmtree(done)


def merge_usr(root: Path) -> None:
    """Packages of this Debian still bring /bin and /lib; a system of it has them as links into /usr."""
    for name in ("bin", "sbin", "lib"):
        (root / "usr" / name).mkdir(exist_ok=True)
        if (root / name).is_dir():
            run("cp", "-a", f"{root / name}/.", str(root / "usr" / name))
            shutil.rmtree(root / name)
        (root / name).symlink_to(f"usr/{name}")


def _furnish(root: Path) -> None:
    for name in ("doc", "man", "locale", "lintian", "bash-completion", "bug", "python3"):
        shutil.rmtree(root / "usr/share" / name, ignore_errors=True)
    shutil.rmtree(root / "usr/lib/aarch64-linux-gnu/gconv", ignore_errors=True)
    for name in UNUSED:
        shutil.rmtree(root / "usr/lib/python3.11" / name, ignore_errors=True)
    for name in ("dev", "proc", "sys", "run", "tmp", "data", "etc"):
        (root / name).mkdir(exist_ok=True)
    (root / "usr/bin/python3").symlink_to("python3.11")
    for tool in TOOLS:
        (root / "usr/bin" / tool).unlink(missing_ok=True)
        (root / "usr/bin" / tool).symlink_to("busybox")
    (root / "usr/sbin/reboot").symlink_to("../bin/busybox")  # where every init has it


def _take_kernel(kernel: Path, root: Path) -> None:
    (image,) = (kernel / "boot").glob("vmlinuz-*")
    shutil.copy(image, root / "boot/Image")
    (modules,) = (kernel / "lib/modules").glob("*/kernel")
    for order, name in enumerate(MODULES):
        shutil.copy(modules / f"{name}.ko", root / "usr/lib/modules" / f"{order:02}-{Path(name).name}.ko")


def _fetch_debs(private: Path, into: Path) -> Sequence[Path]:
    own = private_apt(private)
    named = re.search(r"Depends: (linux-image-\S+)", run("apt-cache", "depends", KERNEL, env=own))
    assert named is not None, f"{KERNEL} names no kernel"
    return download([named[1], *PACKAGES], own, into)


def download(names: Sequence[str], own: dict[str, str], into: Path) -> Sequence[Path]:
    """Download packages into a folder; `own` is the environment of a private apt."""
    run("apt-get", "-qq", "download", *names, env=own, cwd=into)
    return sorted(into.glob("*.deb"))


def private_apt(private: Path, architecture: str = "arm64") -> dict[str, str]:
    """Make an apt for an architecture whose state is in `private`; return the environment in which it is called."""
    for name in ("lists/partial", "archives/partial", "etc"):
        (private / name).mkdir(parents=True)
    (private / "status").touch()
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"]
    mirrors = sorted(set(run(*command).splitlines()))
    sources = [f"deb [signed-by={KEYRING}] {mirror} main" for mirror in mirrors]
    (private / "etc/sources.list").write_text("\n".join(sources) + "\n")
    (private / "apt.conf").write_text(
        f'APT::Architecture "{architecture}"; APT::Architectures {{ "{architecture}"; }}; APT::Sandbox::User "";\n'
        f'Dir::State "{private}"; Dir::State::lists "{private}/lists"; Dir::State::status "{private}/status";\n'
        f'Dir::Cache "{private}"; Dir::Etc::sourcelist "{private}/etc/sources.list";\n'
        'Dir::Etc::sourceparts "/dev/null";\n'
        'Acquire::Languages "none"; Acquire::Retries "3";\n'
    )
    own = {**os.environ, "APT_CONFIG": str(private / "apt.conf")}
    run("apt-get", "-qq", "update", env=own)
    return own


def _fetch_wheels(folder: Path, into: Path) -> None:
    download_wheels(folder, WHEELS, PLATFORMS)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(into, [name for name in packed.namelist() if "/test_data/" not in name])


def download_wheels(into: Path, names: Sequence[str], platforms: Sequence[str]) -> None:
    """Download the wheels of the lock file for Debian's Python on these platforms."""
    told = [word for name in platforms for word in ("--platform", name)]
    fetch = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version", PIP_VERSION, *told]
    run(sys.executable, "-m", "pip", *fetch, "-d", str(into), *pins(names))


def pins(names: Sequence[str]) -> list[str]:
    """The lines of the lock file for these packages, as pip takes them."""
    lines = [line.split()[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line]
    pinned = {line.partition("==")[0]: line for line in lines}  # of two for a name, the last is the newer Python's
    return [pinned[name] for name in names]


def _key() -> str:
    source = Path(__file__).read_bytes()
    return hashlib.sha256(source + "\n".join(pins(WHEELS)).encode()).hexdigest()[:16]


def run(*command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} {command[1]} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
    return done.stdout
