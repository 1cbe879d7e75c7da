"""What simulated devices and their server log is in the story, under their name and at their time, and nowhere else."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from surefoot_simulators.world.hearing import AGAIN_S, HEARD, heard
from surefoot_simulators.world.recording import Teller

AGENT = logging.getLogger("surefoot_agent.component")
SERVER = logging.getLogger("surefoot_server.rollouts.service")


@dataclass
class Yard:
    """What of a world hears."""

    folder: Path = Path("/nowhere/at-all")
    speaker: str | None = "cam-1"
    queue: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(now=0.0))
    story: list[tuple[Teller, str, str | None]] = field(default_factory=list)

    def tell(self, by: Teller, text: str, device: str | None = None) -> None:
        self.story.append((by, text, device))


def test_a_warning_is_told_under_the_name_of_who_said_it(caplog: pytest.LogCaptureFixture) -> None:
    yard = Yard()

    with heard(yard):  # type: ignore[arg-type]
        AGENT.warning("work_failed name=%s", "download")
        SERVER.warning("look_failed error=locked\n[SQL: BEGIN]")
        AGENT.info("started")

    assert yard.story == [
        (Teller.DEVICE, "work_failed name=download", "cam-1"),
        (Teller.SERVER, "look_failed error=locked", None),
    ]
    assert not caplog.records


def test_what_is_said_again_soon_is_told_once() -> None:
    yard = Yard()

    with heard(yard):  # type: ignore[arg-type]
        for at in (0.0, 1.0, AGAIN_S):
            yard.queue.now = at
            AGENT.warning("look_failed")

    assert len(yard.story) == 2


def test_no_folder_of_this_machine_is_in_a_story() -> None:
    yard = Yard()

    with heard(yard):  # type: ignore[arg-type]
        AGENT.warning("file=%s", yard.folder / "journal.db")

    assert yard.story[0][1] == "file=/journal.db"


def test_an_error_calls_for_a_person_here_too(caplog: pytest.LogCaptureFixture) -> None:
    yard = Yard()

    with heard(yard):  # type: ignore[arg-type]
        AGENT.error("a bug")

    assert [record.message for record in caplog.records] == ["a bug"]
    assert yard.story == [(Teller.DEVICE, "a bug", "cam-1")]


def test_afterwards_everything_logs_as_before() -> None:
    before = [(logging.getLogger(name).propagate, logging.getLogger(name).level) for name in HEARD]

    with pytest.raises(ZeroDivisionError), heard(Yard()):  # type: ignore[arg-type]
        _ = 1 / 0

    assert [(logging.getLogger(name).propagate, logging.getLogger(name).level) for name in HEARD] == before
    assert not any(logging.getLogger(name).handlers for name in HEARD)
