"""A PostgreSQL cluster to be thrown away: in a folder of its own, on a socket alone, run by a user without rights.

Promises: nothing of it is left, whatever happened. Durable or quick, as the settings say.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from surefoot_shared.errors import Unreachable

USER = "postgres"
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=40", "shared_buffers=64MB")
"""Of a cluster that is thrown away; everything about order and isolation stays as it is in earnest."""


def program(name: str) -> str:
    """Debian keeps the server's programs off everybody's PATH."""
    places = os.pathsep.join(
        [os.environ.get("PATH", ""), *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    )
    found = shutil.which(name, path=places)
    if found is None:
        raise Unreachable("unreachable", f"{name} is missing.", "Install it with: apt-get install postgresql")
    return found


@contextmanager
def cluster(settings: tuple[str, ...] = QUICK) -> Iterator[str]:
    """Run a cluster; yield the URL of its maintenance database."""
    folder = Path(tempfile.mkdtemp(prefix="surefoot-pg-", dir="/tmp"))  # a socket's path has 107 characters at most
    root = os.geteuid() == 0
    user: str | None = USER if root else None
    if root:
        entry = pwd.getpwnam(USER)  # initdb refuses root, and Debian's package brings this user
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    data = folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "check": True, "cwd": "/", "user": user, "group": user}
    name = USER if root else pwd.getpwuid(os.geteuid()).pw_name
    try:
        made = [program("initdb"), "-D", str(data), "-A", "trust", "-U", name, "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(made, **quiet)  # type: ignore[call-overload]
        options = " ".join(
            f"-c {each}" for each in (*settings, "listen_addresses=''", f"unix_socket_directories={folder}")
        )
        start = [
            program("pg_ctl"),
            "-D",
            str(data),
            "-w",
            "-t",
            "60",
            "-l",
            str(folder / "log"),
            "-o",
            options,
            "start",
        ]
        subprocess.run(start, **quiet)  # type: ignore[call-overload]
        try:
            yield f"postgresql+psycopg://{name}@/postgres?host={folder}"
        finally:
            stop = [program("pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop"]
            subprocess.run(stop, **quiet)  # type: ignore[call-overload]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
