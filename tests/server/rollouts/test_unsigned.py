"""A server that cannot sign orders nothing, takes back what nobody was told, and goes on by itself once it can."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlmodel import select

from surefoot_server.delivery import Delivery
from surefoot_server.devices import repository as devices
from surefoot_server.devices.models import Assignment
from surefoot_server.devices.views import why_of
from surefoot_server.rollouts import repository, views
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rollouts.fleet import Fleet

ONE = """
phases: [{name: all, percent: 100, bake: 60s}]
gate: {max_wait: 10m, objectives: [{metric: failed, tripwire: 1, fail_if_surely_above: 5%}]}
timeouts: {step: 5m}
"""


class _Gone:
    def sign(self, _payload: bytes) -> None:
        raise OSError("the token was pulled out")


@pytest.fixture
def delivery(fleet: Fleet) -> Delivery:
    made = Delivery(fleet.rig.db, fleet.rig.devices, fleet.rig.said, lambda: fleet.now)
    fleet.rig.db.on_dirty(made.changed)
    return made


@pytest.fixture
def mend(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The key is gone; call it to have it back."""
    monkeypatch.setattr(fleet.rig.state.online, "_director_signer", _Gone())
    return monkeypatch.undo


def attempts(fleet: Fleet) -> list[Assignment]:
    with fleet.rig.db.read() as session:
        return list(session.exec(select(Assignment).order_by(Assignment.seq)))  # type: ignore[arg-type]


def page(fleet: Fleet, rollout: str) -> views.RolloutOut:
    with fleet.rig.db.read() as session:
        row = repository.rollout(session, rollout)
        return views.rollout_out(session, row, fleet.now, fleet.service.unsignable("app", fleet.now))


def why(fleet: Fleet, name: str) -> str:
    with fleet.rig.db.read() as session:
        waiting = fleet.service.why(session, name, "app", fleet.now)
        view = devices.views(session, [devices.device(session, name)])[0]
        return why_of(session, view, "app", fleet.now, waiting).sentence


def test_an_order_that_cannot_be_signed_is_taken_back_told_and_given_again(
    fleet: Fleet, delivery: Delivery, mend: Callable[[], None]
) -> None:
    rollout = fleet.start(policy=ONE)
    delivery.say_waiting()
    offered = fleet.wished()
    fleet.tick(1)

    assert offered == set(fleet.names)
    assert fleet.wished() == set()
    assert {(a.outcome, a.reason, a.message) for a in attempts(fleet)} == {
        ("cancelled", "not_signed", "A signer refused to sign: the token was pulled out")
    }
    assert (
        "the server cannot sign orders, so no device gets one: A signer refused to sign: the token was pulled out"
        in page(fleet, rollout).reason
    )
    assert "cannot sign orders: A signer refused" in why(fleet, "cam-01")

    fleet.tick(640)  # longer than any wait of the policy
    delivery.again()
    delivery.say_waiting()
    assert (fleet.rollout(rollout).state, page(fleet, rollout).outcomes) == ("running", {})
    assert len(attempts(fleet)) == len(fleet.names)
    assert fleet.rig.said.bundles == []

    mend()
    delivery.again()
    delivery.say_waiting()
    fleet.tick(1)
    delivery.say_waiting()

    assert fleet.wished() == set(fleet.names)
    assert {name for name, _ in fleet.rig.said.bundles} == set(fleet.names)
    assert page(fleet, rollout).reason == "it began at once"
    fleet.commit(*fleet.names)
    fleet.tick(120)
    fleet.tick(1)
    assert fleet.rollout(rollout).state == "succeeded"
    assert {d.reason.partition(":")[0] for d in fleet.decisions(rollout) if d.kind == "recall"} == {
        "its order could not be signed"
    }


def test_a_device_that_was_told_before_the_key_was_lost_goes_on(
    fleet: Fleet, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = fleet.start(policy=ONE)
    delivery.say_waiting()
    fleet.state("cam-01", AttemptState.DOWNLOADING)
    monkeypatch.setattr(fleet.rig.state.online, "_director_signer", _Gone())
    delivery.changed(["cam-01"])
    delivery.say_waiting()
    fleet.tick(1)

    assert "cam-01" in fleet.wished()
    fleet.commit("cam-01")
    assert page(fleet, rollout).outcomes == {"committed": 1}


def test_one_order_that_cannot_be_signed_waits_and_says_when_it_is_given_again(fleet: Fleet) -> None:
    rollout = fleet.start(policy=ONE.replace("step: 5m", "step: 1h"))
    with fleet.rig.db.write() as session:
        row = session.get(Assignment, fleet.wish("cam-01").id)
        assert row is not None
        row.unsigned = "no key"
    fleet.tick(1)

    assert fleet.wished() == set(fleet.names) - {"cam-01"}
    assert f"its order by rollout {rollout} of app/1.1 could not be signed (no key)" in why(fleet, "cam-01")
    fleet.tick(301)
    assert fleet.wished() == set(fleet.names)
    assert page(fleet, rollout).outcomes == {}


def test_an_order_to_go_back_that_cannot_be_signed_is_no_failure_to_go_back(
    fleet: Fleet, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = fleet.start(policy=ONE + "revert: {tripwire: 1}\n")
    delivery.say_waiting()
    fleet.commit(*fleet.names)
    fleet.tick(1)
    fleet.service.revert(rollout, "alice", fleet.now)
    monkeypatch.setattr(fleet.rig.state.online, "_director_signer", _Gone())
    delivery.say_waiting()
    fleet.tick(400)

    assert fleet.wished("app/1.0") == set(fleet.names)
    assert not [d for d in fleet.decisions(rollout) if d.kind in ("time_out", "hold_back")]
    monkeypatch.undo()
    delivery.again()
    delivery.say_waiting()
    fleet.end(Outcome.COMMITTED, *fleet.names)
    fleet.tick(1)
    assert fleet.rollout(rollout).reason.endswith(
        f"{len(fleet.names)} of {len(fleet.names)} devices are back on their previous release"
    )


def test_what_expired_orders_nothing_and_the_page_says_what_must_be_signed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = fleet.rig.state.online
    ends = {**online.expiring(), "image rel-app 3": fleet.now, "image rel-other 1": fleet.now}
    monkeypatch.setattr(online, "expiring", lambda: ends)

    rollout = fleet.start(policy=ONE)

    assert fleet.wished() == set()
    assert "the signature of image rel-app 3 has expired" in page(fleet, rollout).reason
    assert online.unsignable("model", fleet.now) == ""
    monkeypatch.undo()
    fleet.tick(1)
    assert fleet.wished() == set(fleet.names)
