"""A whole agent whose component is installed by an Update Module: on trial, committed, taken back, and cut short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.modules.application import ModuleApplication
from surefoot_agent.modules.flow import Order
from surefoot_agent.modules.host import Host, Rules
from surefoot_agent.ports import Stepped
from surefoot_shared.release import digest_of, manifest_bytes
from surefoot_shared.status import AttemptState, Outcome, SlotName
from tests.agent.fakes import FRAME, QUICK, Device
from tests.agent.modules.world import executable
from tests.agent.trees import install, release

pytestmark = pytest.mark.usefixtures("unsynced")
OWN = """#!/bin/sh
echo "$1" >> "$WORLD/calls"
[ -e "$WORLD/fail-$1" ] && { rm "$WORLD/fail-$1"; echo "no room for it"; exit 1; }
case "$1" in
    SupportsRollback) echo Yes ;;
    ArtifactInstall) cp "$WORLD/seen" "$2/tmp/before" 2>/dev/null; cp "$2/files/x" "$WORLD/seen" ;;
    ArtifactRollback) cp "$2/tmp/before" "$WORLD/seen" ;;
esac
exit 0
"""


class Installed(Device):
    """A device whose releases say their version in a file that the module puts into place."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.modules = folder / "modules"
        self.modules.mkdir()
        executable(self.modules / "own", OWN)
        self.part = self.parts["app"]
        for version in ("1.0", "1.1", "1.2"):
            self._publish(version)
        manifest = self.manifests["1.0"]
        install(self.slots, SlotName.A, manifest, {f.path: self.downloader.blobs[f.sha256] for f in manifest.files})
        self.part.application = self._application()  # type: ignore[assignment]
        self.part.application.start(SlotName.A, manifest)

    def _publish(self, version: str) -> None:
        told = {"v": 1, "type": "own", "name": f"own-{version}", "files": ["x"]}
        files = {"module.json": json.dumps(told).encode(), "payload/x": version.encode()}
        manifest = release(files, version, checks=(FRAME,), probation=QUICK)
        self.manifests[version] = manifest
        self.downloader.blobs[digest_of(manifest_bytes(manifest))] = manifest_bytes(manifest)
        self.downloader.blobs.update({digest_of(content): content for content in files.values()})

    def _application(self) -> ModuleApplication:
        def restart() -> None:
            raise AssertionError("this module needs none")

        rules = Rules(self.modules, Order.V4, 30.0, restart, "x86-box", {"WORLD": str(self.folder)})
        host = Host(self.component_dir, rules)
        return ModuleApplication(self.component_dir, self.slots, self.boot_control, host, 30.0)

    @property
    def seen(self) -> str:
        return (self.folder / "seen").read_text()

    def called(self) -> list[str]:
        return (self.folder / "calls").read_text().split()

    def fail(self, state: str) -> None:
        (self.folder / f"fail-{state}").touch()

    def update(self) -> tuple[str | None, Outcome | None, str | None]:
        self.assign(self.wish("1.1", "a-1"))
        self.run_until_idle(self.start_agent())
        (outcome,) = self.server.outcomes()
        return outcome


@pytest.fixture
def device(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def test_a_good_payload_is_committed_once_and_only_after_its_soak(device: Installed) -> None:
    assert device.update() == ("a-1", Outcome.COMMITTED, None)
    assert device.seen == "1.1"
    assert device.called().count("ArtifactCommit") == 2  # the first release's, and this one's
    assert device.boot_control.current() is SlotName.B


def test_a_payload_that_fails_its_checks_is_rolled_back_by_its_module(device: Installed) -> None:
    device.health.sick.add("1.1")

    assert device.update() == ("a-1", Outcome.REVERTED, "health_failed")
    assert device.seen == "1.0"
    assert device.called()[-5:] == [
        "SupportsRollback",
        "ArtifactRollback",
        "NeedsArtifactReboot",
        "ArtifactFailure",
        "Cleanup",
    ]


@pytest.mark.parametrize("state", ["Download", "ArtifactInstall", "ArtifactCommit"])
def test_a_module_that_fails_ends_the_update_with_its_own_words(device: Installed, state: str) -> None:
    device.fail(state)

    assert device.update() == ("a-1", Outcome.REVERTED, "module_failed")
    assert device.seen == "1.0"
    assert "no room for it" in device.part.application.log_tail()


def test_an_agent_that_starts_anew_on_trial_goes_on_without_installing_again(device: Installed) -> None:
    device.assign(device.wish("1.1", "a-1"))
    agent = device.start_agent()
    device.play(agent, 60.0, lambda: agent.record.state is AttemptState.PROBATION)

    device.run_until_idle(device.start_agent())

    assert device.server.outcomes() == [("a-1", Outcome.COMMITTED, None)]
    assert device.called().count("ArtifactInstall") == 2


def test_a_guard_that_moved_the_link_is_followed_by_the_next_agent(device: Installed) -> None:
    device.assign(device.wish("1.1", "a-1"))
    agent = device.start_agent()
    device.play(agent, 60.0, lambda: agent.record.state is AttemptState.PROBATION)
    trial = guard.load_trial(device.component_dir)
    assert trial is not None
    guard.go_back(device.component_dir, trial)

    device.run_until_idle(device.start_agent())

    assert device.seen == "1.0"
    assert device.server.outcomes()[0][1] is Outcome.REVERTED


def test_the_time_of_its_calls_is_added_to_the_budget_of_the_trial(device: Installed) -> None:
    application = device.part.application
    assert isinstance(application, Stepped)

    device.assign(device.wish("1.1", "a-1"))
    agent = device.start_agent()
    device.play(agent, 60.0, lambda: agent.record.state is AttemptState.PROBATION)
    trial = guard.load_trial(device.component_dir)
    assert trial is not None
    assert float(str(trial["budget_s"])) >= device.guard_budget_s + application.takes_s
