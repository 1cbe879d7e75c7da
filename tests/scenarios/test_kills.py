"""SIGKILL at random instants of real agents, guards and applications, over update after update, and nothing is lost.

Six nodes take one release after the other from a real server. In each attempt its processes are killed a few times,
half of the attempts for the first time within the switch itself. SUREFOOT_KILLS says how many kills make a run,
SUREFOOT_KILLS_SEED brings the choices of an earlier run back; instants differ with the machine's load.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_shared.trust.floors import Floors, FloorStore
from surefoot_shared.wire import Json
from surefoot_simulators.camera.tree import Faults, write_camera_tree, write_recipe
from surefoot_simulators.demo import ambush, disk
from surefoot_simulators.demo.fleet import HARDWARE
from surefoot_simulators.demo.node import Node
from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import World

KILLS = int(os.environ.get("SUREFOOT_KILLS") or 200)
SEED = int(os.environ.get("SUREFOOT_KILLS_SEED") or random.SystemRandom().randrange(1 << 32))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240 + 3 * KILLS)]
Recorder = Callable[[str, object], None]

NODES = 6
VERSIONS = ("1.1.2", "1.1.3", "1.1.4")
"""Of one counter, so that each may follow each; three, so that the other slot never holds what comes next."""
UNJUDGED = Path(__file__).parent / "unjudged.yaml"
ENDS = {"committed", "reverted"}
"""Before the switch a killed agent goes on where it was, so nothing may fail; afterwards tries may be used up."""
WAIT_S = 1.0
"""Longest wait between two kills: an agent is started again after a second and needs another to be at work."""
MOST = 14
"""Kills in one attempt; then it is left in peace, for else no release could ever show itself healthy."""


def killed_agent(node: Node) -> int:
    there = node.agent.alive
    node.agent.kill()
    return int(there)


def killed_guard(node: Node) -> int:
    there = node.guard.alive
    node.guard.kill()
    return int(there)


def killed_application(node: Node) -> int:
    pids = disk.application_pids(node.spec.component_dir)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    return len(pids)


def killed_everything(node: Node) -> int:
    return killed_agent(node) + killed_guard(node) + killed_application(node)


VICTIMS: Mapping[Callable[[Node], int], int] = {
    killed_agent: 6,
    killed_application: 3,
    killed_guard: 2,
    killed_everything: 1,
}


@dataclass
class Hunt:
    """What was done to one node, and what is wrong with it."""

    world: World
    node: Node
    rng: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def round(self, rollout: str) -> None:
        """Hunt through one attempt, then look whether the device landed."""
        self.world.wait(self.version, f"{self.node.spec.device} to run again what was killed last", 60.0)
        floors, before = self.floors(), self.version()
        known = ambush.known_trials([self.node])[self.node.spec.device]
        for number in range(self.rng.randint(6, MOST)):
            self._wait(number, known)
            if self.assignment(rollout)["outcome"]:
                break
            victim = self.rng.choices(tuple(VICTIMS), tuple(VICTIMS.values()))[0]
            self.kills[victim.__name__] += victim(self.node)
        self.world.wait(lambda: self.assignment(rollout)["outcome"], f"an outcome of {self.node.spec.device}", 150.0)
        self._landed(rollout, before, floors)

    def _wait(self, number: int, known: str | None) -> None:
        """Any instant; half of the first kills fall within the switch, which is over soon."""
        if number == 0 and self.rng.random() < 0.5:
            ambush.wait_for([self.node], {self.node.spec.device: known}, ambush.armed, lambda node: None, 30.0)
            time.sleep(self.rng.uniform(0.0, 0.2))
        else:
            time.sleep(self.rng.uniform(0.0, WAIT_S))

    def _landed(self, rollout: str, before: str | None, floors: Floors) -> None:
        row = self.assignment(rollout)
        end, version = str(row["outcome"]), str(row["release"]).rpartition("/")[2]
        self.ends[f"{end} {row['reason'] or ''}".strip()] += 1
        wanted = version if end == "committed" else before
        self.world.wait(lambda: self.version() == wanted, f"{self.node.spec.device} to run {wanted}", 60.0)
        folder = self.node.spec.component_dir
        current = guard.current_slot(folder) or ""
        trial = guard.load_trial(folder)
        told = outcomes(self.world, str(row["id"]))
        promises = {
            f"it ended {end} ({row['reason']}: {row['message']})": end in ENDS,
            f"the outcome is the {row['outcome_by']}'s": row["outcome_by"] == "device",
            f"the server was told {told}": told == [end],
            f"the slot that runs is {guard.slot_states(folder)[current]}": guard.slot_states(folder)[current] == "good",
            f"the guard would still act on {trial}": trial is None or not guard.must_act(trial, 1e12),
            f"floors fell: {floors} {self.floors()}": none_fell(floors, self.floors()),
        }
        self.wrong += [f"{self.node.spec.device} {version}: {what}" for what, holds in promises.items() if not holds]

    def assignment(self, rollout: str) -> Mapping[str, Json]:
        """The device's row of this rollout, as the server stored it."""
        shown = self.world.server.api.get(f"/api/v1/devices/{self.node.spec.device}")
        assert isinstance(shown, dict)
        rows = shown["assignments"]
        assert isinstance(rows, list)
        (row,) = [row for row in rows if isinstance(row, dict) and row["rollout"] == rollout]
        return row

    def version(self) -> str | None:
        """The release that runs, one process of it, from a slot that is whole, file for file, by its digest."""
        running = self.node.look().running
        return running.version if running else None

    def floors(self) -> Floors:
        return FloorStore(self.node.spec.state_dir / "trust").load()


def outcomes(world: World, assignment: str) -> list[str]:
    """Every outcome that the server was told of an assignment, each as often as it was a new event."""
    ask = "SELECT outcome FROM device_event WHERE assignment_id = ? AND outcome IS NOT NULL"
    with contextlib.closing(sqlite3.connect(f"file:{database(world)}?mode=ro", uri=True)) as db:
        return [str(outcome) for (outcome,) in db.execute(ask, (assignment,))]


def database(world: World) -> Path:
    return next(world.server.data.glob("*.db"))


def none_fell(old: Floors, new: Floors) -> bool:
    same_keys = [
        (s, new.seen[name]) for name, s in old.seen.items() if name in new.seen and new.seen[name].keys == s.keys
    ]
    kept = all(now.version >= then.version for then, now in same_keys) and set(old.seen) <= set(new.seen)
    numbers = all(new.svn.get(name, 0) >= svn for name, svn in old.svn.items())
    numbers &= all(new.counter.get(name, 0) >= counter for name, counter in old.counter.items())
    return kept and numbers and new.time >= old.time and new.halt_epoch >= old.halt_epoch


@pytest.fixture
def world(open_world: OpenWorld, tmp_path: Path) -> World:
    """Every node is on 1.1's counter, and three releases that may follow each other are published."""
    made = open_world(devices=NODES, settings={"telemetry_interval_s": 20.0})
    for version in VERSIONS:
        folder = tmp_path / version
        write_camera_tree(folder / "tree", version, Faults())
        write_recipe(folder / "release.toml", 1.0)
        made.operator.build(folder / "tree", folder / "release.toml", folder / "out", version, 102, HARDWARE)
        made.operator.sign(folder / "out")
        made.operator.publish(folder / "out")
    return made


def test_after_every_kill_a_device_is_old_or_new_whole_and_says_which_once(
    world: World, record_property: Recorder
) -> None:
    hunts = [Hunt(world, node, random.Random(f"{SEED} {node.spec.device}")) for node in world.fleet]
    kills: Counter[str] = Counter()
    rounds = 0

    while kills.total() < KILLS:
        version = VERSIONS[rounds % len(VERSIONS)]
        rollout = world.update(version, policy=UNJUDGED)
        taking = [hunt for hunt in hunts if hunt.version() != version]
        with ThreadPoolExecutor(len(hunts)) as pool:
            list(pool.map(partial(Hunt.round, rollout=rollout), taking))
        kills, rounds = sum((hunt.kills for hunt in hunts), Counter()), rounds + 1
        assert [wrong for hunt in hunts for wrong in hunt.wrong] == [], f"SUREFOOT_KILLS_SEED={SEED}"
        world.operator.attempt("rollout", "cancel", rollout, "--yes")  # one that waits for a judgement; we have ours

    ends = sum((hunt.ends for hunt in hunts), Counter())
    record_property("kills", f"{dict(kills)} in {rounds} rounds, seed {SEED}: {dict(ends)}")
    print(f"seed {SEED}: {kills.total()} kills in {rounds} rounds: {dict(kills)}; {dict(ends)}")
    assert ends["committed"] > 0
