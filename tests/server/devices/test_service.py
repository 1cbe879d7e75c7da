"""Wanting something of a device, taking it back, and telling it so."""

from __future__ import annotations

import json

import pytest
from sqlmodel import col, select

from surefoot_server.audit.models import AuditEntry
from surefoot_server.devices import repository
from surefoot_server.devices.models import DeviceRequest
from surefoot_shared import wire
from surefoot_shared.errors import Conflict, Invalid, NotFound
from surefoot_shared.messages import AssignmentNote, MetadataVersions, PresenceMessage, RequestKind, Response
from surefoot_shared.status import AttemptState, Intent, Outcome, Presence
from surefoot_shared.trust.bundle import unpack
from tests.server.rig import NOW, Rig, hello, later, progress, runs


def test_an_assignment_takes_the_place_of_the_open_one(rig: Rig) -> None:
    rig.device("cam-1")
    first = rig.assign("cam-1", rig.release("app/1.1"))

    second = rig.assign("cam-1", rig.release("app/1.2"))

    assert (rig.read(first).outcome, rig.read(first).open, rig.read(first).wanted) == ("superseded", False, False)
    assert second.seq > first.seq
    with rig.db.read() as session:
        assert [row.id for row in repository.wanted(session, "cam-1")] == [second.id]


def test_components_are_wanted_apart(rig: Rig) -> None:
    rig.device("cam-1")
    app, model = rig.assign("cam-1", rig.release("app/1.1")), rig.assign("cam-1", rig.release("model/7"))

    with rig.db.read() as session:
        assert {row.id for row in repository.wanted(session, "cam-1")} == {app.id, model.id}


def test_an_assignment_remembers_where_a_revert_leads(rig: Rig) -> None:
    rig.device("cam-1")
    rig.release("app/1.0")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(runs("app/1.0"),)), NOW)

    assert rig.assign("cam-1", rig.release("app/1.1")).previous_release_id == "app/1.0"


def test_changed_wishes_are_announced_after_the_commit_only(rig: Rig) -> None:
    rig.device("cam-1")
    rig.release("app/1.1")
    rig.dirty.clear()

    with rig.db.write() as session:
        rig.devices.assign(session, "cam-1", "app", "app/1.1", Intent.UPDATE, None, None, NOW)
        before_commit = list(rig.dirty)

    assert (before_commit, rig.dirty) == ([], ["cam-1"])


def test_what_is_rolled_back_is_never_announced(rig: Rig) -> None:
    rig.device("cam-1")
    rig.release("app/1.1")
    rig.dirty.clear()

    def change_its_mind() -> None:
        with rig.db.write() as session:
            rig.devices.assign(session, "cam-1", "app", "app/1.1", Intent.UPDATE, None, None, NOW)
            raise RuntimeError("the engine changed its mind")

    with pytest.raises(RuntimeError):
        change_its_mind()

    assert rig.dirty == []


def test_a_release_for_other_hardware_is_not_assigned(rig: Rig) -> None:
    rig.device("cam-1", hw="rpi5")

    with pytest.raises(Conflict) as refused:
        rig.assign("cam-1", rig.release("app/1.1", hw=["jetson-orin"]))

    assert refused.value.kind == "wrong_hardware"


def test_a_release_of_another_component_is_not_assigned(rig: Rig) -> None:
    rig.device("cam-1")
    rig.release("model/7")

    with pytest.raises(Conflict), rig.db.write() as session:
        rig.devices.assign(session, "cam-1", "app", "model/7", Intent.UPDATE, None, None, NOW)


def test_nothing_is_wanted_of_a_revoked_device(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))

    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "admin", later(1))

    assert (rig.read(row).outcome, rig.read(row).wanted) == ("cancelled", False)
    with pytest.raises(Conflict):
        rig.assign("cam-1", "app/1.1")


def test_an_unknown_release_or_device_is_named(rig: Rig) -> None:
    rig.device("cam-1")

    with pytest.raises(NotFound, match=r"app/9\.9"), rig.db.write() as session:
        rig.devices.assign(session, "cam-1", "app", "app/9.9", Intent.UPDATE, None, None, NOW)
    with pytest.raises(NotFound, match="cam-9"), rig.db.write() as session:
        rig.devices.assign(session, "cam-9", "app", "app/9.9", Intent.UPDATE, None, None, NOW)


def test_a_lost_device_keeps_its_wish_so_that_it_may_finish(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))

    with rig.db.write() as session:
        rig.devices.withdraw(session, row.id, Outcome.LOST, "lost", later(1))

    assert (rig.read(row).open, rig.read(row).wanted, rig.read(row).outcome_by) == (False, True, "server")


def test_a_lost_devices_wish_can_be_withdrawn_and_stays_lost(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    with rig.db.write() as session:
        rig.devices.withdraw(session, row.id, Outcome.LOST, "lost", later(1))

    with rig.db.write() as session:
        rig.devices.withdraw(session, row.id, Outcome.CANCELLED, "halted", later(2))

    assert (rig.read(row).outcome, rig.read(row).wanted) == ("lost", False)


def test_withdrawing_twice_changes_nothing(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    with rig.db.write() as session:
        rig.devices.withdraw(session, row.id, Outcome.CANCELLED, "halted", later(1))
    rig.dirty.clear()

    with rig.db.write() as session:
        rig.devices.withdraw(session, row.id, Outcome.CANCELLED, "cancelled_by_order", later(2))

    assert (rig.read(row).reason, rig.read(row).ended_at, rig.dirty) == ("halted", later(1), [])


def test_the_bundle_carries_the_wish_and_is_made_for_this_device(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))

    with rig.db.read() as session:
        bundle = unpack(rig.devices.bundle_for(session, "cam-1", NOW))

    text = "".join(str(content) for content in bundle.director.values())
    assert bundle.device == "cam-1"
    assert row.id in text
    assert row.digest in text


def test_a_bundle_without_wishes_is_signed_as_well(rig: Rig) -> None:
    rig.device("cam-1")

    with rig.db.read() as session:
        assert unpack(rig.devices.bundle_for(session, "cam-1", NOW)).device == "cam-1"


def test_a_bundle_leaves_out_the_metadata_that_the_device_has(rig: Rig) -> None:
    rig.device("cam-1")
    with rig.db.read() as session:
        whole = unpack(rig.devices.bundle_for(session, "cam-1", NOW))
    with rig.db.write() as session:
        rig.devices.hello(
            session, hello("cam-1", director=MetadataVersions(root=1), image=MetadataVersions(root=1)), NOW
        )

    with rig.db.read() as session:
        lean = unpack(rig.devices.bundle_for(session, "cam-1", NOW))

    assert len(lean.director) <= len(whole.director)


def test_leave_to_download_is_given_while_there_is_something_to_fetch(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))

    with rig.db.read() as session:
        lease = rig.devices.lease_for(session, "cam-1", NOW)

    assert lease is not None
    assert (lease.assignment, lease.valid_s) == (row.id, 600.0)
    assert lease.sources[0].url.endswith("/api/v1/blobs/")
    assert rig.state.leases.check(lease.sources[0].token, NOW) == "cam-1"


@pytest.mark.parametrize("state", [AttemptState.STAGED, AttemptState.PROBATION, AttemptState.COMMITTING])
def test_no_leave_is_given_once_everything_was_fetched(rig: Rig, state: AttemptState) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", progress(row, 1, state))

    with rig.db.read() as session:
        assert rig.devices.lease_for(session, "cam-1", NOW) is None


def test_the_will_of_an_old_agent_does_not_make_the_new_one_offline(rig: Rig) -> None:
    rig.device("cam-1")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", instance="new"), NOW)

    with rig.db.write() as session:
        rig.devices.presence(session, "cam-1", PresenceMessage(Presence.OFFLINE, "old"))
    assert rig.device_row("cam-1").online

    with rig.db.write() as session:
        rig.devices.presence(session, "cam-1", PresenceMessage(Presence.OFFLINE, "new"))
    assert not rig.device_row("cam-1").online


def test_a_retained_presence_does_not_make_a_silent_device_heard(rig: Rig) -> None:
    rig.device("cam-1")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1"), NOW)

    with rig.db.write() as session:
        rig.devices.presence(session, "cam-1", PresenceMessage(Presence.ONLINE, "i1"))

    assert rig.device_row("cam-1").last_seen_at == NOW


def test_an_answer_is_kept_once_and_only_where_it_was_asked_for(rig: Rig) -> None:
    rig.device("cam-1")
    rig.device("cam-2")
    with rig.db.write() as session:
        asked = rig.devices.request(session, "cam-1", RequestKind.LOGS, 50, "operator", NOW)

    with rig.db.write() as session:
        rig.devices.response(session, "cam-2", Response(asked.id, True, "forged"), later(1))
        rig.devices.response(session, "cam-1", Response("unasked", True, "noise"), later(1))
        rig.devices.response(session, "cam-1", Response(asked.id, True, "the log"), later(1))
        rig.devices.response(session, "cam-1", Response(asked.id, False, "again"), later(2))

    with rig.db.read() as session:
        rows = list(session.exec(select(DeviceRequest)))
    assert [(row.text, row.ok) for row in rows] == [("the log", True)]


def test_a_device_enrolled_again_has_its_new_key_and_no_old_suspicion(rig: Rig) -> None:
    rig.device("cam-1")
    for seq, instance in ((1, "a"), (2, "b"), (3, "a")):
        with rig.db.write() as session:
            rig.devices.hello(session, hello("cam-1", seq, instance=instance), NOW)
    assert rig.device_row("cam-1").attention == "identity_conflict"
    old = rig.device_row("cam-1").public_key

    rig.device("cam-1")

    assert rig.device_row("cam-1").attention is None
    assert rig.device_row("cam-1").public_key != old


def test_a_name_that_is_no_device_id_is_not_registered(rig: Rig) -> None:
    with pytest.raises(Invalid):
        rig.device("cam/../1")


def test_looking_at_a_device_ends_its_attention_and_is_audited(rig: Rig) -> None:
    rig.device("cam-1")
    for seq, instance in ((1, "a"), (2, "b"), (3, "a")):
        with rig.db.write() as session:
            rig.devices.hello(session, hello("cam-1", seq, instance=instance), NOW)

    with rig.db.write() as session:
        rig.devices.acknowledge(session, "cam-1", "first", later(1))

    assert rig.device_row("cam-1").attention is None
    with rig.db.read() as session:
        query = select(AuditEntry).where(col(AuditEntry.action) == "device.acknowledge")
        assert session.exec(query).one().actor == "first"


def test_nothing_is_asked_of_a_revoked_device(rig: Rig) -> None:
    rig.device("cam-1")

    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "anna", NOW)
        with pytest.raises(Conflict, match="revoked"):
            rig.devices.request(session, "cam-1", RequestKind.LOGS, 10, "anna", NOW)


def notes(rig: Rig, device_id: str) -> list[AssignmentNote]:
    """What the director signs of a device's wishes now."""
    with rig.db.write() as session:
        bundle = unpack(rig.devices.bundle_for(session, device_id, NOW))
    body = next(body for name, body in bundle.director.items() if name.endswith("targets.json"))
    targets = json.loads(body if isinstance(body, str) else json.dumps(body))["signed"]["targets"]
    return [wire.from_json(AssignmentNote, target["custom"]) for target in targets.values()]


def test_every_member_of_a_set_is_signed_with_the_whole_set_in_the_order_of_start(rig: Rig) -> None:
    rig.device("cam-1")
    for release in ("model/7", "app/2.0"):
        rig.release(release)

    with rig.db.write() as session:
        rows = rig.devices.assign_set(session, "cam-1", ["model/7", "app/2.0"], Intent.UPDATE, NOW)

    signed = notes(rig, "cam-1")
    assert {note.assignment for note in signed} == {row.id for row in rows}
    sets = {note.joint for note in signed}
    assert len(sets) == 1
    (joint,) = sets
    assert joint is not None
    assert joint.members == tuple((row.component, row.digest) for row in rows)


@pytest.mark.parametrize("releases", [[], ["app/2.0", "app/2.1"]])
def test_a_set_has_each_component_once(rig: Rig, releases: list[str]) -> None:
    rig.device("cam-1")
    for release in releases:
        rig.release(release)

    with pytest.raises(Conflict, match="of different components"), rig.db.write() as session:
        rig.devices.assign_set(session, "cam-1", releases, Intent.UPDATE, NOW)


def test_a_set_of_which_one_cannot_be_assigned_is_not_assigned_at_all(rig: Rig) -> None:
    rig.device("cam-1")
    rig.release("model/7")
    rig.release("app/2.0", hw=("jetson-orin",))

    with pytest.raises(Conflict), rig.db.write() as session:
        rig.devices.assign_set(session, "cam-1", ["model/7", "app/2.0"], Intent.UPDATE, NOW)

    assert notes(rig, "cam-1") == []


def test_a_set_that_loses_a_member_to_another_assignment_is_wanted_no_more(rig: Rig) -> None:
    rig.device("cam-1")
    for release in ("model/7", "app/2.0"):
        rig.release(release)
    with rig.db.write() as session:
        model, app = rig.devices.assign_set(session, "cam-1", ["model/7", "app/2.0"], Intent.UPDATE, NOW)

    newer = rig.assign("cam-1", rig.release("app/2.1"))

    assert [(rig.read(row).outcome, rig.read(row).reason) for row in (model, app)] == [
        ("superseded", "set_broken"),
        ("superseded", "superseded"),
    ]
    assert [(note.assignment, note.joint) for note in notes(rig, "cam-1")] == [(newer.id, None)]


def test_each_try_of_a_set_has_an_id_of_its_own(rig: Rig) -> None:
    rig.device("cam-1")
    ids = []
    for release in ("model/7", "app/2.0"):
        rig.release(release)

    for _ in range(2):
        with rig.db.write() as session:
            rows = rig.devices.assign_set(session, "cam-1", ["model/7", "app/2.0"], Intent.UPDATE, NOW)
            ids.append(rows[0].joint["id"] if rows[0].joint else None)

    assert ids[0] != ids[1]
