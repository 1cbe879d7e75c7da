"""The languages that people may read: English, which the sources are written in, and the catalogues beside this file.

Promises: a catalogue is read once, from the `.po` file that translators edit, so nothing is compiled and nothing can be
stale; a language that is not here is answered with the nearest that is. Refuses markup: a translation is text.
"""

from __future__ import annotations

import functools
import gettext
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from babel import Locale
from babel.core import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from surefoot_server.languages.spoken import CONTEXT

FOLDER = Path(__file__).parent
SOURCE = "en"
NAMES = {"en": "English", "vi": "Tiếng Việt"}
"""Code → the language's name in itself, as a reader looks for it."""
KEYWORDS = {"gettext": None, "ngettext": (1, 2), "_": None, "N_": None}
"""Functions whose first arguments are texts for people, in Babel's notation."""


def N_(text: str) -> str:  # the name that every extractor of messages knows
    """Mark a text that is translated later, where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Language:
    """One language; `gettext` and `ngettext` fill in `%(name)s` as Jinja's do."""

    code: str
    texts: gettext.NullTranslations
    sentences: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)
    """What the server says of the fleet, in English with numbered places → the same in this language."""

    def gettext(self, message: str, **values: object) -> str:
        return self.texts.gettext(message) % values if values else self.texts.gettext(message)

    def ngettext(self, one: str, many: str, n: int, **values: object) -> str:
        return self.texts.ngettext(one, many, n) % {"num": self.number(n), **values}

    def number(self, value: float, digits: int | None = None) -> str:
        """1961 → `1,961` or `1.961`; with `digits`, exactly so many after the point."""
        pattern = None if digits is None else "#,##0." + "0" * digits if digits else "#,##0"
        return format_decimal(value, format=pattern, locale=self.code)

    @property
    def name(self) -> str:
        return NAMES[self.code]


@functools.lru_cache
def language(code: str) -> Language:
    """Return a language by its code; raises KeyError where there is none."""
    if code not in NAMES:
        raise KeyError(code)
    if code == SOURCE:
        return Language(code, gettext.NullTranslations())
    compiled = io.BytesIO()
    with (FOLDER / f"{code}.po").open("rb") as file:
        read = read_po(file, locale=Locale.parse(code))
    write_mo(compiled, read)
    compiled.seek(0)
    sentences = {str(each.id): str(each.string) for each in read if each.context == CONTEXT and each.string}
    return Language(code, gettext.GNUTranslations(compiled), sentences)


def chosen(wish: str, accepted: str) -> Language:
    """The language a person set, else the first of their browser's `Accept-Language` that is here, else English."""
    if wish in NAMES:
        return language(wish)
    return language(negotiate_locale(_ranked(accepted), list(NAMES), sep="-") or SOURCE)


def _ranked(accepted: str) -> list[str]:
    """RFC 9110 §12.5.4: the ranges with their weights, the heaviest first; what cannot be read counts for nothing."""
    ranges = []
    for place, part in enumerate(accepted[:1000].split(",")):
        tag, _, weight = part.strip().partition(";q=")
        try:
            ranges.append((-float(weight or 1), place, tag))
        except ValueError:
            continue
    return [tag for weight, _, tag in sorted(ranges) if weight < 0]
