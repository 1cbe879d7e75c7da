"""The privileged half as the process that it is, and what becomes of a trial when it dies or is stopped."""

from __future__ import annotations

import json
import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings, components_of
from surefoot_agent.helper import adopt, estate_of, server_of, vault_of
from surefoot_agent.identity import DEVICE_FACTS, PAIR
from surefoot_agent.privileged.proxies import Line, PrivilegedApplication, PrivilegedBoot, PrivilegedTrials
from surefoot_agent.privileged.talk import Verb
from surefoot_agent.rootfs import RootFilesystem
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.trial import Trial
from surefoot_shared.errors import ConfigError
from surefoot_shared.status import SlotName
from tests.agent.apps import until
from tests.agent.trees import install, release
from tests.shared.trust.simulator import HW, FleetSimulator

A, B = SlotName.A, SlotName.B
AS_ROOT = os.geteuid() == 0
SOMEBODY = "nobody" if AS_ROOT else ""
"""Whose the application is: only root can start it as somebody else."""
AGENT = """
import os, sys
from pathlib import Path
from surefoot_agent.privileged.proxies import Line, PrivilegedBoot
from surefoot_agent.privileged.slots import Evidence, PrivilegedSlots
from surefoot_shared.status import SlotName
folder, path, uid = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
if uid != os.getuid():
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
line = Line(path, "app", connect_s=0.5)
slots = PrivilegedSlots(folder, line, Evidence(folder), 0, 0)
print(PrivilegedBoot(line).current().value, slots.installed(SlotName.B).version)
"""
"""What the networked half may do as whoever it is: ask, and read."""
SLEEP = b"#!/bin/sh\nwhile :; do sleep 1; done\n"


def settings_of(folder: Path, **more: object) -> Settings:
    plain = {
        "state_dir": folder / "state",
        "helper_dir": folder / "helper",
        "helper_socket": str(folder / "helper.sock"),
        "app_user": SOMEBODY,
        "reserve_bytes": 0,
    }
    return Settings(**{**plain, **more})  # type: ignore[arg-type]


class Device:
    """An adopted device with two whole releases, A current and good, and its helper as a process."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings_of(folder)
        enrolled_folder(self.settings.state_dir)
        adopt(self.settings)
        (component,) = components_of(self.settings)
        estate = estate_of(self.settings, component)
        self.folder = estate.folder
        for slot, version in ((A, "1.0"), (B, "1.1")):
            files = {"run": SLEEP, "version": version.encode()}
            manifest = replace(release(files, version, ("run",), ("run",)), hw=(HW,))
            install(estate.slots, slot, manifest, files)
        estate.boot.commit(A)
        lines = {
            "state_dir": self.settings.state_dir,
            "helper_dir": self.settings.helper_dir,
            "helper_socket": self.settings.helper_socket,
            "app_user": SOMEBODY,
            "agent_user": SOMEBODY,
        }
        self.config = folder / "agent.toml"
        self.config.write_text("".join(f'{key} = "{value}"\n' for key, value in lines.items()))
        self.line = Line(Path(self.settings.helper_socket), "app", connect_s=120.0)
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "surefoot_agent", "helper", "--config", str(self.config)]
        return subprocess.Popen(command, stderr=subprocess.PIPE)

    def switch(self) -> None:
        """What the agent does when it switches."""
        trials, boot = PrivilegedTrials(self.folder, self.line), PrivilegedBoot(self.line)
        trial = Trial("a-1", 1, "app", "B", "A", "boot", 5.0, 0.0, "boot", 3, None, lock_wait_s=1.0)
        with trials.lock():
            trials.arm(trial)
            boot.arm_trial(B)
            PrivilegedApplication(self.folder, self.line).start(B, release({}))

    def guard(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", str(guard.__file__), "--component-dir", str(self.folder), "--poll-s", "0.05"]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def is_back(self) -> bool:
        trial, record = guard.load_record(self.folder, "trial"), guard.load_application(self.folder)
        finished = trial is not None and trial["verdict"] == "guard" and trial["finished"] is True
        return finished and record is not None and record.slot == "A" and guard.process_alive(record)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        guard.stop_application(self.folder, 1.0)


@pytest.fixture
def device() -> Iterator[Device]:
    """In a folder that another user may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        made = Device(Path(folder))
        yield made
        made.close()


def enrolled_folder(state_dir: Path) -> None:
    """What enrolment leaves behind, as far as the privileged half looks at it."""
    identity, bootstrap = state_dir / "identity", state_dir / "trust" / "bootstrap"
    for path in (identity, bootstrap):
        path.mkdir(parents=True)
    mqtt = {"host": "localhost", "port": 1, "protocol": 5}
    facts = {"device": "cam-17", "hw": HW, "server_url": "https://localhost:1", "mqtt": mqtt}
    (identity / DEVICE_FACTS).write_text(json.dumps(facts))
    (identity / f"{PAIR}.key").write_bytes(b"")
    (identity / f"{PAIR}.key").chmod(0o600)
    (bootstrap / "image.root.json").write_text(FleetSimulator().image["1.root.json"])


def owner_of(pid: int) -> int:
    return os.stat(f"/proc/{pid}").st_uid


@pytest.mark.slow
def test_the_application_runs_as_its_own_user_and_may_change_nothing_of_its_release(device: Device) -> None:
    application = PrivilegedApplication(device.folder, device.line)

    running = application.start(A, release({}))

    expected = pwd.getpwnam(SOMEBODY).pw_uid if AS_ROOT else os.geteuid()
    until(lambda: owner_of(running.pid) == expected, "the application to be its own")
    until(lambda: application.running() is not None, "its command line")
    assert stat.S_IMODE((device.folder / "data").stat().st_mode) == (0o700 if AS_ROOT else 0o755)
    assert (device.folder / "data").stat().st_uid == expected
    assert not (device.folder / "slots/A/run").stat().st_mode & 0o222


@pytest.mark.slow
def test_nobody_but_the_privileged_half_can_change_what_will_run(device: Device) -> None:
    device.switch()
    found = [device.folder, *device.folder.rglob("*"), *(device.settings.helper_dir / "trust").rglob("*")]
    own = [path for path in found if device.folder / "data" not in (path, *path.parents) and not path.is_symlink()]

    assert len(own) > 20
    assert [path for path in own if path.stat().st_mode & 0o022 or path.stat().st_uid != os.geteuid()] == []
    if AS_ROOT:
        words = ["/bin/sh", "-c", f"cat {device.folder}/slots/B/version && touch {device.folder}/trial.0"]
        other = pwd.getpwnam(SOMEBODY)
        done = subprocess.run(words, user=other.pw_uid, group=other.pw_gid, extra_groups=[], capture_output=True)
        assert (done.stdout, done.returncode) == (b"1.1", 1)


@pytest.mark.slow
def test_the_agents_user_is_served_and_any_other_is_not(device: Device) -> None:
    served = pwd.getpwnam(SOMEBODY).pw_uid if AS_ROOT else os.geteuid()
    device.line.ask(Verb.BOOT)  # it is up
    words = [sys.executable, "-c", AGENT, str(device.folder), device.settings.helper_socket]

    own = subprocess.run([*words, str(served)], capture_output=True, text=True, timeout=60)
    others = subprocess.run([*words, "61234"], capture_output=True, text=True, timeout=60)

    assert (own.returncode, own.stdout) == (0, "A 1.1\n"), own.stderr
    assert (others.returncode, others.stdout) == (1, "")


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_a_helper_that_is_dead_or_stopped_keeps_no_release_without_a_verdict(
    device: Device, end: signal.Signals
) -> None:
    device.switch()
    os.kill(device.process.pid, end)

    watching = device.guard()
    until(device.is_back, "the guard's way back", 60.0)
    watching.kill()
    watching.wait()

    assert guard.current_slot(device.folder) == "A"
    assert guard.slot_states(device.folder)["B"] == "bad"


@pytest.mark.slow
def test_a_helper_that_is_stopped_inside_the_lock_is_ended_by_the_guard(device: Device) -> None:
    device.switch()
    trials = PrivilegedTrials(device.folder, device.line)
    with trials.lock():
        os.kill(device.process.pid, signal.SIGSTOP)
        watching = device.guard()
        until(device.is_back, "the guard's way back", 60.0)
        device.process.wait(timeout=20)
        assert device.process.returncode == -signal.SIGKILL
        device.line.drop()
    watching.kill()
    watching.wait()

    assert guard.current_slot(device.folder) == "A"


@pytest.mark.slow
def test_a_restarted_helper_goes_on_where_the_agent_is(device: Device) -> None:
    device.switch()
    device.process.kill()
    device.process.communicate()

    device.process = device.start()

    running = PrivilegedApplication(device.folder, device.line).running()
    assert running is not None
    assert running.slot is B
    assert PrivilegedBoot(device.line).current() is B


@pytest.mark.slow
def test_a_helper_of_a_device_that_was_never_adopted_says_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f'helper_dir = "{tmp_path}/helper"\nhelper_socket = "{tmp_path}/helper.sock"\n')
    command = [sys.executable, "-m", "surefoot_agent", "helper", "--config", str(config)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert "surefoot-agent adopt" in done.stderr


def test_the_estate_of_a_root_is_its_devices_its_bootloader_and_a_restart(tmp_path: Path) -> None:
    (tmp_path / "board.sh").touch(0o755)
    told = ComponentSettings(
        kind="image",
        boot="script",
        boot_script=str(tmp_path / "board.sh"),
        slot_a=str(tmp_path / "a"),
        slot_b=str(tmp_path / "b"),
    )
    settings = settings_of(tmp_path, components={"rootfs": told})
    (component,) = components_of(settings)

    estate = estate_of(settings, component)

    assert isinstance(estate.slots, ImageSlots)
    assert isinstance(estate.application, RootFilesystem)
    assert os.getpid() in estate.pids()
    found = {finding.name: finding.ok for finding in estate.examine()}
    assert (found["boot"], found["devices"]) == (False, False)  # a script that says nothing, and no such devices
    assert not (estate.folder / "data").exists()


@pytest.mark.parametrize("boot", ["uboot", "grub"])
def test_what_another_agent_left_is_taken_over_by_the_privileged_half(
    tmp_path: Path, boot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = ComponentSettings("image", boot, "mender", slot_a=f"{tmp_path}/a", slot_b=f"{tmp_path}/b")
    settings = settings_of(tmp_path, app_user="", components={"rootfs": root})
    enrolled_folder(settings.state_dir)
    adopt(settings)
    asked = list[object]()
    monkeypatch.setattr("surefoot_agent.boot.adopt.adopt", lambda *given: asked.append(given[0].boot))

    server_of(settings).stop()

    assert asked == [boot]


def test_a_device_that_is_not_split_has_no_helper(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not split"):
        server_of(settings_of(tmp_path, helper_socket=""))


def test_adopting_twice_or_before_enrolment_is_refused(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, app_user="")
    with pytest.raises(ConfigError):
        adopt(settings)
    enrolled_folder(settings.state_dir)

    adopt(settings)
    (settings.state_dir / "identity" / "device.json").write_text("{}")
    with pytest.raises(ConfigError):
        adopt(settings)

    assert vault_of(settings).owner().device == "cam-17"


def test_the_process_of_root_loads_no_parser_of_metadata_and_nothing_of_the_network() -> None:
    heavy = "{'tuf', 'securesystemslib', 'cryptography', 'paho', 'ssl', 'http', 'urllib3', 'asyncio'}"
    code = f"import sys, surefoot_agent.helper; print(sorted({heavy} & set(sys.modules)))"

    out = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout

    assert out.strip() == "[]"
