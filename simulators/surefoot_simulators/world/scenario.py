"""A scenario: a fleet, its releases and what they do, rollouts, faults, operators' acts, and what is expected.

Promises: a frozen value of a TOML document, or Invalid naming line and field; nothing that was written is ignored, and
policies, expressions and checks are read by the server's own readers, so that one which the server would refuse is
refused before anything runs. docs/simulator.md describes every table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from surefoot_server.access.roles import Role
from surefoot_server.cohorts import grammar
from surefoot_server.rollouts import policy as policies
from surefoot_shared.errors import KINDS, Invalid, SurefootError
from surefoot_shared.status import RolloutState
from surefoot_simulators.device.conduct import Usual
from surefoot_simulators.world import asked, faults, reach, release_tables, sources
from surefoot_simulators.world.asked import Expectation
from surefoot_simulators.world.faults import Fault
from surefoot_simulators.world.groups import Group
from surefoot_simulators.world.groups import read as groups_of
from surefoot_simulators.world.release_tables import EVERYBODY, MEGABYTE, Release
from surefoot_simulators.world.toml_lines import Table, parse

HOUR_S = 3600.0
LEAST_S = 1.0
"""Between two heartbeats or two reports of metrics: with less the play would hardly go on."""
STATES = tuple(state.value for state in RolloutState)


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    at_s: float
    release: str
    cohort: str
    policy: str
    by: str = "operator"
    also: tuple[str, ...] = ()
    """Releases that are ordered with it, as one set."""
    lift_halt: bool = False
    accept_blind: bool = True
    """A person has accepted what recreate costs."""
    refused: str = ""
    line: int = 0


class Do(str, Enum):
    """What an operator does to a rollout."""

    PAUSE = "pause"
    RESUME = "resume"
    HALT = "halt"
    REVERT = "revert"
    CANCEL = "cancel"
    APPROVE = "approve"
    REJECT = "reject"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Act:
    """`when` is the state in which the rollout must be first; it is awaited from `at_s` on.

    `refused`: the kind of error with which the server is expected to refuse it; "" where it must be done.
    """

    at_s: float
    do: Do
    rollout: int = 1
    by: str = "operator"
    reason: str = ""
    keep: bool = False
    when: str = ""
    after_s: float = 0.0
    role: Role = Role.RELEASER
    """Of whoever approves or rejects."""
    refused: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    title: str
    promise: str
    seconds: float
    """At most; it ends earlier where `settles` and all that was to be decided is."""
    seed: int
    component: str
    runs: str
    groups: tuple[Group, ...]
    releases: tuple[Release, ...]
    rollouts: tuple[RolloutPlan, ...]
    faults: tuple[Fault, ...] = ()
    acts: tuple[Act, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    heartbeat_s: float = 6 * HOUR_S
    telemetry_s: float = 6 * HOUR_S
    begins_at_hour: float = 12.0
    night_ratio: float = 0.8
    settles: bool = True
    least_svn: int = 0
    """The least security version that the release keys demand."""
    unplayed: tuple[str, ...] = ()
    """What files have that it starts from, and no run shows."""
    usual: Usual = Usual()  # noqa: RUF009 -- frozen

    @property
    def components(self) -> tuple[str, ...]:
        """Of every device, the scenario's own first."""
        return tuple(dict.fromkeys((self.component, *(release.component for release in self.releases))))

    def first_of(self, component: str, group: Group | None = None) -> str:
        """What a device of this group runs of it at the start; without one what those run whose group says nothing."""
        own = {release.version for release in self.releases if release.component == component}
        for version in (group.runs, *group.beside) if group else ():
            if version in own:
                return version
        if component == self.component:
            return self.runs
        return next(release.version for release in self.releases if release.component == component)

    @property
    def hardware(self) -> tuple[str, ...]:
        return tuple(sorted({group.hw for group in self.groups}))


def read(path: Path) -> Scenario:
    """Read a scenario's file; raises Invalid naming line and field."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "it is no text")
        raise Invalid("malformed", f"{path} cannot be read: {why}.", "Give a scenario in TOML.") from error
    return parsed(text, path.stem, str(path), path.parent)


def parsed(text: str, name: str, file: str = "", folder: Path = Path()) -> Scenario:
    """Read a scenario's text; `file` is what complaints call it, and paths in it start from `folder`."""
    root = parse(text, file or name)
    if not (root.has("fleet") or root.has("release")):
        raise root.wrong("it is no scenario; every .toml of a folder is one, so keep recipes in another")
    fleet = root.table("fleet")
    component, releases = release_tables.read(list(root.tables("release")), root.name("component", ""), folder)
    if not releases:
        raise root.wrong("it has no release; give [[release]], the first of which is what the fleet runs")
    seconds = root.span_s("duration", low_s=1.0)
    own = [release.version for release in releases if release.component == component]
    runs = fleet.name("runs", (own or [releases[0].version])[0])
    groups, unplayed = groups_of(fleet, releases, component, folder)
    scenario = Scenario(
        name=name,
        title=root.text("title"),
        promise=root.text("promise"),
        seconds=seconds,
        seed=root.whole("seed", 1),
        component=component,
        runs=runs,
        groups=groups,
        releases=releases,
        rollouts=tuple(_rollout(each, releases, folder) for each in root.tables("rollout")),
        faults=tuple(faults.read(each, seconds) for each in root.tables("fault")),
        acts=tuple(_act(each, len(list(root.tables("rollout")))) for each in root.tables("act")),
        expectations=tuple(asked.read(each) for each in root.tables("expect")),
        heartbeat_s=fleet.span_s("heartbeat", 6 * HOUR_S, LEAST_S),
        telemetry_s=fleet.span_s("telemetry", 6 * HOUR_S, LEAST_S),
        begins_at_hour=root.number("begins_at_hour", 12.0, high=24.0),
        night_ratio=root.number("night_ratio", 0.8, high=10.0),
        settles=root.flag("settles", True),
        least_svn=root.whole("least_svn", 0),
        usual=_usual(root.table("application")),
        unplayed=(*(release.unplayed for release in releases if release.unplayed), *unplayed),
    )
    fleet.done()
    root.done()
    reach.check(scenario, file or name)
    return scenario


def _usual(table: Table) -> Usual:
    default = Usual()
    made = Usual(
        fps=table.number("fps", default.fps, low=0.1, high=1000.0),
        latency_s=table.span_s("latency", default.latency_s),
        counts_a_hour=table.number("counts_per_h", default.counts_a_hour),
        memory_bytes=table.number("memory_mb", default.memory_bytes / MEGABYTE) * MEGABYTE,
    )
    table.done()
    return made


def _rollout(table: Table, releases: tuple[Release, ...], folder: Path) -> RolloutPlan:
    key = "policy_file" if table.has("policy_file") else "policy"
    if table.has("policy") and table.has("policy_file"):
        raise table.wrong("it has a policy as well; give one of both", key)
    made = RolloutPlan(
        at_s=table.span_s("at", 300.0),
        release=table.text("release"),
        cohort=table.text("cohort", EVERYBODY),
        policy=sources.text(table, key, folder) if key == "policy_file" else table.text("policy", ""),
        by=table.name("by", "operator"),
        also=table.texts("also"),
        lift_halt=table.flag("lift_halt"),
        accept_blind=table.flag("accept_blind", True),
        refused=_refused(table),
        line=table.line,
    )
    for place, version in (("release", made.release), *(("also", each) for each in made.also)):
        if version not in {release.version for release in releases}:
            raise table.wrong(f"{version!r} is no release of this scenario", place)
    try:
        policies.parse(made.policy)
    except SurefootError as error:
        raise table.wrong(f"the server refuses it: {error.message.rstrip('.')}", key) from error
    table.checked("cohort", lambda: grammar.parse(made.cohort))
    table.done()
    return made


def _act(table: Table, rollouts: int) -> Act:
    made = Act(
        at_s=table.span_s("at", 0.0),
        do=table.choice("do", Do),
        rollout=table.whole("rollout", 1, low=1),
        by=table.name("by", "operator"),
        reason=table.text("reason", ""),
        keep=table.flag("keep"),
        when=table.text("when", ""),
        after_s=table.span_s("after", 0.0),
        role=table.choice("role", Role, Role.RELEASER),
        refused=_refused(table),
        line=table.line,
    )
    if made.rollout > rollouts:
        raise table.wrong(f"there is no rollout {made.rollout}; {asked.counted(rollouts, 'rollout')}", "rollout")
    if made.when and made.when not in STATES:
        raise table.wrong(f"{made.when!r} is not one of {', '.join(STATES)}", "when")
    table.done()
    return made


def _refused(table: Table) -> str:
    """A kind of the registry, which docs/reference/errors.md lists."""
    kind = table.text("refused", "")
    if kind and kind not in KINDS:
        raise table.wrong(f"{kind!r} is no kind of error", "refused")
    return kind
