"""Rows of rollouts: what the schema itself refuses."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from surefoot_server.rollouts.models import Rollout, RolloutMember
from surefoot_shared.status import RolloutState
from tests.server.rig import NOW, digest
from tests.server.rollouts.fleet import Fleet


def test_two_rollouts_never_have_one_number(fleet: Fleet) -> None:
    fleet.start()
    twin = Rollout(
        id="r1b",
        number=1,
        release_id="app/1.1",
        component="app",
        digest=digest("app/1.1"),
        cohort="all",
        expression="all",
        policy="",
        salt="s",
        state=RolloutState.DRAFT.value,
        created_at=NOW,
        created_by="bob",
    )

    with pytest.raises(IntegrityError), fleet.rig.db.write() as session:
        session.add(twin)


def test_a_member_is_a_device_that_exists(fleet: Fleet) -> None:
    rollout = fleet.start()

    with pytest.raises(IntegrityError), fleet.rig.db.write() as session:
        session.add(RolloutMember(rollout_id=rollout, device_id="ghost", hw="rpi5", standing="member", reason=""))


def test_the_policy_is_kept_word_for_word(fleet: Fleet) -> None:
    text = "# why: the vendor asked\nphases: [{percent: 100}]\n"

    assert fleet.rollout(fleet.start(policy=text)).policy == text
