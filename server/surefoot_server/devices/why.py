"""The one answer to "why is this device not updating?": what runs, what is wanted, what it waits for. Pure.

Promises: exactly one sentence and one stable kind for every combination of facts; the first rule that holds answers, so
the order of RULES is the order of what stands most in the way. What needs a person follows as a second sentence and
hides nothing. API, command line and console all show these words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot_shared.errors import KINDS
from surefoot_shared.status import AttemptState, Outcome

SILENT_AFTER = timedelta(minutes=15)
"""Three missed heartbeats: a device that says it is online and was not heard for so long is silent."""


ATTENTION = {
    "identity_conflict": "two agents use its identity, so its reports are in doubt; enrol one of them under its own id"
}
"""Kinds that are always said in the same words; the others in the device's own."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The newest assignment of the component. `open` until an outcome."""

    release: str
    state: AttemptState
    open: bool
    outcome: Outcome | None = None
    reason: str | None = None
    message: str = ""
    progress: float | None = None
    unsigned: str | None = None
    """Why the server could not sign it."""
    rollout: str | None = None
    rollout_state: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the server knows. `waiting` is why a rollout has not offered anything yet, or does not let it switch."""

    device: str
    component: str
    now: datetime
    runs: str | None = None
    digest: str | None = None
    state: AttemptState | None = None
    """What the component itself last said, which counts without any assignment."""
    wish: Wish | None = None
    online: bool = False
    last_seen_at: datetime | None = None
    revoked: bool = False
    attention: str | None = None
    attention_message: str = ""
    waiting: str | None = None


@dataclass(frozen=True, slots=True)
class Why:
    kind: str
    sentence: str


def explain(facts: Facts) -> Why:
    """Return the answer of the first rule that holds; the last one always does."""
    for kind, holds, say in RULES:
        if holds(facts):
            return Why(kind, f"{_opening(facts)}: {say(facts)}.{_attention(facts)}")
    raise AssertionError("the last rule holds for every device")


def _attention(facts: Facts) -> str:
    """What needs a person, after the answer: an alarm that hid it would leave the question open."""
    if facts.attention is None:
        return ""
    words = ATTENTION.get(facts.attention) or facts.attention_message.strip().rstrip(".") or facts.attention
    return f" It needs attention: {words} ({facts.attention})."


def _opening(facts: Facts) -> str:
    runs = facts.runs or (f"the unknown digest {facts.digest[:12]}" if facts.digest else "nothing known")
    start = f"{facts.device} runs {runs}"
    wish = facts.wish
    if wish is not None and (wish.open or wish.outcome is Outcome.LOST) and wish.release != facts.runs:
        return f"{start} and is wanted on {wish.release}"
    return start


def _working(*states: AttemptState) -> Callable[[Facts], bool]:
    return lambda f: f.wish is not None and f.wish.open and f.wish.state in states


def _ended(*outcomes: Outcome) -> Callable[[Facts], bool]:
    return lambda f: f.wish is not None and not f.wish.open and f.wish.outcome in outcomes


def _silent(facts: Facts) -> bool:
    return not facts.online or (facts.last_seen_at is not None and facts.now - facts.last_seen_at > SILENT_AFTER)


def _since(facts: Facts) -> str:
    return f"{facts.last_seen_at:%Y-%m-%d %H:%M} UTC" if facts.last_seen_at else "its enrolment"


def _because(facts: Facts) -> str:
    """The device's own words, else the registry's hint of the kind, in brackets the kind itself."""
    assert facts.wish is not None
    words = facts.wish.message.strip().rstrip(".") or KINDS.get(facts.wish.reason or "", KINDS["lost"]).hint.rstrip(".")
    return f"{_within(words)} ({facts.wish.reason or 'no reason given'})"


def _within(words: str) -> str:
    """As part of a sentence: no capital letter, where it is not a name or an abbreviation."""
    first = words.partition(" ")[0]
    return words[:1].lower() + words[1:] if first[1:].islower() or first in ("A", "I") else words


def _words(facts: Facts) -> str:
    """What the device itself said of the step it is in."""
    return facts.wish.message.strip().rstrip(".") if facts.wish is not None else ""


def _turn(facts: Facts) -> str:
    """What its rollout says of a device that waits for the order to switch."""
    return f"waits for its turn to switch: {facts.waiting}" if facts.waiting else ""


def _release(facts: Facts) -> str:
    assert facts.wish is not None
    return facts.wish.release


def _percent(facts: Facts) -> str:
    assert facts.wish is not None
    return "" if facts.wish.progress is None else f", {facts.wish.progress:.0%} done"


def _stopped(facts: Facts) -> bool:
    wish = facts.wish
    return wish is not None and wish.open and wish.rollout_state in ("paused", "held", "halted")


def _constant(text: str) -> Callable[[Facts], str]:
    return lambda _: text


Rule = tuple[str, Callable[[Facts], bool], Callable[[Facts], str]]
S = AttemptState
RULES: tuple[Rule, ...] = (
    ("revoked", lambda f: f.revoked, _constant("it is revoked, so nothing is offered to it")),
    ("never_connected", lambda f: f.last_seen_at is None, _constant("it is enrolled and has never connected")),
    (
        "lost",
        _ended(Outcome.LOST),
        lambda f: f"it went silent after the switch, last heard at {_since(f)}; its guard goes back by itself",
    ),
    (
        "journal_unreadable",
        lambda f: f.attention == "storage" and f.attention_message.startswith("The journal cannot be read"),
        _constant("its journal cannot be read, so nothing new is begun there; what runs goes on"),
    ),
    (
        "rescue",
        lambda f: f.state is S.RESCUE or _working(S.RESCUE)(f),
        _constant(
            "neither of its slots is usable; it retries slowly and keeps reporting: assign it a release that works, "
            "or visit it and install one"
        ),
    ),
    (
        "offline",
        lambda f: f.wish is not None and f.wish.open and _silent(f),
        lambda f: f"it is offline, last heard at {_since(f)}, and goes on when it returns",
    ),
    (
        "rollout_stopped",
        lambda f: _stopped(f) and _working(S.OFFERED)(f),
        lambda f: f"its rollout {f.wish.rollout if f.wish else ''} is {f.wish.rollout_state if f.wish else ''}",
    ),
    (
        "not_signed",
        lambda f: _working(S.OFFERED)(f) and bool(f.wish and f.wish.unsigned),
        lambda f: (
            f"the server could not sign the order ({f.wish.unsigned if f.wish else ''}) and tries again by itself"
        ),
    ),
    ("offered", _working(S.OFFERED), _constant("it has been told and has not begun yet")),
    ("checking", _working(S.CHECKING), _constant("it checks signatures, hardware and free space")),
    ("downloading", _working(S.DOWNLOADING), lambda f: f"it downloads{_percent(f)}"),
    (
        "staged",
        _working(S.VERIFIED, S.STAGED),
        lambda f: f"the release is in its other slot and {_turn(f) or _words(f) or 'waits to be switched to'}",
    ),
    ("switching", _working(S.ARMED, S.SWITCHING), _constant("it switches to the other slot")),
    (
        "probation",
        _working(S.PROBATION),
        _constant("the new release runs and has to prove its health before the commit"),
    ),
    ("committing", _working(S.COMMITTING), _constant("it passed its checks and makes the new slot permanent")),
    ("reverting", _working(S.REVERTING), lambda f: f"it goes back to its previous release; {_because(f)}"),
    ("working", lambda f: f.wish is not None and f.wish.open, _constant("its attempt is being cleaned up")),
    ("waiting_for_rollout", lambda f: f.waiting is not None, lambda f: (f.waiting or "").rstrip(".")),
    ("reverted", _ended(Outcome.REVERTED), lambda f: f"it reverted from {_release(f)}; {_because(f)}"),
    ("failed", _ended(Outcome.FAILED), lambda f: f"{_release(f)} failed before the switch; {_because(f)}"),
    ("refused", _ended(Outcome.REFUSED), lambda f: f"it refused {_release(f)}; {_because(f)}"),
    ("shadowed", _ended(Outcome.SHADOWED), lambda f: f"{_release(f)} ran beside its own release and waits in its slot"),
    ("cancelled", _ended(Outcome.CANCELLED), lambda f: f"the update to {_release(f)} was withdrawn; {_because(f)}"),
    (
        "up_to_date",
        lambda f: _ended(Outcome.COMMITTED)(f) and _release(f) == f.runs,
        _constant("it runs what was wanted, committed, and waits for nothing"),
    ),
    (
        "differs",
        _ended(Outcome.COMMITTED),
        lambda f: f"it committed {_release(f)} and has run something else since; look at its events",
    ),
    ("nothing_wanted", lambda _: True, _constant("nothing else is wanted of it")),
)
