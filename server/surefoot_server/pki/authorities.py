"""A certificate authority that is being replaced by another: both are trusted until no device needs the old one.

Promises: from the rotation on, devices get certificates of the new authority and, with them, both authorities to trust;
listeners go on with certificates of the old one, which is the one that a device knows that has not renewed yet. The
rotation is finished by a second order, and not before every certificate of the old authority has ended by itself.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from surefoot_server.pki.ca import BACKDATE, DEVICE_LIFE, CertificateAuthority, create_ca, load_ca
from surefoot_server.pki.files import CA_CERT, CA_KEY, write_private
from surefoot_shared.errors import Conflict
from surefoot_shared.trust.durable import sync_folder

MADE = "made"
LEAVING = "leaving"
"""Folder beside the authority's files in which the one before lies."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """`leaving` is the one before, while a rotation is going on."""

    issuing: CertificateAuthority
    leaving: CertificateAuthority | None = None

    @property
    def all(self) -> tuple[CertificateAuthority, ...]:
        return (self.issuing, self.leaving) if self.leaving else (self.issuing,)

    @property
    def serving(self) -> CertificateAuthority:
        """Whose certificates the listeners show."""
        return self.leaving or self.issuing

    @property
    def trusted(self) -> bytes:
        """PEM of every authority that counts."""
        return b"".join(each.pem for each in self.all)


def load_authorities(directory: Path) -> Authorities:
    """Read what is in force; raises ConfigError as `load_ca` does."""
    issuing, leaving = load_ca(directory), directory / LEAVING
    before = load_ca(leaving) if (leaving / CA_KEY).exists() else None
    return Authorities(issuing, before if before and before.pem != issuing.pem else None)  # equal: a cut in rotate_ca


def rotate_ca(directory: Path, now: dt.datetime) -> dt.datetime:
    """Make a new authority beside the old one; returns when the rotation can be finished. Raises Conflict."""
    _go_on(directory)
    held = load_authorities(directory)
    if held.leaving is not None:
        raise Conflict("conflict", "An authority is being replaced already.", "Finish that rotation first.")
    made = directory / MADE
    for name in (CA_KEY, CA_CERT):  # of a rotation that was cut off
        (made / name).unlink(missing_ok=True)
    create_ca(made, held.issuing.fleet, now)
    for name in (CA_CERT, CA_KEY):  # the key last: with it the old one counts as leaving
        write_private(directory / LEAVING / name, (directory / name).read_bytes())
    for name in (CA_KEY, CA_CERT):
        (made / name).replace(directory / name)
    made.rmdir()
    sync_folder(directory)
    return finished_from(load_authorities(directory))


def _go_on(directory: Path) -> None:
    """A cut between the two renames left the new key with the old certificate."""
    certificate = directory / MADE / CA_CERT
    if certificate.exists() and not (directory / MADE / CA_KEY).exists():
        certificate.replace(directory / CA_CERT)


def finish_ca(directory: Path, now: dt.datetime) -> None:
    """Trust the old authority no more; raises Conflict where devices may still hold its certificates."""
    held = load_authorities(directory)
    if held.leaving is None:
        raise Conflict("conflict", "No authority is being replaced.")
    if now < (ends := finished_from(held)):
        message = f"Devices may hold certificates of the old authority until {ends:%Y-%m-%d}."
        raise Conflict("conflict", message, "Finish the rotation after that day.")
    for name in (CA_KEY, CA_CERT):
        (directory / LEAVING / name).unlink(missing_ok=True)
    (directory / LEAVING).rmdir()
    sync_folder(directory)


def finished_from(held: Authorities) -> dt.datetime:
    """When the last certificate of the old authority has ended."""
    return held.issuing.certificate.not_valid_before_utc + BACKDATE + DEVICE_LIFE
