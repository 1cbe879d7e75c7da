"""The launcher, with real processes: it starts what the link names, counts deaths on trial, and is told its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.itself import launcher
from tests.agent.apps import until
from tests.agent.modules.world import executable

pytestmark = pytest.mark.slow
LIVES = '#!/bin/sh\necho "$0 $* $SUREFOOT_LAUNCHED" >> "{log}"\nexec sleep 60\n'
DIES = '#!/bin/sh\necho "$0 died" >> "{log}"\nexit 3\n'


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder / "agent", folder / "log"
        self.log.touch()
        for slot in ("A", "B"):
            (self.folder / "slots" / slot / "bin").mkdir(parents=True)
        self.installed = executable(folder / "installed", LIVES.format(log=self.log))
        guard.point_current(self.folder, "A")
        self.process: subprocess.Popen[bytes] | None = None

    def fill(self, slot: str, text: str) -> None:
        executable(self.folder / "slots" / slot / "bin/python3", text.format(log=self.log))

    def start(self) -> None:
        argv = [sys.executable, "-I", str(launcher.__file__), "--component-dir", str(self.folder)]
        self.process = subprocess.Popen([*argv, "--installed", str(self.installed), "--", "run"])

    def trial(self) -> None:
        record = {"assignment": "a", "attempt": 1, "component": "agent", "slot": "B", "previous": "A", "verdict": None}
        record |= {"deadline_monotonic": 1e12, "deadline_boot_id": guard.boot_id(), "armed_boot_id": guard.boot_id()}
        record |= {"starts": 1, "max_starts": 3, "fallback": None, "lock_wait_s": 5.0, "reason": None, "budget_s": 60.0}
        guard.save_record(self.folder, "trial", record)
        guard.point_current(self.folder, "B")

    def lives(self, slot: str) -> bool:
        record = guard.recorded_application(self.folder)
        return record is not None and record.slot == slot and guard.process_alive(record)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        guard.stop_application(self.folder, 1.0)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


def test_the_agent_of_the_linked_slot_is_started_as_a_module_and_recorded(site: Site) -> None:
    site.fill("A", LIVES)
    site.start()

    until(lambda: site.log.read_text().endswith("-I -B -m surefoot_agent run A\n"), "the agent of slot A")
    until(lambda: site.lives("A"), "its record")


def test_where_the_slot_holds_no_agent_the_installed_one_is_started(site: Site) -> None:
    site.start()

    until(lambda: site.log.read_text() == f"{site.installed} run installed\n", "the installed agent")


def test_an_agent_that_ended_is_followed_by_the_one_that_the_link_names_now(site: Site) -> None:
    site.fill("A", LIVES)
    site.fill("B", LIVES)
    site.start()
    until(lambda: site.lives("A"), "the agent of slot A")
    guard.point_current(site.folder, "B")
    record = guard.recorded_application(site.folder)
    assert record is not None

    os.kill(record.pid, signal.SIGTERM)

    until(lambda: site.lives("B"), "the agent of slot B")


def test_an_agent_that_keeps_dying_on_trial_uses_up_its_starts_and_the_old_one_is_back(site: Site) -> None:
    site.fill("A", LIVES)
    site.fill("B", DIES)
    site.trial()
    site.start()

    until(lambda: site.lives("A"), "the agent of slot A")
    trial = guard.load_trial(site.folder)
    assert trial is not None
    assert (trial["verdict"], trial["reason"]) == ("guard", "too_many_tries")
    assert guard.slot_states(site.folder)["B"] == "bad"


def test_an_agent_that_hangs_is_ended_by_the_guard_and_the_old_one_is_back(site: Site) -> None:
    site.fill("A", LIVES)
    site.fill("B", LIVES)
    site.trial()
    site.start()
    until(lambda: site.lives("B"), "the agent of slot B")
    trial = guard.load_trial(site.folder)
    assert trial is not None
    guard.save_record(site.folder, "trial", {**trial, "deadline_monotonic": 0.0})

    assert guard.look(site.folder)

    until(lambda: site.lives("A"), "the agent of slot A")


def test_told_to_stop_it_ends_its_agent_first(site: Site) -> None:
    site.fill("A", LIVES)
    site.start()
    until(lambda: site.lives("A"), "the agent of slot A")
    record = guard.recorded_application(site.folder)
    assert record is not None
    assert site.process is not None

    site.process.send_signal(signal.SIGTERM)

    site.process.wait(30)
    assert not guard.process_alive(record)


def test_it_needs_nothing_but_the_guard_beside_it(tmp_path: Path) -> None:
    for source in (launcher.__file__, guard.__file__):
        (tmp_path / Path(str(source)).name).write_bytes(Path(str(source)).read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "launcher.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "--component-dir" in done.stdout


def test_a_launcher_that_was_killed_leaves_no_second_agent(site: Site) -> None:
    site.fill("A", LIVES)
    site.start()
    until(lambda: site.lives("A"), "the agent of slot A")
    before = guard.recorded_application(site.folder)
    assert before is not None
    assert site.process is not None
    site.process.kill()
    site.process.wait()

    site.start()

    until(lambda: site.log.read_text().count("surefoot_agent run A") == 2, "the agent of the next launcher")
    until(lambda: not guard.process_alive(before), "the end of the agent of before")
    until(lambda: site.lives("A"), "its record")
