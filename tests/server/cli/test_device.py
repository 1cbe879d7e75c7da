"""`surefoot device`: what is shown, and the one answer to why."""

from __future__ import annotations

import json
import re

import pytest

from surefoot_server.devices import letters
from surefoot_server.devices.letters import Refused
from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_shared import wire
from surefoot_shared.messages import CheckReport, RevertReport
from surefoot_shared.status import Check, Outcome
from tests.server.cli.conftest import Operator
from tests.server.rig import NOW, digest, hello, runs
from tests.server.rollouts.fleet import Fleet


def test_the_list_shows_what_runs_and_what_is_wanted(surefoot: Operator, fleet: Fleet) -> None:
    rollout = fleet.start()
    canary = fleet.in_phase(rollout, 0)[0]

    said = surefoot("device", "list")

    line = next(row for row in said.out.splitlines() if row.startswith(canary))
    assert line.split()[2:5] == ["online", "app/1.0", "app/1.1"]
    assert len(said.out.splitlines()) == 13


def test_the_list_is_narrowed_by_a_text(surefoot: Operator, fleet: Fleet) -> None:
    said = surefoot("device", "list", "-q", "jetson")

    assert len(said.out.splitlines()) == 5


def test_a_device_without_any_report_is_listed_too(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1")

    assert "nothing known" in surefoot("device", "list").out


def test_what_no_release_here_is_is_listed_by_its_component_and_digest(surefoot: Operator) -> None:
    rig = surefoot.rig
    rig.device("cam-1")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(runs("model/7", component="model"),)), NOW)

    assert f"model/{digest('model/7')[:12]}…" in surefoot("device", "list").out


def test_show_tells_the_attempts_with_their_reasons(surefoot: Operator, fleet: Fleet) -> None:
    rollout = fleet.start()
    canary = fleet.in_phase(rollout, 0)[0]
    fleet.end(Outcome.REVERTED, canary)

    said = surefoot("device", "show", canary)

    assert said.code == 0
    assert "reverted" in said.out
    assert "frozen frames" in said.out


def test_show_tells_a_revert_in_full_and_no_escape_sequence_reaches_the_terminal(
    surefoot: Operator, fleet: Fleet
) -> None:
    rollout = fleet.start()
    canary = fleet.in_phase(rollout, 0)[0]
    log = "".join(f"line {n}\n" for n in range(30)) + "\x1b[2Jgone\n"
    failing = CheckReport("camera", True, Check.FAIL, "30 of 30 frozen\x1b[2J frames", 0.61, {"frozen": 30.0}, "said")
    report = RevertReport(
        "camera", "30 of 30 frozen frames", log, "panic", {}, 2, "panic", "Kernel panic\n", (failing,)
    )
    with fleet.rig.db.write() as session:
        row = session.get(Assignment, fleet.wish(canary).id)
        assert row is not None
        row.report = json.loads(wire.encode(report))
        session.add(row)

    said = surefoot("device", "show", canary).out

    assert "Check     camera" in said
    assert "Machine   started anew: panic" in said
    assert re.search(r"camera +fail +0\.61 s +30 of 30 frozen", said)
    assert ("  line 29\n" in said, "  line 3\n" in said) == (True, False)
    assert "\x1b" not in said
    assert said.endswith("Kernel's last words:\n  Kernel panic\n")


def test_why_is_one_sentence(surefoot: Operator, fleet: Fleet) -> None:
    rollout = fleet.start()
    late = fleet.in_phase(rollout, 1)[0]

    said = surefoot("device", "why", late)

    assert said.out.count("\n") == 1
    assert f"it is in phase rest of rollout {rollout}" in said.out


def test_why_answers_for_each_component_of_a_device_and_for_one_that_is_named(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1")
    with surefoot.rig.db.write() as session:
        for name in ("app", "model"):
            session.add(DeviceComponent(device_id="cam-1", component=name, updated_at=NOW))

    both, one = surefoot("device", "why", "cam-1"), surefoot("device", "why", "cam-1", "--component", "model")
    plain = json.loads(surefoot("device", "why", "cam-1", "--json").out)

    assert [line.partition(":")[0] for line in both.out.splitlines()] == ["app", "model"]
    assert both.out.splitlines()[1] == f"model: {one.out.strip()}"
    assert set(plain["components"]) == {"app", "model"}


def test_a_device_that_does_not_exist_exits_with_3(surefoot: Operator) -> None:
    for verb in ("show", "why", "tag"):
        assert surefoot("device", verb, "ghost").code == 3


def test_messages_that_were_put_aside_are_listed_without_their_bytes(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1")
    assert "Nothing of cam-1" in surefoot("device", "letters", "cam-1").out
    with surefoot.rig.db.write() as session:
        refused = Refused("cam-1", "surefoot/v1/d/cam-1/up/events", "ab" * 32, b"\x1b[2J", "It is not signed.\x1b[2J")
        letters.keep(session, refused, NOW)

    said = surefoot("device", "letters", "cam-1").out

    assert re.search(r"events +1 +abababababab +It is not signed\.", said)
    assert "\x1b" not in said


def test_tags_replace_those_that_were_there(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1", tags=["old"])

    surefoot("device", "tag", "cam-1", "lab", "roof")
    said = surefoot("--json", "device", "show", "cam-1")

    assert isinstance(said.json, dict)
    assert said.json["tags"] == ["lab", "roof"]


def test_approving_a_device_that_never_asked_is_refused(surefoot: Operator) -> None:
    assert surefoot("device", "approve", "ghost").code == 3


def test_what_needed_attention_is_acknowledged(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1")
    with surefoot.rig.db.write() as session:
        row = session.get(Device, "cam-1")
        assert row is not None
        row.attention, row.attention_message = "fell_back", "It fell back."
        session.add(row)

    said = surefoot("device", "acknowledge", "cam-1")
    after = surefoot("--json", "device", "show", "cam-1")

    assert (said.code, said.out) == (0, "What cam-1 needed attention for is acknowledged.\n")
    assert isinstance(after.json, dict)
    assert after.json["attention"] is None


def test_acknowledging_a_device_that_does_not_exist_exits_with_3(surefoot: Operator) -> None:
    assert surefoot("device", "acknowledge", "ghost", "--json").code == 3


@pytest.mark.parametrize("tag", ["", "-", "a b", "a" * 65, "!"])
def test_a_tag_that_is_none_is_refused_before_anything_is_sent(surefoot: Operator, tag: str) -> None:
    surefoot.rig.device("cam-1")

    said = surefoot("device", "tag", "cam-1", "--", tag)

    assert said.code == 2
    assert "is not a tag; allowed are" in said.err


def test_more_tags_than_a_device_has_room_for_are_counted(surefoot: Operator) -> None:
    said = surefoot("device", "tag", "cam-1", *(f"t{n}" for n in range(51)))

    assert said.code == 2
    assert "51 tags are given; 50 are allowed." in said.err


def test_a_set_is_assigned_to_one_device(surefoot: Operator) -> None:
    surefoot.rig.device("cam-1")
    for release in ("model/7", "app/2.0"):
        surefoot.rig.release(release)

    said = surefoot("device", "assign", "cam-1", "--release", "model/7", "--release", "app/2.0")

    assert (said.code, said.out) == (0, "cam-1 shall run model/7, app/2.0, as one or not at all.\n")
    single = surefoot("device", "assign", "cam-1", "--release", "app/2.0")
    assert (single.code, single.out) == (0, "cam-1 shall run app/2.0.\n")
