"""docs/messages.md: what goes over the wire, from the dataclasses of the messages and the notes under their fields."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType

import markdown

from surefoot_shared import messages, notes, topics

PAYLOADS = {
    "bundle": "the compressed trust bundle (zlib; proved by its metadata)",
    "ack": "`Ack`",
    "lease": "`Lease`",
    "request": "`Request`",
    "hello": "`Hello`, sealed",
    "events": "`Events`, each event sealed",
    "telemetry": "`TelemetryBatch`",
    "presence": "`PresenceMessage`, retained, also the last will",
    "response": "`Response`",
    "chunks": "`ChunkRequest`",
}


def page() -> str:
    ways = [(f"`{topics.PREFIX}/d/{{id}}/down/{what}`", "server", PAYLOADS[what]) for what in topics.DOWN]
    ways += [(f"`{topics.PREFIX}/d/{{id}}/up/{what}`", "device", PAYLOADS[what]) for what in topics.UP]
    ways += [
        (f"`{topics.FLEET_HALT}`", "server, retained", "the signed halt list"),
        (f"`{topics.FLEET_TRUST}`", "server, retained", "`TrustHint`"),
        (f"`{topics.PREFIX}/blobs/{{sha256}}/{{n}}`", "server", "chunk n of a blob, its bytes"),
    ]
    return markdown.page(
        "Messages",
        "shared/surefoot_shared/messages.py and notes.py",
        inspect.cleandoc(messages.__doc__ or ""),
        "A device reads "
        + ", ".join(f"`{t}`" for t in topics.READ)
        + " and writes "
        + ", ".join(f"`{t}`" for t in topics.WRITE)
        + "; `%u` is the common name of its certificate. The broker refuses everything else.",
        markdown.table(("topic", "from", "payload"), ways),
        *(text for module in (messages, notes) for text in _classes(module)),
        "## Words in the messages",
        markdown.table(
            ("enumeration", "values"),
            [(f"`{e.__name__}`", ", ".join(f"`{m.value}`" for m in e)) for e in _enums()],
        ),
    )


def _classes(module: ModuleType) -> Iterator[str]:
    said = _field_notes(Path(inspect.getfile(module)).read_text())
    for cls in vars(module).values():
        if not (dataclasses.is_dataclass(cls) and isinstance(cls, type) and cls.__module__ == module.__name__):
            continue
        written = cls.__doc__ or ""
        yield f"## {cls.__name__}" + (
            "" if written.startswith(f"{cls.__name__}(") else f"\n\n{inspect.cleandoc(written)}"
        )
        rows = [
            (f"`{f.name}`", f"`{f.type}`".replace("|", "\\|"), _default(f), said.get((cls.__name__, f.name), ""))
            for f in dataclasses.fields(cls)
        ]
        yield markdown.table(("field", "type", "default", "meaning"), rows)


def _enums() -> list[type[Enum]]:
    own = [v for v in vars(messages).values() if isinstance(v, type) and issubclass(v, Enum) and v is not Enum]
    return sorted(own, key=lambda e: e.__name__)


def _field_notes(source: str) -> dict[tuple[str, str], str]:
    """(class, field) → the string literal that stands under the field."""
    notes: dict[tuple[str, str], str] = {}
    for cls in (n for n in ast.parse(source).body if isinstance(n, ast.ClassDef)):
        for field, note in zip(cls.body, cls.body[1:], strict=False):
            is_note = isinstance(note, ast.Expr) and isinstance(note.value, ast.Constant)
            if is_note and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                notes[cls.name, field.target.id] = " ".join(str(note.value.value).split())
    return notes


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"`{field.default.value if isinstance(field.default, Enum) else field.default!r}`"
    return "required" if field.default_factory is dataclasses.MISSING else "empty"
