"""A manifest is taken for what its signed target said, byte for byte, and only where it can be proved in time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent.acceptance import proved_manifest, refuse_beyond_budget
from surefoot_agent.health.local import DeviceCheck
from surefoot_agent.ports import Suite
from surefoot_shared.errors import InstallFailed, UntrustedRelease
from surefoot_shared.release import CheckKind, manifest_bytes
from tests.agent.fakes import Device


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_a_required_program_of_the_device_that_cannot_run_refuses_every_release(
    device: Device, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "lens.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o644)
    hands, manifest = device.hands(), device.manifests["1.1"]
    own = DeviceCheck("device/required.d", CheckKind.COMMAND, programs=(program,))
    monkeypatch.setattr(hands.health, "suite", lambda manifest: Suite(manifest, (own,)))

    with pytest.raises(InstallFailed, match="cannot run: it is not executable") as caught:
        refuse_beyond_budget(hands, manifest)

    assert caught.value.kind == "check_not_run"
    program.chmod(0o755)
    refuse_beyond_budget(hands, manifest)


def test_the_signed_bytes_are_taken_and_any_other_are_not(device: Device) -> None:
    wish, manifest = device.wish("1.1", "a-1"), device.manifests["1.1"]

    assert proved_manifest(wish, manifest_bytes(manifest)) == manifest
    with pytest.raises(InstallFailed) as raised:
        proved_manifest(wish, manifest_bytes(manifest) + b" ")
    assert raised.value.kind == "artifact_corrupt"


def test_a_manifest_that_says_other_than_its_target_is_not(device: Device) -> None:
    wish = device.wish("1.1", "a-1")

    with pytest.raises(UntrustedRelease) as raised:
        proved_manifest(replace(wish, note=replace(wish.note, svn=7)), manifest_bytes(device.manifests["1.1"]))
    assert raised.value.kind == "target_mismatch"


def test_a_probation_that_outlasts_the_guard_is_refused(device: Device) -> None:
    refuse_beyond_budget(device.hands(), device.manifests["1.1"])
    device.guard_budget_s = 1.0

    with pytest.raises(InstallFailed) as raised:
        refuse_beyond_budget(device.hands(), device.manifests["1.1"])
    assert raised.value.kind == "probation_too_long"
