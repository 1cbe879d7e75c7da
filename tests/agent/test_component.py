"""Several components of one device go their own ways over one journal, one link and one outbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.downlink import AckArrived
from surefoot_agent.runner import Runner
from surefoot_agent.trial import Verdict
from surefoot_shared.messages import USABLE_AGAIN, Ack, EventKind, Lease, Request, RequestKind, Source
from surefoot_shared.status import AttemptState as S
from surefoot_shared.status import Outcome, SlotName, SlotState
from tests.agent.fakes import Device

pytestmark = pytest.mark.usefixtures("unsynced")


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path, ("app", "model"))


def states(agent: Runner) -> dict[str, S]:
    return {record.component: record.state for record in agent.records}


def all_idle(agent: Runner) -> bool:
    return all(record.state is S.IDLE and record.ended is not None for record in agent.records)


def versions(device: Device) -> dict[str, str | None]:
    return {name: part.running_version() for name, part in device.parts.items()}


def test_each_component_takes_its_own_assignment_from_one_bundle(device: Device) -> None:
    device.assign(device.wish("1.1", "a-1"), device.wish("1.2", "m-1", component="model"))
    agent = device.start_agent()

    device.play(agent, 120.0, lambda: all_idle(agent))

    assert versions(device) == {"app": "1.1", "model": "1.2"}
    assert sorted(device.server.outcomes()) == [
        ("a-1", Outcome.COMMITTED, None),
        ("m-1", Outcome.COMMITTED, None),
    ]


def test_a_release_that_one_component_reverts_leaves_the_others_alone(device: Device) -> None:
    device.health.sick = {"1.2"}
    device.assign(device.wish("1.2", "a-1"), device.wish("1.1", "m-1", component="model"))
    agent = device.start_agent()

    device.play(agent, 120.0, lambda: all_idle(agent))

    assert versions(device) == {"app": "1.0", "model": "1.1"}
    assert {(a, o) for a, o, _ in device.server.outcomes()} == {
        ("a-1", Outcome.REVERTED),
        ("m-1", Outcome.COMMITTED),
    }


def test_one_hello_reports_every_component(device: Device) -> None:
    agent = device.start_agent()
    agent.drain()

    (said,) = device.server.hellos[-1:]
    assert {c.component: c.digest for c in said.components} == {
        "app": device.parts["app"].digest("1.0"),
        "model": device.parts["model"].digest("1.0"),
    }


def test_leave_to_download_serves_the_component_whose_attempt_it_names(device: Device) -> None:
    device.server.leases = False
    device.assign(device.wish("1.1", "a-1"), device.wish("1.1", "m-1", component="model"))
    agent = device.start_agent()
    device.play(agent, 2.0)

    agent._leased(Lease("m-1", (Source("https://x/", "t"),), 600.0))
    device.play(agent, 120.0, lambda: states(agent)["model"] is S.IDLE)

    assert states(agent) == {"app": S.DOWNLOADING, "model": S.IDLE}


def test_a_withdrawn_assignment_ends_the_attempt_of_its_component_only(device: Device) -> None:
    device.server.leases = False
    app = device.wish("1.1", "a-1")
    device.assign(app, device.wish("1.1", "m-1", component="model"))
    agent = device.start_agent()
    device.play(agent, 2.0)

    agent._bundle(device.assign(app))
    device.play(agent, 5.0)

    assert states(agent) == {"app": S.DOWNLOADING, "model": S.IDLE}


def test_a_restarted_agent_goes_on_with_each_attempt_where_it_was(device: Device) -> None:
    device.assign(device.wish("1.1", "a-1"), device.wish("1.1", "m-1", component="model"))
    first = device.start_agent()
    device.play(first, 60.0, lambda: S.PROBATION in states(first).values())

    again = device.start_agent()
    device.play(again, 120.0, lambda: all_idle(again))

    assert versions(device) == {"app": "1.1", "model": "1.1"}
    assert len(device.server.outcomes()) == 2


def test_the_answer_to_a_request_for_logs_names_each_component(device: Device) -> None:
    agent = device.start_agent()
    agent.drain()
    desks = agent._desks

    assert [desk.rules.component for desk in desks] == ["app", "model"]
    answer = desks[0].answer(_logs(), agent._statuses(), desks[1:])

    assert b"[app]" in answer
    assert b"[model]" in answer


def _logs() -> Request:
    return Request("q-1", RequestKind.LOGS, 10)


@pytest.fixture
def lone(tmp_path: Path) -> Device:
    """On trial with 1.1; what the server heard of it and served is kept."""
    device = Device(tmp_path)
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)
    return device


def remembered(device: Device) -> dict[str, bytes]:
    """The journal as it is now, with an empty log."""
    assert device.journal is not None
    device.journal._journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return {file.name: file.read_bytes() for file in device.folder.glob("journal.db*")}


def forgets(device: Device, kept: dict[str, bytes]) -> None:
    """The journal is what it was at an earlier time, or was never there; the trial record is on the disk."""
    assert device.journal is not None
    device.journal.close()  # type: ignore[operator]
    device.journal = None
    for file in device.folder.glob("journal.db*"):
        file.unlink()
    for name, content in kept.items():
        (device.folder / name).write_bytes(content)


def guard_ends_it(device: Device) -> None:
    """What the guard does at the deadline."""
    trial = device.trials.decide("a-1", 1, Verdict.GUARD)
    assert trial is not None
    device.boot_control.set_primary(SlotName(trial.previous))
    device.boot_control.set_state(SlotName(trial.slot), SlotState.BAD)
    device.application.start(SlotName(trial.previous), device.manifests["1.0"])
    device.trials.finish("a-1", 1)


def test_a_journal_that_forgot_the_trial_begins_nothing_until_the_guard_ended_it(lone: Device) -> None:
    forgets(lone, {})
    fetched = list(lone.downloader.fetched)

    agent = lone.start_agent()
    lone.play(agent, 30.0)
    waited = (agent.record.state, lone.linked_version(), list(lone.downloader.fetched))
    guard_ends_it(lone)
    lone.run_until_idle(agent)

    assert waited == (S.IDLE, "1.1", fetched)
    assert lone.running_version() == "1.0"
    assert lone.server.outcomes() == [("a-1", Outcome.REVERTED, "no_verdict")]
    notices = [event.reason for event in lone.server.events.values() if event.kind is EventKind.NOTICE]
    assert notices == ["journal_unreadable", USABLE_AGAIN]


def test_a_journal_that_was_rolled_back_numbers_anew_and_the_slot_of_the_way_back_stays(tmp_path: Path) -> None:
    device = Device(tmp_path)
    agent = device.start_agent()
    device.play(agent, 5.0)
    before = remembered(device)
    device.assign(device.wish("1.1", "a-1"))
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)
    old = {event.stream for event in device.server.events.values()}
    forgets(device, before)

    again = device.start_agent()
    device.play(again, 30.0)
    guard_ends_it(device)
    device.run_until_idle(again)

    assert device.running_version() == "1.0"
    assert device.server.outcomes()[-1] == ("a-1", Outcome.REVERTED, "no_verdict")
    assert device.server.hellos[-1].stream not in old
    assert device.slots.installed(SlotName.A) == device.manifests["1.0"]


def test_a_journal_that_was_rolled_back_without_a_trial_is_found_by_what_the_server_has(tmp_path: Path) -> None:
    device = Device(tmp_path)
    agent = device.start_agent()
    device.play(agent, 5.0)
    before = remembered(device)
    device.assign(device.wish("1.1", "a-1"))
    device.run_until_idle(agent)
    stream, stored = device.server.hellos[-1].stream, max(event.seq for event in device.server.events.values())
    forgets(device, before)

    again = device.start_agent()
    again.post(AckArrived(Ack(stream, stored, 0)))
    device.play(again, 60.0)

    assert device.server.hellos[-1].stream != stream
    assert device.running_version() == "1.1"
