"""An order on the device is for the component it names, and for all where it names none."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.orders import Order, Verb
from surefoot_agent.runner import Runner
from surefoot_shared.status import AttemptState as S
from surefoot_shared.wire import Json
from tests.agent.fakes import Device

pytestmark = pytest.mark.usefixtures("unsynced")


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path, ("app", "model"))


def told(agent: Runner, verb: Verb, component: str = "", start: str = "") -> dict[str, Json]:
    order = Order(verb, component=component, start=start)
    agent.post(order)
    agent.drain()
    return order.answers.get_nowait()


def on_trial(device: Device) -> Runner:
    device.assign(device.wish("1.1", "a-1"), device.wish("1.1", "m-1", component="model"))
    agent = device.start_agent()
    device.play(agent, 60.0, lambda: all(record.state is S.PROBATION for record in agent.records))
    return agent


def test_an_order_that_names_no_component_is_for_all_that_are_on_trial(device: Device) -> None:
    agent = on_trial(device)

    assert told(agent, Verb.REVERT)["ok"]
    device.play(agent, 10.0)

    assert [part.running_version() for part in device.parts.values()] == ["1.0", "1.0"]


def test_an_order_that_names_a_component_leaves_the_other_alone(device: Device) -> None:
    agent = on_trial(device)

    assert told(agent, Verb.REVERT, "model")["ok"]
    device.play(agent, 60.0)

    assert [part.running_version() for part in device.parts.values()] == ["1.1", "1.0"]


def test_an_order_that_no_component_can_obey_is_refused(device: Device) -> None:
    agent = device.start_agent()
    agent.drain()

    answer = told(agent, Verb.REVERT)

    assert (answer["ok"], answer["kind"]) == (False, "conflict")


def test_a_component_that_is_not_there_is_named_with_those_that_are(device: Device) -> None:
    agent = device.start_agent()

    answer = told(agent, Verb.STATUS, "modle")

    assert (answer["kind"], answer["hint"]) == ("not_found", "It has app, model.")


def test_status_tells_of_each_component(device: Device) -> None:
    agent = device.start_agent()

    answer = told(agent, Verb.STATUS)

    assert [status["component"] for status in answer["statuses"]] == ["app", "model"]  # type: ignore[index, union-attr]


def test_what_an_application_locks_holds_back_its_own_component_only(device: Device) -> None:
    agent = device.start_agent()
    agent.drain()
    process = device.parts["model"].application.process
    assert process is not None

    assert told(agent, Verb.LOCK, "model", process.start_id)["ok"]
    device.assign(device.wish("1.1", "a-1"), device.wish("1.1", "m-1", component="model"))
    device.play(device.start_agent(), 90.0)

    assert [part.running_version() for part in device.parts.values()] == ["1.1", "1.0"]


def test_a_person_locks_the_whole_device(device: Device) -> None:
    agent = device.start_agent()

    assert told(agent, Verb.LOCK)["ok"]
    device.assign(device.wish("1.1", "a-1"), device.wish("1.1", "m-1", component="model"))
    device.play(device.start_agent(), 60.0)

    assert [part.running_version() for part in device.parts.values()] == ["1.0", "1.0"]
