"""Who is kept out of the broker, as the database says it: revoked devices by name, certificates by revocation list.

Promises: what is returned is complete, so a broker that takes it needs nothing of before; the list is good for weeks.
A device that only changed its key is not named: its old certificate alone is listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from surefoot_server.broker.acl import ShutOut
from surefoot_server.db import Database
from surefoot_server.devices import repository
from surefoot_server.pki.ca import CertificateAuthority
from surefoot_server.pki.crl import Revoked, make_crl


def shut_out(database: Database, authorities: Sequence[CertificateAuthority], now: datetime) -> ShutOut:
    with database.read() as session:
        names = frozenset(repository.revoked_ids(session))
        listed = repository.revoked_certificates(session, now)
    revoked = [Revoked(int(row.serial, 16), row.revoked_at) for row in listed]
    return ShutOut(names, make_crl(authorities, revoked, now), frozenset(row.serial for row in listed))
