"""Hooks against real rollouts: who may make one stop, by an address or a signature, and never twice by one message."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlmodel import select

from surefoot_server.audit.models import AuditEntry
from surefoot_server.feedback import hooks as module
from surefoot_server.feedback import repository
from surefoot_server.feedback.hooks import Act, Hooks, Made, Order
from surefoot_server.feedback.models import HookMessage, HookSecret
from surefoot_server.notify import signing
from surefoot_server.notify.signing import Signed
from surefoot_server.rates import Rate, TokenBuckets
from surefoot_shared.errors import Conflict, Invalid, NotAllowed, NotFound, Unreachable
from tests.server.rollouts.fleet import POLICY, Fleet

STERN = POLICY + "triggers: {flags: {devices: 2, do: revert}}\n"


@pytest.fixture
def hooks(fleet: Fleet) -> Hooks:
    return fleet.rig.state.hooks


@pytest.fixture
def made(fleet: Fleet, hooks: Hooks) -> Made:
    """A signed hook that halts the fleet's rollout."""
    return hooks.create(Order("pager", Act.HALT, rollout=fleet.start(), signed=True), "ann", fleet.now)


def signed(fleet: Fleet, secret: str, message_id: str = "msg_1", *, late_s: float = 0.0, **said: str) -> Signed:
    at_s, body = int(fleet.now.timestamp() - late_s), json.dumps(said).encode()
    told = signing.headers(secret, message_id, at_s, body)
    return Signed(message_id, str(at_s), told["webhook-signature"], body)


def acts(fleet: Fleet, action: str) -> list[AuditEntry]:
    with fleet.rig.db.read() as session:
        return list(session.exec(select(AuditEntry).where(AuditEntry.action == action)))


# --- bare addresses ---------------------------------------------------------------------------------------------------


def test_a_hook_stops_its_rollout_and_says_who_called(fleet: Fleet, hooks: Hooks) -> None:
    rollout = fleet.start()
    token = hooks.create(Order("grafana", Act.HALT, rollout=rollout), "ann", fleet.now).token

    first = hooks.called(token, None, "fps alert", fleet.now)
    second = hooks.called(token, None, "fps alert", fleet.now)

    assert (list(first.stopped), list(second.stopped)) == ([rollout], [])
    assert fleet.rollout(rollout).state == "halted"
    assert [a.actor for a in fleet.audited(rollout) if a.action == "rollout.halt"] == ["hook:grafana"]
    assert [(a.actor, a.detail["reason"]) for a in acts(fleet, "hook.call")] == [("hook:grafana", "fps alert")]


def test_a_hook_of_a_release_takes_users_reports_about_devices_that_run_it(fleet: Fleet, hooks: Hooks) -> None:
    rollout = fleet.start(policy=STERN)
    canary = fleet.in_phase(rollout, 0)
    fleet.commit(*canary)
    token = hooks.create(Order("app-store", Act.FLAG, release="app/1.1"), "ann", fleet.now).token

    hooks.called(token, canary[0], "picture is green", fleet.now)
    done = hooks.called(token, canary[1], "picture is green", fleet.now)

    assert list(done.stopped) == [rollout]
    with pytest.raises(NotFound):
        hooks.called(token, fleet.in_phase(rollout, 1)[0], "it does not run it", fleet.now)
    with fleet.rig.db.read() as session:
        assert {f.source for f in repository.flags(session)} == {"hook"}


def test_an_address_that_is_wrong_expired_or_revoked_is_refused_in_the_same_words(fleet: Fleet, hooks: Hooks) -> None:
    rollout = fleet.start()
    order = Order("a", Act.HALT, rollout=rollout, valid_s=60)
    gone, short = hooks.create(order, "ann", fleet.now), hooks.create(order, "ann", fleet.now)
    hooks.revoke(gone.hook.id, "ann", fleet.now)
    words = set()
    fleet.at += 61

    for wrong in (
        gone.token,
        short.token,
        short.token[:-1] + "x",
        f"sfh_{short.hook.id}",
        "sfh_nobody_x",
        "",
        "sf_x_y",
    ):
        with pytest.raises(NotAllowed) as refused:
            hooks.called(wrong, None, "x", fleet.now)
        words.add(refused.value.message)

    assert len(words) == 1
    assert fleet.rollout(rollout).state == "running"


def test_a_hook_is_about_exactly_one_thing_that_exists(fleet: Fleet, hooks: Hooks) -> None:
    for release, rollout, error in (
        (None, None, Conflict),
        ("app/1.1", "r1", Conflict),
        (None, "r9", NotFound),
        ("app/9.9", None, NotFound),
    ):
        with pytest.raises(error):
            hooks.create(Order("x", Act.HOLD, release, rollout), "ann", fleet.now)


# --- signed calls -----------------------------------------------------------------------------------------------------


def test_a_signed_call_stops_the_rollout_once_however_often_it_comes(fleet: Fleet, hooks: Hooks, made: Made) -> None:
    message = signed(fleet, made.secret)

    first = hooks.called(made.token, None, "fps", fleet.now, message)
    fleet.service.resume(str(made.hook.rollout_id), "bob", fleet.now, "it is meant")
    copy = hooks.called(made.token, None, "fps", fleet.now, message)
    anew = hooks.called(made.token, None, "fps", fleet.now, signed(fleet, made.secret, late_s=9))  # a sender's next try

    assert (list(first.stopped), first.again) == ([made.hook.rollout_id], False)
    assert (copy.again, anew.again, list(copy.stopped)) == (True, True, [made.hook.rollout_id])
    assert fleet.rollout(str(made.hook.rollout_id)).state == "running"


def test_a_message_that_a_crash_interrupted_is_done_by_its_next_copy(fleet: Fleet, hooks: Hooks, made: Made) -> None:
    with fleet.rig.db.write() as session:  # taken, and the server ended before anything followed
        session.add(HookMessage(hook_id=made.hook.id, message_id="msg_1", at=fleet.now))

    done = hooks.called(made.token, None, "fps", fleet.now, signed(fleet, made.secret))

    assert (list(done.stopped), done.again) == ([made.hook.rollout_id], False)


def test_a_flag_that_comes_twice_is_one_flag(fleet: Fleet, hooks: Hooks) -> None:
    fleet.start()
    made = hooks.create(Order("users", Act.FLAG, release="app/1.1", signed=True), "ann", fleet.now)

    for message_id in ("a", "a", "b"):
        hooks.called(made.token, None, "green", fleet.now, signed(fleet, made.secret, message_id))

    with fleet.rig.db.read() as session:
        assert len(repository.flags(session)) == 2


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"message_id": ""}, "signature_missing"),
        ({"timestamp": ""}, "signature_missing"),
        ({"timestamp": "12.5"}, "signature_missing"),
        ({"signatures": ""}, "signature_missing"),
        ({"message_id": "msg_2"}, "signature_wrong"),
        ({"body": b'{"reason": "another"}'}, "signature_wrong"),
        ({"signatures": "v1,AAAA"}, "signature_wrong"),
        ({"signatures": "v1a,AAAA"}, "signature_wrong"),
        ({"signatures": "v1,\u00e9"}, "signature_wrong"),
    ],
)
def test_what_is_not_signed_stops_nothing_and_says_what_is_wrong(
    fleet: Fleet, hooks: Hooks, made: Made, change: dict[str, str], kind: str
) -> None:
    right = signed(fleet, made.secret, reason="fps")
    fields = {name: getattr(right, name) for name in Signed.__slots__}

    with pytest.raises(NotAllowed) as refused:
        hooks.called(made.token, None, "fps", fleet.now, Signed(**{**fields, **change}))

    assert refused.value.kind == kind
    assert fleet.rollout(str(made.hook.rollout_id)).state == "running"
    assert [(a.detail["kind"], a.actor) for a in acts(fleet, "hook.refused")] == [(kind, "anonymous")]


def test_a_signature_is_good_for_five_minutes_either_way(fleet: Fleet, hooks: Hooks, made: Made) -> None:
    for late_s, word in ((301, "old"), (-302, "ahead")):
        with pytest.raises(NotAllowed, match=word) as refused:
            hooks.called(made.token, None, "x", fleet.now, signed(fleet, made.secret, late_s=late_s))
        assert refused.value.kind == "signature_stale"

    assert hooks.called(made.token, None, "x", fleet.now, signed(fleet, made.secret, late_s=299)).stopped


def test_a_bare_part_behind_a_signed_address_opens_nothing(fleet: Fleet, hooks: Hooks, made: Made) -> None:
    for token in (f"{made.token}_", f"{made.token}_x"):
        with pytest.raises(NotAllowed):
            hooks.called(token, None, "x", fleet.now)


def test_a_secret_takes_another_ones_place_without_a_gap_and_then_ends(fleet: Fleet, hooks: Hooks, made: Made) -> None:
    after = hooks.rotate(made.hook.id, 3600, "", "ann", fleet.now)

    for number, secret in enumerate((made.secret, after.secret)):
        hooks.called(made.token, None, "x", fleet.now, signed(fleet, secret, f"m{number}"))
    fleet.at += 3601
    with pytest.raises(NotAllowed, match="No secret of this address"):
        hooks.called(made.token, None, "x", fleet.now, signed(fleet, made.secret, "m2"))

    assert not hooks.called(made.token, None, "x", fleet.now, signed(fleet, after.secret, "m3")).again
    hooks.forget_old(fleet.now)
    with fleet.rig.db.read() as session:
        assert len(list(session.exec(select(HookSecret)))) == 1


def test_a_lost_secret_ends_at_once_and_a_change_without_end_is_refused(fleet: Fleet, hooks: Hooks, made: Made) -> None:
    for _ in range(2):
        hooks.rotate(made.hook.id, 3600, "", "ann", fleet.now)
    with pytest.raises(Conflict, match="3 secrets of hook pager count already"):
        hooks.rotate(made.hook.id, 3600, "", "ann", fleet.now)

    last = hooks.rotate(made.hook.id, 0, "", "ann", fleet.now)

    with pytest.raises(NotAllowed):
        hooks.called(made.token, None, "x", fleet.now, signed(fleet, made.secret))
    assert hooks.called(made.token, None, "x", fleet.now, signed(fleet, last.secret)).stopped
    hooks.revoke(made.hook.id, "ann", fleet.now)
    with pytest.raises(Conflict, match="is revoked"):
        hooks.rotate(made.hook.id, 0, "", "ann", fleet.now)
    with pytest.raises(NotAllowed):
        hooks.called(made.token, None, "x", fleet.now, signed(fleet, last.secret, "m9"))


def test_the_other_system_may_bring_its_secret_and_a_bare_hook_has_none(fleet: Fleet, hooks: Hooks) -> None:
    theirs, rollout = signing.new_secret(), fleet.start()
    made = hooks.create(Order("svix", Act.HOLD, rollout=rollout, signed=True, secret=theirs), "ann", fleet.now)
    bare = hooks.create(Order("bare", Act.HOLD, rollout=rollout), "ann", fleet.now)

    assert made.secret == ""
    assert hooks.called(made.token, None, "x", fleet.now, signed(fleet, theirs)).stopped
    with pytest.raises(Conflict, match="not signed"):
        hooks.rotate(bare.hook.id, 0, "", "ann", fleet.now)
    with pytest.raises(Conflict, match="signed"):
        hooks.create(Order("x", Act.HOLD, rollout=rollout, secret=theirs), "ann", fleet.now)
    with pytest.raises(Invalid):
        hooks.rotate(made.hook.id, 0, "whsec_short", "ann", fleet.now)


def test_no_secret_is_in_the_database_or_the_audit_trail(fleet: Fleet, hooks: Hooks, made: Made) -> None:
    with fleet.rig.db.read() as session:
        stored = [bytes(row.sealed) for row in session.exec(select(HookSecret))]
        audited = json.dumps([row.detail for row in session.exec(select(AuditEntry))])

    assert stored
    assert made.secret.encode() not in stored[0]
    assert made.secret not in audited
    assert made.secret not in repr(made)


def test_calls_are_counted_before_they_are_read_and_after_they_were_proved(
    fleet: Fleet, hooks: Hooks, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Rate(per_s=1e-6, burst=2)
    hooks._addresses, hooks._allowed = TokenBuckets(slow), TokenBuckets(slow)
    hooks.admit("a", 0.0)
    hooks.admit("a", 0.0)
    with pytest.raises(Unreachable) as refused:
        hooks.admit("a", 0.0)
    hooks.admit("b", 0.0)
    for _ in range(5):  # a stranger uses up nothing
        with pytest.raises(NotAllowed):
            hooks.called(made.token, None, "x", fleet.now)
    for number in range(2):
        hooks.called(made.token, None, "x", fleet.now, signed(fleet, made.secret, f"m{number}"))
    with pytest.raises(Unreachable):
        hooks.called(made.token, None, "x", fleet.now, signed(fleet, made.secret, "m2"))

    assert (refused.value.kind, refused.value.retry_after_s) == ("too_many", 1e6)
    with fleet.rig.db.read() as session:  # so that the sender's next try is not taken for a copy
        assert session.get(HookMessage, (made.hook.id, "m2")) is None


def test_messages_are_remembered_far_beyond_their_signature(fleet: Fleet, hooks: Hooks, made: Made) -> None:
    hooks.called(made.token, None, "x", fleet.now, signed(fleet, made.secret))

    assert timedelta(seconds=2 * signing.TOLERANCE_S) < module.MESSAGES_KEPT
    for later, left in ((timedelta(0), 1), (module.MESSAGES_KEPT + timedelta(seconds=1), 0)):
        hooks.forget_old(fleet.now + later)
        with fleet.rig.db.read() as session:
            assert len(list(session.exec(select(HookMessage)))) == left
