"""Passwords of people: argon2id by argon2-cffi with its own parameters (RFC 9106's second choice: 64 MiB, 3 passes).

Promises: a name that nobody has takes as long to refuse as a wrong password. Refuses to know rules about characters:
length is what counts (NIST SP 800-63B, 5.1.1.2).
"""

from __future__ import annotations

import functools
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from surefoot_shared.errors import Invalid

SHORTEST, LONGEST = 12, 256
_hasher = PasswordHasher()


def made() -> str:
    """A password for the first start: 120 random bits."""
    return secrets.token_urlsafe(15)


def check(name: str, password: str) -> None:
    """Raise Invalid where a new password is too easy; never says what it was."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid("malformed", f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}.")
    if password.lower() == name.lower() or len(set(password)) < 4:
        raise Invalid("malformed", "This password is too easy to guess.", "Take several words, or a generated one.")


def hash_of(password: str) -> str:
    return _hasher.hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Whether it is the password; with nothing stored the same work is done and the answer is no."""
    try:
        return _hasher.verify(stored or _nobodys(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def outdated(stored: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)


@functools.cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_urlsafe(32))
