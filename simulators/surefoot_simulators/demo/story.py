"""The story: a fleet on 1.0; 1.1 for everybody; 1.2 that freezes on one hardware; 1.3 on a device whose agent breaks.

Promises: everything is done by the real programs through their command lines, and every finding comes from the API or
the devices' disks (`promises.py`). An act that does not come to its end leaves its promises broken, with the reason.
The scenario test runs this same code.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import guard
from surefoot_agent.status import read_status
from surefoot_shared.errors import SurefootError, Unreachable
from surefoot_simulators.camera.tree import Faults, write_camera_tree, write_recipe
from surefoot_simulators.demo import ambush, disk, promises
from surefoot_simulators.demo.fleet import HARDWARE, Fleet
from surefoot_simulators.demo.node import COMPONENT, Node
from surefoot_simulators.demo.seen import Broken, Finding, Killed, Moment, SeenRollout
from surefoot_simulators.demo.server import CommandFailed, Operator, Ports, Server
from surefoot_simulators.demo.view import View

POLICIES = Path(__file__).parent / "policies"
DEVICES = 12
SOAK_S = 10.0
BAD_HW = "rpi5"
FREEZE_AFTER_S = 6.0
LIMIT_S = 240.0
GUARD_BUDGET_S = 50.0
"""Just above what the recipe's probation may take at worst (start-up, steady, soak); a smaller budget is refused."""
SETTLE_S = 30.0
"""Heartbeats are ten seconds apart here: after three of them, what the server shows is what is."""
ACTS = 4
SETTINGS = {"guard_budget_s": GUARD_BUDGET_S, "telemetry_interval_s": 2.0, "heartbeat_interval_s": 10.0}


class StoryFailed(Exception):
    """The story waited in vain; the text says for what."""


NO_FAULTS = Faults()


@dataclass(frozen=True)
class ReleaseSpec:
    version: str
    counter: int
    faults: Faults = NO_FAULTS


RELEASES = (
    ReleaseSpec("1.0", 100),
    ReleaseSpec("1.1", 101),
    ReleaseSpec("1.2", 102, Faults(FREEZE_AFTER_S, BAD_HW)),
    ReleaseSpec("1.3", 103),
)
UNSIGNED = ReleaseSpec("9.9", 999)


class Story:
    """One run in one folder. `play` never raises for a broken promise; `close` ends every process."""

    def __init__(self, folder: Path, view: View) -> None:
        self.folder, self.view = folder, view
        ports = Ports.free()
        self.operator = Operator(folder, ports.api, folder / "server" / "secrets" / "operator.token")
        self.server = Server(folder, self.operator.keys, ports)
        self.fleet = Fleet(folder / "devices", DEVICES, SETTINGS)
        self.found: list[Finding] = []
        self._began_s = time.monotonic()
        self._rollout_id: str | None = None
        self._closing = threading.Event()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began_s

    def play(self) -> tuple[Finding, ...]:
        """Play every act; return one finding for each promise, in the order of `promises.ALL`."""
        why = "the story did not come to it"
        with self._watched():
            try:
                for act in (self.enrol_everybody, self.update_everybody, self.stop_a_bad_release, self.break_an_agent):
                    act()
                self.end_well()
            except (StoryFailed, CommandFailed, SurefootError) as error:
                why = f"not seen: {error}"
                self.view.say(why)
        self.found.append(promises.in_time(self.elapsed_s, LIMIT_S))
        self.found += promises.not_seen(self.found, why)
        return tuple(sorted(self.found, key=lambda f: promises.ALL.index(f.promised)))

    def close(self) -> None:
        """End every process of the story; may be called at any time, and twice."""
        self._closing.set()
        self.fleet.stop()
        self.server.stop()

    # --- the acts ---------------------------------------------------------------------------------------------------

    def enrol_everybody(self) -> None:
        self._act(1, f"keys, four releases, the server, {DEVICES} devices enrolled on 1.0")
        self.operator.run("keys", "init", str(self.operator.keys))
        self.view.say("keys are made: two roots, one release role, online keys, a certificate authority")
        for spec in RELEASES:
            self._build(spec)
            self.operator.sign(self._release(spec))
            self.view.say(f"{spec.version} is built and signed")
        self.server.start()
        self.view.say(f"the server runs, its console is at {self.server.url}")
        token = self.operator.enrolment_token(DEVICES)
        self.fleet.enrol(
            self.server.device_url,
            self.operator.keys / "bootstrap",
            token,
            self._release(RELEASES[0]),
            lambda name: self.view.say(f"{name} is enrolled"),
        )
        for spec in RELEASES[:2]:
            self.operator.publish(self._release(spec))
        self.fleet.start()
        self.operator.cohort("everybody", "all")
        self._until(lambda: self._all_run("1.0"), 60.0, "every device on 1.0 and online")
        self._found(self._runs_everywhere(promises.ENROLLED, "1.0"))
        self._found(self._publish_unsigned())

    def update_everybody(self) -> None:
        self._act(2, "1.1 goes out: a canary of each hardware, half, all; one agent is killed while it switches")
        known = ambush.known_trials(self.fleet)
        rollout = self._start("1.1", "everybody", "careful.yaml")
        caught = ambush.wait_for(self.fleet, known, ambush.switched, Node.kill_agent_and_application, 60.0)
        killed = self._killed(caught)
        self._until_ended(rollout, 300.0)
        self._until(lambda: self._all_run("1.1"), 60.0, "every device on 1.1")
        seen, now = self.server.api.rollout_whole(rollout), self._moment()
        self._found(promises.canaries_first(seen, self.fleet.hardware))
        self._found(promises.killed_came_back(killed, now, ("1.0", "1.1")))
        self._found(promises.committed_with_proof(seen, now, SOAK_S))

    def stop_a_bad_release(self) -> None:
        self._act(3, f"1.2 freezes its frames {FREEZE_AFTER_S:.0f} s after start on {BAD_HW}")
        self.operator.publish(self._release(RELEASES[2]))
        before = self._moment()
        rollout = self._start("1.2", "everybody", "careful.yaml")
        self._until_ended(rollout, 300.0)
        self._until(lambda: self._all_run("1.1"), 60.0, "every canary back on 1.1")
        seen, now = self.server.api.rollout_whole(rollout), self._moment()
        self._found(promises.reverted_by_themselves(seen, now, self.fleet.hardware, BAD_HW))
        self._found(promises.stopped_in_first_phase(seen))
        self._found(promises.healthy_went_back(seen, now, self.fleet.hardware, BAD_HW, "1.1"))
        self._found(promises.nobody_else_touched(seen, before, now))

    def break_an_agent(self) -> None:
        name, node = list(self.fleet.nodes.items())[-1]
        self._act(4, f"1.3 for {name} alone, whose agent cannot start any more from the switch on")
        self.operator.publish(self._release(RELEASES[3]))
        self.operator.cohort("one", f"device == '{name}'")
        known = ambush.known_trials([node])
        rollout = self._start("1.3", "one", "single.yaml")
        caught = ambush.wait_for([node], known, ambush.switched, Node.break_agent, 60.0)
        broken = self._broken(caught)
        self._found(promises.guard_brought_back(broken))
        node.mend_agent()
        self.view.say(f"the agent of {name} is mended")
        self._until_ended(rollout, 180.0)
        self._found(promises.mended_reported(self.server.api.rollout_whole(rollout), name))

    def end_well(self) -> None:
        self._found(self._runs_everywhere(promises.REACHABLE, "1.1"))

    def _publish_unsigned(self) -> Finding:
        """Publish a release that no release key signed, with the signature of another one beside it."""
        self._build(UNSIGNED)
        for name in ("role.json", "targets.json"):
            shutil.copy(self._release(RELEASES[0]) / name, self._release(UNSIGNED) / name)
        answer = self.operator.attempt("release", "publish", str(self._release(UNSIGNED)))
        return promises.unsigned_refused(answer.code, self.server.api.versions(), UNSIGNED.version)

    # --- the mishaps ------------------------------------------------------------------------------------------------

    def _killed(self, caught: ambush.Caught | None) -> Killed | None:
        if caught is None:
            return None
        spec = caught.node.spec
        state = read_status(spec.state_dir, COMPONENT).state.value  # its agent is dead: only the journal can say
        link = guard.current_slot(spec.component_dir)
        self.view.say(f"{spec.device}: agent and application killed with SIGKILL in {state}, the link at {link}")
        return Killed(spec.device, caught.old_slot, caught.new_slot, state, link)

    def _broken(self, caught: ambush.Caught | None) -> Broken | None:
        if caught is None:
            return None
        node, failed_before = caught.node, len(caught.node.agent.exits)
        self.view.say(
            f"{node.spec.device}: its agent cannot start; the guard waits {GUARD_BUDGET_S:.0f} s for a verdict"
        )
        component = node.spec.component_dir
        with contextlib.suppress(StoryFailed):  # what is seen then is judged, and found broken
            self._until(lambda: self._guard_is_done(node), GUARD_BUDGET_S + 30.0, "the guard")
        trial = disk.trial_of(component) or {}
        return Broken(
            device=node.spec.device,
            old_version="1.1",
            new_slot=caught.new_slot,
            disk=node.look(),
            new_slot_state=disk.slot_state(component, caught.new_slot),
            trial_verdict=str(trial.get("verdict")),
            failed_starts=len(node.agent.exits) - failed_before,
        )

    def _guard_is_done(self, node: Node) -> bool:
        trial = disk.trial_of(node.spec.component_dir)
        return trial is not None and bool(trial.get("finished")) and node.look().running is not None

    # --- the parts --------------------------------------------------------------------------------------------------

    def _act(self, number: int, title: str) -> None:
        self._rollout_id = None
        self.view.act(number, ACTS, title)

    def _release(self, spec: ReleaseSpec) -> Path:
        return self.folder / "releases" / spec.version / "out"

    def _build(self, spec: ReleaseSpec) -> None:
        folder = self.folder / "releases" / spec.version
        write_camera_tree(folder / "tree", spec.version, spec.faults)
        write_recipe(folder / "release.toml", SOAK_S)
        self.operator.build(
            folder / "tree", folder / "release.toml", self._release(spec), spec.version, spec.counter, HARDWARE
        )

    def _start(self, version: str, cohort: str, policy: str) -> str:
        self._rollout_id = self.operator.start_rollout(version, cohort, POLICIES / policy)
        self.view.say(f"rollout {self._rollout_id} of {version} to {cohort} is started")
        return self._rollout_id

    def _until_ended(self, rollout: str, limit_s: float) -> None:
        last: list[SeenRollout] = []

        def ended() -> bool:
            last[:] = [self.server.api.rollout(rollout)]
            return last[0].state in ("succeeded", "failed", "cancelled")

        self._until(ended, limit_s, f"the end of rollout {rollout}")
        self.view.say(f"rollout {rollout} {last[0].state}: {last[0].reason}")

    def _all_run(self, version: str) -> bool:
        devices = self.server.api.devices().values()
        return len(devices) == DEVICES and all(d.online and d.version == version and d.state == "idle" for d in devices)

    def _runs_everywhere(self, promised: str, version: str) -> Finding:
        """Look until it is so or SETTLE_S is over: an application may just be starting again, which is no harm."""
        last: list[Finding] = []

        def settled() -> bool:
            last[:] = [promises.runs_everywhere(promised, self._moment(), version, DEVICES)]
            return last[0].kept

        with contextlib.suppress(StoryFailed):
            self._until(settled, SETTLE_S, "the fleet to settle")
        return last[0] if last else promises.runs_everywhere(promised, self._moment(), version, DEVICES)

    def _moment(self) -> Moment:
        return Moment(self.server.api.devices(), self.fleet.look())

    def _found(self, finding: Finding) -> None:
        self.found.append(finding)
        self.view.say(f"{'kept' if finding.kept else 'BROKEN'}: {finding.promised}: {finding.seen}")

    def _until(self, true: Callable[[], bool], limit_s: float, what: str) -> None:
        until_s = time.monotonic() + limit_s
        while not _is(true):
            if time.monotonic() > until_s:
                raise StoryFailed(f"waited {limit_s:.0f} s for {what}")
            if self._closing.wait(0.25):
                raise StoryFailed("it was stopped")

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Show fleet and rollout while the acts go on."""
        over = threading.Event()

        def show() -> None:
            while not over.wait(0.7):
                with contextlib.suppress(SurefootError):  # the server is not up yet, or just stopping
                    rollout = self._rollout_id
                    seen = self.server.api.rollout(rollout) if rollout is not None else None
                    self.view.fleet(self.server.api.devices(), seen)

        thread = threading.Thread(target=show, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(15.0)


def _is(true: Callable[[], bool]) -> bool:
    """Whether it is so; on a busy machine the server may answer late once, and the next look sees it."""
    try:
        return true()
    except Unreachable:
        return False


def kept(findings: tuple[Finding, ...]) -> bool:
    """Say whether every promise was seen."""
    return {f.promised for f in findings} == set(promises.ALL) and all(f.kept for f in findings)
