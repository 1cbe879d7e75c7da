from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import carry, effects, guard, migrations
from surefoot_agent import events as e
from surefoot_agent.application import Application
from surefoot_agent.data import SLOWEST_COPY_BYTES_PER_S, DataFolder, Irreversible, Phase
from surefoot_agent.downlink import BundleArrived
from surefoot_agent.record import Ending, Record
from surefoot_agent.trial import Verdict
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import DataHandling, Manifest
from surefoot_shared.status import AttemptState, Outcome, SlotName
from tests.agent.apps import SLEEPER, until
from tests.agent.fakes import Device
from tests.agent.trees import install, release

pytestmark = pytest.mark.usefixtures("unsynced")

A, B = SlotName.A, SlotName.B
UP_AND_DOWN = DataHandling(forward=("run", "up"), backward=("run", "down"), timeout_s=50.0)


def made(version: str, data: DataHandling | None = None) -> Manifest:
    return release({"run": b"x"}, version, ("run",), ("run",), data=data)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """1.0 runs from slot A on data of format 1."""
    device = Device(tmp_path)
    (device.application.data / "format").write_text("1")
    device.application.start(A, device.manifests["1.0"])
    return device


def armed(device: Device, data: DataHandling | None, version: str = "1.1") -> Record:
    """An attempt at a release that lies in slot B, armed."""
    device.publish(version, data)
    wish = device.wish(version, "a-1")
    record = Record("app", AttemptState.ARMED, 1, wish, 1, B, A, previous_kept=False, activation="start-1")
    manifest = device.manifests[version]
    install(device.slots, B, manifest, {f.path: device.downloader.blobs[f.sha256] for f in manifest.files})
    assert effects.arm(device.hands(), record) == e.Flipped()
    return record


def reverting(record: Record) -> Record:
    return replace(record, state=AttemptState.REVERTING, ending=Ending(Outcome.REVERTED, "health_failed", "frozen"))


def form(device: Device) -> str:
    return (device.application.data / "format").read_text()


# --- the way ----------------------------------------------------------------------------------------------------------


def test_a_release_that_says_nothing_of_data_does_nothing_to_them() -> None:
    assert carry.way(made("1.0"), made("1.1"), A, B) == carry.Way()
    assert carry.way(None, made("1.1"), A, B) == carry.Way()


def test_up_leads_by_the_new_releases_commands_and_back_by_its_own_too() -> None:
    planned = carry.way(made("1.0"), made("1.1", UP_AND_DOWN), A, B)

    assert planned.copies
    assert planned.there is not None
    assert planned.back is not None
    assert (planned.there.kind, planned.there.slot, planned.there.argv) == ("forward", B, ("run", "up"))
    assert (planned.back.kind, planned.back.slot, planned.back.argv) == ("backward", B, ("run", "down"))
    assert planned.timeouts_s() == 100.0


def test_down_leads_by_the_commands_of_the_release_that_is_left_and_never_without_a_copy() -> None:
    only_back = DataHandling(snapshot=False, backward=("run", "down"))

    planned = carry.way(made("1.1", only_back), made("1.0", UP_AND_DOWN), A, B)

    assert planned.copies
    assert planned.there is not None
    assert (planned.there.kind, planned.there.slot, planned.there.argv) == ("backward", A, ("run", "down"))
    assert planned.back is None


def test_down_to_a_release_that_wants_a_copy_gets_one() -> None:
    assert carry.way(made("1.1"), made("1.0", DataHandling()), A, B) == carry.Way(copies=True)
    assert carry.way(made("1.1"), made("1.0"), A, B) == carry.Way()


# --- there and back ---------------------------------------------------------------------------------------------------


def test_the_old_application_is_stopped_then_copied_then_migrated_then_the_new_one_starts(device: Device) -> None:
    record = armed(device, UP_AND_DOWN)
    device.world.trace.clear()

    assert isinstance(effects.switch(device.hands(), record), e.Switched)

    steps = ["after stop", "after data copy", "after data record kept", "before forward migration", "before start B"]
    places = [device.world.trace.index(step) for step in steps]
    assert places == sorted(places)
    assert (form(device), device.migrations.ran) == ("2", ["forward 1.0 1.1"])


def test_a_second_switch_migrates_no_second_time(device: Device) -> None:
    record = armed(device, UP_AND_DOWN)
    effects.switch(device.hands(), record)
    device.application.process = None

    effects.switch(device.hands(), record)

    assert device.migrations.ran == ["forward 1.0 1.1"]


def test_a_way_back_without_a_switch_touches_no_data(device: Device) -> None:
    record = armed(device, UP_AND_DOWN)
    starts = list(device.application.starts)

    effects.revert(device.hands(), reverting(record))

    assert (device.application.starts, device.migrations.ran) == (starts, [])
    assert DataFolder(device.component_dir).kept() is None


def test_a_release_that_migrated_is_left_by_its_own_migration_and_loses_nothing(device: Device) -> None:
    record = armed(device, UP_AND_DOWN)
    effects.switch(device.hands(), record)
    (device.application.data / "seen").write_text("by the new release")

    effects.revert(device.hands(), reverting(record))

    assert device.migrations.ran == ["forward 1.0 1.1", "backward 1.1 1.0"]
    assert (form(device), (device.application.data / "seen").read_text()) == ("1", "by the new release")
    assert not (device.component_dir / guard.DATA_BEFORE).exists()


def test_a_backward_migration_that_fails_is_replaced_by_the_copy(device: Device) -> None:
    device.migrations.fails = {"backward"}
    record = armed(device, UP_AND_DOWN)
    effects.switch(device.hands(), record)
    (device.application.data / "seen").write_text("by the new release")

    assert effects.revert(device.hands(), reverting(record)) == e.WentBack()

    assert form(device) == "1"
    assert (device.component_dir / guard.DATA_ASIDE / "seen").read_text() == "by the new release"
    assert device.running_version() == "1.0"


def test_a_forward_migration_that_fails_is_the_reason_and_the_data_come_back(device: Device) -> None:
    device.migrations.fails = {"forward"}
    record = armed(device, UP_AND_DOWN)

    with pytest.raises(InstallFailed) as caught:
        effects.switch(device.hands(), record)
    effects.revert(device.hands(), reverting(record))

    assert caught.value.kind == "migration_failed"
    assert (form(device), device.migrations.ran) == ("1", ["forward 1.0 1.1"])  # half of it was never led backward


def test_after_the_commit_the_copy_is_gone_and_no_way_back_finds_it(device: Device) -> None:
    record = armed(device, UP_AND_DOWN)
    effects.switch(device.hands(), record)

    assert isinstance(effects.commit(device.hands(), record), e.CommitHeld)

    kept = device.data.kept()
    assert kept is not None
    assert kept.phase is Phase.COMMITTED
    assert not (device.component_dir / guard.DATA_BEFORE).exists()
    assert not guard.restore_data(device.component_dir, "a-1", 1)


def test_the_guard_waits_as_long_as_the_data_may_take(device: Device) -> None:
    with (device.application.data / "large").open("wb") as file:
        file.write(b"x" * 2 * SLOWEST_COPY_BYTES_PER_S)
    armed(device, UP_AND_DOWN)

    trial = device.trials.read()

    assert trial is not None
    assert 60.0 + 4.0 + 100.0 + 2.0 < trial.budget_s < 60.0 + 4.0 + 100.0 + 3.0
    assert trial.lock_wait_s > guard.LOCK_WAIT_S + 100.0


def test_a_fellow_of_a_set_is_waited_for_too(device: Device) -> None:
    assert carry.at_most_s(device.hands()) == 0.0

    armed(device, UP_AND_DOWN)

    assert 100.0 < carry.at_most_s(device.hands()) < 101.0


def test_data_without_room_for_their_copy_refuse_the_release_before_its_first_byte(device: Device) -> None:
    device.data._reserve_bytes = 1 << 60
    device.publish("1.1", UP_AND_DOWN)
    device.assign(device.wish("1.1", "a-1"))

    device.run_until_idle(device.start_agent())

    assert device.server.outcomes() == [("a-1", Outcome.REFUSED, "no_space")]
    assert device.downloader.fetched == []


def test_an_attempt_that_is_cleaned_up_leaves_the_data_as_they_were(device: Device) -> None:
    record = armed(device, DataHandling())
    carry.there(device.hands(), carry.move_of(record))
    (device.application.data / "format").write_text("torn")
    device.boot_control.set_primary(A)

    effects.clean(device.hands(), replace(record, state=AttemptState.CLEANING))

    assert form(device) == "1"


def test_a_guards_verdict_between_the_copy_and_the_start_stops_the_start(device: Device) -> None:
    record = armed(device, UP_AND_DOWN)
    device.trials.decide("a-1", 1, Verdict.GUARD, "no_verdict")

    assert isinstance(effects.switch(device.hands(), record), e.Unhealthy)
    assert device.migrations.ran == []


# --- what is irreversible ---------------------------------------------------------------------------------------------


def committed_for_good(device: Device) -> None:
    device.publish("1.1", replace(UP_AND_DOWN, irreversible=("run",)))
    device.assign(device.wish("1.1", "a-1"))
    device.run_until_idle(device.start_agent())
    assert form(device) == "2 for good"


def test_once_the_data_were_changed_for_good_an_older_release_is_refused(device: Device) -> None:
    committed_for_good(device)
    bundle = device.assign(device.wish("1.0", "a-2"))
    agent = device.start_agent()
    agent.post(BundleArrived(bundle))

    device.play(agent, 60.0, lambda: len(device.server.outcomes()) == 2)

    assert device.server.outcomes()[1] == ("a-2", Outcome.REFUSED, "data_irreversible")
    assert (device.running_version(), form(device)) == ("1.1", "2 for good")


def test_a_later_update_that_reverts_does_not_forget_what_was_changed_for_good(device: Device) -> None:
    committed_for_good(device)
    device.publish("1.2", DataHandling())
    device.health.sick = {"1.2"}
    device.assign(device.wish("1.2", "a-2"))
    device.play(device.start_agent(), 120.0, lambda: len(device.server.outcomes()) == 2)

    kept = device.data.kept()

    assert kept is not None
    assert (kept.phase, kept.irreversible, kept.floor) == (Phase.RESTORED, Irreversible.DONE, 11)
    assert not carry.unfinished(device.hands())


def test_what_is_pending_belongs_to_the_release_that_runs(device: Device) -> None:
    device.migrations.fails = {"irreversible"}
    device.publish("1.1", DataHandling(irreversible=("run",)))
    device.assign(device.wish("1.1", "a-1"))
    device.run_until_idle(device.start_agent())
    assert carry.unfinished(device.hands())

    device.boot_control.set_primary(A)

    assert not carry.unfinished(device.hands())


# --- with real processes ----------------------------------------------------------------------------------------------

MIGRATE = b"""#!/bin/sh
set -e
case "$1" in
up) test "$(cat "$SUREFOOT_DATA/format")" = 1; echo 2 > "$SUREFOOT_DATA/format" ;;
down) test "$(cat "$SUREFOOT_DATA/format")" = 2; echo 1 > "$SUREFOOT_DATA/format" ;;
esac
echo "from $SUREFOOT_FROM to $SUREFOOT_TO"
"""


@pytest.mark.slow
@pytest.mark.parametrize("who", ["agent", "guard"])
def test_real_migrations_of_real_releases_and_a_way_back_by_agent_or_guard(
    device: Device, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"run": SLEEPER, "migrate": MIGRATE}
    handling = DataHandling(forward=("migrate", "up"), backward=("migrate", "down"), timeout_s=60.0)
    for slot, version, data in ((A, "1.0", None), (B, "1.1", handling)):
        manifest = release(files, version, ("run", "migrate"), ("run",), data=data)
        install(device.slots, slot, manifest, files)
        device.manifests[version] = manifest
    monkeypatch.setattr(device.world, "monotonic", time.monotonic)
    monkeypatch.setattr(device.world, "boot_id", guard.boot_id)
    device.guard_budget_s = 0.1
    application = Application(device.component_dir, device.slots)
    hands = replace(device.hands(), application=application, migrate=migrations.run)
    (device.component_dir / "data" / "format").write_text("1\n")
    application.start(A, device.manifests["1.0"])
    record = Record("app", AttemptState.ARMED, 1, device.wish("1.1", "a-1"), 1, B, A, previous_kept=False)
    try:
        assert effects.arm(hands, record) == e.Flipped()

        assert isinstance(effects.switch(hands, record), e.Switched)

        assert form(device) == "2\n"
        assert "[forward migration] from 1.0 to 1.1\n" in (device.component_dir / "app.log").read_text()
        if who == "agent":
            effects.revert(hands, reverting(record))
            assert "[backward migration] from 1.1 to 1.0\n" in (device.component_dir / "app.log").read_text()
        else:
            trial = guard.load_record(device.component_dir, "trial")
            assert trial is not None
            guard.save_record(device.component_dir, "trial", {**trial, "deadline_monotonic": 0.0})
            assert guard.look(device.component_dir)
            assert (device.component_dir / guard.DATA_ASIDE / "format").read_text() == "2\n"
        until(lambda: application.running() is not None, "the application to be executed")
        running = application.running()
        assert running is not None
        assert (form(device), running.slot) == ("1\n", A)
    finally:
        guard.stop_application(device.component_dir, 1.0)
