"""What an HTTP answer means for a download, and what the failures of all sources mean together. Pure.

401 and 403: the lease is over. 404: this source lacks the file. 429 and 503: come back later; that never burns an
attempt. Redirects are refused: the token would follow them. What differs from the signed size is corrupt before a byte.
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from surefoot_agent.ports import Piece
from surefoot_shared.errors import InstallFailed, SurefootError, Unreachable

RETRY_AFTER_MAX_S = 3600.0
"""A server that asks for more is asked again after an hour: the wish may have changed by then."""
SOURCE_FAULTS = frozenset({"artifact_corrupt", "artifact_missing"})
"""InstallFailed kinds that are the source's, so that the next source is asked; others are the device's own."""
GIVEN_UP = SOURCE_FAULTS | {"unreachable", "too_slow"}
"""Kinds for which another way is worth a try."""
WORTH_BYTES = 64 * 1024
"""An object that brought as much before it broke off is gone on with later; one that brought less is done without."""
_ORDER = ("lease_expired", "busy", "too_slow", "unreachable", "artifact_corrupt", "artifact_missing")
"""Which failure speaks for all: first those that pass by themselves; 'missing' only when every source says so."""


@dataclass(frozen=True)
class Span:
    """What an answer brings: `skip` bytes that were not asked for, then `wanted` ones, then perhaps more."""

    skip: int
    wanted: int
    more_follows: bool = False


def asked_range(piece: Piece, offset: int) -> str:
    """The header for the bytes from `offset` to the piece's end; empty for a whole blob, which any source can send."""
    if piece.end < piece.blob_bytes:
        return f"bytes={offset}-{piece.end - 1}"
    return f"bytes={offset}-" if offset else ""


def check_reply(status: int, headers: Mapping[str, str], piece: Piece, offset: int) -> Span:
    """Return what the body holds, where `offset` to the piece's end was asked for; raises where it cannot serve."""
    if status not in (200, 206):
        raise _refusal(status, headers)
    if headers.get("Content-Encoding", "identity") != "identity":
        raise InstallFailed("artifact_corrupt", "The source sends a content coding that was not asked for.")
    begins, ends = _range(headers.get("Content-Range", "")) if status == 206 else (0, piece.blob_bytes)
    if ends is None:
        ends = piece.end
    if begins is None or begins > offset or not piece.end <= ends <= piece.blob_bytes:
        raise Unreachable("unreachable", "The source answers with another range than was asked for.")
    stated = headers.get("Content-Length", "")
    if stated.isdigit() and int(stated) != ends - begins:
        message = f"The source has {int(stated) + begins} bytes where {ends} were signed."
        raise InstallFailed("artifact_corrupt", message)
    return Span(offset - begins, piece.end - offset, ends > piece.end)


def size_stated(status: int, headers: Mapping[str, str], limit_bytes: int) -> int:
    """How large the whole is, where only the source knows; raises where it does not say, or it is too much."""
    if status not in (200, 206):
        raise _refusal(status, headers)
    total = headers.get("Content-Range", "").rpartition("/")[2] if status == 206 else headers.get("Content-Length", "")
    if not total.isdigit():
        raise Unreachable("unreachable", "The source does not say how large the file is.")
    if int(total) > limit_bytes:
        raise InstallFailed("artifact_corrupt", f"The source has {total} bytes where {limit_bytes} are the most.")
    return int(total)


def whose_fault(error: SurefootError) -> bool:
    """True where the failure is the source's, so that the next one is asked; others are the device's own."""
    return isinstance(error, Unreachable) or error.kind in SOURCE_FAULTS


def gives_way(error: SurefootError, brought_bytes: int) -> bool:
    """Whether the next way is taken: not where the device failed, a server asks to wait, or much was brought."""
    goes_on_later = isinstance(error, Unreachable) and brought_bytes > WORTH_BYTES
    return error.kind in GIVEN_UP and not goes_on_later


def verdict(what: str, failures: Sequence[SurefootError]) -> SurefootError:
    """Return the error that the failures of all sources amount to."""
    if not failures:
        return Unreachable("lease_expired", f"The lease names no source for {what}.")
    known = [f for f in failures if f.kind in _ORDER]
    return min(known, key=lambda f: _ORDER.index(f.kind)) if known else failures[-1]


def _refusal(status: int, headers: Mapping[str, str]) -> SurefootError:
    if status in (401, 403):
        return Unreachable("lease_expired", f"The source refuses the lease ({status}).")
    if status in (404, 410):
        return InstallFailed("artifact_missing", f"The source does not have the file ({status}).")
    if status in (429, 503):
        wait_s = _retry_after_s(headers)
        return Unreachable("busy", f"The source asks to come back later ({status}).", retry_after_s=wait_s)
    if 300 <= status < 400:
        return Unreachable("unreachable", f"The source answers with a redirect ({status}), which is not followed.")
    return Unreachable("unreachable", f"The source answers {status}.")


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds, or a date measured by the server's own clock, as the device's may be wrong."""
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return min(float(text), RETRY_AFTER_MAX_S)
    try:
        then = email.utils.parsedate_to_datetime(text)
        now = email.utils.parsedate_to_datetime(headers.get("Date", ""))
        return min(max(0.0, (then - now).total_seconds()), RETRY_AFTER_MAX_S)
    except (TypeError, ValueError):
        return None


def _range(text: str) -> tuple[int | None, int | None]:
    """Where `bytes 5-9/10` begins and where it ends, 5 and 10; None for what it does not say."""
    unit, _, rest = text.partition(" ")
    first, _, last = rest.partition("/")[0].partition("-")
    known = unit == "bytes" and first.isdigit()
    return int(first) if known else None, int(last) + 1 if known and last.isdigit() else None
