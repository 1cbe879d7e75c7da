"""An agent that was fully taken over sits at the other end of the line: what it may do, and all that it may not."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.privileged.talk import Verb
from surefoot_agent.trial import Verdict
from surefoot_shared.errors import Conflict, SurefootError, UntrustedRelease
from surefoot_shared.release import digest_of, parse_manifest
from surefoot_shared.status import SlotName, SlotState
from surefoot_shared.trust.policy import Policy
from tests.agent.apps import until
from tests.agent.privileged.rig import Rig
from tests.agent.trees import snapshot

A, B = SlotName.A, SlotName.B


def kind_of(caught: pytest.ExceptionInfo[SurefootError]) -> str:
    return caught.value.kind


def device_is_as_it_was(rig: Rig) -> bool:
    return (
        rig.boot.current() is A
        and rig.boot.state(A) is SlotState.GOOD
        and rig.slots.digest(A) == rig.digest("1.0")
        and rig.slots.digest(B) is None
    )


def test_an_honest_update_goes_through_and_raises_the_floors(rig: Rig) -> None:
    rig.prepare(rig.publish("1.1", 101, svn=2))
    rig.switch()
    boot, slots, trials, application = rig.proxies()

    with trials.lock():
        boot.commit(B)
        trials.decide("a-1", 1, Verdict.HEALTHY)

    running = application.running()
    assert running is not None
    assert running.slot is B
    assert (boot.current(), boot.state(B), slots.digest(B)) == (B, SlotState.GOOD, rig.digest("1.1"))
    assert rig.vault.floors().committed_svn == {"app": 2}
    assert rig.vault.floors().counter == {"app": 101}


def test_what_is_told_each_minute_is_in_the_log_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    boot, *_ = rig.proxies()

    for _ in range(3):
        boot.commit(A)

    assert [r.getMessage() for r in caplog.records if "commit_slot" in r.getMessage()] == [
        "done verb=commit_slot component=app slot=A"
    ]


def test_a_member_of_a_set_is_committed_and_reverted_by_the_verdict_of_its_set(rig: Rig) -> None:
    rig.prepare(rig.publish("1.1", 101))
    *_, trials, _ = rig.proxies()
    with trials.lock():
        armed = trials.arm(replace(rig.trial(B), set="set-1"))

    guard.decide_set(rig.folder, "set-1", "unhealthy", "set_broken")  # another member's
    held = trials.decide("a-1", 1, Verdict.HEALTHY)

    assert armed.set == "set-1"
    assert held is not None
    assert (held.verdict, held.reason) == (Verdict.UNHEALTHY, "set_broken")
    assert trials.read() == held


def test_what_nobody_signed_is_not_written(rig: Rig) -> None:
    with pytest.raises(UntrustedRelease) as caught:
        rig.prepare(rig.unsigned("6.6", 666))

    assert kind_of(caught) == "not_released"
    assert device_is_as_it_was(rig)


def test_what_too_few_signed_is_not_written(rig: Rig) -> None:
    rig.publish("6.6", 666)
    rig.fleet.sign_role(signers=rig.fleet.release.signers[:1])
    (rig.trust / "image" / "rel-app.json").write_text(rig.fleet.image[f"{rig.fleet.version['rel-app']}.rel-app.json"])

    with pytest.raises(UntrustedRelease) as caught:
        rig.prepare(parse_manifest(rig.raws["6.6"]))

    assert kind_of(caught) == "metadata_untrusted"
    assert device_is_as_it_was(rig)


def test_what_is_signed_for_other_hardware_is_not_written(rig: Rig) -> None:
    with pytest.raises(UntrustedRelease) as caught:
        rig.prepare(rig.publish("1.1", 101, hw=("jetson-nano",)))

    assert kind_of(caught) == "wrong_hardware"
    assert device_is_as_it_was(rig)


def test_nothing_below_the_floor_is_written_and_no_old_role_hides_the_floor(rig: Rig) -> None:
    old_role = (rig.trust / "image" / "rel-app.json").read_text()
    rig.prepare(rig.publish("1.1", 101, svn=2))
    rig.switch()
    boot, _, trials, _ = rig.proxies()
    boot.commit(B)
    trials.decide("a-1", 1, Verdict.HEALTHY)
    rig.fleet.set_policy(Policy("app", min_svn=2))
    rig.prepare(rig.publish("1.2", 102, svn=2), A)

    with pytest.raises(UntrustedRelease) as below:
        rig.prepare(parse_manifest(rig.raws["1.0"]), A)
    (rig.trust / "image" / "rel-app.json").write_text(old_role)
    with pytest.raises(UntrustedRelease) as replayed:
        rig.prepare(parse_manifest(rig.raws["1.0"]), A)

    assert (kind_of(below), kind_of(replayed)) == ("below_svn_floor", "metadata_rollback")


def test_a_slot_that_fell_below_the_floor_is_not_entered_any_more(rig: Rig) -> None:
    rig.prepare(rig.publish("1.1", 101, svn=2))
    rig.switch()
    boot, _, trials, _ = rig.proxies()
    boot.commit(B)
    trials.decide("a-1", 1, Verdict.HEALTHY)
    rig.fleet.set_policy(Policy("app", min_svn=2))
    with pytest.raises(Conflict):  # slot B runs; the proof that comes before tells the policy
        rig.proxies()[1].begin(B, rig.publish("1.2", 102, svn=2), rig.raws["1.2"])

    with pytest.raises(UntrustedRelease) as entered:
        boot.set_primary(A)
    with pytest.raises(UntrustedRelease) as armed:
        trials.arm(rig.trial(A))

    assert {kind_of(entered), kind_of(armed)} == {"below_svn_floor"}
    assert rig.boot.current() is B


def test_a_release_that_was_revoked_is_not_entered_though_it_was_proved_before(rig: Rig) -> None:
    rig.prepare(rig.publish("1.1", 101))
    boot, slots, trials, _ = rig.proxies()
    rig.fleet.set_policy(Policy("app", revoked=(rig.digest("1.1"),)))
    rig.publish("1.2", 102)
    with pytest.raises(UntrustedRelease):  # the agent that is honest still tells the policy so
        slots.begin(B, parse_manifest(rig.raws["1.1"]), rig.raws["1.1"])

    with pytest.raises(UntrustedRelease) as armed:
        trials.arm(rig.trial())
    with pytest.raises(Conflict):
        boot.arm_trial(B)

    assert kind_of(armed) == "not_released"
    assert rig.boot.current() is A


@pytest.mark.parametrize("gone", ["revoked", "withdrawn"])
def test_who_asks_for_what_is_gone_cannot_hide_that_afterwards(rig: Rig, gone: str) -> None:
    """The question itself shows the newest role: an older one does not come back after it."""
    rig.publish("1.1", 101)
    old_role = (rig.trust / "image" / "rel-app.json").read_text()
    if gone == "revoked":
        rig.fleet.set_policy(Policy("app", revoked=(rig.digest("1.1"),)))
    else:
        rig.fleet.withdraw("1.1")
    rig.sign()

    with pytest.raises(UntrustedRelease) as asked:
        rig.prepare(parse_manifest(rig.raws["1.1"]))
    (rig.trust / "image" / "rel-app.json").write_text(old_role)
    with pytest.raises(UntrustedRelease) as replayed:
        rig.prepare(parse_manifest(rig.raws["1.1"]))

    assert (kind_of(asked), kind_of(replayed)) == ("not_released", "metadata_rollback")
    assert device_is_as_it_was(rig)


def test_a_device_that_runs_what_was_revoked_is_not_dark(rig: Rig) -> None:
    """Started again and committed again, as at every start of an agent; only another slot would be closed."""
    rig.fleet.set_policy(Policy("app", revoked=(rig.digest("1.0"),)))
    rig.prepare(rig.publish("1.1", 101))
    boot, _, _, application = rig.proxies()
    manifest = rig.slots.installed(A)
    assert manifest is not None

    boot.commit(A)
    application.start(A, manifest)

    until(lambda: rig.application.running(), "the application to show its command line")


def test_a_manifest_other_than_the_signed_one_is_not_written(rig: Rig) -> None:
    manifest = rig.publish("1.1", 101)
    rig.raws["1.1"] = rig.raws["1.1"].replace(b'"counter":101', b'"counter":102')

    with pytest.raises(UntrustedRelease):
        rig.prepare(manifest)

    assert device_is_as_it_was(rig)


def test_bytes_other_than_the_signed_ones_never_count(rig: Rig) -> None:
    manifest = rig.publish("1.1", 101)
    _, slots, _, _ = rig.proxies()
    slots.begin(B, manifest, rig.raws["1.1"])

    with pytest.raises(SurefootError) as wrong:
        slots.write(B, rig.piece("1.1", "version"), lambda offset: [b"666"])
    with pytest.raises(SurefootError) as unsealed:
        slots.seal(B)
    with pytest.raises(SurefootError) as elsewhere:
        slots.write(B, replace(rig.piece("1.1", "version"), name="not/listed"), lambda offset: [b""])

    assert kind_of(wrong) == "artifact_corrupt"
    assert kind_of(unsealed) == "slot_corrupt"
    assert kind_of(elsewhere) == "slot_write_failed"
    assert device_is_as_it_was(rig)


def test_a_flood_of_bytes_is_cut_at_the_signed_size_and_the_line_stays_in_step(rig: Rig) -> None:
    manifest = rig.publish("1.1", 101)
    _, slots, _, application = rig.proxies()
    slots.begin(B, manifest, rig.raws["1.1"])

    with pytest.raises(SurefootError):
        slots.write(B, rig.piece("1.1", "version"), lambda offset: [b"x" * 4096] * 100)

    assert application.running() is None
    assert sum(len(content) for content in snapshot(rig.folder / "slots").values()) < 100_000


@pytest.mark.parametrize("path", ["../A/run", "/etc/passwd", "a/../../b", ""])
def test_no_path_leads_out_of_the_slot(rig: Rig, path: str) -> None:
    _, slots, _, _ = rig.proxies()
    slots.begin(B, rig.publish("1.1", 101), rig.raws["1.1"])

    with pytest.raises((SurefootError, ValueError)):
        slots.write(B, replace(rig.piece("1.1", "version"), name=path), lambda offset: [b"x"])

    assert device_is_as_it_was(rig)


def test_the_running_slot_is_neither_written_nor_emptied_nor_marked(rig: Rig) -> None:
    manifest = rig.publish("1.1", 101)
    boot, slots, _, _ = rig.proxies()

    for act in (
        lambda: slots.begin(A, manifest, rig.raws["1.1"]),
        lambda: slots.clear(A),
        lambda: slots.seal(A),
        lambda: boot.set_state(A, SlotState.BAD),
        lambda: boot.set_state(A, SlotState.EMPTY),
    ):
        with pytest.raises(Conflict):
            act()

    assert device_is_as_it_was(rig)


def test_no_slot_is_entered_marked_or_started_without_a_trial(rig: Rig) -> None:
    manifest = rig.publish("1.1", 101)
    rig.prepare(manifest)
    boot, _, _, application = rig.proxies()

    for act in (
        lambda: boot.arm_trial(B),
        lambda: boot.set_primary(B),
        lambda: boot.commit(B),
        lambda: boot.set_state(B, SlotState.GOOD),
        lambda: application.start(B, manifest),
    ):
        with pytest.raises(Conflict):
            act()

    assert (rig.boot.current(), rig.boot.state(B)) == (A, SlotState.BAD)


def test_an_empty_or_half_written_slot_is_on_no_trial(rig: Rig) -> None:
    _, slots, trials, _ = rig.proxies()
    with pytest.raises(Conflict):
        trials.arm(rig.trial())
    slots.begin(B, rig.publish("1.1", 101), rig.raws["1.1"])

    with pytest.raises(Conflict):
        trials.arm(rig.trial())

    assert rig.estate.trials.read() is None


def test_what_the_guard_will_do_is_never_the_agents_word(rig: Rig) -> None:
    rig.prepare(rig.publish("1.1", 101))
    _, _, trials, _ = rig.proxies()

    held = trials.arm(rig.trial())

    assert held.fallback is not None
    assert held.fallback.argv == (str((rig.folder / "slots/A/run").resolve()),)
    assert (held.previous, held.machine, held.back, held.restart) == ("A", False, (), ())
    assert held.deadline_monotonic < time.monotonic() + 61.0
    assert held.armed_boot_id == guard.boot_id()


def test_the_guards_verdict_is_not_the_agents_to_give(rig: Rig) -> None:
    rig.prepare(rig.publish("1.1", 101))
    _, _, trials, _ = rig.proxies()
    trials.arm(rig.trial())

    with pytest.raises(Conflict):
        trials.decide("a-1", 1, Verdict.GUARD)


def test_while_a_release_is_on_trial_its_way_back_is_not_touched(rig: Rig) -> None:
    manifest = rig.publish("1.1", 101)
    rig.prepare(manifest)
    rig.switch()
    _, slots, _, _ = rig.proxies()

    for act in (lambda: slots.clear(A), lambda: slots.begin(A, manifest, rig.raws["1.1"])):
        with pytest.raises(Conflict):
            act()

    assert rig.slots.digest(A) == rig.digest("1.0")


def test_the_way_back_is_always_open(rig: Rig) -> None:
    rig.prepare(rig.publish("1.1", 101, svn=5))
    rig.switch()
    boot, _, trials, application = rig.proxies()

    with trials.lock():
        trials.decide("a-1", 1, Verdict.UNHEALTHY, "health_failed")
        boot.set_primary(A)
        boot.set_state(B, SlotState.BAD)
        installed = rig.slots.installed(A)
        assert installed is not None
        assert application.start(A, installed).slot is A
        trials.finish("a-1", 1)

    assert (rig.boot.current(), rig.boot.state(B)) == (A, SlotState.BAD)


def test_a_commit_needs_that_something_runs_from_the_slot(rig: Rig) -> None:
    rig.prepare(rig.publish("1.1", 101))
    boot, _, trials, _ = rig.proxies()
    trials.arm(rig.trial())
    boot.arm_trial(B)

    with pytest.raises(Conflict, match="Nothing runs from slot B"):
        boot.commit(B)

    assert rig.boot.state(B) is SlotState.BAD


def test_a_commit_after_the_guards_verdict_is_refused(rig: Rig) -> None:
    rig.prepare(rig.publish("1.1", 101))
    rig.switch()
    stored = guard.load_record(rig.folder, "trial")
    assert stored is not None
    guard.save_record(rig.folder, "trial", {**stored, "deadline_monotonic": 0.0})
    guard.look(rig.folder)
    boot, _, _, _ = rig.proxies()

    with pytest.raises(Conflict):
        boot.commit(B)
    with pytest.raises(Conflict):
        boot.arm_trial(B)

    assert rig.boot.current() is A


def test_a_new_root_is_followed_and_an_unsigned_one_is_not(rig: Rig, tmp_path: Path) -> None:
    rig.fleet.sign_image_root()
    rig.prepare(rig.publish("1.1", 101))
    kept = tmp_path / "vault" / "image" / "root_history" / "2.root.json"
    assert kept.read_text() == rig.fleet.image["2.root.json"]

    forged = rig.fleet.image["2.root.json"].replace('"version":2', '"version":3')
    (rig.trust / "image" / "root_history" / "3.root.json").write_text(forged)
    with pytest.raises(UntrustedRelease):
        rig.prepare(parse_manifest(rig.raws["1.1"]))

    assert not kept.with_name("3.root.json").exists()


def test_a_proof_of_one_manifest_does_not_serve_another(rig: Rig) -> None:
    manifest = rig.publish("1.1", 101)
    rig.unsigned("6.6", 666)
    rig.proxies()[1].begin(B, manifest, rig.raws["1.1"])

    with pytest.raises(UntrustedRelease, match="not proved here"):
        rig.line.ask(Verb.BEGIN, slot=B, digest=digest_of(rig.raws["6.6"]))
