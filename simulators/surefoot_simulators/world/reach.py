"""What of a scenario can come to pass at all: whoever writes one learns in a second what would have proved nothing.

Promises: raises Invalid with the line where a fault, an effect, an act or a rollout would never strike, because nobody
fits or because its time is after the end, and where an expectation asks about something that is not there. Refuses to
play anything: what only a run can show is shown by the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from surefoot_server.cohorts import grammar
from surefoot_server.cohorts.grammar import Traits
from surefoot_server.rollouts import policy as policies
from surefoot_shared.errors import Invalid
from surefoot_shared.release import SlotKind
from surefoot_simulators.device.health import broken_by
from surefoot_simulators.world import asked

if TYPE_CHECKING:
    from surefoot_simulators.world.faults import Fault
    from surefoot_simulators.world.scenario import Act, RolloutPlan, Scenario

Wrong = Callable[[int, str], Invalid]


def check(scenario: Scenario, file: str) -> None:
    """Raise Invalid with the first line that can have no effect."""

    def wrong(line: int, why: str) -> Invalid:
        where = f"{file}, line {line}" if line else file
        return Invalid("malformed", f"{where}: {why}.", "Correct the scenario and run it again.")

    fleet = tuple(traits(scenario))
    _check_releases(scenario, wrong)
    _check_fleet(scenario, fleet, wrong)
    _check_rollouts(scenario, wrong)
    _check_times(scenario, wrong)
    _check_strikes(scenario, fleet, wrong)
    if not scenario.expectations:
        raise wrong(0, "it expects nothing; give [[expect]]")
    known = asked.Known(
        versions={release.version for release in scenario.releases},
        devices={each.device for each in fleet},
        rollouts=len(scenario.rollouts),
        phases={phase.name for plan in scenario.rollouts for phase in policies.parse(plan.policy).phases},
        faults={fault.kind.value for fault in scenario.faults},
    )
    for expectation in scenario.expectations:
        asked.check(expectation, known, file)


def traits(scenario: Scenario) -> Iterator[Traits]:
    """What expressions see of each device, in the order of the fleet."""
    number = 0
    for group in scenario.groups:
        tags = frozenset(group.tags)
        for _ in range(group.count):
            number += 1
            site = group.sites[number % len(group.sites)]
            yield Traits(group.called(number), group.hw, {**group.attributes, "site": site}, tags)


def _check_releases(scenario: Scenario, wrong: Wrong) -> None:
    versions = [release.version for release in scenario.releases]
    twice = sorted({version for version in versions if versions.count(version) > 1})
    if twice:
        known = "by its version a release is known here, also of two components"
        raise wrong(0, f"two releases have the same version {', '.join(twice)}; {known}")
    for release in scenario.releases:
        for check in release.checks:
            why = broken_by(check, scenario.usual)
            if why:
                shown = "what a good one shows is in [application]"
                raise wrong(
                    release.line, f"release: check {check.name} of {release.version} never holds: {why}; {shown}"
                )
    for runs in (scenario.runs, *(group.runs for group in scenario.groups)):
        if runs and runs not in versions:
            raise wrong(0, f"fleet.runs: release {runs} is not among {', '.join(versions)}")


def _check_fleet(scenario: Scenario, fleet: tuple[Traits, ...], wrong: Wrong) -> None:
    twice = next((name for name, count in Counter(each.device for each in fleet).items() if count > 1), "")
    if twice:
        raise wrong(0, f"fleet: two devices are called {twice}")
    for release in scenario.releases:
        for group in scenario.groups:
            root = group.boot.is_root and release.component == scenario.component
            if release.slot is not None and root is not (release.slot is SlotKind.IMAGE):
                keeps = "images" if root else "folders"
                kind = "an image" if release.slot is SlotKind.IMAGE else "a folder"
                where = (
                    f"with boot = {group.boot.value}" if release.component == scenario.component else "beside another"
                )
                why = f"{release.version} is {kind}, and {release.component} {where} is kept in {keeps}"
                raise wrong(release.line, f"release: {why}")
    for group in scenario.groups:
        for release in scenario.releases:
            first = release.version in {scenario.first_of(each, group) for each in scenario.components}
            if first and release.hw and group.hw not in release.hw:
                made = f"{release.version} is for {', '.join(release.hw)}"
                raise wrong(group.line, f"fleet: devices with {group.hw} begin with what is not for them: {made}")


def _check_rollouts(scenario: Scenario, wrong: Wrong) -> None:
    """One that nobody can take is refused by the server; where that is the point, `refused` says so."""
    made = {release.version: release.hw for release in scenario.releases}
    for plan in scenario.rollouts:
        for version in (plan.release, *plan.also):
            if not plan.refused and made[version] and not set(made[version]) & set(scenario.hardware):
                fleet = f"the fleet is {', '.join(scenario.hardware)}"
                raise wrong(plan.line, f"release: {version} is for {', '.join(made[version])}, and {fleet}")


def _check_times(scenario: Scenario, wrong: Wrong) -> None:
    things: list[RolloutPlan | Act | Fault] = [*scenario.rollouts, *scenario.acts, *scenario.faults]
    for thing in things:
        if thing.at_s < 0:
            raise wrong(thing.line, "at: it is before the beginning")
        if thing.at_s >= scenario.seconds:
            raise wrong(thing.line, f"at: its time never comes, the scenario lasts {scenario.seconds:g} s")


def _check_strikes(scenario: Scenario, fleet: tuple[Traits, ...], wrong: Wrong) -> None:
    effects = [(effect.where, effect.line) for release in scenario.releases for effect in release.effects]
    every = {where for where, _ in effects} | {fault.where for fault in scenario.faults}
    fits = {where: _fitting(where, fleet) for where in every}
    for where, line in effects:
        if not fits[where]:
            raise wrong(line, f"where: no device fits {where!r}")
    for fault in scenario.faults:
        if not fault.strikes_devices:
            continue
        fitting = fits[fault.where]
        if not fitting:
            raise wrong(fault.line, f"where: no device fits {fault.where!r}")
        if not fault.count and not round(fault.share * fitting):
            raise wrong(fault.line, f"share: {fault.share:.1%} of {fitting} devices is nobody; give count")


def _fitting(where: str, fleet: tuple[Traits, ...]) -> int:
    parsed = grammar.parse(where)
    return sum(grammar.matches(parsed, each) for each in fleet)
