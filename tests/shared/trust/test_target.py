"""Hardware, security version and counter decide without any metadata, and a permit lifts the floors alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.release import SlotKind, TargetNote
from surefoot_shared.status import Intent
from surefoot_shared.trust.floors import Floors
from surefoot_shared.trust.target import MAY_GO_BACK, check_target

FLOORS = Floors(counter={"app": 100}, svn={"app": 3})
NOTE = TargetNote("app", "1.1", 100, 3, ("jetson",), SlotKind.TREE, 1000, 10)
OLDER = replace(NOTE, counter=99)
BELOW = replace(NOTE, svn=2, counter=1)
FOREIGN = replace(NOTE, hw=("rpi4", "x86"))


@pytest.mark.parametrize(
    ("note", "intent", "kind"),
    [
        (FOREIGN, Intent.REVERT, "wrong_hardware"),
        (BELOW, Intent.REVERT, "below_svn_floor"),
        (BELOW, Intent.UPDATE, "below_svn_floor"),
        (OLDER, Intent.UPDATE, "below_counter"),
    ],
)
def test_what_does_not_match_is_refused_by_its_kind(note: TargetNote, intent: Intent, kind: str) -> None:
    with pytest.raises(UntrustedRelease) as refused:
        check_target(note, intent, "jetson", FLOORS)

    assert refused.value.kind == kind


def test_a_permit_lifts_the_floors_and_not_the_hardware() -> None:
    with pytest.raises(UntrustedRelease) as refused:
        check_target(FOREIGN, Intent.UPDATE, "jetson", FLOORS, permitted=True)

    assert refused.value.kind == "wrong_hardware"
    assert check_target(BELOW, Intent.UPDATE, "jetson", FLOORS, permitted=True) is None


@pytest.mark.parametrize("intent", sorted(MAY_GO_BACK))
def test_going_back_takes_an_intent_that_says_so(intent: Intent) -> None:
    assert check_target(OLDER, intent, "jetson", FLOORS) is None
