from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.application import TAIL_BYTES, Application
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName
from tests.agent.apps import DYING, SLEEPER, STUBBORN, gone, kill, until
from tests.agent.trees import install, release

pytestmark = pytest.mark.slow
A, B = SlotName.A, SlotName.B


class Node:
    """A component folder with real slots, link and application, and a clock that the test moves."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "app"
        self.slots = DirectorySlots(self.folder)
        self.boot = SymlinkBoot(self.folder)
        self.now = 0.0
        self.application = self.control()

    def control(self) -> Application:
        """A new object for the same folder: what a restarted agent has."""
        return Application(
            self.folder, self.slots, {"SITE": "here"}, log_limit_bytes=4096, clock=lambda: self.now, restart_delay_s=2
        )

    def put(self, slot: SlotName, script: bytes, version: str = "1.0", stop_s: float = 2.0) -> Manifest:
        files = {"bin/camera": script}
        manifest = release(files, version, ["bin/camera"], ("bin/camera", "--rate", "10"), stop_s=stop_s)
        install(self.slots, slot, manifest, files)
        return manifest

    def log(self) -> str:
        return self.application.log_tail()

    def pid(self) -> int:
        record = guard.load_application(self.folder)
        assert record is not None
        return record.pid


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.application.stop()


def test_a_script_is_proved_to_run_from_its_slot(node: Node) -> None:
    started = node.application.start(A, node.put(A, SLEEPER))

    running = node.application.running()

    assert running is not None
    tree = node.slots.path(A)
    assert (running.pid, running.start_id, running.slot) == (started.pid, started.start_id, A)
    assert (running.executable, running.directory) == (str(tree / "bin/camera"), str(tree))


def test_a_binary_is_proved_by_the_kernels_own_link(node: Node) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    files = {"bin/sleep": Path(sleep).resolve().read_bytes()}
    manifest = release(files, "1.0", ["bin/sleep"], ("bin/sleep", "600"))
    install(node.slots, A, manifest, files)

    node.application.start(A, manifest)

    running = node.application.running()
    assert running is not None
    assert running.executable == str(node.slots.path(A) / "bin/sleep")


def test_the_application_gets_its_contract_and_nothing_of_the_agents_environment(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_SECRET", "x")
    node.application.start(A, node.put(A, SLEEPER, "1.7"))
    until(lambda: "up" in node.log(), "the application's first line")

    raw = Path(f"/proc/{node.pid()}/environ").read_bytes().decode()
    env = dict(pair.split("=", 1) for pair in raw.split("\0") if pair)

    assert "up 1.7 A ['--rate', '10']" in node.log()
    assert {"SUREFOOT_SLOT", "SUREFOOT_RELEASE", "SUREFOOT_DATA", "SUREFOOT_SOCKET", "PATH"} <= env.keys()
    assert env["SUREFOOT_METRICS_PORT"] == node.application.endpoint()["metrics_port"]
    assert env["SITE"] == "here"
    assert "AGENT_SECRET" not in env


def test_every_start_has_a_new_id_and_leads_its_own_session(node: Node) -> None:
    manifest = node.put(A, SLEEPER)

    first = node.application.start(A, manifest)
    second = node.application.start(A, manifest)

    assert first.start_id != second.start_id
    assert gone(first.pid)
    assert os.getsid(second.pid) == second.pid != os.getsid(0)


def test_starting_the_new_slot_ends_the_old_application_first(node: Node) -> None:
    old = node.application.start(A, node.put(A, SLEEPER))

    new = node.application.start(B, node.put(B, SLEEPER, "2.0"))

    assert gone(old.pid)
    assert (new.slot, node.application.running() is not None) == (B, True)


def test_an_application_that_ignores_sigterm_is_killed_with_its_children(node: Node) -> None:
    node.application.start(A, node.put(A, STUBBORN, stop_s=0.3))
    until(lambda: "child" in node.log(), "the child")
    pid, child = node.pid(), int(node.log().split()[1])

    node.application.stop()

    until(lambda: gone(pid) and gone(child), "both processes to end")
    assert node.application.running() is None


def test_a_new_agent_adopts_what_the_old_one_started(node: Node, tmp_path: Path) -> None:
    node.put(A, SLEEPER)
    code = """
import sys
from pathlib import Path
from surefoot_agent.application import TAIL_BYTES, Application
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.status import SlotName
folder = Path(sys.argv[1])
slots = DirectorySlots(folder)
manifest = slots.installed(SlotName.A)
print(Application(folder, slots).start(SlotName.A, manifest).pid, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(node.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()

    running = node.application.running()
    node.application.stop()

    assert running is not None
    assert running.pid == pid
    until(lambda: gone(pid), "the adopted application to end")


def test_another_process_with_the_recorded_pid_is_not_the_application(node: Node) -> None:
    node.application.start(A, node.put(A, SLEEPER))
    file = node.folder / "app.json"
    ticks = guard.start_ticks(node.pid())
    genuine = file.read_text()
    file.write_text(genuine.replace(f'"start_ticks": {ticks}', '"start_ticks": 1'))

    assert node.application.running() is None
    file.write_text(genuine)


def test_a_process_that_left_its_slot_is_not_proved(node: Node) -> None:
    wandering = SLEEPER.replace(b"time.sleep", b"os.chdir('/'); print('left', flush=True); time.sleep")
    node.application.start(A, node.put(A, wandering))
    until(lambda: "left" in node.log(), "the change of directory")

    assert node.application.running() is None


def test_a_process_that_became_another_program_is_not_proved(node: Node) -> None:
    files = {"bin/camera": b"#!/bin/sh\nexec sleep 600\n"}
    manifest = release(files, "1.0", ["bin/camera"], ("bin/camera",))
    install(node.slots, A, manifest, files)
    node.application.start(A, manifest)
    until(lambda: b"sleep" in Path(f"/proc/{node.pid()}/cmdline").read_bytes(), "the exec")

    assert node.application.running() is None


def test_an_orphan_that_only_carries_the_mark_is_stopped_before_a_start(node: Node) -> None:
    env = {**os.environ, "SUREFOOT_COMPONENT_DIR": str(node.folder.resolve())}
    with subprocess.Popen(["sleep", "600"], env=env, start_new_session=True) as orphan:
        until(lambda: orphan.pid in guard.application_pids(node.folder), "the orphan to show its mark")

        node.application.start(A, node.put(A, SLEEPER))

        until(lambda: gone(orphan.pid), "the orphan to end")


def test_a_dead_application_is_restarted_after_a_delay_that_doubles(node: Node) -> None:
    node.application.start(A, node.put(A, DYING))
    starts, starts_at = {node.pid()}, []
    for node.now in (step * 0.5 for step in range(60)):
        until(lambda: gone(node.pid()), "the application to die")
        node.application.tend()
        if node.pid() not in starts:
            starts.add(node.pid())
            starts_at.append(node.now)

    waits = [b - a for a, b in zip([0.0, *starts_at], starts_at, strict=False)]
    assert waits[:3] == pytest.approx([2.0, 4.5, 8.5])
    assert node.application.restarts == len(starts_at)


def test_a_restart_is_a_new_activation(node: Node) -> None:
    before = node.application.start(A, node.put(A, SLEEPER))
    kill(before.pid)

    for node.now in (0.0, 3.0):
        node.application.tend()

    running = node.application.running()
    assert running is not None
    assert running.start_id != before.start_id


def test_a_living_application_is_left_alone(node: Node) -> None:
    before = node.application.start(A, node.put(A, SLEEPER))

    for node.now in (0.0, 100.0, 200.0):
        node.application.tend()

    assert node.pid() == before.pid


def test_a_stopped_application_stays_stopped(node: Node) -> None:
    node.application.start(A, node.put(A, SLEEPER))
    node.application.stop()

    for node.now in (0.0, 100.0, 200.0):
        node.control().tend()

    assert guard.application_pids(node.folder) == []


def test_an_application_of_a_slot_that_the_link_left_is_not_restarted(node: Node) -> None:
    pid = node.application.start(A, node.put(A, SLEEPER)).pid
    kill(pid)
    node.boot.set_primary(B)

    for node.now in (0.0, 100.0, 200.0):
        node.application.tend()

    assert guard.application_pids(node.folder) == []


def test_the_log_is_bounded_while_the_application_writes(node: Node) -> None:
    node.application.start(A, node.put(A, SLEEPER))
    with open(node.folder / "app.log", "ab") as log:
        log.write(b"line\n" * 2000)

    node.application.tend()

    assert (node.folder / "app.log").stat().st_size == 0
    assert (node.folder / "app.log.1").stat().st_size == 4096


def test_a_log_whose_copy_does_not_fit_is_emptied_and_its_end_kept(node: Node) -> None:
    log, kept = node.folder / "app.log", node.folder / "app.log.1"
    log.write_bytes(b"line\n" * 40_000 + b"last\n")
    kept.symlink_to("/dev/full")  # every write says that there is no room

    node.application.bound_log()

    assert log.stat().st_size == 0
    assert kept.read_bytes().endswith(b"line\nlast\n")
    assert kept.stat().st_size == TAIL_BYTES


def test_a_log_is_emptied_where_nothing_of_it_can_be_kept(node: Node) -> None:
    log = node.folder / "app.log"
    log.write_bytes(b"line\n" * 2000)
    (node.folder / "app.log.1").mkdir()

    node.application.bound_log()

    assert log.stat().st_size == 0


def test_the_log_tail_is_short_and_shows_bytes_that_are_no_text(node: Node) -> None:
    (node.folder / "app.log").write_bytes(b"old\n" * 1000 + b"\xff\xfe last\n")

    tail = node.application.log_tail(lines=3)

    assert tail == "old\nold\n�� last"


def test_without_a_log_the_tail_is_empty(node: Node) -> None:
    assert node.application.log_tail() == ""


@pytest.mark.parametrize("script", [b"#!/does/not/exist\n", b"\x00\x01\x02"])
def test_an_application_that_cannot_be_executed_is_said_at_once(node: Node, script: bytes) -> None:
    with pytest.raises(InstallFailed) as caught:
        node.application.start(A, node.put(A, script))

    assert caught.value.kind == "boot_failed"


def test_a_release_without_an_application_cannot_be_started(node: Node) -> None:
    with pytest.raises(InstallFailed, match="names no application"):
        node.application.start(A, release({}))


def test_the_picked_port_is_none_that_an_outgoing_connection_could_take_while_the_application_is_away(
    node: Node,
) -> None:
    first_of_connections = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert node.application.metrics_port < first_of_connections


def test_the_port_is_picked_once_and_kept(node: Node) -> None:
    assert node.control().metrics_port == node.application.metrics_port > 0
    assert Application(node.folder, node.slots, metrics_port=9123).endpoint() == {"metrics_port": "9123"}


def test_an_unreadable_record_is_written_anew_from_the_process_that_runs(node: Node) -> None:
    started = node.application.start(A, node.put(A, SLEEPER))
    genuine = (node.folder / "app.json").read_bytes()
    (node.folder / "app.json").write_bytes(genuine[:20])

    def told() -> bool:
        node.application.tend()  # it cannot tell whose a process is that is still becoming its program
        return guard.recorded_application(node.folder) is not None

    until(told, "the record to be written")

    running, kept = node.application.running(), guard.recorded_application(node.folder)
    assert running is not None
    assert kept is not None
    assert (running.start_id, running.pid) == (kept.start_id, kept.pid) == (started.start_id, started.pid)


@pytest.mark.parametrize("kept", [b"\xff", b"0", b"99999999", b"-1", b""])
def test_a_kept_port_that_is_none_is_picked_anew(node: Node, kept: bytes) -> None:
    (node.folder / "metrics_port").write_bytes(kept)

    assert 0 < node.control().metrics_port < 1 << 16
