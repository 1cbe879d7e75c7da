"""Make a lease: where a device may fetch what it is wanted to run, how fast, how soon, and which packs save it bytes.

Promises: what is lent of a shared rate is written down in the same transaction; the token names the device and ends
with the lease; nothing in a lease has to be right for the device to be safe. Refuses to decide who gets one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlmodel import Session

from surefoot_server.devices import lent, repository
from surefoot_server.devices.leave import Offered, Rates, Ways, leave
from surefoot_server.devices.models import Assignment
from surefoot_server.devices.terms import download_left_s
from surefoot_server.releases.leases import LeaseTokens
from surefoot_shared.messages import Lease, Source
from surefoot_shared.status import AttemptState

NEEDS_LEASE = frozenset(lent.FETCHING)
IN_FLEET = "surefoot_in_fleet"
Offers = Callable[[Session, Sequence[str], str], Offered]
"""(session, digests that the device holds, wanted digest) → packs."""


def to_fetch(wanted: Sequence[Assignment], now: datetime) -> Assignment | None:
    """The order of which something is still to be fetched, and may be now."""
    return next((r for r in wanted if r.open and r.state in NEEDS_LEASE and download_left_s(r, now) > 0), None)


class Lending:
    """`blobs_url` ends with a slash."""

    def __init__(
        self,
        leases: LeaseTokens,
        blobs_url: str,
        rates: Rates = Rates(),  # noqa: B008 -- frozen
        offers: Offers = lambda _session, _held, _to: Offered(),
        ways: Ways = Ways(),  # noqa: B008 -- frozen
    ) -> None:
        self._leases, self._blobs_url, self._rates, self._offers, self._ways = leases, blobs_url, rates, offers, ways

    def shares(self, row: Assignment) -> bool:
        """Whether a lease for this takes a part of a rate that others share, which is written down."""
        return bool(self._rates.site_bytes_per_s or self._rates.fleet_bytes_per_s or row.pool_bytes_per_s)

    def lend(self, session: Session, row: Assignment, left_s: float, now: datetime) -> Lease | None:
        """A lease for an assignment that has `left_s` seconds left to download in; None where others have it all."""
        device, begun = repository.device(session, row.device_id), row.state == AttemptState.DOWNLOADING
        site, shared = device.attributes.get(lent.SITE, ""), self.shares(row)
        alone = self._rates.site_bytes_per_s if not site else 0  # without a site it shares with nobody
        own = min(filter(None, (row.rate_bytes_per_s, alone)), default=None)
        given = leave(
            self._rates,
            min(self._leases.valid_s, left_s),
            row.id,
            own,
            shares=lent.shared(session, self._rates, row, site, now) if shared else (),
            in_fleet=_in_fleet(session),
            begun=begun,
        )
        if given is None:
            return None
        if shared:
            lent.note(session, row, given, now)
        offered = self._offers(session, repository.held(session, row.device_id, row.component), row.digest)
        return Lease(
            row.id,
            self._sources(self._leases.mint(row.device_id, now)),
            given.valid_s,
            given.rate_bytes_per_s,
            wait_s=given.wait_s,
            encodings=self._ways.encodings,
            packs=offered.packs,
            manifest_packs=offered.manifest_packs,
            mint_url=self._ways.mint_url,
            chunk_bytes=self._ways.chunk_bytes,
        )

    def _sources(self, token: str) -> tuple[Source, ...]:
        """The fast way without TLS first, where there is one: artifacts are authentic, not secret."""
        plain = (Source(f"{self._ways.plain_url}{token}/", ""),) if self._ways.plain_url else ()
        return (*plain, Source(self._blobs_url, token))


def _in_fleet(session: Session) -> int:
    """How many fetch at this moment, counted once in a transaction."""
    if IN_FLEET not in session.info:
        session.info[IN_FLEET] = repository.at_work(session, NEEDS_LEASE)
    return int(session.info[IN_FLEET])
