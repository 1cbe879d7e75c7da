"""A root image of Debian before and after its updates, from this system's own package sources.

Promises: the older image holds what the release itself has, the newer one what the updates and security suites add to
it; nothing else differs: time stamps, file system id and hash seed are fixed. Needs mmdebstrap and mke2fs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from surefoot_simulators.bench.delta_peers import Side

SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
PROGRAMS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs"}
EXTRA = "systemd-sysv,udev,openssh-server,python3,ca-certificates,curl,network-manager"
"""What a camera's root has beside the smallest system."""
IMAGE_BYTES = 1 << 30
EPOCH = "1735689600"
FIXED_ID = "5c0f0a3e-6d5b-4f6b-9d0e-0d6f6f7a1b2c"


def absent() -> list[str]:
    """What is missing to make the images, with the way to install it."""
    lacking = [
        f"{name} is not installed (apt-get install {p})" for name, p in PROGRAMS.items() if not shutil.which(name)
    ]
    return lacking if SOURCES.exists() else [*lacking, f"there is no {SOURCES}"]


def sides(work: Path) -> tuple[Side, Side]:
    """Make both images below `work`; each with the tree that it holds."""
    codename = _codename()
    return _side(work / "before", [codename]), _side(
        work / "after", [codename, f"{codename}-updates", f"{codename}-security"]
    )


def _side(folder: Path, suites: list[str]) -> Side:
    folder.mkdir(parents=True)
    tree, image = folder / "tree", folder / "root.ext4"
    sources = folder / "suites.sources"
    sources.write_text(only(SOURCES.read_text(), suites))
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={EXTRA}", suites[0], str(tree), str(sources)],
        check=True,
        env=environment,
    )
    for devices in ("dev", "proc", "sys", "run"):
        shutil.rmtree(tree / devices, ignore_errors=True)
        (tree / devices).mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    options = ["-q", "-t", "ext4", "-U", FIXED_ID, "-E", f"hash_seed={FIXED_ID},lazy_itable_init=0", "-d", str(tree)]
    subprocess.run(["mke2fs", *options, str(image)], check=True, env=environment)
    return Side(tree, image)


def only(sources: str, suites: list[str]) -> str:
    """The paragraphs of a deb822 file that name one of these suites, with no others of theirs."""
    kept = []
    for paragraph in sources.split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line and not line.startswith("#")]
        named = [word for line in lines if line.startswith("Suites:") for word in line.split()[1:] if word in suites]
        if named:
            kept.append(
                "\n".join(f"Suites: {' '.join(named)}" if line.startswith("Suites:") else line for line in lines)
            )
    return "\n\n".join(kept) + "\n"


def _codename() -> str:
    release = Path("/etc/os-release").read_text()
    return next(
        line.partition("=")[2].strip('"') for line in release.splitlines() if line.startswith("VERSION_CODENAME=")
    )
