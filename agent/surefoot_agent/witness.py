"""The longest audit checkpoint that the server told of, kept over restarts and said back in every hello.

Promises: a shorter one never takes its place, so a server whose trail was cut off is told what was there; a file that
cannot be read or written costs nothing but the memory. Refuses to act on it: what it means is the server's matter.
"""

from __future__ import annotations

import logging
from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import Checkpoint

log = logging.getLogger(__name__)
FILE = "audit-checkpoint.json"


class Witness:
    def __init__(self, path: Path | None = None) -> None:
        """Without a path it remembers until the process ends."""
        self._path = path
        self._kept = _read(path) if path is not None else None

    @property
    def kept(self) -> Checkpoint | None:
        return self._kept

    def told(self, checkpoint: Checkpoint | None) -> None:
        """Keep it if it is the longest yet."""
        if checkpoint is None or (self._kept is not None and checkpoint.size <= self._kept.size):
            return
        self._kept = checkpoint
        if self._path is None:
            return
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_bytes(wire.encode(checkpoint))
            fresh.replace(self._path)  # without fsync: one that is lost with the power is told again within the hour
        except OSError as error:
            log.warning("checkpoint_not_kept error=%s", type(error).__name__)


def _read(path: Path) -> Checkpoint | None:
    try:
        return wire.decode(Checkpoint, path.read_bytes())
    except (OSError, Invalid):
        return None
