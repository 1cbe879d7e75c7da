"""The agent replaces itself, with real server, launcher and guard; one that crashes, hangs or lost trust is taken back.

Each environment is an interpreter with the two packages of this agent; what they depend on is shared with the tests.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

import surefoot_agent
import surefoot_shared
from surefoot_agent import guard
from surefoot_agent.itself import launcher
from surefoot_simulators.demo.fleet import HARDWARE
from surefoot_simulators.demo.node import environment
from surefoot_simulators.demo.server import program
from surefoot_simulators.demo.unit import Unit
from tests.scenarios.conftest import OpenWorld
from tests.scenarios.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
BROKEN = {
    "1.2": ("surefoot_agent/node.py", "raise ImportError('built without its libraries')\n"),
    "1.3": ("surefoot_agent/node.py", "import time\ntime.sleep(10_000)\n"),
    "1.4": ("surefoot_agent/trust_child.py", "raise ImportError('tuf is missing')\n"),
    "1.5": ("surefoot_agent/journal.py", "raise OSError('the journal has a format I do not know')\n"),
}
HANGS = "1.3"
RECIPE = """
[probation]
startup_s = 10
steady = 2
soak_s = 2
"""
SETTINGS = '\n[components.app]\n[components.agent]\nkind = "agent"\nguard_budget_s = 120\n'


def write_environment(tree: Path, version: str) -> None:
    """An interpreter of its own, as `python -m venv --copies` makes one, with this agent in it."""
    site = tree / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    site.mkdir(parents=True)
    (tree / "bin").mkdir()
    interpreter = Path(sys.executable).resolve()
    shutil.copy(interpreter, tree / "bin/python3")
    (tree / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\ninclude-system-site-packages = false\n")
    for package in (surefoot_agent, surefoot_shared):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, site / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    (site / "surefoot_agent/__init__.py").write_text(f'"""Built for a test."""\n__version__ = "{version}"\n')
    (site / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    if version in BROKEN:
        path, line = BROKEN[version]
        (site / path).write_text(line)


class SelfUpdating:
    """One node whose agent is a component of its own, started by the launcher."""

    def __init__(self, world: World) -> None:
        self.world, self.spec, self.folder = world, world.node.spec, world.folder / "self"
        self.component_dir = self.spec.state_dir / "agent"
        start = [sys.executable, "-I", str(launcher.__file__), "--component-dir", str(self.component_dir)]
        words = ["--installed", program("surefoot-agent"), "--", "run", "--config", str(self.spec.config)]
        watch = [sys.executable, "-I", str(guard.__file__), "--component-dir", str(self.component_dir)]
        self.launcher = Unit("launcher", [*start, *words], environment(), self.folder / "launcher.log")
        self.guard = Unit("guard-agent", watch, environment(), self.folder / "guard.log")

    def open(self) -> SelfUpdating:
        self.folder.mkdir()
        self.component_dir.mkdir()
        self.world.node.agent.stop()
        with self.spec.config.open("a") as config:
            config.write(SETTINGS)
        self.guard.start()
        self.launcher.start()
        return self

    def update(self, version: str) -> tuple[str, str | None]:
        """Publish an agent, assign it, and return how the device said it ended."""
        folder, operator = self.folder / version, self.world.operator
        write_environment(folder / "tree", version)
        (folder / "release.toml").write_text(RECIPE)
        named = ("--component", "agent", "--version", version, "--counter", version.replace(".", "0"))
        hw = ("--hw", ",".join(HARDWARE), "--recipe", str(folder / "release.toml"))
        operator.run("release", "build", str(folder / "tree"), *named, *hw, "-o", str(folder / "out"))
        operator.sign(folder / "out")
        operator.publish(folder / "out")
        policy = ("--policy", str(Path(__file__).parent / "unjudged.yaml"), "--cohort", "all", "--yes")
        made = operator.run_json("rollout", "start", "--release", f"agent/{version}", *policy)
        assert isinstance(made, dict)
        if version == HANGS:
            self.world.wait(lambda: self.running() == version, "the agent that hangs", 90.0)
            self._end_the_budget()
        self.world.wait(lambda: self._outcome(version) is not None, f"the end of {version}", 150.0)
        outcome = self._outcome(version)
        assert outcome is not None
        operator.attempt("rollout", "cancel", str(made["id"]), "--yes")  # one that waits for a person is in the way
        return outcome

    def running(self) -> str:
        """The version that lives, by the launcher's record and what the slot holds."""
        record = guard.recorded_application(self.component_dir)
        if record is None or not guard.process_alive(record):
            return "nothing"
        init = next(
            (self.component_dir / "slots" / record.slot).glob("lib/*/site-packages/surefoot_agent/__init__.py"), None
        )
        return init.read_text().split('"')[-2] if init and record.slot else "installed"

    def _end_the_budget(self) -> None:
        """The budget of a hanging agent is over now, so that nobody waits for it."""
        with guard.trial_lock(self.component_dir):
            trial = guard.load_trial(self.component_dir)
            assert trial is not None
            guard.save_record(self.component_dir, "trial", {**trial, "deadline_monotonic": 0.0})

    def _outcome(self, version: str) -> tuple[str, str | None] | None:
        shown = self.world.server.api.get("/api/v1/devices/cam-01")
        assert isinstance(shown, dict)
        rows = [row for row in shown["assignments"] if row["release"].endswith(version)]  # type: ignore[index, call-overload, union-attr]
        last = rows[-1] if rows else None
        return (last["outcome"], last["reason"]) if last and last["outcome"] else None  # type: ignore[index, call-overload, return-value]

    def close(self) -> None:
        self.launcher.stop(40.0)
        self.guard.stop()
        guard.stop_application(self.component_dir, 1.0)


@pytest.fixture
def node(open_world: OpenWorld) -> Iterator[SelfUpdating]:
    made = SelfUpdating(open_world())
    try:
        yield made.open()
    finally:
        made.close()


def test_an_agent_replaces_itself_and_a_broken_one_is_taken_back(node: SelfUpdating) -> None:
    assert node.running() in ("installed", "nothing")
    assert node.update("1.0") == ("committed", None)
    node.world.wait(lambda: node.running() == "1.0", "the first agent from a slot")
    assert node.update("1.1") == ("committed", None)
    node.world.wait(lambda: node.running() == "1.1", "the second agent from a slot")

    ends = {version: node.update(version) for version in sorted(BROKEN)}

    assert {end[0] for end in ends.values()} == {"reverted"}
    assert ends["1.4"] == ("reverted", "health_failed")
    node.world.wait(lambda: node.running() == "1.1", "the agent before the broken ones")
    assert node.world.all_run("1.0")  # of the application, which never noticed
