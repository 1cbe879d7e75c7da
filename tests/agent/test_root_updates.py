"""The orders of the machine where a slot is this machine's root: switch and way back are restarts, and never a loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import effects, settle, way_back
from surefoot_agent import events as e
from surefoot_agent.boot.fake import COUNTER, FakeBoot
from surefoot_agent.ports import Running
from surefoot_agent.record import Ending, Record
from surefoot_agent.sight import Hands
from surefoot_agent.trial import Verdict
from surefoot_shared.errors import InstallFailed
from surefoot_shared.messages import Lease, Source
from surefoot_shared.release import Manifest
from surefoot_shared.status import AttemptState, Outcome, SlotName, SlotState
from tests.agent.fakes import Device

pytestmark = pytest.mark.usefixtures("unsynced")

A, B = SlotName.A, SlotName.B
LEASE = Lease("a-1", (Source("https://x/", "t"),), 60.0)


class Restarted(BaseException):
    """The machine went down: nothing after it ran."""


class Root:
    """The machine's root: it is whatever slot the bootloader entered last, and each boot is a start."""

    def __init__(self, boot: FakeBoot) -> None:
        self.boot, self.boots, self.proved = boot, 1, True

    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        raise Restarted

    def restart(self) -> None:
        self.boot.restart()
        self.boots += 1

    def stop(self) -> None: ...
    def tend(self) -> None: ...

    def running(self) -> Running | None:
        root = Running(f"boot-{self.boots}", 1, self.boot.current(), "/usr/bin/python3", "/", 0.0)
        return root if self.proved else None

    def spec(self, slot: SlotName, manifest: Manifest) -> None: ...
    def log_tail(self, lines: int = 40) -> str:
        return ""

    def endpoint(self) -> Mapping[str, str]:
        return {}


@pytest.fixture(autouse=True)
def _restartable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arming asks for the command that restarts the machine; a container has none."""
    monkeypatch.setattr(way_back, "restarts", lambda system: (("/bin/true",),))


@pytest.fixture
def root() -> Root:
    boot = FakeBoot(nature=COUNTER)
    boot.commit(A)
    return Root(boot)


@pytest.fixture
def hands(tmp_path: Path, root: Root) -> Hands:
    return replace(Device(tmp_path).hands(), boot=root.boot, application=root)


@pytest.fixture
def armed(tmp_path: Path, hands: Hands) -> Record:
    """An attempt at 1.1 whose slot the bootloader will try."""
    wish = Device(tmp_path / "wishes").wish("1.1", "a-1")
    record = Record("app", AttemptState.DOWNLOADING, 1, wish, 1, B, A, previous_kept=False)
    effects.download(hands, record, LEASE, lambda done, total: None, lambda: False)
    effects.seal(hands, record)
    measured = effects.measure(hands, record)
    assert isinstance(measured, e.Measured)
    record = replace(record, state=AttemptState.ARMED, activation=measured.activation)
    assert effects.arm(hands, record) == e.Flipped()
    return record


def on_trial(hands: Hands, root: Root, armed: Record) -> Record:
    root.restart()
    switched = effects.switch(hands, armed)
    assert isinstance(switched, e.Switched)
    return replace(armed, state=AttemptState.PROBATION, activation=switched.activation)


def test_the_switch_is_a_restart_and_the_new_boot_is_the_start(hands: Hands, root: Root, armed: Record) -> None:
    with pytest.raises(Restarted):
        effects.switch(hands, armed)

    assert on_trial(hands, root, armed).activation == "boot-2"


def test_a_bootloader_that_would_enter_the_old_slot_costs_no_restart(hands: Hands, root: Root, armed: Record) -> None:
    root.boot.set_primary(A)

    assert effects.switch(hands, armed) == e.NotTaken()


def test_a_trial_whose_last_start_this_is_still_counts_as_switched(hands: Hands, root: Root, armed: Record) -> None:
    for _ in range(COUNTER.tries):
        root.restart()

    switched = effects.switch(hands, armed)

    assert root.boot.primary() is A
    assert isinstance(switched, e.Switched)


def test_the_way_back_is_a_restart_that_the_old_root_finishes(hands: Hands, root: Root, armed: Record) -> None:
    ending = Ending(Outcome.REVERTED, "health_failed", "It is sick.")
    reverting = replace(on_trial(hands, root, armed), state=AttemptState.REVERTING, ending=ending)

    with pytest.raises(Restarted):
        effects.revert(hands, reverting)
    before = hands.trials.of("a-1", 1)
    root.restart()
    after = effects.revert(hands, reverting)

    assert after == e.WentBack()
    assert (root.boot.current(), root.boot.state(B)) == (A, SlotState.BAD)
    trial = hands.trials.of("a-1", 1)
    assert before is not None
    assert trial is not None
    assert (before.verdict, before.finished, trial.finished) == (Verdict.UNHEALTHY, False, True)


def test_an_old_root_that_no_release_was_ever_put_into_is_gone_back_to_all_the_same(
    hands: Hands, root: Root, armed: Record
) -> None:
    reverting = replace(on_trial(hands, root, armed), state=AttemptState.REVERTING)
    hands.slots.clear(A)

    with pytest.raises(Restarted):
        effects.revert(hands, reverting)

    assert root.boot.primary() is A


def test_a_commit_waits_where_the_root_is_not_proved_and_orders_no_restart(
    hands: Hands, root: Root, armed: Record
) -> None:
    committing = replace(on_trial(hands, root, armed), state=AttemptState.COMMITTING)
    root.proved = False

    with pytest.raises(InstallFailed, match="not proved"):
        effects.commit(hands, committing)

    assert root.boot.state(B) is not SlotState.GOOD


def test_a_commit_names_the_agents_own_root(hands: Hands, root: Root, armed: Record) -> None:
    committing = replace(on_trial(hands, root, armed), state=AttemptState.COMMITTING)

    held = effects.commit(hands, committing)

    assert isinstance(held, e.CommitHeld)
    assert (held.proof.slot, held.proof.directory, held.proof.marked_good) == (B, "/", True)
    assert root.boot.commits[-1] is B


def test_a_root_that_is_not_proved_is_never_a_reason_to_restart(hands: Hands, root: Root) -> None:
    root.proved = False

    settle.ensure_running(hands)

    assert root.boots == 1


def test_the_trial_of_a_root_stores_no_process_as_the_way_back(hands: Hands, armed: Record) -> None:
    trial = hands.trials.of("a-1", 1)

    assert trial is not None
    assert trial.fallback is None
