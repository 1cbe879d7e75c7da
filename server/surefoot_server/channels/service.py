"""Channels: make them, promote releases from one to the next, and report how far they are apart.

Promises: a release enters a channel only by its digest and only when every requirement is met, and what was shown is
stored with the entry; a release that is halted, flagged or advised against enters no channel. Reports name what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlmodel import Session

from surefoot_server.access import users
from surefoot_server.audit import service as audit
from surefoot_server.channels import repository
from surefoot_server.channels.models import Channel, ChannelEntry, ChannelEvidence
from surefoot_server.channels.requirements import Answer, Shown, answers, parse
from surefoot_server.cohorts import service as cohorts
from surefoot_server.devices.sets import check_components
from surefoot_server.feedback import repository as feedback
from surefoot_server.findings import repository as finding_rows
from surefoot_server.findings import service as findings
from surefoot_server.findings.builders import PROVENANCE, Judge, trusting_nobody
from surefoot_server.policies import service as saved
from surefoot_server.releases import repository as releases
from surefoot_server.releases.models import Release
from surefoot_server.rollouts import halting
from surefoot_server.rollouts import policy as policies
from surefoot_shared.errors import Conflict, Invalid

OLD_AFTER_DAYS = 30
"""A release that nobody runs and no channel holds is named for cleanup after this long."""


@dataclass(frozen=True, slots=True)
class Apart:
    """One component in one channel: its newest release there, and how many devices run what."""

    channel: str
    component: str
    release: str | None
    behind: int
    """Releases that the channel before has and this one has not."""
    devices: int
    on_it: int
    others: dict[str, int]
    """Other releases that devices of the channel run."""
    todo: str


@dataclass(frozen=True, slots=True)
class Leftover:
    release: str
    devices: Sequence[str]
    why: str
    todo: str


def create(
    session: Session, name: str, after: str | None, cohort: str, policy: str, requires: str, by: str, now: datetime
) -> Channel:
    """Make a channel behind another; everything in it is parsed before it is stored."""
    if not cohorts.NAME.fullmatch(name):
        raise Invalid("malformed", f"{name!r} is not a name for a channel.", "Use small letters, digits, dashes.")
    row = session.get(Channel, name)
    if row is not None and row.retired_at is None:
        raise Conflict("conflict", f"There already is a channel {name!r}.", "Choose another name.")
    row = row or Channel(name=name, cohort=cohort, created_at=now, created_by=by)
    row.retired_at = None
    detail = _describe(session, row, after, cohort, policy, requires)
    audit.record(session, by, "channel.create", f"channel:{name}", detail, now)
    return row


def change(
    session: Session, name: str, after: str | None, cohort: str, policy: str, requires: str, by: str, now: datetime
) -> Channel:
    """Let a channel be another one from now on; what was promoted into it stays in it."""
    row = repository.channel(session, name)
    before = {"after": row.after, "cohort": row.cohort, "policy": row.policy, "requires": row.requires}
    detail = _describe(session, row, after, cohort, policy, requires)
    if _circle(session, name):
        raise Conflict("conflict", f"{name} would come after itself.", "Let it come after another channel.")
    audit.record(session, by, "channel.change", f"channel:{name}", {"before": before, **detail}, now)
    return row


def retire(session: Session, name: str, by: str, now: datetime) -> Channel:
    """Make it no channel any more; its entries and its evidence stay. Raises Conflict where another comes after it."""
    row = repository.channel(session, name)
    behind = [other.name for other in repository.channels(session) if other.after == name]
    if behind:
        hint = "Let that one come after another channel first."
        raise Conflict("conflict", f"{name} cannot be removed: {', '.join(behind)} comes after it.", hint)
    row.retired_at = now
    session.add(row)
    detail = {"after": row.after, "cohort": row.cohort, "policy": row.policy, "requires": row.requires}
    audit.record(session, by, "channel.retire", f"channel:{name}", {"before": detail}, now)
    return row


def _describe(
    session: Session, row: Channel, after: str | None, cohort: str, policy: str, requires: str
) -> dict[str, object]:
    """Give the row what it says, once all of it was parsed; returns it for the audit trail."""
    if after is not None:
        repository.channel(session, after)
    cohorts.resolve(session, cohort)
    policies.parse(saved.resolve(session, policy))
    parse(requires)
    row.after, row.cohort, row.policy, row.requires = after, cohort, policy, requires
    session.add(row)
    session.flush()
    return {"after": after, "cohort": cohort, "policy": policy, "requires": requires}


def _circle(session: Session, name: str) -> bool:
    at = repository.channel(session, name).after
    while at is not None and at != name:
        at = repository.channel(session, at).after
    return at == name


def note(
    session: Session, name: str, release_id: str, kind: str, test: str, passed: bool, text: str, by: str, now: datetime
) -> ChannelEvidence:
    """Note a test's result, or a person's acceptance, for a release that is in the channel."""
    repository.channel(session, name)
    release = releases.get(session, release_id)
    if repository.entry(session, name, release_id) is None:
        raise Conflict("conflict", f"{release_id} is not in {name}.", "Promote it there first.")
    row = ChannelEvidence(
        channel=name,
        release_id=release_id,
        digest=release.digest,
        kind=kind,
        name=test or by,
        passed=passed,
        at=now,
        by=by,
        note=text,
    )
    session.add(row)
    detail = {"release": release_id, "digest": release.digest, "name": row.name, "passed": passed, "note": text}
    audit.record(session, by, f"channel.{kind}", f"channel:{name}", detail, now)
    return row


def readiness(
    session: Session, name: str, release_id: str, who: str, now: datetime, judge: Judge = trusting_nobody
) -> list[Answer]:
    """What the channel requires of the release, and whether it was shown. `judge` knows the keys of builders."""
    row = repository.channel(session, name)
    release = releases.get(session, release_id)
    return answers(parse(row.requires), _shown(session, row, release, who, now, judge), who, row.after)


def promote_set(
    session: Session, name: str, release_ids: Sequence[str], by: str, now: datetime, judge: Judge = trusting_nobody
) -> list[ChannelEntry]:
    """Put releases that belong together into the channel, all or none: each by its digest and its own evidence.

    Raises Conflict where two are of one component, naming the first requirement of the first that is not ready.
    """
    check_components([releases.get(session, each) for each in release_ids])
    return [promote(session, name, each, by, now, release_ids, judge) for each in release_ids]


def promote(
    session: Session,
    name: str,
    release_id: str,
    by: str,
    now: datetime,
    together: Sequence[str] = (),
    judge: Judge = trusting_nobody,
) -> ChannelEntry:
    """Put the release into the channel; raises Conflict naming the first requirement that is not met.

    `together`: the set it is promoted with, for the record. `judge` knows the keys of builders.
    """
    release = releases.get(session, release_id)
    if repository.entry(session, name, release_id) is not None:
        raise Conflict("conflict", f"{release_id} already is in {name}.", "`surefoot channel show` lists what is.")
    found = readiness(session, name, release_id, by, now, judge)
    if missing := [a for a in found if not a.met]:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise Conflict(
            "conflict",
            f"{release_id} is not ready for {name}: {missing[0].requirement}: {missing[0].said}{more}.",
            f"`surefoot channel ready {name} {release_id}` lists all.",
        )
    row = ChannelEntry(
        channel=name,
        release_id=release_id,
        component=release.component,
        digest=release.digest,
        at=now,
        by=by,
        evidence=[asdict(a) for a in found],
    )
    session.add(row)
    detail: dict[str, object] = {"channel": name, "digest": release.digest, "evidence": row.evidence}
    detail |= {"with": [each for each in together if each != release_id]} if len(together) > 1 else {}
    audit.record(session, by, "release.promote", f"release:{release_id}", detail, now)
    return row


def parity(session: Session) -> list[Apart]:
    """How far each channel is behind the one before, and who in it runs something else."""
    rows = repository.channels(session)
    entries = {row.name: repository.entries(session, row.name) for row in rows}
    components = sorted({e.component for found in entries.values() for e in found})
    run_by = repository.run_by(session)
    return [
        _apart(session, row, component, entries[row.name], entries.get(row.after or "", []), run_by)
        for row in rows
        for component in components
    ]


def cleanup(session: Session, now: datetime) -> list[Leftover]:
    """Devices on releases that no channel holds, and releases that nobody needs any more."""
    entries = [e for row in repository.channels(session) for e in repository.entries(session, row.name)]
    held, newest = {e.release_id for e in entries}, {e.component: e.release_id for e in reversed(entries)}
    run_by = repository.run_by(session)
    found = []
    for release in releases.newest_first(session, ""):
        devices, age_days = run_by.get(release.id, []), (now - release.published_at).days
        if release.id in held:
            continue
        if devices:
            move = f'surefoot rollout start --release {newest.get(release.component)} --cohort "{_named(devices)}"'
            todo = move if release.component in newest else f"surefoot release promote {release.id} --to CHANNEL"
            found.append(Leftover(release.id, devices, "no channel holds it and devices run it", todo))
        elif age_days >= OLD_AFTER_DAYS:
            why = f"no channel holds it and nobody runs it, published {age_days} days ago"
            found.append(Leftover(release.id, [], why, f"surefoot release withdraw {release.id}"))
    return found


def _named(devices: Sequence[str]) -> str:
    return f"device in ({', '.join(repr(d) for d in devices)})"


def _apart(
    session: Session,
    row: Channel,
    component: str,
    mine: Sequence[ChannelEntry],
    before: Sequence[ChannelEntry],
    run_by: dict[str, list[str]],
) -> Apart:
    of_mine = [e for e in mine if e.component == component]
    newest = of_mine[0].release_id if of_mine else None
    here = {e.digest for e in of_mine}
    ahead = [e for e in before if e.component == component and e.digest not in here]
    members = set(cohorts.devices(session, cohorts.resolve(session, row.cohort).expression))
    runs = {r: n for r, ds in run_by.items() if r.startswith(f"{component}/") and (n := len(members.intersection(ds)))}
    on_it = runs.pop(newest, 0) if newest else 0
    todo = ""
    if ahead:
        todo = f"surefoot release promote {ahead[0].release_id} --to {row.name}"
    elif runs and newest:
        todo = f'surefoot rollout start --release {newest} --cohort "{row.cohort}"'
    return Apart(row.name, component, newest, len(ahead), len(members), on_it, dict(sorted(runs.items())), todo)


def _shown(session: Session, row: Channel, release: Release, who: str, now: datetime, judge: Judge) -> Shown:
    itself = _itself(session, release, now, judge)
    if row.after is None:
        return itself
    before = repository.channel(session, row.after)
    entered = repository.entry(session, before.name, release.id)
    members = set(cohorts.devices(session, cohorts.resolve(session, before.cohort).expression))
    running = [(digest, since) for device, digest, since in repository.running(session, release) if device in members]
    notes = repository.evidence(session, before.name, release.id, release.digest)
    return replace(
        itself,
        entered_digest=entered.digest if entered is not None else None,
        ran_s=[(now - since).total_seconds() for digest, since in running if digest == release.digest],
        other_digests={digest for digest, _ in running if digest is not None and digest != release.digest},
        tests={e.name: e.passed for e in notes if e.kind == "test"},
        accepted_by=_people(session, [e.by for e in notes if e.kind == "acceptance" and e.passed], who),
    )


def _people(session: Session, names: Sequence[str], who: str) -> set[str]:
    """One name for each person; a token of whoever asks is that person, so it goes by the same name."""
    found = {users.person_of(session, name): name for name in names}
    mine = users.person_of(session, who)
    return set((found | {mine: who} if mine in found else found).values())


def _itself(session: Session, release: Release, now: datetime, judge: Judge) -> Shown:
    """What the release shows by itself, whatever the channel."""
    documents = {d.kind: d.sha256 for d in finding_rows.documents(session, release.id)}
    return Shown(
        release.digest,
        None,
        sbom=documents.get(findings.SBOM),
        provenance=documents.get(PROVENANCE),
        attested=judge(session, release.id),
        scanned=findings.scanned(session, release.id, now),
        waived=findings.waived(session, release.id, now),
        against=_against(session, release),
    )


def _against(session: Session, release: Release) -> list[str]:
    halted = [f"rollout {row.id} halted it" for row in halting.halting(session, release.digest)]
    advised = [f"advisory {a.id}: {a.reason}" for a in feedback.advisories(session, release.id)]
    flagged = [
        f"flag {f.id}: {f.reason}"
        for f in feedback.flags(session)
        if f.release_id == release.id and f.device_id is None
    ]
    return [*halted, *advised, *flagged]
