"""What the application may ask, played against a whole agent; the documented client is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot_agent.contract import admission
from surefoot_agent.downlink import Connected
from surefoot_agent.orders import APPLICATION_VERBS, Order, OrderServer, Verb
from surefoot_agent.runner import Runner
from surefoot_agent.status import read_status
from surefoot_shared.errors import Conflict
from surefoot_shared.status import AttemptState as S
from surefoot_shared.status import Outcome, SlotName
from surefoot_shared.wire import Json
from tests.agent.apps import until
from tests.agent.fakes import Device, HeldLanes

pytestmark = pytest.mark.usefixtures("unsynced")
PAGE = Path(__file__).parents[2] / "docs" / "application-contract.md"


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def start_of(device: Device) -> str:
    assert device.application.process is not None
    return device.application.process.start_id


def begun(device: Device) -> Runner:
    """An agent whose application, 1.0, runs."""
    device.application.start(SlotName.A, device.manifests["1.0"])
    return device.start_agent()


def say(agent: Runner, device: Device, verb: Verb, start: str | None = None, **more: float | str) -> dict[str, Json]:
    order = Order(verb, start=start_of(device) if start is None else start, **more)  # type: ignore[arg-type]
    agent.post(order)
    agent.drain()
    return order.answers.get_nowait()


def assign(device: Device, agent: Runner, seconds: float = 60.0) -> None:
    device.assign(device.wish("1.1", "a-1"))
    agent.post(Connected())
    device.play(agent, seconds)


def told(device: Device) -> list[str]:
    return [e.message for e in device.server.events.values() if e.state is S.STAGED and e.message]


def test_the_applications_lock_holds_the_switch_and_the_server_is_told_why(device: Device) -> None:
    agent = begun(device)
    assert say(agent, device, Verb.LOCK, for_s=600.0, reason="recording")["granted_s"] == 600.0

    assign(device, agent)

    assert agent.record.state is S.STAGED
    assert len(told(device)) == 1
    assert re.fullmatch(r"waits: the application holds a lock since 20\S+Z: recording", told(device)[0])

    say(agent, device, Verb.UNLOCK)
    device.run_until_idle(agent)

    assert device.server.outcomes() == [("a-1", Outcome.COMMITTED, None)]


def test_a_waiting_device_says_now_and_then_that_it_still_waits(device: Device) -> None:
    agent = begun(device)
    say(agent, device, Verb.LOCK)

    assign(device, agent, 1900.0)

    assert agent.record.state is S.STAGED
    assert len(told(device)) == 4


def test_an_application_that_died_holding_a_lock_blocks_nothing(device: Device) -> None:
    agent = begun(device)
    say(agent, device, Verb.LOCK)
    assign(device, agent)
    assert agent.record.state is S.STAGED

    device.application.start(SlotName.A, device.manifests["1.0"])
    device.run_until_idle(agent)

    assert device.server.outcomes() == [("a-1", Outcome.COMMITTED, None)]


def test_a_lock_outlives_a_restart_of_the_agent_and_ends_with_its_time(device: Device) -> None:
    agent = begun(device)
    assert say(agent, device, Verb.LOCK, for_s=1e9)["granted_s"] == 3600.0
    assign(device, agent)
    agent = device.start_agent()
    device.play(agent, 60.0)
    assert agent.record.state is S.STAGED

    device.play(agent, 3600.0, lambda: agent.record.state is not S.STAGED)

    assert agent.record.state is not S.STAGED


def test_a_deferral_is_bounded_and_then_the_turn_comes(device: Device) -> None:
    agent = begun(device)
    say(agent, device, Verb.LOCK)
    assign(device, agent)
    assert say(agent, device, Verb.DEFER, for_s=1e9)["granted_s"] == 14_400.0
    say(agent, device, Verb.UNLOCK)
    device.play(agent, 14_000.0)
    assert agent.record.state is S.STAGED
    assert told(device)[-1].startswith("waits: the application put it off, 14400 s in all")

    device.play(agent, 500.0, lambda: agent.record.state is not S.STAGED)

    assert agent.record.state is not S.STAGED


def test_without_an_update_under_way_there_is_nothing_to_put_off(device: Device) -> None:
    agent = begun(device)

    answer = say(agent, device, Verb.DEFER, for_s=10.0)

    assert (answer["ok"], answer["kind"]) == (False, "conflict")


def test_a_lock_that_comes_while_the_device_measures_still_holds_the_switch(device: Device) -> None:
    lanes = HeldLanes()
    device.application.start(SlotName.A, device.manifests["1.0"])
    agent = device.start_agent(lanes)
    lanes.hold = True
    assign(device, agent)
    assert agent.record.state is S.STAGED  # its measuring is held up

    say(agent, device, Verb.LOCK)
    lanes.let_go()
    device.play(agent, 60.0)

    assert agent.record.state is S.STAGED


def test_a_lock_comes_too_late_once_the_switch_has_begun(device: Device) -> None:
    lanes = HeldLanes()
    device.application.start(SlotName.A, device.manifests["1.0"])
    agent = device.start_agent(lanes)
    lanes.hold = True
    assign(device, agent)
    while agent.record.state is not S.SWITCHING:
        lanes.let_go_one()
        device.play(agent, 0.5)

    answer = say(agent, device, Verb.LOCK)

    assert (answer["ok"], answer["message"]) == (False, "The switch has begun; there is nothing left to hold back.")


def test_a_person_at_the_device_lifts_what_the_application_holds(device: Device) -> None:
    agent = begun(device)
    say(agent, device, Verb.LOCK)
    assign(device, agent)
    assert agent.record.state is S.STAGED

    say(agent, device, Verb.UNLOCK, start="")
    device.run_until_idle(agent)

    assert device.server.outcomes() == [("a-1", Outcome.COMMITTED, None)]


def test_a_release_that_calls_itself_ready_is_judged_from_then_on(device: Device) -> None:
    agent = begun(device)
    device.health.sick = {"1.1"}
    device.assign(device.wish("1.1", "a-1"))
    agent.post(Connected())
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)
    began = device.world.now

    assert say(agent, device, Verb.READY)["counted"] is True
    device.run_until_idle(agent)

    assert device.server.outcomes() == [("a-1", Outcome.REVERTED, "health_failed")]
    assert device.world.now - began < device.manifests["1.1"].probation.startup_s


def test_ready_counts_for_the_start_on_trial_only(device: Device) -> None:
    agent = begun(device)
    old = start_of(device)
    assert say(agent, device, Verb.READY)["counted"] is False
    device.assign(device.wish("1.1", "a-1"))
    agent.post(Connected())
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)

    assert say(agent, device, Verb.READY, start=old)["counted"] is False


@pytest.mark.parametrize("verb", [Verb.LOCK, Verb.UNLOCK, Verb.DEFER, Verb.READY])
def test_nobody_but_the_application_that_runs_is_heard(device: Device, verb: Verb) -> None:
    admit = admission(device.application)
    with pytest.raises(Conflict, match="not of the application that runs"):
        admit(Order(verb, start="start-1"))
    device.application.start(SlotName.A, device.manifests["1.0"])

    for start in ("", "start-0"):
        with pytest.raises(Conflict, match="not of the application that runs"):
            admit(Order(verb, start=start))
    admit(Order(verb, start=start_of(device)))


def test_status_shows_what_is_waited_for(device: Device) -> None:
    agent = begun(device)
    say(agent, device, Verb.LOCK, start="")
    assign(device, agent)

    status = say(agent, device, Verb.STATUS)["status"]

    assert isinstance(status, dict)
    assert status["waits"] == "waits: a person holds a lock; `surefoot-agent unlock` lifts it"
    assert read_status(device.folder, "app").waits == status["waits"]


@pytest.mark.slow
def test_the_documented_client_works_as_it_stands(device: Device) -> None:
    agent = begun(device)
    (client,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = device.folder / "app.sock"
    server = OrderServer(path, agent.post, APPLICATION_VERBS, admission(device.application))
    server.start()
    env = {"SUREFOOT_SOCKET": os.path.relpath(path, device.folder), "SUREFOOT_START_ID": start_of(device)}
    command = [sys.executable, "-c", client]
    process = subprocess.Popen(command, env=env, cwd=device.folder, stdout=subprocess.PIPE, text=True)

    def ended() -> bool:
        agent.drain()
        return process.poll() is not None

    until(ended, "the client")
    server.stop()

    assert process.returncode == 0
    assert process.stdout is not None
    assert process.stdout.read() == "nothing switches now\n"


def test_every_verb_of_the_application_is_documented() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE))

    assert {verb.value for verb in APPLICATION_VERBS} <= documented
