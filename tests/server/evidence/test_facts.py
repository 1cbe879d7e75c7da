"""What is gathered about a release: all of it, and nothing of the moment of asking."""

from __future__ import annotations

from typing import Any

from surefoot_server.evidence.facts import gather
from tests.server.evidence.conftest import RELEASE
from tests.server.rig import digest, later
from tests.server.rollouts.fleet import Fleet
from tests.server.rollouts.pairs import with_models


def facts(fleet: Fleet, at_s: float = 100) -> dict[str, Any]:
    signed, _ = fleet.rig.state.online.signed("app", "2.0")
    with fleet.rig.db.read() as session:
        return gather(session, RELEASE, signed, later(at_s), fleet.rig.state.builders.judge)


def test_everything_on_record_is_there(told: Fleet) -> None:
    found = facts(told)

    assert found["release"]["id"] == RELEASE
    assert (found["signatures"]["threshold"], len(found["signatures"]["signed"])) == (1, 1)
    assert found["signatures"]["listed"] is True
    assert [d["kind"] for d in found["documents"]] == ["provenance", "sbom"]
    assert found["channels"][0]["evidence"][1]["requirement"] == "sbom"
    assert [(t["name"], t["passed"], t["note"]) for t in found["tests"]] == [("night", True, "log 42")]
    assert [f["ids"][0] for f in found["scan"]["findings"]] == ["CVE-2026-1"]
    assert [w["reason"] for w in found["waivers"]] == ["not | reachable"]
    assert [f["reason"] for f in found["flags"]] == ["the line is mirrored"]
    (rollout,) = found["rollouts"]
    assert (rollout["phases"][0]["state"], rollout["phases"][0]["verdict"]) == ("passed", "pass")
    assert "pass_phase" in {d["kind"] for d in rollout["decisions"]}
    assert {row["action"] for row in found["audit"]} >= {"release.publish", "release.attest", "release.waive"}
    assert (found["provenance"]["told"], found["provenance"]["builder"]) == (
        "it is not signed",
        "https://ci.example/builder",
    )
    assert found["drill"] is None


def test_a_rollout_in_which_it_went_with_another_is_on_record_with_the_digests_of_the_set(told: Fleet) -> None:
    with_models(told)
    told.service.cancel("r1", "ann", told.now)
    started = told.start("model/2.0", also=(RELEASE,), cohort="hw == 'rpi5'")

    found = facts(told)
    whole = next(each for each in found["rollouts"] if each["id"] == started)

    digests = {"model/2.0": digest("model/2.0"), RELEASE: found["release"]["digest"]}
    assert whole["set"] == [{"release": r, "digest": d} for r, d in digests.items()]
    assert f"rollout:{started}" in {row["object"] for row in facts(told)["audit"]}


def test_asked_again_later_it_is_the_same(told: Fleet) -> None:
    assert facts(told) == facts(told, 90_000)
