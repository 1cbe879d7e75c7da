"""The shell of one attempt; whole conversations are in test_runner.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.attempt import Attempt, Fetched
from surefoot_agent.bench import Bench, Done
from surefoot_agent.downlink import Connected
from surefoot_agent.events import Assigned, Effect, Withdrawn
from surefoot_agent.timers import Timers
from surefoot_shared.errors import Conflict, InstallFailed, UntrustedRelease
from surefoot_shared.messages import EventKind, Lease, Source
from surefoot_shared.status import AttemptState, SlotName
from tests.agent.fakes import Cut, Device, HeldLanes

pytestmark = pytest.mark.usefixtures("unsynced")

S = AttemptState
LEASE = Lease("a-1", (Source("https://x/", "t"),), 600.0)


class Bed:
    """An attempt with a bench whose results are handed back one by one."""

    def __init__(self, device: Device) -> None:
        device.start_agent().drain()
        self.device, self.results, self.fetched = device, list[Done](), list[Fetched]()
        self.idle = self.floors = 0
        self.lanes = HeldLanes()
        self.timers = Timers(device.world.monotonic)
        self.bench = Bench(self.lanes, self.results.append)
        self.attempt = Attempt(
            device.desk(),
            self.bench,
            self.timers,
            lambda: 0.5,
            self.fetched.append,
            lambda: None,
            self._idle,
            self._raise,
        )

    def _idle(self) -> None:
        self.idle += 1

    def _raise(self) -> None:
        self.floors += 1

    def drain(self, until: AttemptState | None = None) -> None:
        while self.results and self.attempt.record.state is not until:
            done = self.results.pop(0)
            if not self.bench.take(done):
                continue
            if done.error is not None:
                assert isinstance(done.error, InstallFailed | UntrustedRelease | OSError)
                self.attempt.failed(done.name, done.error)
            else:
                self.attempt.done(done.result)


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(Device(tmp_path))


def told(bed: Bed) -> list[tuple[EventKind, AttemptState | None]]:
    assert bed.device.journal is not None
    waiting = bed.device.journal.waiting(0, 100)  # type: ignore[operator]
    return [(event.kind, event.state) for event in waiting]


def test_the_record_is_stored_before_its_effect_begins(bed: Bed) -> None:
    bed.device.world.trace.clear()
    bed.device.world.cut_at = bed.device.world.points + 1

    with pytest.raises(Cut):
        bed.attempt.play(Assigned(bed.device.wish("1.1", "a-1")))

    assert bed.device.world.trace == ["before journal save"]
    assert bed.results == []


def test_it_waits_for_a_lease_and_begins_with_it(bed: Bed) -> None:
    bed.attempt.play(Assigned(bed.device.wish("1.1", "a-1")))
    bed.drain()
    assert bed.attempt.record.state is S.DOWNLOADING
    assert bed.timers.waits("lease")

    bed.attempt.lease_arrived(LEASE)
    bed.drain(S.STAGED)

    assert bed.attempt.record.state is S.STAGED
    assert bed.device.slots.digest(SlotName.B) == bed.device.digest("1.1")


def test_a_lease_that_came_early_is_used_when_its_time_comes(bed: Bed) -> None:
    bed.attempt.lease_arrived(LEASE)
    bed.attempt.play(Assigned(bed.device.wish("1.1", "a-1")))

    bed.drain(S.STAGED)

    assert bed.attempt.record.state is S.STAGED
    assert not bed.timers.waits("lease")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (InstallFailed("no_space", "Full."), "refused"),
        (UntrustedRelease("target_mismatch", "No."), "refused"),
        (InstallFailed("slot_write_failed", "EIO."), "failed"),
        (OSError(5, "Input/output error"), "failed"),
    ],
)
def test_what_fails_before_arming_is_refused_or_failed_by_its_kind(
    bed: Bed, error: InstallFailed | UntrustedRelease | OSError, outcome: str
) -> None:
    bed.attempt.play(Assigned(bed.device.wish("1.1", "a-1")))
    bed.drain(S.DOWNLOADING)

    bed.attempt.failed(Effect.DOWNLOAD.value, error)

    assert bed.attempt.record.ending is not None
    assert bed.attempt.record.ending.outcome.value == outcome


@pytest.mark.parametrize(
    ("state", "effect"), [(S.CHECKING, Effect.PREFLIGHT), (S.DOWNLOADING, Effect.DOWNLOAD), (S.VERIFIED, Effect.SEAL)]
)
def test_a_step_in_which_the_privileged_half_died_is_done_again_and_the_attempt_goes_on(
    bed: Bed, state: AttemptState, effect: Effect
) -> None:
    bed.attempt.lease_arrived(LEASE)
    bed.attempt.play(Assigned(bed.device.wish("1.1", "a-1")))
    bed.drain(state)

    for _ in range(20):  # it may stay away for long
        bed.results.clear()
        bed.attempt.failed(effect.value, InstallFailed("helper_unreachable", "The connection was closed."))
        assert (bed.attempt.record.state, bed.attempt.record.ending) == (state, None)
        bed.device.world.now += 2.0
        assert bed.timers.take_due() == "again"
        bed.attempt.due("again")
        assert [done.name for done in bed.results] == [effect.value]
    bed.drain(S.STAGED)

    assert bed.attempt.record.state is S.STAGED


def test_progress_is_told_in_tenths_and_not_for_every_chunk(bed: Bed) -> None:
    bed.attempt.play(Assigned(bed.device.wish("1.1", "a-1")))
    bed.drain(S.DOWNLOADING)
    before = len(told(bed))
    stop = bed.attempt._stop
    stop.clear()

    for done in range(1001):
        bed.attempt.fetched(Fetched(stop, done, 1000))

    assert len(told(bed)) - before == 10


def test_progress_of_a_download_that_was_stopped_is_not_told(bed: Bed) -> None:
    bed.attempt.play(Assigned(bed.device.wish("1.1", "a-1")))
    bed.drain(S.DOWNLOADING)
    before = len(told(bed))
    stale = Fetched(type(bed.attempt._stop)(), 900, 1000)

    bed.attempt.fetched(stale)

    assert len(told(bed)) == before


def test_leaving_a_state_ends_its_download_and_its_timers(bed: Bed) -> None:
    bed.attempt.play(Assigned(bed.device.wish("1.1", "a-1")))
    bed.drain(S.DOWNLOADING)
    stop = bed.attempt._stop

    bed.attempt.play(Withdrawn())

    assert stop.is_set()
    assert not bed.timers.waits("lease")
    bed.drain()
    assert (bed.attempt.record.state, bed.idle) == (S.IDLE, 1)


@pytest.mark.parametrize("order", ["commit_now", "revert_now"])
def test_an_idle_device_has_nothing_to_commit_or_to_revert(bed: Bed, order: str) -> None:
    with pytest.raises(Conflict):
        bed.attempt.commit_now() if order == "commit_now" else bed.attempt.revert_now("Because.")


def test_a_check_that_fails_to_run_is_run_again_and_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(tmp_path)
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    agent.post(Connected())
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)
    real, failures = device.health.run, [0]

    def sometimes(*given: object, **named: object) -> object:
        failures[0] += 1
        if failures[0] <= 3:
            raise OSError("too many open files")
        return real(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(device.health, "run", sometimes)
    device.run_until_idle(agent)

    assert device.server.outcomes()[0][1] is not None
    assert device.running_version() == "1.1"
