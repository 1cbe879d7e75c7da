"""The contents of a slot: the userland, the agent of this checkout, and one release's version and mishap.

Promises: the agent in a slot is the one that is tested, byte for byte; two slots that differ in a version differ in a
few blocks only. What is made once for the same sources is kept.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import PACKAGES
from tests.power import disk, packages

GUEST = Path(__file__).parent / "guest"
LIBRARY = "usr/lib/python3/dist-packages"


@dataclass(frozen=True)
class Mishap:
    """What is wrong with a release: `name` is told to init, `orders` are debugfs's on its image.

    `junk` is no file system at all; `planted` names a bug of `guest/planted` with which its agent runs; `settings` are
    of its agent, beside the machine's.
    """

    name: str
    orders: str = ""
    junk: bool = False
    planted: str = ""
    settings: str = ""


NONE = Mishap("none")
MUTE = Mishap("mute")
"""What runs in it does not answer its health check."""
PANIC = Mishap("panic")
NO_KERNEL = Mishap("no_kernel", "rm /boot/Image\n")
NO_INIT = Mishap("no_init", "rm /usr/sbin/init\n")
JUNK = Mishap("junk", junk=True)
BROKEN = Mishap("none", "".join(f"rm /{LIBRARY}/surefoot_shared/errors.{end}\n" for end in ("py", "pyc")))
"""A module is gone that its agent imports: no start of it succeeds. The kernel, init and guard are well."""
HASTY = Mishap("none", settings="guard_budget_s = 60\n")
"""Its agent grants the next release one minute; a case in which the guard acts need not wait for longer."""
NO_FSYNC, ARM_FIRST = Mishap("none", planted="no_fsync"), Mishap("none", planted="arm_first")
JUNK_MIB = 8
"""Enough to destroy every file system that was there."""


@dataclass(frozen=True)
class Image:
    """The bytes of a release, known by size and sha256."""

    size_bytes: int
    sha256: str


def base_image() -> Path:
    """Return the image of a slot with the agent and no release yet."""
    image = packages.cache_folder() / f"slot-{_key()}.img"
    with packages.alone(image.name):
        if not image.exists():
            making = image.with_name(f"{image.name}.{os.getpid()}")
            tree = making.with_name(f"{making.name}.tree")
            shutil.copytree(packages.base_tree() / "root", tree, symlinks=True)
            _add_agent(tree)
            disk.make_filesystem(making, tree, disk.SLOT_MIB, disk.PLAIN)
            shutil.rmtree(tree)
            making.rename(image)
    return image


def release_image(folder: Path, version: str, mishap: Mishap = NONE) -> Path:
    """Make the image of one release."""
    path = folder / f"{version}.img"
    if mishap.junk:
        path.write_bytes(random.Random(version).randbytes(JUNK_MIB * disk.MIB))
        return path
    texts = {"/etc/release": version + "\n", "/etc/mishap": mishap.name + "\n"}
    if mishap.settings:
        texts["/etc/surefoot/agent.d/hasty.toml"] = mishap.settings
    if mishap.planted:
        module = f"planted_{mishap.planted}"
        texts["/etc/agent"] = module + "\n"
        texts[f"/{LIBRARY}/{module}.py"] = (GUEST / "planted" / f"{mishap.planted}.py").read_text()
    orders = mishap.orders
    for number, (place, text) in enumerate(texts.items()):
        file = folder / f"{version}.{number}"
        file.write_text(text)
        orders += f"rm {place}\nwrite {file} {place}\n"
    return disk.edit_image(base_image(), path, orders)


def image_of(path: Path) -> Image:
    return Image(path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


def _add_agent(tree: Path) -> None:
    for package in (PACKAGES["agent"], PACKAGES["shared"]):
        target = tree / LIBRARY / package.name
        shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__", "guard.py"))
        packages.compile_python(target, tree)
    shutil.copy(PACKAGES["agent"] / "guard.py", tree / LIBRARY / PACKAGES["agent"].name)  # runs as a file of its own
    shutil.copy(GUEST / "init.sh", tree / "usr/sbin/init")
    (tree / "usr/sbin/init").chmod(0o755)
    for file in sorted((GUEST / "etc").rglob("*")):
        if file.is_file():
            place = tree / "etc" / file.relative_to(GUEST / "etc")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)


def _key() -> str:
    """The hash of everything that an image is made of."""
    found = hashlib.sha256(packages.base_tree().name.encode())
    sources = [PACKAGES["agent"], PACKAGES["shared"], GUEST]
    for path in sorted(p for source in sources for p in source.rglob("*") if p.is_file() and p.suffix != ".pyc"):
        found.update(f"{path.name}\0".encode() + path.read_bytes())
    for module in (disk.__file__, __file__):
        found.update(Path(module).read_bytes())
    return found.hexdigest()[:16]
