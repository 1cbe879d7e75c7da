"""Turn frozen dataclasses into JSON bytes and back, strictly, at the border.

Promises: `decode` either returns a value whose every field has its declared type, or raises Invalid naming the field;
unknown fields are ignored, unknown versions refused (before anything else of the value is looked at), numbers are
finite and fit 64 bits, text is Unicode that every store takes, nothing larger than `limit_bytes` is parsed. A field
that came later (`LATER`) is left out while it holds its default, so that what was signed without it keeps its bytes.
Sources: DESIGN §4; RFC 8259.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from surefoot_shared.errors import Invalid

T = TypeVar("T")
INT_LIMIT = 1 << 63
"""What databases can hold; JSON itself knows no end."""
LIMIT_BYTES = 256 * 1024
"""Largest message the broker lets through; parsing more would be work for an attacker's benefit."""
LATER: Mapping[str, object] = {"later": True}
"""`field(default=…, metadata=LATER)`: a field added to a document of which signed copies exist."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def encode(value: object) -> bytes:
    """Serialise a dataclass as compact JSON with sorted keys; enums by value; None and empty fields are kept."""
    text = json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def to_json(value: object) -> Json:
    """Return the plain JSON value of a dataclass tree."""
    if isinstance(value, Enum):
        return typing.cast(Json, value.value)  # every enum in shared has string values
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value) if not _unsaid(f, value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} has no wire form")


def _unsaid(field: dataclasses.Field[object], value: object) -> bool:
    return "later" in field.metadata and getattr(value, field.name) == field.default


def parse(raw: bytes, limit_bytes: int = LIMIT_BYTES) -> dict[str, Json]:
    """Parse a JSON object; raises Invalid where it is too large, no JSON, or no object."""
    if len(raw) > limit_bytes:
        raise Invalid("malformed", f"The message has {len(raw)} bytes; {limit_bytes} are allowed.")
    try:
        # Decoded here: json.loads of bytes would guess UTF-16 and take a byte order mark. RFC 8259 §8.1.
        value = json.loads(raw.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid("malformed", f"The message is no JSON: {str(error)[:100]}.") from error
    if not isinstance(value, dict):
        raise Invalid("malformed", "The message is no JSON object.")
    return value


def decode(cls: type[T], raw: bytes, limit_bytes: int = LIMIT_BYTES) -> T:
    """Parse bytes into `cls`; raises Invalid. A class with a field `v` accepts that version only."""
    return from_json(cls, parse(raw, limit_bytes))


def from_json(cls: type[T], value: Json) -> T:
    """Build `cls` from a plain JSON value; raises Invalid naming the offending field."""
    return typing.cast(T, _build(cls, value, cls.__name__))  # _build returns what the annotation says


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


@functools.lru_cache(maxsize=256)
def _hints(cls: type) -> dict[str, object]:
    return typing.get_type_hints(cls)


def _build(kind: object, value: Json, where: str) -> object:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _build_union(kind, value, where)
    if origin in (tuple, list):
        return _build_sequence(kind, value, where)
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return _build_mapping(kind, value, where)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _build_enum(kind, value, where)
    return _build_scalar(kind, value, where)


def _build_dataclass(cls: type, value: Json, where: str) -> object:
    if not isinstance(value, dict):
        raise Invalid("malformed", f"{where} must be an object.")
    hints, given = _hints(cls), {}
    _check_version(cls, value, where)
    for field in dataclasses.fields(cls):
        if field.name in value:
            given[field.name] = _build(hints[field.name], value[field.name], f"{where}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise Invalid("malformed", f"{where}.{field.name} is missing.")
    try:
        return cls(**given)
    except ValueError as error:
        raise Invalid("malformed", f"{where}: {error}") from error


def _check_version(cls: type, value: dict[str, Json], where: str) -> None:
    reads = next((f.default for f in dataclasses.fields(cls) if f.name == "v"), None)
    said = value.get("v", reads)
    if said != reads or isinstance(said, bool):
        raise Invalid("malformed", f"{where} has version {str(said)[:40]!r}; this side reads {reads}.")


def _build_union(kind: object, value: Json, where: str) -> object:
    options = typing.get_args(kind)
    if value is None and type(None) in options:
        return None
    rest = [o for o in options if o is not type(None)]
    for option in rest[:-1]:
        try:
            return _build(option, value, where)
        except Invalid:
            continue
    return _build(rest[-1], value, where)


def _build_sequence(kind: object, value: Json, where: str) -> object:
    if not isinstance(value, list):
        raise Invalid("malformed", f"{where} must be a list.")
    args = typing.get_args(kind)
    if typing.get_origin(kind) is list:
        return [_build(args[0], v, f"{where}[{i}]") for i, v in enumerate(value)]
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_build(args[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if len(args) != len(value):
        raise Invalid("malformed", f"{where} must have {len(args)} entries.")
    return tuple(_build(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True)))


def _build_mapping(kind: object, value: Json, where: str) -> object:
    if not isinstance(value, dict):
        raise Invalid("malformed", f"{where} must be an object.")
    _, of = typing.get_args(kind)
    return {_text(k, where): _build(of, v, f"{where}.{k[:40]}") for k, v in value.items()}


def _build_enum(kind: type[Enum], value: Json, where: str) -> Enum:
    try:
        return kind(value)
    except ValueError as error:
        known = ", ".join(str(m.value) for m in kind)
        raise Invalid("malformed", f"{where} is {str(value)[:40]!r}; known are {known}.") from error


def _build_scalar(kind: object, value: Json, where: str) -> object:
    if isinstance(value, int) and not -INT_LIMIT <= value < INT_LIMIT:
        raise Invalid("malformed", f"{where} does not fit 64 bits.")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, str):
        return _text(value, where)
    if kind is bool or isinstance(value, bool):
        ok = kind is bool and isinstance(value, bool)
    else:
        ok = isinstance(kind, type) and isinstance(value, kind)
    if kind is object or (ok and not (isinstance(value, float) and not math.isfinite(value))):
        return value
    name = getattr(kind, "__name__", str(kind))
    raise Invalid("malformed", f"{where} must be {name}, not {type(value).__name__}.")


def _text(value: str, where: str) -> str:
    """Half of a surrogate pair passes through JSON escapes; nothing can encode it, and no database stores it."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Invalid("malformed", f"{where} is not Unicode text.") from error
    return value
