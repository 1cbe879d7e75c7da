"""What an agent that is newer than the server says: words that are not known here cost what they say, and nothing else.

Promises: an event with an unknown word is kept under its number as a notice that names the words, so that it can be
acknowledged and those after it are heard; a hello goes without the component that it cannot be understood of. A message
that is wrong in any other way is refused as before. Pure; the seal was opened before.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import ComponentReport, Event, EventKind, Hello
from surefoot_shared.status import AttemptState, Outcome

WORDS: Mapping[str, type[Enum]] = {"kind": EventKind, "state": AttemptState, "outcome": Outcome}
"""Fields of an event whose values may become more."""
SAYS = ("state", "outcome", "reason", "proof", "report", "progress")
"""What is not believed of an event that was not understood whole."""
WORD_LIMIT = 40


def read_event(raw: bytes) -> Event:
    """Raises Invalid."""
    plain = wire.parse(raw)
    try:
        return wire.from_json(Event, plain)
    except Invalid:
        unknown = [name for name, kind in WORDS.items() if _unknown(plain.get(name), kind)]
        if not unknown:
            raise
        said = ", ".join(f"{name} {str(plain[name])[:WORD_LIMIT]!r}" for name in unknown)
        rest = {name: value for name, value in plain.items() if name not in SAYS}
        message = f"Its agent is newer than the server, which does not know what this says: {said}."
        return wire.from_json(Event, {**rest, "kind": EventKind.NOTICE.value, "message": message})


def read_hello(raw: bytes) -> Hello:
    """Raises Invalid."""
    plain = wire.parse(raw)
    try:
        return wire.from_json(Hello, plain)
    except Invalid:
        said = plain.get("components")
        understood = [each for each in said if _understood(each)] if isinstance(said, list) else []
        return wire.from_json(Hello, {**plain, "components": understood})


def _unknown(value: object, kind: type[Enum]) -> bool:
    return isinstance(value, str) and value not in {word.value for word in kind}


def _understood(value: wire.Json) -> bool:
    try:
        wire.from_json(ComponentReport, value)
    except Invalid:
        return False
    return True
