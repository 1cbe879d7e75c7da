"""The data behind the privileged half: an honest agent's update, and all that one which was taken over may not do."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import effects, guard, migrations
from surefoot_agent import events as e
from surefoot_agent.carry import Move
from surefoot_agent.data import Irreversible, Phase
from surefoot_agent.migrations import Migration
from surefoot_agent.ports import Wish
from surefoot_agent.privileged.carrier import PrivilegedCarrier
from surefoot_agent.privileged.steward import Steward
from surefoot_agent.privileged.talk import Verb
from surefoot_agent.record import Ending, Record
from surefoot_agent.trial import Verdict
from surefoot_shared.errors import Conflict, InstallFailed, SurefootError
from surefoot_shared.release import DataHandling, note_of
from surefoot_shared.status import AttemptState, Intent, Outcome, SlotName
from tests.agent.apps import until
from tests.agent.privileged.rig import Rig

A, B = SlotName.A, SlotName.B
UP_AND_DOWN = DataHandling(forward=("run", "up"), backward=("run", "down"), timeout_s=50.0)
FOR_GOOD = replace(UP_AND_DOWN, irreversible=("run", "tidy"))


class Numbers:
    """Migrations of a format with a number; `fails` lists kinds."""

    def __init__(self, data: Path) -> None:
        self.file, self.ran = data / "format", list[str]()
        self.fails: set[str] = set()

    def __call__(self, migration: Migration) -> None:
        self.ran.append(f"{migration.kind} {Path(migration.cwd).name}")
        self.file.write_text("torn")
        if migration.kind in self.fails:
            raise InstallFailed("migration_failed", f"The {migration.kind} migration failed.")
        self.file.write_text({"forward": "2", "backward": "1", "irreversible": "2 for good"}[migration.kind])


class Place:
    """1.0 runs on data of format 1; 1.1 changes them and lies in slot B."""

    def __init__(self, rig: Rig, data: DataHandling = UP_AND_DOWN) -> None:
        self.rig, self.folder = rig, rig.folder / "data"
        self.folder.mkdir(exist_ok=True)
        (self.folder / "format").write_text("1")
        self.numbers = Numbers(self.folder)
        rig.estate = replace(rig.estate, migrate=self.numbers)
        steward = Steward("app", rig.estate, rig.vault)
        rig.steward = rig.server._stewards["app"] = steward  # type: ignore[index]
        self.carrier = PrivilegedCarrier(rig.line)
        self.manifest = rig.publish("1.1", 101, data=data)
        rig.prepare(self.manifest)
        rig.application.start(A, rig.slots.installed(A))
        until(lambda: rig.application.running(), "the application to show its command line")

    @property
    def form(self) -> str:
        return (self.folder / "format").read_text()

    def record(self, state: AttemptState = AttemptState.SWITCHING) -> Record:
        digest = self.rig.digest("1.1")
        wish = Wish("a-1", "app", 1, Intent.UPDATE, digest, len(self.rig.raws["1.1"]), note_of(self.manifest))
        return Record("app", state, 1, wish, 1, B, A, previous_kept=False, activation="before")

    def reverting(self) -> Record:
        return replace(self.record(AttemptState.REVERTING), ending=Ending(Outcome.REVERTED, "health_failed", "frozen"))

    def armed(self) -> None:
        assert effects.arm(self.rig.hands(), self.record()) == e.Flipped()

    def switched(self) -> None:
        self.armed()
        assert isinstance(effects.switch(self.rig.hands(), self.record()), e.Switched)
        until(lambda: self.rig.application.running(), "the new release to show its command line")

    def committed(self) -> None:
        self.switched()
        assert isinstance(effects.commit(self.rig.hands(), self.record(AttemptState.COMMITTING)), e.CommitHeld)

    def ask(self, verb: Verb, assignment: str = "a-1", attempt: int = 1, slot: SlotName = A) -> bool:
        """As one who was taken over: whatever he likes, at any time."""
        return self.rig.line.ask(verb, assignment=assignment, attempt=attempt, slot=slot).yes

    def refuses(self, verb: Verb, **more: object) -> str:
        """Return the kind of the refusal; the data and what was run stay as they were."""
        before = (self.form, list(self.numbers.ran))
        with pytest.raises(SurefootError) as refused:
            self.ask(verb, **more)  # type: ignore[arg-type]
        assert (self.form, self.numbers.ran) == before
        return refused.value.kind


@pytest.fixture
def place(rig: Rig) -> Place:
    return Place(rig)


# --- an honest agent --------------------------------------------------------------------------------------------------


def test_the_data_are_copied_and_migrated_before_the_first_start_and_kept_until_the_commit(place: Place) -> None:
    place.switched()

    assert (place.form, place.numbers.ran) == ("2", ["forward B"])
    assert (place.rig.folder / guard.DATA_BEFORE / "format").read_text() == "1"
    assert isinstance(effects.commit(place.rig.hands(), place.record(AttemptState.COMMITTING)), e.CommitHeld)
    assert not (place.rig.folder / guard.DATA_BEFORE).exists()
    kept = place.rig.estate.data.kept()
    assert kept is not None
    assert (kept.phase, kept.from_version, kept.to_version) == (Phase.COMMITTED, "1.0", "1.1")


def test_a_release_that_does_not_hold_is_left_by_its_own_migration(place: Place) -> None:
    place.switched()
    (place.folder / "seen").write_text("by the new release")

    assert effects.revert(place.rig.hands(), place.reverting()) == e.WentBack()

    assert (place.form, place.numbers.ran) == ("1", ["forward B", "backward B"])
    assert (place.folder / "seen").exists()
    until(lambda: (r := place.rig.application.running()) and r.slot is A, "the old release")


def test_where_the_migration_fails_the_copy_comes_back(place: Place) -> None:
    place.numbers.fails = {"backward"}
    place.switched()
    (place.folder / "seen").write_text("by the new release")

    effects.revert(place.rig.hands(), place.reverting())

    assert place.form == "1"
    assert not (place.folder / "seen").exists()


def test_a_failing_forward_migration_says_so_and_the_way_back_finds_the_old_data(place: Place) -> None:
    place.numbers.fails = {"forward"}
    place.armed()

    with pytest.raises(InstallFailed) as failed:
        effects.switch(place.rig.hands(), place.record())
    effects.revert(place.rig.hands(), place.reverting())

    assert failed.value.kind == "migration_failed"
    assert place.form == "1"


def test_what_is_irreversible_comes_after_the_commit_and_closes_what_is_older(rig: Rig) -> None:
    place = Place(rig, FOR_GOOD)
    place.committed()

    place.carrier.finish(rig.hands())
    place.carrier.finish(rig.hands())

    assert (place.form, place.numbers.ran) == ("2 for good", ["forward B", "irreversible B"])
    kept = rig.estate.data.kept()
    assert kept is not None
    assert (kept.irreversible, kept.floor) == (Irreversible.DONE, 101)
    with pytest.raises(InstallFailed, match="too old"):
        rig.prepare(rig.publish("1.0", 100), A)
    with pytest.raises(SurefootError):
        rig.proxies()[0].set_primary(A)


def test_a_copy_without_room_is_known_before_the_first_byte(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.rig.estate.data, "_reserve_bytes", 1 << 60)

    with pytest.raises(InstallFailed) as full:
        place.rig.hands().data.room()

    assert full.value.kind == "no_space"
    assert place.rig.hands().data.size_bytes() >= 4096


def test_the_guard_is_given_the_time_that_the_data_take_whatever_the_agent_says(place: Place) -> None:
    held = place.rig.proxies()[2].arm(replace(place.rig.trial(), budget_s=1.0, lock_wait_s=0.0))

    assert held.budget_s > 100.0  # there and back, 50 s each
    assert held.lock_wait_s > 100.0


def test_real_migrations_run_from_the_proved_slot_and_their_words_are_bounded(rig: Rig) -> None:
    program = (
        b"#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' x\necho; echo \"$1 $(pwd)\"\necho 2 > $SUREFOOT_DATA/format\n"
    )
    data = DataHandling(forward=("migrate", "up"), timeout_s=30.0)
    place = Place(rig, data=DataHandling())
    place.manifest = rig.publish("1.1", 101, data=data, files={"migrate": program})
    rig.prepare(place.manifest)
    place.rig.steward._estate = replace(rig.estate, migrate=migrations.run)
    rig.steward = rig.server._stewards["app"] = Steward("app", replace(rig.estate, migrate=migrations.run), rig.vault)  # type: ignore[index]

    place.switched()

    assert place.form == "2\n"
    log = (rig.folder / "app.log").read_bytes()
    assert f"up {rig.slots.path(B).resolve()}".encode() in log
    assert len(log) < 3 * migrations.OUTPUT_BYTES


# --- one that was taken over ------------------------------------------------------------------------------------------


def test_no_step_is_taken_out_of_order(place: Place) -> None:
    assert place.refuses(Verb.CARRY_THERE) == "conflict"  # nothing is armed
    assert not place.ask(Verb.CARRY_BACK)
    assert not place.ask(Verb.CARRY_COMMIT)
    place.ask(Verb.CARRY_FINISH)  # of a committed release that has nothing left to do

    place.armed()

    assert place.refuses(Verb.START, slot=B) == "conflict"  # the data come first
    assert place.refuses(Verb.CARRY_COMMIT) == "conflict"
    assert place.refuses(Verb.CARRY_FINISH) == "conflict"
    assert place.refuses(Verb.CARRY_BACK) == "conflict"  # the new slot is what is entered

    place.ask(Verb.CARRY_THERE)
    place.ask(Verb.START, slot=B)
    until(lambda: place.rig.application.running(), "the new release to show its command line")

    assert place.refuses(Verb.CARRY_THERE) == "conflict"  # its copy would be one of data that 1.1 has changed
    assert place.refuses(Verb.CARRY_COMMIT) == "conflict"
    assert place.refuses(Verb.CARRY_FINISH) == "conflict"
    assert place.numbers.ran == ["forward B"]


def test_the_old_release_is_not_started_on_the_data_of_the_new_one(place: Place) -> None:
    place.switched()
    place.rig.proxies()[0].set_primary(A)

    assert place.refuses(Verb.START, slot=A) == "conflict"
    place.ask(Verb.CARRY_BACK)
    place.ask(Verb.START, slot=A)

    assert place.form == "1"


def test_data_that_went_back_are_no_ground_for_another_start_of_the_release_on_trial(place: Place) -> None:
    place.switched()
    boot = place.rig.proxies()[0]
    boot.set_primary(A)
    place.ask(Verb.CARRY_BACK)

    with pytest.raises(Conflict):
        boot.set_primary(B)
    assert place.refuses(Verb.CARRY_THERE) == "conflict"
    trial = place.rig.estate.trials.read()
    assert trial is not None
    assert trial.verdict is Verdict.UNHEALTHY


def test_what_went_back_does_not_go_back_twice(place: Place) -> None:
    place.switched()
    effects.revert(place.rig.hands(), place.reverting())
    (place.folder / "seen").write_text("by the old release")

    place.ask(Verb.CARRY_BACK)
    place.ask(Verb.CARRY_BACK, assignment="")

    assert (place.form, (place.folder / "seen").exists()) == ("1", True)
    assert place.numbers.ran == ["forward B", "backward B"]


def test_a_commit_may_be_said_again_and_nothing_goes_back_after_it(place: Place) -> None:
    place.committed()
    (place.folder / "seen").write_text("after the commit")

    place.ask(Verb.CARRY_COMMIT)
    place.ask(Verb.CARRY_BACK)
    place.ask(Verb.CARRY_BACK, assignment="")

    assert (place.form, (place.folder / "seen").exists()) == ("2", True)
    assert place.refuses(Verb.CARRY_THERE) == "conflict"


def test_another_attempts_name_moves_nothing(place: Place) -> None:
    place.switched()
    place.rig.proxies()[0].set_primary(A)

    assert not place.ask(Verb.CARRY_BACK, assignment="a-2")
    assert not place.ask(Verb.CARRY_BACK, attempt=2)
    assert not place.ask(Verb.CARRY_COMMIT, assignment="a-2")

    assert (place.form, place.numbers.ran) == ("2", ["forward B"])


def test_the_way_back_of_an_open_trial_is_not_put_on_trial_itself(place: Place) -> None:
    """Its data would be changed by a migration that takes them for what they are not yet."""
    place.armed()

    with pytest.raises(Conflict):
        place.rig.proxies()[2].arm(replace(place.rig.trial(A), assignment="a-2"))

    assert place.numbers.ran == []


def test_no_other_trial_begins_while_data_are_away(place: Place) -> None:
    place.switched()
    boot, _, trials, _ = place.rig.proxies()
    boot.set_primary(A)
    trials.decide("a-1", 1, Verdict.UNHEALTHY)

    with pytest.raises(Conflict, match="have not gone back"):
        trials.arm(replace(place.rig.trial(), assignment="a-2"))


def test_an_older_release_is_entered_by_a_trial_alone_where_the_data_must_go_down(place: Place) -> None:
    place.committed()

    with pytest.raises(Conflict, match="takes a trial"):
        place.rig.proxies()[0].set_primary(A)


def test_the_migration_of_a_slot_that_changed_since_is_not_run(place: Place) -> None:
    place.armed()
    place.rig.slots.clear(B)

    assert place.refuses(Verb.CARRY_THERE) == "conflict"


def test_what_nobody_signed_brings_no_migration_either(place: Place) -> None:
    with pytest.raises(SurefootError):
        place.rig.prepare(place.rig.unsigned("6.6", 666, data=UP_AND_DOWN))

    assert place.refuses(Verb.CARRY_THERE) == "conflict"
    assert place.rig.slots.digest(B) == place.rig.digest("1.1")


def test_a_link_in_the_data_is_copied_as_a_link(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's")
    os.symlink(secret, place.folder / "link")
    os.symlink(tmp_path, place.folder / "folder")

    place.switched()

    copy = place.rig.folder / guard.DATA_BEFORE
    assert (copy / "link").is_symlink()
    assert (copy / "folder").is_symlink()


def test_an_agent_that_lost_its_journal_still_has_the_data_brought_back(place: Place) -> None:
    place.switched()
    place.rig.proxies()[0].set_primary(A)

    place.carrier.back(place.rig.hands(), None)

    assert (place.form, place.numbers.ran) == ("1", ["forward B", "backward B"])


def test_a_move_that_is_told_is_not_believed(place: Place) -> None:
    """The slots of the request are not looked at: those of the record are."""
    place.armed()

    place.carrier.there(place.rig.hands(), Move("a-7", 3, A, B))

    kept = place.rig.estate.data.kept()
    assert kept is not None
    assert (kept.assignment, kept.attempt, place.numbers.ran) == ("a-1", 1, ["forward B"])
