"""The policy's schema, taken down while the parser itself reads: every key, what it may hold, and its default.

Promises: what the schema says is what `policy.parse` asks for, since the parser was asked; a key that the parser learns
is in the schema without anybody's help. Refuses to hold a list of keys of its own, but for the sentences about them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from surefoot_server.rollouts import policy
from surefoot_server.rollouts.document import Choice, Field
from surefoot_server.rollouts.gate import BOUNDS, Against
from surefoot_shared.errors import Invalid
from surefoot_shared.wire import Json

DURATION = r"^(\d+(\.\d+)?(ms|s|m|h|d))+$"
SHARE = r"^\d+(\.\d+)?%?$"
EACH = "gate.objectives[]."
UNREAD = "see the guide"
"""Of a key that was asked for and not read: a mapping, or one that only another key brings into play."""
MEANINGS: Mapping[str, str] = {
    "rollout.release": "COMPONENT/VERSION; the command line wins",
    "rollout.also": "releases of other components that go with it as one set",
    "rollout.cohort": "saved cohort or expression; the command line wins",
    "rollout.strategy": "how the release spreads",
    "rollout.recreate.blind_time": "recreate, required: a device may run nothing for so long, then it has failed",
    "rollout.shadow.for": "shadow: how long it runs beside the live release, by the device's own clock",
    "rollout.shadow.min_fps": "shadow: ends where the live release has less of the frames a second it had alone",
    "rollout.shadow.min_memory": "shadow: ends where less of the node's memory is available",
    "rollout.start_at": "it begins then, and not before",
    "rollout.intent": "`downgrade` to go to an older release",
    "phases[].name": "for people; the percentage where it is left out",
    "phases[].percent": "of the cohort so far, rising to 100",
    "phases[].select": "or an expression: devices that are in this phase whatever their share",
    "phases[].min_devices": "the phase is at least this large, and judged on the reports of this many",
    "phases[].bake": "how long devices run it before the phase may pass",
    "gate.min_reported": "share of the devices offered and due that must have reported",
    "gate.max_wait": "for reports and samples; then `on_inconclusive`",
    "gate.on_inconclusive": "what follows where nothing could be decided",
    "gate.looks": "how often the metrics of a bake are judged",
    f"{EACH}metric": "an outcome (failed, reverted, lost, refused) or a metric",
    f"{EACH}fail_if_surely_above": "outcomes: fails once the rate is above this, with `confidence`",
    f"{EACH}pass_if_proved_below": "outcomes: passes only once the rate is below this, with `confidence`",
    f"{EACH}confidence": "of the bounds and tests; 0.9 for outcomes, 0.95 for metrics",
    f"{EACH}tripwire": "outcomes: so many devices fail a phase of at most 50",
    f"{EACH}dry_run": "measured and shown, never counted",
    f"{EACH}against": "metrics: what a device is compared with",
    f"{EACH}min_ratio": "metrics: of after to before, against that of the control",
    f"{EACH}max_ratio": "metrics: of after to before, against that of the control",
    f"{EACH}max_decrease": "metrics: in the metric's unit",
    f"{EACH}max_increase": "metrics: in the metric's unit",
    f"{EACH}min": "metrics: the figure itself, against `limit`",
    f"{EACH}max": "metrics: the figure itself, against `limit`",
    f"{EACH}critical": "metrics: surely outside fails; else it is held",
    f"{EACH}baseline": "metrics: the hours before, or the same hours a day earlier",
    "limits.max_concurrent": "devices at work at a time",
    "limits.max_unavailable": "devices switching at a time",
    "limits.per_site_unavailable": "devices switching at a time at one site",
    "limits.bandwidth_mbps": "shared by all that download",
    "limits.window": "when devices may switch",
    "limits.download_window": "when devices may download",
    "limits.freeze": "days on which nothing new is offered",
    "timeouts.lost_after": "silent after the switch for so long: lost",
    "timeouts.asleep_after": "silent before it for so long: nobody waits for it",
    "timeouts.step": "connected without progress for so long: failed",
    "retry.download": "more tries where what was fetched was wrong, missing or too slow",
    "retry.storage": "more tries where the disk was full or did not take it",
    "retry.stalled": "more tries after `timeouts.step`",
    "retry.switch": "more tries where the board did not switch, or the agent gave no verdict",
    "retry.backoff": "before the first of them; each further one waits twice as long",
    "retry.longest": "and never longer than this",
    "releases.floors": "releases, one of a component: nobody is sent to an older one, forward or back",
    "releases.forbidden": "releases that nobody is sent to",
    "releases.from": "releases, one of a component: devices that run something older are left out",
    "revert.phases": "shares in which devices are taken back; all at once where it is left out",
    "revert.phases[].percent": "of those that have it, rising to 100",
    "revert.phases[].bake": "how long the next share waits once this one is back",
    "revert.tripwire": "so many that could not go back hold the way back for a person",
    "revert.fail_if_surely_above": "so does a rate of them that is above this, with `confidence`",
    "on_fail.halt": "the release is halted everywhere",
    "on_fail.committed_devices": "what becomes of those that have it",
    "triggers.flags.devices": "flagged devices that run it",
    "triggers.flags.release": "flags on the release itself",
    "triggers.flags.do": "what follows",
    "triggers.advisory": "what follows an advisory, at least",
    "triggers.not_passed.within": "a phase that takes longer than this",
    "triggers.not_passed.do": "what follows",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its path (`[]` for each item of a list), its type as JSON Schema, and both in words."""

    path: str
    kind: str
    default: str
    schema: Mapping[str, Json]

    @property
    def meaning(self) -> str:
        return MEANINGS.get(self.path, "")


class _Scribe(Field):
    """A field that is there, answers what makes the parser go on, and writes down what it was asked."""

    def __init__(
        self, name: str, book: dict[str, Key], absent: Callable[[str], bool], answers: Mapping[str, object]
    ) -> None:
        super().__init__(None, name)
        self._book, self._missing, self._answers = book, absent, answers

    @property
    def absent(self) -> bool:
        return self._missing(self.name)

    def required(self) -> Field:
        return self

    def mapping(self, *keys: str) -> dict[str, Field]:
        found: dict[str, Field] = {key: self._below(f"{self.name}.{key}" if self.name else key) for key in keys}
        for field in found.values():
            self._book.setdefault(field.name, Key(field.name, UNREAD, "", {}))
        return found

    def peek(self, key: str) -> str | None:
        found = self._answers.get(f"{self.name}.{key}")
        return None if found is None else str(found)

    @property
    def single(self) -> bool:
        return False

    def items(self) -> Iterator[Field]:
        self._note("list", "", {"type": "array"})
        yield self._below(f"{self.name}[]")

    def text_or_none(self) -> str | None:
        self._note("text", "", {"type": "string"})
        found = self._answers.get(self.name)
        return None if found is None else str(found)

    def expression_or_none(self) -> str | None:
        self._note("cohort expression", "", {"type": "string"})
        return "all"

    def moment_or_none(self) -> datetime | None:
        self._note(
            "moment with its zone, such as 2026-03-01T02:00+07:00", "", {"type": "string", "format": "date-time"}
        )
        return None

    def integer(self, default: int, *, low: int, high: int) -> int:
        said: dict[str, Json] = {"type": "integer", "minimum": low, "maximum": high}
        self._note(f"whole number, {low:,} to {high:,}", f"{default:,}", said)
        return default

    def boolean(self, default: bool) -> bool:
        self._note("true or false", str(default).lower(), {"type": "boolean"})
        return default

    def choice(self, kind: type[Choice], default: Choice) -> Choice:
        words: list[Json] = [str(member.value) for member in kind]
        self._note("one of " + ", ".join(f"`{w}`" for w in words), str(default.value), {"enum": words})
        found = self._answers.get(self.name)
        return found if isinstance(found, kind) else default

    def duration_s(self, default: float, *, low: float = 0.0) -> float:
        self._note("duration such as 90s, 30m, 6h, 2d", _span(default), {"type": "string", "pattern": DURATION})
        return max(default, low)

    def ratio(self, default: float, *, low: float = 0.0, high: float = 1.0) -> float:
        self._note(f"share such as 2% or 0.02, {low:g} to {high:g}", f"{default:g}", _number_or(SHARE))
        return max(default, low)

    def amount(self) -> float:
        self._note("number", "", {"type": "number"})
        return 1.0

    def percentage(self) -> float:
        self._note("percentage, above 0 and up to 100", "", _number_or(SHARE))
        return 100.0

    def _below(self, name: str) -> _Scribe:
        return _Scribe(name, self._book, self._missing, self._answers)

    def _note(self, kind: str, default: str, schema: Mapping[str, Json]) -> None:
        """The first reading of a key stands, joined by what it may hold otherwise."""
        known = self._book.get(self.name)
        if known is None or known.kind in ("text", UNREAD):
            self._book[self.name] = Key(self.name, kind, default, schema)
        elif "enum" in known.schema and "enum" in schema and known.schema != schema:
            self._book[self.name] = Key(self.name, "text", "", {"type": "string"})


def _number_or(pattern: str) -> dict[str, Json]:
    return {"anyOf": [{"type": "number"}, {"type": "string", "pattern": pattern}]}


def _span(seconds: float) -> str:
    for unit, size_s in (("h", 3600.0), ("m", 60.0)):
        if seconds >= size_s and seconds % size_s == 0:
            return f"{seconds / size_s:g}{unit}"
    return f"{seconds:g}s" if seconds else ""


LISTS = frozenset(
    {
        "phases",
        "phases[].percent",
        "gate.objectives",
        "revert.phases",
        "limits.freeze",
        "releases.floors",
        "releases.forbidden",
        "releases.from",
    }
)
"""What must be there for the parser to ask for anything below it."""


ELSEWHERE = "rollout.shadow"
"""Read in full where it is left out; what is there would end the reading, as its strategy is another one."""


def every_key() -> list[Key]:
    """Every key that the parser asks for, in its order; a default is told only where the parser has one."""
    book, bare = dict[str, Key](), dict[str, Key]()
    _read(bare, lambda name: name not in LISTS, {f"{EACH}metric": "failed"})
    bounds = [f"{EACH}{key}" for pair in BOUNDS.values() for key in pair]
    for other in ("phases[].percent", "phases[].select"):
        _read(book, {other, ELSEWHERE}.__contains__, {f"{EACH}metric": "failed"})
    for scale, pair in BOUNDS.items():
        against = Against.LIMIT if scale.value == "value" else Against.CONTROL
        others = {key for key in bounds if key.removeprefix(EACH) not in pair} | {"phases[].select", ELSEWHERE}
        answers: dict[str, object] = {f"{EACH}metric": "camera_fps", f"{EACH}against": against}
        _read(book, others.__contains__, answers)
    book[f"{EACH}metric"] = Key(f"{EACH}metric", "text", "", {"type": "string"})
    told = [k for k in book.values() if k.kind != UNREAD or not any(p.startswith(f"{k.path}.") for p in book)]
    has_default = {k.path for k in bare.values() if k.kind != UNREAD}
    return [key if key.path in has_default else replace(key, default="") for key in told]


def keys_of(read: Callable[[Field], object]) -> list[Key]:
    """Every key that another parser asks for, in its order."""
    book = dict[str, Key]()
    read(_Scribe("", book, lambda _name: False, {}))
    return [k for k in book.values() if k.kind != UNREAD or not any(p.startswith(f"{k.path}.") for p in book)]


def _read(book: dict[str, Key], absent: Callable[[str], bool], answers: Mapping[str, object]) -> None:
    with suppress(Invalid):  # a phase that is chosen by an expression alone ends no ladder; what was asked is noted
        policy.read(_Scribe("", book, absent, answers))


def to_json() -> Json:
    """The schema as a JSON Schema document: unknown keys are refused everywhere."""
    root: dict[str, Json] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Surefoot rollout policy",
        **_object(),
    }
    return placed(root, every_key())


def placed(root: dict[str, Json], keys: Iterable[Key]) -> dict[str, Json]:
    """Put each key into its place in the object."""
    for key in keys:
        _place(root, key.path.replace("[]", ".[]").split("."), key)
    return root


def _object() -> dict[str, Json]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def _place(node: dict[str, Json], parts: Sequence[str], key: Key) -> None:
    first, rest = parts[0], parts[1:]
    if not rest:
        described: dict[str, Json] = {"description": key.meaning} if key.meaning else {}
        if first == "[]":
            node["items"] = {**key.schema}
            return
        properties = node.setdefault("properties", {})
        assert isinstance(properties, dict)
        properties[first] = {**key.schema, **described, **({"default": key.default} if key.default else {})}
        return
    child = _child(node, first)
    _place(child, rest, key)


def _child(node: dict[str, Json], name: str) -> dict[str, Json]:
    """The object below a key, or the items of a list."""
    if name == "[]":
        found = node.setdefault("items", _object())
    else:
        properties = node.setdefault("properties", {})
        assert isinstance(properties, dict)
        found = properties.setdefault(name, _object())
    assert isinstance(found, dict)
    return found
