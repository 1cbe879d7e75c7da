"""Bring the catalogues in line with the sources:  python -m surefoot_server.languages.gather

Promises: a text that the sources no longer hold leaves the catalogues, a new one enters untranslated, translations
stay; the files are sorted by text, so that two people's additions rarely meet. Refuses to guess a translation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from surefoot_server.languages import spoken
from surefoot_server.languages.catalogue import FOLDER, KEYWORDS, NAMES, SOURCE

ROOT = FOLDER.parent
SOURCES = ("console", "notify")
"""Folders with texts for people; command line and API speak English, as logs do. `spoken` adds the server's reasons."""
METHODS = [
    ("**.py", "python"),
    ("**/templates/**.html", "jinja2.ext:babel_extract"),
    ("**/templates/**.txt", "jinja2.ext:babel_extract"),
]
OPTIONS = {pattern: {"trimmed": "true", "silent": "false"} for pattern, method in METHODS if method != "python"}
PLACE = re.compile(r"%\((\w+)\)s")


def messages() -> Iterator[str | tuple[str, ...]]:
    """Every text of the sources; those with a plural as (one, many)."""
    for name in SOURCES:
        if (ROOT / name).is_dir():
            found = extract_from_dir(ROOT / name, METHODS, OPTIONS, keywords=KEYWORDS, strip_comment_tags=True)
            for _file, _line, message, _comments, _context in found:
                yield message


def gathered(path: Path) -> Catalog:
    """The catalogue of a file with exactly the texts of the sources."""
    with path.open("rb") as file:
        old = read_po(file, locale=path.stem)
    made = Catalog(locale=path.stem, project="Surefoot", charset="utf-8", fuzzy=False)
    for message in messages():
        _add(made, old, message, None)
    for sentence in spoken.sentences(ROOT):
        _add(made, old, sentence, spoken.CONTEXT)
    return made


def _add(made: Catalog, old: Catalog, message: str | tuple[str, ...], context: str | None) -> None:
    """With its translation, where there is one."""
    known = old.get(message[0] if isinstance(message, tuple) else message, context)
    string, flags = (None, ()) if known is None else (known.string, known.flags)
    made.add(message, string, flags=flags, context=context)


def problems(catalogue: Catalog) -> list[str]:
    """One sentence for each text that is not fit to be read: untranslated, fuzzy, or with places its source lacks."""
    found = []
    for message in catalogue:
        if not message.id:
            continue
        sources = _parts(message.id)
        texts = _parts(message.string)
        if message.fuzzy:
            found.append(f"fuzzy: {sources[0]!r}")
        if not all(texts):
            found.append(f"untranslated: {sources[0]!r}")
        wanted = set(PLACE.findall(sources[-1]))
        if any(text and set(PLACE.findall(text)) != wanted for text in texts):
            found.append(f"other places than its source: {sources[0]!r}")
    return found


def _parts(text: str | Sequence[str] | None) -> list[str]:
    """The forms of a text: one, or as many as its plural has."""
    return list(text) if isinstance(text, (list, tuple)) else [str(text or "")]


def write(path: Path) -> Catalog:
    made = gathered(path)
    with path.open("wb") as file:
        write_po(file, made, sort_output=True, omit_header=True, no_location=True, width=0)
    return made


def main() -> None:
    for code in NAMES:
        if code != SOURCE:
            for problem in problems(write(FOLDER / f"{code}.po")):
                print(f"{code}: {problem}")


if __name__ == "__main__":
    main()
