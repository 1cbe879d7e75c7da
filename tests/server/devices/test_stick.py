"""A device that never has network: a release is assigned to it by name, and its bundle, carried there, is accepted."""

from __future__ import annotations

import base64
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_server.access.roles import Role
from surefoot_shared.trust.verify import Verified, decide
from tests.server.releases import shelf
from tests.server.rig import NOW, Rig, digest, hello, runs

SETS = "/api/v1/devices/cam-17/sets"


def carried(rig: Rig, trust: Path) -> Verified:
    """What the device makes of the file that `surefoot device bundle` writes."""
    raw = base64.b64decode(rig.client(Role.OPERATOR).get("/api/v1/devices/cam-17/bundle").json()["bundle"])
    shutil.copytree(rig.keys / "bootstrap", trust / "bootstrap", dirs_exist_ok=True)
    return decide(trust, "cam-17", "rpi5", raw, datetime.now(timezone.utc))


def test_a_release_assigned_while_the_device_is_away_is_in_its_bundle_and_is_accepted(rig: Rig, tmp_path: Path) -> None:
    rig.device("cam-17")
    shelf.publish(rig, shelf.make(rig, tmp_path))
    before = carried(rig, tmp_path / "trust").approved

    answer = rig.client(Role.RELEASER).post(SETS, json={"releases": ["app/1.1"]})

    (wish,) = carried(rig, tmp_path / "trust").approved
    assert (answer.status_code, before) == (201, ())
    assert (wish.note.assignment, wish.note.joint) == (answer.json()[0]["id"], None)
    assert '"device.assign"' in rig.client(Role.ADMIN).get("/api/v1/audit").text


@pytest.mark.parametrize("releases", [["app/2.0"], ["model/7", "app/2.0"]])
def test_a_halted_release_is_refused(rig: Rig, releases: list[str]) -> None:
    rig.device("cam-17")
    for release in releases:
        rig.release(release)
    rig.state.online.halt([digest("app/2.0")], NOW)

    answer = rig.client(Role.RELEASER).post(SETS, json={"releases": releases})

    assert (answer.status_code, answer.json()["kind"]) == (409, "halted")


def test_an_older_release_than_the_one_that_runs_is_refused(rig: Rig) -> None:
    rig.device("cam-17")
    for release in ("app/1.0", "app/2.0"):
        rig.release(release)
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-17", components=(runs("app/2.0"),)), NOW)

    answer = rig.client(Role.RELEASER).post(SETS, json={"releases": ["app/1.0"]})

    assert (answer.status_code, answer.json()["kind"]) == (409, "conflict")
    assert "app/2.0, which is newer" in answer.text


def test_a_release_for_other_hardware_is_refused(rig: Rig) -> None:
    rig.device("cam-17", hw="nuc")
    rig.release("app/2.0")

    assert rig.client(Role.RELEASER).post(SETS, json={"releases": ["app/2.0"]}).json()["kind"] == "wrong_hardware"
