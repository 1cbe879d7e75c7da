"""Devices are told what is committed, once for many changes, and one device's trouble is its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session

from surefoot_server.delivery import Delivery
from surefoot_server.devices.leave import Rates
from surefoot_server.devices.lending import Lending
from surefoot_server.devices.service import DeviceService
from surefoot_shared.messages import Ack
from surefoot_shared.status import AttemptState
from tests.server.rig import NOW, Rig, hello, progress, runs


@pytest.fixture
def delivery(rig: Rig) -> Iterator[Delivery]:
    made = Delivery(rig.db, rig.devices, rig.said)
    rig.db.on_dirty(made.changed)
    yield made
    made.stop()


def said_everything(delivery: Delivery) -> None:
    delivery.start()
    delivery.stop()


def test_a_changed_wish_becomes_a_bundle_and_leave_to_download(rig: Rig, delivery: Delivery) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))

    said_everything(delivery)

    assert [device for device, _ in rig.said.bundles] == ["cam-1"]
    assert [(device, lease.assignment) for device, lease in rig.said.leases] == [("cam-1", row.id)]


def test_many_changes_of_one_device_become_one_bundle(rig: Rig, delivery: Delivery) -> None:
    rig.device("cam-1")
    for n in range(5):
        rig.assign("cam-1", rig.release(f"app/1.{n}"))

    said_everything(delivery)

    assert len(rig.said.bundles) == 1


def test_acks_are_sent_at_once(rig: Rig, delivery: Delivery) -> None:
    ack = Ack("s1", 4, 2)

    delivery.answer([("cam-1", ack)], [])

    assert rig.said.acks == [("cam-1", ack)]


def test_a_device_that_waits_for_leave_gets_a_lease_and_no_bundle(rig: Rig, delivery: Delivery) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", progress(row, 1, AttemptState.DOWNLOADING))
    said_everything(delivery)
    rig.said.bundles.clear()
    rig.said.leases.clear()

    again = Delivery(rig.db, rig.devices, rig.said)
    again.answer([], ["cam-1"])
    said_everything(again)

    assert (len(rig.said.bundles), len(rig.said.leases)) == (0, 1)


def test_a_device_without_a_download_is_given_no_lease(rig: Rig, delivery: Delivery) -> None:
    rig.device("cam-1")
    delivery.answer([], ["cam-1"])

    said_everything(delivery)

    assert rig.said.leases == []


def test_the_trouble_of_one_device_leaves_the_others_served(rig: Rig, delivery: Delivery) -> None:
    rig.device("cam-1")
    delivery.changed(["nobody", "cam-1"])

    said_everything(delivery)

    assert [device for device, _ in rig.said.bundles] == ["cam-1"]


def test_a_hundred_devices_are_told_for_hardly_more_statements_than_one(rig: Rig, delivery: Delivery) -> None:
    fleet, release = [rig.device(f"cam-{n}") for n in range(100)], rig.release("app/1.1")
    for name in fleet:
        with rig.db.write() as session:
            rig.devices.hello(session, hello(name, components=(runs(None),)), NOW)
        rig.assign(name, release)
    said_everything(delivery)
    statements: list[str] = []
    event.listen(rig.db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    counts = []
    for some in (fleet[:1], fleet):
        again = Delivery(rig.db, rig.devices, rig.said)
        again.changed(some)
        statements.clear()
        said_everything(again)
        counts.append(len(statements))

    assert counts[1] == counts[0]
    assert len(rig.said.bundles) == len(rig.said.leases) == 201


def test_where_one_device_breaks_the_reading_of_all_each_is_told_alone(
    rig: Rig, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cam-1", "cam-2", "cam-3"):
        rig.device(name)
    bundle_for = rig.devices.bundle_for

    def breaks(session: Session, device_id: str, *given: Any, **named: Any) -> bytes:
        if device_id == "cam-2":
            raise RuntimeError("no such page")
        return bundle_for(session, device_id, *given, **named)

    monkeypatch.setattr(rig.devices, "bundle_for", breaks)
    delivery.changed(["cam-1", "cam-2", "cam-3"])
    said_everything(delivery)

    assert [device for device, _ in rig.said.bundles] == ["cam-1", "cam-3"]


def test_what_changes_while_it_runs_is_said_as_well(rig: Rig, delivery: Delivery) -> None:
    delivery.start()
    told = threading.Event()
    publish = rig.said.publish_bundle

    def note(device: str, raw: bytes) -> None:
        publish(device, raw)
        told.set()

    rig.said.publish_bundle = note  # type: ignore[method-assign]
    rig.device("cam-1")

    assert told.wait(10)
    assert delivery.waiting() == 0


def test_nothing_more_is_said_to_a_device_that_is_revoked_and_what_waits_for_it_is_taken_back(
    rig: Rig, delivery: Delivery
) -> None:
    rig.device("cam-1")
    rig.assign("cam-1", rig.release("app/1.1"))
    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "anna", NOW)

    said_everything(delivery)

    assert (rig.said.bundles, rig.said.leases, rig.said.forgotten) == ([], [], ["cam-1"])


def test_what_is_lent_of_a_shared_rate_is_written_down_and_whoever_waits_gets_none(rig: Rig) -> None:
    rig.release("app/1.1")
    devices = DeviceService(rig.state.online, Lending(rig.state.leases, "https://s/", Rates(fleet_bytes_per_s=5000)))
    delivery = Delivery(rig.db, devices, rig.said)
    rows = [rig.assign(rig.device(name), "app/1.1") for name in ("cam-1", "cam-2")]
    delivery.changed(["cam-1", "cam-2"])

    said_everything(delivery)

    assert [(name, lease.rate_bytes_per_s) for name, lease in rig.said.leases] == [("cam-1", 4096)]
    assert [rig.read(row).lent_bytes_per_s for row in rows] == [4096, None]
    assert len(rig.said.bundles) == 2
