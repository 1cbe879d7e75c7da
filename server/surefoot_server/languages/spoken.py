"""What the server says of the fleet: every sentence in the sources of those who decide, judge and explain.

Promises: an f-string is one text with its places numbered, so that decisions stay plain sentences where they are made,
and a new one is in the catalogues by itself, untranslated, which fails a test. Refuses what nobody reads in the
console: errors that are raised (`console/refusals.py` says those), logs, and settings.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from surefoot_shared.errors import KINDS

CONTEXT = "sentence"
"""Of such a text in a catalogue, so that it may read otherwise than a label of the same words."""
SPEAKERS = (
    "access/guard.py",
    "access/reach.py",
    "audit/checkpoints.py",
    "channels/requirements.py",
    "devices/reports.py",
    "devices/sets.py",
    "devices/why.py",
    "drills/course.py",
    "drills/service.py",
    "findings/builders.py",
    "findings/matching.py",
    "findings/provenance.py",
    "findings/service.py",
    "keys/expiry.py",
    "packs/service.py",
    "rollouts/acts.py",
    "rollouts/apply.py",
    "rollouts/approvals.py",
    "rollouts/bars.py",
    "rollouts/companions.py",
    "rollouts/contradictions.py",
    "rollouts/creation.py",
    "rollouts/engine.py",
    "rollouts/going_back.py",
    "rollouts/judge/measured.py",
    "rollouts/judge/rates.py",
    "rollouts/judge/verdict.py",
    "rollouts/limits.py",
    "rollouts/listing.py",
    "rollouts/outages.py",
    "rollouts/planner.py",
    "rollouts/recreate.py",
    "rollouts/retries.py",
    "rollouts/service.py",
    "rollouts/shadowing.py",
    "rollouts/strays.py",
    "rollouts/switching.py",
    "rollouts/taken.py",
    "rollouts/taking_back.py",
    "rollouts/triggers.py",
    "rollouts/unsigned.py",
    "rollouts/waiting.py",
    "rollouts/way_back.py",
    "rollouts/why.py",
)
"""Modules whose reasons reach the console and notifications."""
SILENT_CALLS = frozenset(
    {"Permission", "text", "debug", "info", "warning", "error", "exception", "wrong", "Field", "Query"}
)
"""Calls whose texts are for logs, databases or the reference of the API."""
LEAST_LETTERS = 2
"""Of a text besides its places: less is a unit or a punctuation."""


PLACE = re.compile(r"%\(\d+\)s")


def sentences(root: Path) -> Iterator[str]:
    """Those of every speaker, and what the registry of errors advises to do."""
    for name in SPEAKERS:
        yield from of_source((root / name).read_text(encoding="utf-8"))
    yield from (bare(kind.hint) for kind in KINDS.values())


def of_source(source: str) -> Iterator[str]:
    """The sentences of one module, places as `%(1)s`, `%(2)s`, … in their order."""
    tree = ast.parse(source)
    unread = _unread(tree)
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.JoinedStr):
            found = _numbered(_pieces(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = _numbered(node.value.split("{}"))
        else:
            continue
        if _is_sentence(text := bare(found)):
            yield text


def bare(text: str) -> str:
    """A part of a sentence without what joins it to the others: commas, full stops, brackets around all of it."""
    text = text.strip().lstrip(";,: ").rstrip(".,:; ")
    alone = text.startswith("(") and text.endswith(")") and PLACE.sub("", text).count("(") == 1
    return text[1:-1] if alone else text


def _is_sentence(text: str) -> bool:
    letters = re.sub("[^a-z]", "", PLACE.sub("", text))
    return len(letters) >= LEAST_LETTERS and " " in text


def _pieces(node: ast.JoinedStr) -> list[str]:
    """What stands around its places: always one more than there are places."""
    pieces = [""]
    for part in node.values:
        if isinstance(part, ast.Constant):
            pieces[-1] += str(part.value)
        else:
            pieces.append("")
    return pieces


def _numbered(pieces: list[str]) -> str:
    return pieces[0] + "".join(f"%({place})s{piece}" for place, piece in enumerate(pieces[1:], 1))


def _unread(tree: ast.AST) -> set[int]:
    """Nodes that are no text for people: docstrings, what is raised or logged, and the inside of format strings."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
        elif isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _name(node.func) in SILENT_CALLS):
            found |= {id(inner) for inner in ast.walk(node)}
        elif isinstance(node, ast.JoinedStr):
            found |= {id(part) for part in node.values}
        elif isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            found |= {id(inner) for inner in ast.walk(node.format_spec)}
    return found


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))
