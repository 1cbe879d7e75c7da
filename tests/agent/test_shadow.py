"""The simulated camera application in both slots, as real processes on the same frames."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import events as e
from surefoot_agent import guard, pair, scrape, shadow
from surefoot_agent.application import Application
from surefoot_agent.comparison import Figures, GoOn, Over, Start, Step
from surefoot_agent.lanes import Done, InlineLanes, Lane, Work
from surefoot_agent.pair import ProcessPair
from surefoot_agent.record import Record
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.messages import ShadowTerms
from surefoot_shared.release import Manifest, Probation
from surefoot_shared.status import AttemptState, Outcome, SlotName
from surefoot_simulators.camera.tree import write_camera_tree
from tests.agent.apps import until
from tests.agent.fakes import Device
from tests.agent.trees import install, release

pytestmark = [pytest.mark.usefixtures("unsynced"), pytest.mark.timeout(120)]
A, B = SlotName.A, SlotName.B
KEY = ("a-1", 1)
TERMS = ShadowTerms(for_s=6, min_fps_permille=500, min_memory_permille=1)
FPS = 30.0
ENV = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
"""Where a python3 with numpy is."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: the socket of the frames is in it."""
    made = Path(tempfile.mkdtemp(prefix="sf-"))
    yield made
    shutil.rmtree(made)


def beside_of(folder: Path, slots: DirectorySlots, live: Application, log_limit_bytes: int = 1 << 22) -> shadow.Shadow:
    return shadow.Shadow(folder, slots, ProcessPair(folder, slots, live, ENV, log_limit_bytes), time.monotonic)


class Camera:
    """A component with the camera application: 1.0 lives in A, 1.1 is staged in B."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.folder = folder / "app"
        self.slots = DirectorySlots(self.folder)
        self.manifests = {slot: self._fill(slot, version, changes) for slot, version in ((A, "1.0"), (B, "1.1"))}
        self.live = Application(self.folder, self.slots, ENV)
        self.started = self.live.start(A, self.manifests[A])
        self.beside = beside_of(self.folder, self.slots, self.live)
        until(lambda: (self.beside._pair.live() or Figures()).processed > FPS, "live frames", 40.0)

    def _fill(self, slot: SlotName, version: str, changes: dict[str, object]) -> Manifest:
        tree = self.folder.parent / f"tree-{version}"
        write_camera_tree(tree, version)
        settings = tree / "settings.json"
        more = changes if slot is B else {}
        settings.write_text(json.dumps({**json.loads(settings.read_text()), "fps": FPS, **more}))
        files = {str(f.relative_to(tree)): f.read_bytes() for f in sorted(tree.rglob("*")) if f.is_file()}
        manifest = replace(
            release(files, version, ("bin/camera-app",), ("bin/camera-app",)), probation=Probation(120.0, 2, 4.0)
        )
        install(self.slots, slot, manifest, files)
        return manifest

    def step(self, terms: ShadowTerms = TERMS) -> Step:
        return self.beside.step(KEY, terms, B, self.manifests[B])

    def until(self, right: Callable[[Step], bool], terms: ShadowTerms = TERMS) -> Step:
        """Look a few times a second, as the agent does, until a look says this."""
        deadline = time.monotonic() + 200.0
        while not right(said := self.step(terms)):
            assert time.monotonic() < deadline, said
            time.sleep(0.2)
        return said

    def close(self) -> None:
        self.beside.stop()
        self.live.stop()


@pytest.fixture
def camera(folder: Path) -> Iterator[Camera]:
    made = Camera(folder)
    yield made
    made.close()


def shadow_pids(camera: Camera) -> list[int]:
    return guard.application_pids(camera.folder / "shadow")


def told(camera: Camera) -> dict[str, float]:
    return {sample.name: sample.value for sample in camera.beside.samples("now", "app")}


@pytest.mark.slow
def test_the_same_release_beside_itself_agrees_and_the_live_one_is_never_touched(camera: Camera) -> None:
    over = camera.until(lambda said: isinstance(said, Over), replace(TERMS, for_s=8))

    assert isinstance(over, Over)
    assert over.reason is None, over.message
    found = told(camera)
    assert found["shadow_agreement_ratio"] > 0.2, "a busy machine misses frames; what counts otherwise has 0.0"
    assert found["shadow_latency_ratio"] > 0
    assert camera.step(TERMS) == over, "a renewed order hears the same"
    assert 0.0 <= found["shadow_fps_cost_ratio"] <= 1.0
    assert told(camera) == {}, "the last of it is told once"
    running = camera.live.running()
    assert running is not None
    assert (running.start_id, running.slot) == (camera.started.start_id, A)
    assert shadow_pids(camera) == []
    assert not (camera.folder / "shadow/data").exists()


@pytest.mark.slow
def test_a_release_that_counts_nothing_agrees_with_nothing(folder: Path) -> None:
    camera = Camera(folder, threshold=250.0)
    try:
        camera.until(lambda said: isinstance(said, Over), replace(TERMS, for_s=8))
        assert told(camera)["shadow_agreement_ratio"] == 0.0
    finally:
        camera.close()


@pytest.mark.slow
def test_a_shadow_that_ends_by_itself_has_failed_and_the_live_one_goes_on(camera: Camera) -> None:
    camera.until(lambda said: isinstance(said, Start))
    camera.until(lambda said: "runs beside" in getattr(said, "why", ""))
    for pid in shadow_pids(camera):
        os.kill(pid, 9)

    over = camera.until(lambda said: isinstance(said, Over))

    assert over == Over("The shadow ended by itself.", "shadow_died")
    assert camera.live.running() is not None


@pytest.mark.slow
def test_an_ended_attempt_never_starts_again_and_a_new_agent_stops_what_it_finds(camera: Camera) -> None:
    camera.until(lambda said: isinstance(said, Start))
    camera.until(lambda said: shadow_pids(camera) != [])  # a process in the middle of its exec has no environment yet
    (pid,) = shadow_pids(camera)
    assert os.getpriority(os.PRIO_PROCESS, pid) >= pair.NICE

    beside_of(camera.folder, camera.slots, camera.live).stop()
    assert shadow_pids(camera) == []
    camera.beside.end(KEY)
    assert camera.step() == GoOn("it was ended")
    assert shadow_pids(camera) == []
    assert camera.live.running() is not None


def looks_of(folder: Path, pages: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], shadow.Shadow]:
    """A shadow whose both sides say `pages`; its release is a shell that sleeps."""
    monkeypatch.setattr(pair.scrape, "metrics", lambda url, timeout_s: scrape.parse(pages()))
    component = folder / "app"
    slots = DirectorySlots(component)
    files = {"run": b"#!/bin/sh\nprintf '%05000d' 0\nwhile :; do sleep 1; done\n"}
    install(slots, B, release(files, "1.1", ("run",), ("run",)), files)
    live = Application(component, slots, ENV)
    return lambda: beside_of(component, slots, live, 2000)


PAGE = "camera_fps 30\ncamera_frames_processed_total 9\n"


def begun(beside: shadow.Shadow, manifest: Manifest, terms: ShadowTerms = TERMS) -> Step:
    """Look until it is started, or refused."""
    while isinstance(said := beside.step(KEY, terms, B, manifest), GoOn):
        pass
    return said


def test_what_takes_the_agent_or_the_machine_down_with_it_is_not_started_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = looks_of(folder, lambda: PAGE, monkeypatch)
    manifest = DirectorySlots(folder / "app").installed(B)
    assert manifest is not None

    said = [begun(agents(), manifest) for _ in range(shadow.STARTS + 1)]

    assert said[:-1] == [Start()] * shadow.STARTS
    assert isinstance(said[-1], Over)
    assert said[-1].reason == "shadow_harmed"
    assert guard.application_pids(folder / "app/shadow") == []


def test_its_log_is_bounded_and_what_fills_the_disk_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = looks_of(folder, lambda: PAGE, monkeypatch)()
    manifest = DirectorySlots(folder / "app").installed(B)
    assert manifest is not None
    terms = replace(TERMS, for_s=600)
    begun(beside, manifest, terms)
    older = folder / "app/shadow/app.log.1"

    until(lambda: bool(beside.step(KEY, terms, B, manifest)) and older.exists(), "a log that was put aside", 120.0)
    monkeypatch.setattr(beside._pair, "_reserve_bytes", 2**62)
    over = beside.step(KEY, terms, B, manifest)

    assert over == Over("The data partition has less than half of its reserve free.", "shadow_harmed")
    assert guard.application_pids(folder / "app/shadow") == []


# --- within an attempt ----------------------------------------------------------------------------------------------


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def order(device: Device, **changes: object) -> None:
    given: dict[str, object] = {"activate": False, "shadow": TERMS, **changes}
    device.assign(device.wish("1.1", "a-1", **given))


def run(device: Device) -> None:
    device.run_until_idle(device.start_agent())


def test_a_shadow_ends_as_an_outcome_of_its_own_and_nothing_is_switched(device: Device) -> None:
    order(device)
    run(device)

    assert device.server.outcomes() == [("a-1", Outcome.SHADOWED, None)]
    assert device.running_version() == device.linked_version() == "1.0"
    assert "armed" not in device.server.states("a-1")
    assert device.shadow.seen[0] == (("a-1", 1), B, "1.1")


def test_a_shadow_is_not_switched_to_even_where_it_is_told_to_activate(device: Device) -> None:
    order(device, activate=True)
    run(device)

    assert device.running_version() == "1.0"


def test_the_shadowed_release_is_activated_later_without_a_download(device: Device) -> None:
    order(device)
    run(device)
    fetched = list(device.downloader.fetched)

    device.assign(device.wish("1.1", "a-2"))
    run(device)

    assert device.server.outcomes()[-1] == ("a-2", Outcome.COMMITTED, None)
    assert device.running_version() == "1.1"
    assert device.downloader.fetched == fetched
    assert "downloading" not in device.server.states("a-2")


def test_an_ordinary_order_of_the_same_release_ends_the_shadow_and_activates_it(device: Device) -> None:
    device.shadow.looks = 10**6
    order(device)
    agent = device.start_agent()
    device.play(agent, 20.0)
    assert (agent.record.state, device.shadow.runs) == (AttemptState.STAGED, True)

    device.assign(device.wish("1.1", "a-2"))
    run(device)

    assert device.server.outcomes()[-1] == ("a-2", Outcome.COMMITTED, None)
    assert not device.shadow.runs


@pytest.mark.parametrize("reason", ["shadow_harmed", "shadow_died", "shadow_unmeasured"])
def test_a_shadow_that_harms_or_dies_is_a_failure_before_any_switch(device: Device, reason: str) -> None:
    device.shadow.over = Over("The live release had 30.0 frames a second alone and has 3.0 now.", reason)
    order(device)
    run(device)

    assert device.server.outcomes() == [("a-1", Outcome.FAILED, reason)]
    assert device.running_version() == "1.0"
    assert device.shadow.ended == [("a-1", 1)]
    assert device.slots.installed(B) is None


def test_an_order_that_is_taken_back_ends_the_shadow(device: Device) -> None:
    device.shadow.looks = 10**6
    order(device)
    device.play(device.start_agent(), 20.0)

    device.assign()
    run(device)

    assert device.server.outcomes() == [("a-1", Outcome.CANCELLED, "cancelled_by_order")]
    assert (device.shadow.runs, device.shadow.ended) == (False, [("a-1", 1)])


def test_an_agent_that_starts_anew_stops_what_it_finds_and_compares_anew(device: Device) -> None:
    device.shadow.looks = 10**6
    order(device)
    device.play(device.start_agent(), 20.0)
    looks = len(device.shadow.seen)

    device.shadow.looks = looks + 3
    run(device)

    assert device.server.outcomes() == [("a-1", Outcome.SHADOWED, None)]


def test_a_release_that_does_not_know_what_a_shadow_is_is_never_run_beside_another(device: Device) -> None:
    record = Record("app", wish=device.wish("1.1", "a-1", shadow=TERMS), slot=B)
    manifest = release({"run": b""}, "1.1", ("run",), ("run",))
    assert manifest.application is not None
    unaware = replace(manifest, application=replace(manifest.application, shadow=False))

    class Held:
        def installed(self, slot: SlotName) -> Manifest:
            return unaware

    said = shadow.step(device.shadow, Held(), record)  # type: ignore[arg-type]

    assert isinstance(said, e.StepFailed)
    assert (said.outcome, said.reason, device.shadow.seen) == (Outcome.REFUSED, "shadow_unaware", [])


def test_an_order_that_waits_for_its_turn_ends_the_shadow_of_the_one_before(device: Device) -> None:
    device.shadow.looks = 10**6
    order(device)
    agent = device.start_agent()
    device.play(agent, 20.0)
    assert device.shadow.runs

    agent._bundle(device.assign(device.wish("1.1", "a-2", activate=False)))
    device.play(agent, 20.0)

    assert (agent.record.state, device.shadow.runs) == (AttemptState.STAGED, False)


class LateLanes(InlineLanes):
    """The result of a look arrives when the test says."""

    def __init__(self) -> None:
        self.late: list[Callable[[], None]] = []
        self.holds = False

    def submit(self, lane: Lane, work: Work, done: Done) -> None:
        if self.holds and lane is Lane.APP:
            super().submit(lane, work, lambda result, error: self.late.append(lambda: done(result, error)))
        else:
            super().submit(lane, work, done)


def test_an_end_that_arrives_after_the_next_order_is_not_the_end_of_that(device: Device) -> None:
    device.shadow.looks = 10**6
    lanes = LateLanes()
    order(device)
    agent = device.start_agent(lanes)
    device.play(agent, 20.0)
    lanes.holds, device.shadow.looks = True, 0
    device.play(agent, 5.0)
    assert lanes.late

    agent._bundle(device.assign(device.wish("1.1", "a-2", activate=False)))
    device.play(agent, 5.0)
    for arrives in lanes.late:
        arrives()
    lanes.holds = False
    device.play(agent, 20.0)

    assert (agent.record.state, agent.record.wish and agent.record.wish.assignment) == (AttemptState.STAGED, "a-2")
    assert Outcome.SHADOWED not in [outcome for _, outcome, _ in device.server.outcomes()]


def test_a_component_that_cannot_run_two_refuses(device: Device) -> None:
    device.shadow = None  # type: ignore[assignment]
    order(device)
    run(device)

    assert device.server.outcomes() == [("a-1", Outcome.REFUSED, "shadow_unmeasured")]


def test_what_the_comparison_shows_is_told_with_the_telemetry_of_the_device(device: Device) -> None:
    order(device)
    run(device)

    assert "shadow_agreement_ratio" in {sample.name for sample in device.desk().sample()}
