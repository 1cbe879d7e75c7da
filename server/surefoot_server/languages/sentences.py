"""A sentence of the server in the reader's language: which text of the catalogue it was made from, with what values.

Promises: of all ways to read a sentence the one that explains most of its letters; what a person or a device wrote
stays as it is, and so does a sentence that is not known, such as an old one. The stored English is never changed, so
API, logs and audit say the same to everybody. Refuses to read a text by two letters of it: a short text of the
catalogue counts only where its values are single words or known themselves.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from surefoot_server.findings.severity import Severity
from surefoot_server.languages.catalogue import SOURCE, Language, language
from surefoot_server.rollouts.retries import Failure
from surefoot_server.rollouts.table import RolloutEvent
from surefoot_shared.errors import KINDS
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState, Verdict

ENUMS = (AttemptState, Outcome, PhaseState, RolloutEvent, RolloutState, Verdict, Severity, Failure)
CODES = frozenset({str(each.value) for enum in ENUMS for each in enum} | set(KINDS))
"""Words of machines that have a translation of their own wherever they stand."""
UNDERSCORED = re.compile(r"(?<![\w./-])[a-z]+(?:_[a-z]+)+(?![\w/-]|\.\w)")
"""What may be a code within a sentence, and is no part of a path or a name."""
SEPARATORS = ("; ", ": ", ", ", ". ", " × ")
SPAN = re.compile(r"(\d+(?:\.\d+)?) (s|min|h|d)")
FIGURES = re.compile(r"[\d:.,+%-]+(?: [\d:.,+%-]+)*")
"""Numbers, shares and moments: the same in every language."""
PLACE = re.compile(r"%\((\d+)\)s")
SURE_LETTERS = 10
"""A text with fewer is read only where nothing of the sentence stays unexplained by it."""
MOST_PARTS = 40
"""Joints of a sentence up to which all ways to read it are tried. What has more is read in pieces."""
LONGEST = 2000
"""Characters; what is longer is a log or a document, and no sentence."""
MOST_READINGS = 600
"""Parts of one sentence that are looked at, which takes a tenth of a second: six reasons of a verdict need 530. A
device may send 2000 characters that need 6000."""
DEEPEST = 50
"""Parts within parts; real sentences have 15. A device may send a thousand full stops."""
KEPT = 2_000
"""Sentences in memory; each may be LONGEST in letters of four bytes, so this is at most 32 MB of what devices sent."""


@dataclass(frozen=True, slots=True)
class Template:
    """`literals` stand around its places, `letters` is how many they have; `said` is it in the reader's language."""

    literals: tuple[str, ...]
    said: str
    letters: int

    def may_be_in(self, text: str) -> bool:
        return self.literals[0][1:] in text and all(literal in text for literal in self.literals[1:])

    def values(self, text: str) -> list[str] | None:
        """What stands in its places, each as short as it can be; None where the text is another one."""
        first, *middle = self.literals[:-1] or ("",)
        last = self.literals[-1]
        if len(self.literals) == 1:
            return [] if _begins(text, last) and len(text) == len(last) else None
        if not _begins(text, first) or not text.endswith(last):
            return None
        found, at, end = [], len(first), len(text) - len(last)
        for literal in middle:
            next_at = text.find(literal, at + 1, end)
            if next_at < 0:
                return None
            found.append(text[at:next_at])
            at = next_at + len(literal)
        return [*found, text[at:end]] if at < end else None

    def filled(self, text: str, read: Sequence[Reading]) -> str:
        """With what its values were read as, and with the first letter as small as that of `text`."""
        said = PLACE.sub(lambda place: read[int(place[1]) - 1].text, self.said)
        return said if text.startswith(self.literals[0]) else said[:1].lower() + said[1:]


@dataclass(frozen=True, slots=True)
class Reading:
    """`known`: how many letters of the sentence it explains; `whole`: what it does not explain are single words."""

    text: str
    known: int
    whole: bool


def told(say: Language, text: str) -> str:
    """The sentence for a reader; in English it is as it was stored, but for names of errors and states as words."""
    if not text or len(text) > LONGEST:
        return text
    return UNDERSCORED.sub(_spaced, text) if say.code == SOURCE else _told(say.code, text)


def _spaced(code: re.Match[str]) -> str:
    return code[0].replace("_", " ") if code[0] in CODES else code[0]


def code_said(say: Language, word: str) -> str:
    """A code of the registry or a state as a word."""
    return say.gettext(word.replace("_", " ")) if word else ""


@functools.lru_cache(maxsize=KEPT)
def _told(code: str, text: str) -> str:
    say, possible = language(code), tuple(each for each in _templates(code) if each.may_be_in(text))
    if _is_short(text):
        reader = _Reader(say, possible)
        found = reader.read(text).text
        if not reader.exhausted:
            return found
    reader = _Reader(say, possible)
    return "; ".join(reader.read(piece).text if _is_short(piece) else piece for piece in text.split("; "))


def _is_short(piece: str) -> bool:
    return sum(piece.count(separator) for separator in SEPARATORS) <= MOST_PARTS


@dataclass(frozen=True, slots=True)
class _Reader:
    """Of one sentence: `possible` are the texts whose words it holds, `seen` what its parts were read as.

    What would be beyond MOST_READINGS or DEEPEST stays as it is: what a device sent costs a bounded time.
    """

    say: Language
    possible: tuple[Template, ...]
    seen: dict[str, Reading] = field(default_factory=dict)
    within: list[str] = field(default_factory=list)
    """The sentence, its part that is read, the part of that, and so on."""

    @property
    def exhausted(self) -> bool:
        return len(self.seen) >= MOST_READINGS

    def read(self, text: str) -> Reading:
        """The best reading; on a tie the first, which is the one with fewer parts."""
        if text in self.seen:
            return self.seen[text]
        plain = self._plain(text)
        if self.exhausted or len(self.within) >= DEEPEST:
            return plain
        self.within.append(text)
        every = (plain, *self._texts(text), *self._parts(text))
        self.within.pop()
        self.seen[text] = max(every, key=lambda reading: reading.known)
        return self.seen[text]

    def _plain(self, text: str) -> Reading:
        if text in CODES:
            return Reading(code_said(self.say, text), len(text), True)
        if span := SPAN.fullmatch(text):
            return Reading(self.say.gettext(f"%(n)s {span[2]}", n=span[1]), 1, True)
        return Reading(text, 0, " " not in text or FIGURES.fullmatch(text) is not None)

    def _texts(self, text: str) -> Iterator[Reading]:
        for template in self.possible:
            if (values := template.values(text)) is not None:
                read = [self.read(value) for value in values]
                whole = all(each.whole for each in read)
                if whole or template.letters >= SURE_LETTERS:
                    yield Reading(template.filled(text, read), template.letters + sum(r.known for r in read), whole)

    def _parts(self, text: str) -> Iterator[Reading]:
        """Sentences that were put together: at each comma, colon or full stop, and before brackets at the end."""
        if text.endswith("."):
            yield self._joined(text[:-1], ".")
        if text.endswith(")") and (at := text.rfind(" (")) > 0:
            yield self._joined(text[:at], " (", text[at + 2 : -1], ")")
        for separator in SEPARATORS:
            at = text.find(separator)
            while at > 0:
                yield self._joined(text[:at], separator, text[at + len(separator) :])
                at = text.find(separator, at + 1)

    def _joined(self, first: str, joint: str, second: str = "", end: str = "") -> Reading:
        one, two = self.read(first), self.read(second)
        return Reading(one.text + joint + two.text + end, one.known + two.known, one.whole and two.whole)


def _begins(text: str, literal: str) -> bool:
    """Whether it begins so; a sentence within another one has lost its capital."""
    return text.startswith(literal) or (text[:1] == literal[:1].lower() and text[1 : len(literal)] == literal[1:])


@functools.lru_cache
def _templates(code: str) -> tuple[Template, ...]:
    """Those with the most letters first: a sentence is rather one text than two that are put together."""
    made = (_template(source, said) for source, said in language(code).sentences.items())
    return tuple(sorted(made, key=lambda template: -template.letters))


def _template(source: str, said: str) -> Template:
    literals = tuple(PLACE.split(source)[::2])
    return Template(literals, said, sum(character.isalpha() for literal in literals for character in literal))
