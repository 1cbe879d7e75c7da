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
from collections.abc import Callable, Mapping
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
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        told = ((name, getattr(value, name), later, default) for name, later, default in _told(type(value)))
        return {name: to_json(each) for name, each, later, default in told if not (later and each == default)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(v) for v in value]
    raise TypeError(f"{type(value).__name__} has no wire form")


@functools.lru_cache(maxsize=256)
def _told(cls: type) -> tuple[tuple[str, bool, object], ...]:
    """(name, whether it came later, default) of each field of a dataclass."""
    return tuple((field.name, "later" in field.metadata, field.default) for field in dataclasses.fields(cls))


Early = Callable[[dict[str, Json]], object]
"""Called with each object as it is read; what it returns stands in its place."""


def parse(raw: bytes, limit_bytes: int = LIMIT_BYTES, early: Early | None = None) -> dict[str, Json]:
    """Parse a JSON object; raises Invalid where it is too large, no JSON, or no object."""
    if len(raw) > limit_bytes:
        raise Invalid("malformed", f"The message has {len(raw)} bytes; {limit_bytes} are allowed.")
    try:
        # Decoded here: json.loads of bytes would guess UTF-16 and take a byte order mark. RFC 8259 §8.1.
        value = json.loads(raw.decode(), parse_constant=_no_constant, object_hook=early)
    except (ValueError, RecursionError) as error:
        raise Invalid("malformed", f"The message is no JSON: {str(error)[:100]}.") from error
    if not isinstance(value, dict):
        raise Invalid("malformed", "The message is no JSON object.")
    return value


def decode(cls: type[T], raw: bytes, limit_bytes: int = LIMIT_BYTES, early: Early | None = None) -> T:
    """Parse bytes into `cls`; raises Invalid. A class with a field `v` accepts that version only.

    `early` may build the values of a long list while it is read (`early_of`), so that it is not in memory twice.
    """
    return from_json(cls, parse(raw, limit_bytes, early))


def early_of(cls: type[T], share: Callable[[T], T]) -> Early:
    """Build each object that has all fields of `cls` and is right; `share` may put another, equal one in its place.

    What is not right stays as it is: who meets it later says where it stands.
    """
    kind: object = cls
    built, names = _built(kind), {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]

    def early(value: dict[str, Json]) -> object:
        if not names <= value.keys():
            return value
        try:
            return share(typing.cast(T, built(value, "")))  # which returns what the annotation says
        except Invalid:
            return value

    return early


def from_json(cls: type[T], value: Json) -> T:
    """Build `cls` from a plain JSON value; raises Invalid naming the offending field."""
    kind: object = cls
    return typing.cast(T, _built(kind)(value, cls.__name__))  # which returns what the annotation says


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


Build = Callable[[Json, str], object]
"""(value, where it stands) → what the annotation says. Raises Invalid."""


@functools.lru_cache(maxsize=1024)
def _built(kind: object) -> Build:
    """How values of a kind are built; looked up once, for looking at annotations took most of the time of a message."""
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _build_union(kind)
    if origin in (tuple, list):
        return _build_sequence(kind)
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return _build_mapping(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _build_dataclass(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return functools.partial(_build_enum, kind)
    return functools.partial(_build_scalar, kind)


def _build_dataclass(cls: type) -> Build:
    fields = dataclasses.fields(cls)
    reads = next((f.default for f in fields if f.name == "v"), None)
    needed = {f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING}

    @functools.cache
    def kinds() -> tuple[tuple[str, bool, Build], ...]:  # later: a dataclass may hold others of its own kind
        hints = typing.get_type_hints(cls)
        return tuple((f.name, f.name in needed, _built(hints[f.name])) for f in fields)

    def build(value: Json, where: str) -> object:
        if isinstance(value, cls):
            return value  # built early
        if not isinstance(value, dict):
            raise Invalid("malformed", f"{where} must be an object.")
        said = value.get("v", reads)
        if said != reads or isinstance(said, bool):
            raise Invalid("malformed", f"{where} has version {str(said)[:40]!r}; this side reads {reads}.")
        given = {}
        for name, is_needed, built in kinds():
            if name in value:
                given[name] = built(value[name], f"{where}.{name}")
            elif is_needed:
                raise Invalid("malformed", f"{where}.{name} is missing.")
        try:
            return cls(**given)
        except ValueError as error:
            raise Invalid("malformed", f"{where}: {error}") from error

    return build


def _build_union(kind: object) -> Build:
    options = typing.get_args(kind)
    *first, last = [_built(option) for option in options if option is not type(None)]
    is_optional = type(None) in options

    def build(value: Json, where: str) -> object:
        if value is None and is_optional:
            return None
        for option in first:
            try:
                return option(value, where)
            except Invalid:
                continue
        return last(value, where)

    return build


def _build_sequence(kind: object) -> Build:
    args = typing.get_args(kind)
    is_list, is_open = typing.get_origin(kind) is list, len(args) == 2 and args[1] is Ellipsis
    built = tuple(_built(each) for each in args if each is not Ellipsis)

    def build(value: Json, where: str) -> object:
        if not isinstance(value, list):
            raise Invalid("malformed", f"{where} must be a list.")
        if is_list or is_open:
            found = [built[0](v, f"{where}[{i}]") for i, v in enumerate(value)]
            return found if is_list else tuple(found)
        if len(built) != len(value):
            raise Invalid("malformed", f"{where} must have {len(built)} entries.")
        return tuple(b(v, f"{where}[{i}]") for i, (b, v) in enumerate(zip(built, value, strict=True)))

    return build


def _build_mapping(kind: object) -> Build:
    built = _built(typing.get_args(kind)[1])

    def build(value: Json, where: str) -> object:
        if not isinstance(value, dict):
            raise Invalid("malformed", f"{where} must be an object.")
        return {_text(k, where): built(v, f"{where}.{k[:40]}") for k, v in value.items()}

    return build


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
