"""One server per data folder, for as long as the process lives: the kernel drops the lock with it, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from surefoot_shared.errors import ConfigError


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data folder; raises ConfigError(already_running) where another server has it."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(data_dir / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError("config_invalid", f"{data_dir} cannot be used: {error.strerror}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ConfigError(
            "already_running", f"Another server runs on {data_dir}.", "Stop it first, or give this one its own --data."
        ) from error
    try:
        yield
    finally:
        os.close(handle)
