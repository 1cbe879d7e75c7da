"""A document is applied whole or not at all, twice is once, and what is removed was counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from surefoot_server.audit import service as audit
from surefoot_server.channels import repository as channels
from surefoot_server.cohorts import service as cohorts
from surefoot_server.drills.models import DrillSchedule
from surefoot_server.fleet import service
from surefoot_server.fleet.webhooks import Webhooks
from surefoot_shared.errors import Conflict, Invalid
from tests.server.fleet.test_document import WHOLE
from tests.server.rig import NOW, Rig, later

EMPTY = "{version: 1, policies: {}, cohorts: {}, channels: {}}"
Apply = Callable[..., service.Plan]


@pytest.fixture
def apply(rig: Rig) -> Apply:
    def do(text: str, prune: int | None = None, base: str | None = None) -> service.Plan:
        with rig.db.write() as session:
            return service.apply(session, text, prune, base, Webhooks(rig.state.notify, True), "ann", NOW)

    return do


def exported(rig: Rig) -> str:
    with rig.db.read() as session:
        return service.export(service.state(session))


def test_everything_is_made_and_a_second_time_nothing_is_left_to_do(rig: Rig, apply: Apply) -> None:
    assert len(apply(WHOLE).changes) == 5
    with rig.db.read() as session:
        before = audit.verify(session).rows

    assert apply(WHOLE).changes == []
    with rig.db.read() as session:
        assert audit.verify(session).rows == before
        assert [c.name for c in channels.channels(session)] == ["dev", "lab", "production"]


def test_what_is_exported_changes_nothing_when_it_is_applied(rig: Rig, apply: Apply) -> None:
    apply(WHOLE)

    text = exported(rig)

    assert apply(text, prune=0).changes == []
    assert "phases: [{percent: 5, bake: 6h}, {percent: 100}]" in text


def test_a_change_is_recorded_with_before_and_after(rig: Rig, apply: Apply) -> None:
    apply(WHOLE)

    (change,) = apply(WHOLE.replace("hanoi-*", "hn-*")).changes

    assert (change.act, change.name) == ("change", "hanoi")
    with rig.db.read() as session:
        row = audit.entries(session, "cohort:hanoi")[0]
        assert cohorts.get(session, "hanoi").expression == "site ~ 'hn-*'"
    assert (row.action, row.actor) == ("cohort.change", "ann")
    assert (row.detail["before"], row.detail["expression"]) == ("site ~ 'hanoi-*'", "site ~ 'hn-*'")


def test_what_the_document_lacks_stays_and_is_named(rig: Rig, apply: Apply) -> None:
    apply(WHOLE)

    found = apply(EMPTY)

    assert found.changes == []
    assert sorted(found.left) == [
        ("channel", "dev"),
        ("channel", "lab"),
        ("channel", "production"),
        ("cohort", "hanoi"),
        ("policy", "careful"),
    ]


def test_things_are_removed_only_by_their_right_number(rig: Rig, apply: Apply) -> None:
    apply(WHOLE)

    with pytest.raises(Conflict, match="lacks 5 of the things that are there, not 4"):
        apply(EMPTY, prune=4)
    assert [c.act for c in apply(EMPTY, prune=5).changes] == ["remove"] * 5
    with rig.db.read() as session:
        assert service.state(session) == {"policy": {}, "cohort": {}, "channel": {}, "webhook": {}}


def test_a_part_that_is_left_out_is_not_pruned(rig: Rig, apply: Apply) -> None:
    apply(WHOLE)

    assert [c.name for c in apply("{version: 1, channels: {}}", prune=3).changes] == ["production", "lab", "dev"]


def test_a_removed_channel_keeps_its_history_and_may_come_back(rig: Rig, apply: Apply) -> None:
    from surefoot_server.channels import service as promotion

    apply(WHOLE)
    rig.release("app/1.1")
    with rig.db.write() as session:
        promotion.promote(session, "lab", "app/1.1", "ann", later(1))
    apply(EMPTY, prune=5)

    apply(WHOLE)

    with rig.db.read() as session:
        assert [e.release_id for e in channels.entries(session, "lab")] == ["app/1.1"]


def test_what_is_still_named_is_not_removed_and_nothing_else_happens_either(rig: Rig, apply: Apply) -> None:
    apply(WHOLE)
    before = exported(rig)

    with pytest.raises(Conflict, match="cohort hanoi cannot be removed: channel production names it"):
        apply("{version: 1, cohorts: {new: all or tag('x')}}", prune=1)
    assert exported(rig) == before


def test_a_cohort_of_a_drill_that_is_due_is_not_removed(rig: Rig, apply: Apply) -> None:
    apply("{version: 1, cohorts: {lab: tag('lab')}}")
    with rig.db.write() as session:
        session.add(
            DrillSchedule(component="app", cohort="lab", every_s=60, limit_s=60, next_at=later(60), created_by="ann")
        )

    with pytest.raises(Conflict, match="drill schedule 1 names it"):
        apply("{version: 1, cohorts: {}}", prune=1)


def test_channels_may_change_places(rig: Rig, apply: Apply) -> None:
    first = "{version: 1, channels: {a: {cohort: all}, b: {cohort: all, after: a}, c: {cohort: all, after: b}}}"
    second = "{version: 1, channels: {c: {cohort: all}, b: {cohort: all, after: c}, a: {cohort: all, after: b}}}"
    apply(first)

    apply(second)

    with rig.db.read() as session:
        assert [c.name for c in channels.channels(session)] == ["c", "b", "a"]


def test_what_changed_since_it_was_compared_is_not_overwritten(rig: Rig, apply: Apply) -> None:
    with rig.db.read() as session:
        base = service.plan(session, WHOLE, Webhooks(rig.state.notify)).base
    apply("{version: 1, cohorts: {hanoi: all or tag('x')}}")

    with pytest.raises(Conflict, match="changed since it was compared"):
        apply(WHOLE, base=base)


def test_a_document_that_is_wrong_changes_nothing(rig: Rig, apply: Apply) -> None:
    with pytest.raises(Invalid):
        apply(WHOLE.replace("acceptance: 1", "acceptance: none"))

    assert exported(rig) == "version: 1\n"
