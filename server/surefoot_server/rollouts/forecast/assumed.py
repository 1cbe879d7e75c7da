"""What is assumed of a release and of a fleet: rates of each outcome, how long things take, who is offline.

Promises: a YAML document in the manner of a policy, every key known and in its range, errors name line and field; all
of it has defaults, so an empty document is a plain release on a plain fleet. Refuses shares that sum up to more than
all devices.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from surefoot_server.rollouts import document, windows
from surefoot_server.rollouts.document import Field

MINUTE_S, HOUR_S = 60.0, 3600.0
GROUPS_LIMIT = 10_000
DEVICES_LIMIT = 10_000_000


@dataclass(frozen=True, slots=True)
class Took:
    """How long something takes: half of the devices are faster than `median_s`, one in twenty slower than `p95_s`."""

    median_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What a release does to a metric: times `ratio`; single devices scatter by `spread` (of their own value)."""

    ratio: float = 1.0
    spread: float = 0.03
    usual: float | None = None
    """The metric's usual value; None: within the bounds of the policy."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of the devices that are offered it; whoever is in none of these commits."""

    refused: float = 0.0
    failed: float = 0.002
    reverted: float = 0.001
    lost: float = 0.0002

    @property
    def total(self) -> float:
        return self.refused + self.failed + self.reverted + self.lost


@dataclass(frozen=True, slots=True)
class Model:
    """A release as it might turn out. `on`: the hardware that the rates are true of; empty: all of it."""

    rates: Rates = Rates()
    on: frozenset[str] = frozenset()
    metrics: Mapping[str, Effect] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offline:
    """`share` of the devices is away at any moment, each for `away_s` on average; `gone` never come back."""

    share: float = 0.05
    away_s: float = 8 * HOUR_S
    gone: float = 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """Devices of a modelled fleet that are alike; `sites` above 1: spread evenly over so many."""

    count: int
    hw: str
    site: str = ""
    sites: int = 1
    zone: str = ""
    tags: frozenset[str] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assumed:
    """`healthy`: the release as everybody hopes; `bad`: the one that the rollout must stop."""

    download: Took = Took(4 * MINUTE_S, 20 * MINUTE_S)
    probation: Took = Took(3 * MINUTE_S, 6 * MINUTE_S)
    approval_s: float = 4 * HOUR_S
    """From a question to people to their answer."""
    offline: Offline = Offline()
    healthy: Model = Model()
    bad: Model = Model(Rates(reverted=0.2))


@dataclass(frozen=True, slots=True)
class There:
    """What an assumption can be about: `hardware` of the devices that get it, `metrics` that anybody judges it by."""

    hardware: Collection[str]
    metrics: Collection[str]


def release(
    text: str,
    offline: Offline | None = None,
    default: Assumed | None = None,
    further: Sequence[str] = (),
    there: There | None = None,
) -> Assumed:
    """Read what is assumed of a release; raises Invalid naming line and field.

    `offline` and `default`: where it says nothing. `further` keys are known and somebody else's to read. `there`: what
    is assumed of anything else would change nothing, unseen, and is refused; None: it is not known yet.
    """
    default, root = default or Assumed(), document.parse(text, "The release")
    top = root.mapping("release", "download", "probation", "approval", "offline", "healthy", "bad", *further)
    healthy = _model(top["healthy"], default.healthy, there)
    return Assumed(
        download=_took(top["download"], default.download),
        probation=_took(top["probation"], default.probation),
        approval_s=top["approval"].duration_s(default.approval_s),
        offline=_offline(top["offline"], offline or default.offline),
        healthy=healthy,
        bad=_model(top["bad"], replace(default.bad, rates=replace(healthy.rates, reverted=0.2)), there),
    )


def name(text: str) -> str:
    """The release's name in the same document, "" where it has none."""
    return document.parse(text, "The release").peek("release") or ""


def fleet(text: str, known: Sequence[Group] = (), further: Sequence[str] = ()) -> tuple[list[Group], Offline | None]:
    """Read a modelled fleet; raises Invalid naming line and field. `known` groups are in it, whatever it says.

    `further` keys are known and somebody else's to read.
    """
    root = document.parse(text, "The fleet")
    top = root.mapping("groups", "offline", *further)
    said = top["groups"] if known else top["groups"].required()
    groups = [*known, *(_group(item) for item in (() if said.absent else said.items()))]
    if not groups or len(groups) > GROUPS_LIMIT:
        raise top["groups"].wrong(f"it must have 1 to {GROUPS_LIMIT} groups")
    if sum(group.count for group in groups) > DEVICES_LIMIT:
        raise top["groups"].wrong(f"more than {DEVICES_LIMIT} devices are not modelled")
    offline = None if top["offline"].absent else _offline(top["offline"], Offline())
    return groups, offline


def _group(item: Field) -> Group:
    fields = item.mapping("count", "hw", "site", "sites", "zone", "tags", "attributes")
    tags = [] if fields["tags"].absent else [tag.text_or_none() or "" for tag in fields["tags"].items()]
    return Group(
        count=fields["count"].required().integer(1, low=1, high=DEVICES_LIMIT),
        hw=fields["hw"].required().text_or_none() or "",
        site=fields["site"].text_or_none() or "",
        sites=fields["sites"].integer(1, low=1, high=1_000_000),
        zone=_zone(fields["zone"]),
        tags=frozenset(tags),
        attributes={key: value.text_or_none() or "" for key, value in _entries(fields["attributes"])},
    )


def _zone(field: Field) -> str:
    name = field.text_or_none() or ""
    if name and not windows.known_zone(name):
        raise field.wrong(f"{name!r} is not a time zone such as UTC or Asia/Tokyo")
    return name


def _took(field: Field, default: Took) -> Took:
    fields = field.mapping("median", "p95")
    median_s = fields["median"].duration_s(default.median_s, low=0.001)
    p95_s = fields["p95"].duration_s(default.p95_s if field.absent else 3 * median_s, low=0.001)
    if p95_s < median_s:
        raise field.wrong("p95 is below the median")
    return Took(median_s, p95_s)


def _offline(field: Field, default: Offline) -> Offline:
    fields = field.mapping("share", "away", "gone")
    found = Offline(
        share=fields["share"].ratio(default.share),
        away_s=fields["away"].duration_s(default.away_s, low=1.0),
        gone=fields["gone"].ratio(default.gone),
    )
    if found.share + found.gone > 1:
        raise field.wrong("share and gone are more than all devices")
    return found


def _model(field: Field, default: Model, there: There | None) -> Model:
    names = ("refused", "failed", "reverted", "lost")
    fields = field.mapping(*names, "on", "metrics")
    on = [] if fields["on"].absent else [_on(hw, there) for hw in fields["on"].items()]
    rates = Rates(*(fields[key].ratio(getattr(default.rates, key)) for key in names))
    if rates.total > 1:
        raise field.wrong("its shares are more than all devices")
    metrics = {key: _effect(_judged(key, value, there)) for key, value in _entries(fields["metrics"])}
    return Model(rates, frozenset(on), metrics)


def _on(field: Field, there: There | None) -> str:
    hw = field.text_or_none() or ""
    if there is not None and hw not in there.hardware:
        raise field.wrong(f"no device that gets it is {hw!r}; they are {', '.join(sorted(there.hardware)) or 'none'}")
    return hw


def _judged(metric: str, field: Field, there: There | None) -> Field:
    if there is not None and metric not in there.metrics:
        looked = f"they look at {', '.join(sorted(there.metrics))}" if there.metrics else "they look at no metric"
        raise field.wrong(f"neither the policy's objectives nor a check of the release look at it; {looked}")
    return field


def _effect(field: Field) -> Effect:
    fields = field.mapping("ratio", "spread", "usual")
    ratio = 1.0 if fields["ratio"].absent else fields["ratio"].amount()
    if ratio <= 0:
        raise fields["ratio"].wrong("a ratio is above 0")
    usual = None if fields["usual"].absent else fields["usual"].amount()
    return Effect(ratio, fields["spread"].ratio(Effect().spread), usual)


def _entries(field: Field) -> Iterator[tuple[str, Field]]:
    """Names of the writer's own; none where it was left out."""
    return iter(()) if field.absent else field.entries()
