"""What agents and server of a world log, heard where it belongs: in the world's story, under the device's name.

Promises: a warning of a simulated device is a line of the story, not of this process's own log, where it would have
neither time nor device; what is said again soon is told once. An error, which calls for a person, goes to the log as
well. Levels are those of a device in production, however this process logs, so that a run is the same everywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from surefoot_simulators.world.recording import Teller

if TYPE_CHECKING:
    from surefoot_simulators.world.world import World

AGENT = "surefoot_agent"
HEARD = {AGENT: Teller.DEVICE, "surefoot_server": Teller.SERVER, "surefoot_simulators.world": Teller.SERVER}
AGAIN_S = 3600.0
"""A server whose database is locked says so each second."""


class Hearing(logging.Handler):
    """Hears warnings on behalf of one world."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self._world = world
        self._told: dict[tuple[str | None, str], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        by = next(teller for name, teller in HEARD.items() if record.name.startswith(name))
        device = self._world.speaker if by is Teller.DEVICE else None
        text = record.getMessage().partition("\n")[0].replace(str(self._world.folder), "")
        now, before = self._world.queue.now, self._told.get((device, text))
        if before is None or now - before >= AGAIN_S:
            self._told[device, text] = now
            self._world.tell(by, text, device)
        if record.levelno >= logging.ERROR:
            logging.getLogger().handle(record)


@contextmanager
def heard(world: World) -> Iterator[None]:
    """While this lasts."""
    hearing, loggers = Hearing(world), [logging.getLogger(name) for name in HEARD]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(hearing)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(hearing)
            logger.setLevel(level)
            logger.propagate = propagate
