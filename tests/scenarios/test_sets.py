"""An application and its model change together on a real node, with real server, agent and guards: both or neither."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_simulators.camera.tree import Faults, write_camera_tree, write_recipe
from surefoot_simulators.demo import disk
from surefoot_simulators.demo.fleet import HARDWARE
from surefoot_simulators.demo.node import environment
from surefoot_simulators.demo.server import program
from surefoot_simulators.demo.unit import Unit
from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import SOAK_S, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
RELEASES = (
    ("1.0", 100, Faults()),
    ("1.1", 101, Faults()),
    ("1.2", 102, Faults(freeze_after_s=0.1, freeze_on_hw=HARDWARE[0])),
)


class Pair:
    """One node with two components. A second camera application stands in for the model server."""

    def __init__(self, world: World) -> None:
        self.world, self.spec = world, world.node.spec
        self.folder = world.folder / "model"
        self.guard = Unit("guard-model", self._guard(), environment(), self.folder / "guard.log")

    def open(self) -> Pair:
        operator = self.world.operator
        for version, counter, faults in RELEASES:
            folder = self.folder / version
            write_camera_tree(folder / "tree", version, faults)
            write_recipe(folder / "release.toml", SOAK_S)
            named = ("--component", "model", "--version", version, "--counter", str(counter))
            hw = ("--hw", ",".join(HARDWARE), "--recipe", str(folder / "release.toml"))
            operator.run("release", "build", str(folder / "tree"), *named, *hw, "-o", str(folder / "out"))
            operator.sign(folder / "out")
            operator.publish(folder / "out")
        self.world.node.agent.stop()
        with self.spec.config.open("a") as config:
            config.write("\n[components.app]\n[components.model]\n")
        self._install()
        self.guard.start()
        self.world.node.agent.start()
        self.world.wait(lambda: self.running() == ("1.0", "1.0"), "both components on 1.0")
        return self

    def assign(self, *releases: str) -> None:
        words = [word for release in releases for word in ("--release", release)]
        self.world.wait(self.has_told, "the word of both")
        self.world.wait(lambda: not self.world.operator.attempt("device", "assign", "cam-01", *words).code, "the set")

    def roll_out(self, strategy: str, *releases: str) -> str:
        words = [word for release in releases for word in ("--release", release)]
        where = ("--cohort", "all", "--policy", str(Path(__file__).parent / f"{strategy}.yaml"), "--yes")
        begun: list[str] = []

        def start() -> bool:
            answer = self.world.operator.attempt("--json", "rollout", "start", *words, *where)
            begun.extend([json.loads(answer.out)["id"]] if not answer.code else [])
            return bool(begun)

        self.world.wait(self.has_told, "the word of both")
        self.world.wait(start, "the rollout of the set")
        return begun[0]

    def has_told(self) -> bool:
        """Whether the device has said that both run: until then the server refuses what is asked for both."""
        shown = self.world.server.api.get("/api/v1/devices/cam-01")
        assert isinstance(shown, dict)
        parts = shown["components"]
        assert isinstance(parts, list)
        return {part["component"] for part in parts if isinstance(part, dict) and part["release"]} >= {"app", "model"}

    def running(self) -> tuple[str | None, str | None]:
        """Versions of model and app, by disk and process table."""
        model, app = (disk.inspect(self.spec.state_dir / name).running for name in ("model", "app"))
        return (model.version if model else None, app.version if app else None)

    def outcomes(self) -> list[tuple[str, str | None, str | None]]:
        """Of each component's newest assignment, as the server stored it."""
        shown = self.world.server.api.get("/api/v1/devices/cam-01")
        assert isinstance(shown, dict)
        newest: dict[str, dict[str, str | None]] = {}
        for row in sorted(shown["assignments"], key=lambda row: row["seq"]):  # type: ignore[index, arg-type, call-overload]
            newest[row["component"]] = row  # type: ignore[index, call-overload]
        return sorted((name, row["outcome"], row["reason"]) for name, row in newest.items())

    def close(self) -> None:
        self.world.node.agent.stop()
        self.guard.stop()
        guard.stop_application(self.spec.state_dir / "model", 1.0)

    def _guard(self) -> list[str]:
        return [sys.executable, "-I", str(guard.__file__), "--component-dir", str(self.spec.state_dir / "model")]

    def _install(self) -> None:
        where = ("--server", self.world.server.device_url, "--bootstrap", str(self.world.operator.keys / "bootstrap"))
        who = ("--device", self.spec.device, "--hw", self.spec.hw, "--release", str(self.folder / "1.0" / "out"))
        command = [program("surefoot-agent"), "enrol", "--config", str(self.spec.config), *where, *who]
        subprocess.run(command, env=environment(), check=True, capture_output=True, timeout=60)


@pytest.fixture
def pair(open_world: OpenWorld) -> Iterator[Pair]:
    made = Pair(open_world())
    try:
        yield made.open()
    finally:
        made.close()


def test_a_set_is_committed_whole_and_each_member_proves_what_runs(pair: Pair) -> None:
    pair.assign("model/1.1", "app/1.1")

    pair.world.wait(lambda: [o for _, o, _ in pair.outcomes()] == ["committed"] * 2, "both outcomes", 90.0)

    assert pair.running() == ("1.1", "1.1")


def test_where_the_model_freezes_its_frames_the_application_goes_back_with_it(pair: Pair) -> None:
    pair.assign("model/1.2", "app/1.1")

    pair.world.wait(lambda: all(o for _, o, _ in pair.outcomes()), "both outcomes", 120.0)

    assert pair.outcomes() == [("app", "reverted", "set_broken"), ("model", "reverted", "health_failed")]
    assert pair.running() == ("1.0", "1.0")


def test_a_set_staged_ahead_switches_by_one_order_is_one_verdict_and_goes_back_as_one(pair: Pair) -> None:
    rollout = pair.roll_out("blue_green", "model/1.1", "app/1.1")
    pair.world.wait(lambda: pair.world.rollout(rollout).state == "succeeded", "the end of the rollout", 120.0)
    there = pair.running()

    pair.world.operator.run("rollout", "revert", rollout, "--yes")
    pair.world.wait(lambda: pair.world.rollout(rollout).state == "failed", "the end of the way back", 120.0)

    assert (there, pair.running()) == (("1.1", "1.1"), ("1.0", "1.0"))
    assert [(name, what) for name, what, _ in pair.outcomes()] == [("app", "committed"), ("model", "committed")]


def test_a_rolling_rollout_fails_where_only_what_goes_with_its_release_is_bad(pair: Pair) -> None:
    rollout = pair.roll_out("rolling", "app/1.1", "model/1.2")

    pair.world.wait(lambda: pair.world.rollout(rollout).state == "failed", "the verdict", 120.0)

    assert pair.outcomes() == [("app", "reverted", "health_failed"), ("model", "reverted", "health_failed")]
    assert pair.running() == ("1.0", "1.0")


def test_an_agent_killed_while_the_set_is_on_trial_finishes_it_and_parts_nothing(pair: Pair) -> None:
    pair.assign("model/1.1", "app/1.1")
    pair.world.wait(lambda: pair.running() == ("1.1", "1.1"), "the switch of both", 60.0)

    pair.world.node.agent.kill()

    pair.world.wait(lambda: [o for _, o, _ in pair.outcomes()] == ["committed"] * 2, "both outcomes", 90.0)
    assert pair.running() == ("1.1", "1.1")


def test_without_any_agent_the_guards_bring_both_back(pair: Pair) -> None:
    pair.assign("model/1.1", "app/1.1")
    pair.world.wait(lambda: pair.running() == ("1.1", "1.1"), "the switch of both", 60.0)
    pair.world.node.break_agent()
    trial = guard.load_trial(pair.spec.component_dir)
    assert trial is not None

    _end_the_budget(pair.spec.component_dir)

    pair.world.wait(lambda: pair.running() == ("1.0", "1.0"), "the way back of both", 60.0)
    pair.world.node.mend_agent()
    pair.world.wait(lambda: [o for _, o, _ in pair.outcomes()] == ["reverted"] * 2, "both outcomes", 60.0)


def _end_the_budget(component_dir: Path) -> None:
    """Its budget is over now; the other member has time left, so only the verdict of the set can bring it back."""
    with guard.trial_lock(component_dir):
        stored = guard.load_record(component_dir, "trial")
        assert stored is not None
        assert stored["verdict"] is None
        guard.save_record(component_dir, "trial", {**stored, "deadline_monotonic": 0.0})
