"""Every query about packs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, delete, select

from surefoot_server.devices.models import Assignment, DeviceComponent
from surefoot_server.packs.models import PackPair, PackRow
from surefoot_server.packs.planning import Kept, Pair
from surefoot_server.releases.models import Release
from surefoot_shared.messages import Pack
from surefoot_shared.pack import WHOLE, Encoding


def running(session: Session) -> dict[tuple[str, str], int]:
    """(component, digest) → how many devices say that they run it."""
    query = select(DeviceComponent.component, DeviceComponent.digest, func.count()).group_by(
        DeviceComponent.component, col(DeviceComponent.digest)
    )
    return {(component, digest): count for component, digest, count in session.exec(query) if digest}


def aims(session: Session) -> set[tuple[str, str]]:
    """(component, digest) of what open assignments want, and of the newest release of each component."""
    wanted = select(Assignment.component, Assignment.digest).where(col(Assignment.open).is_(True)).distinct()
    newest = select(Release.component, func.max(Release.counter)).group_by(Release.component)
    found = set(session.exec(wanted))
    for component, counter in session.exec(newest):
        query = select(Release.digest).where(Release.component == component, Release.counter == counter)
        found.update((component, digest) for digest in session.exec(query))
    return found


def known(session: Session, digests: Iterable[str]) -> set[str]:
    """Which of these are published releases."""
    return set(session.exec(select(Release.digest).where(col(Release.digest).in_(set(digests)))))


def done(session: Session) -> set[Pair]:
    return {Pair(a, b) for a, b in session.exec(select(PackPair.from_digest, PackPair.to_digest))}


def kept(session: Session) -> list[Kept]:
    query = select(PackPair.from_digest, PackPair.to_digest, func.coalesce(func.sum(PackRow.size_bytes), 0))
    same = (col(PackRow.from_digest) == PackPair.from_digest) & (col(PackRow.to_digest) == PackPair.to_digest)
    query = query.join(PackRow, same, isouter=True).group_by(PackPair.from_digest, PackPair.to_digest)
    return [Kept(Pair(a, b), int(size)) for a, b, size in session.exec(query)]


def offers(session: Session, held: Collection[str], to_digest: str, of_manifest: bool = False) -> list[Pack]:
    """The packs that lead to a release from what a device holds, or from nothing; the pair with fewest bytes first.

    `of_manifest`: those that make its manifest instead.
    """
    query = (
        select(PackRow)
        .where(PackRow.to_digest == to_digest, col(PackRow.from_digest).in_({*held, WHOLE}))
        .where(col(PackRow.of_manifest).is_(of_manifest))
        .order_by(col(PackRow.from_digest), PackRow.part)
    )
    pairs: dict[str, list[Pack]] = {}
    for row in session.exec(query):
        pairs.setdefault(row.from_digest, []).append(_pack(row))
    cheapest = sorted(pairs.values(), key=lambda packs: sum(pack.size_bytes for pack in packs))
    return [pack for packs in cheapest for pack in packs]


def of_release(session: Session, to_digest: str) -> list[tuple[PackPair, int]]:
    """Each pair that leads to a release, with the bytes of its packs."""
    sizes = {one.pair: one.size_bytes for one in kept(session)}
    query = select(PackPair).where(PackPair.to_digest == to_digest).order_by(PackPair.from_digest)
    return [(row, sizes.get(Pair(row.from_digest, row.to_digest), 0)) for row in session.exec(query)]


def names(session: Session, component: str) -> dict[str, str]:
    """Digest → id of the releases of a component."""
    query = select(Release.digest, Release.id).where(Release.component == component)
    return {digest: name for digest, name in session.exec(query)}  # noqa: C416 -- dict() asks a result for keys


def store(session: Session, pair: PackPair, packs: Iterable[Pack]) -> None:
    """Put the rows of a pair in place of those that were there; the first pack is that of the manifest."""
    forget(session, Pair(pair.from_digest, pair.to_digest))
    session.add(pair)
    for part, pack in enumerate(packs):
        session.add(
            PackRow(
                sha256=pack.sha256,
                from_digest=pack.from_digest,
                to_digest=pack.to_digest,
                part=part,
                of_manifest=part == 0,
                size_bytes=pack.size_bytes,
                encoding=pack.encoding.value,
                decoded_bytes=pack.decoded_bytes,
            )
        )


def forget(session: Session, pair: Pair) -> list[str]:
    """Remove a pair's rows; return the names of its blobs, which are of no use any more."""
    mine = (col(PackRow.from_digest) == pair.from_digest, col(PackRow.to_digest) == pair.to_digest)
    names = list(session.exec(select(PackRow.sha256).where(*mine)))
    session.exec(delete(PackRow).where(*mine))
    row = session.get(PackPair, (pair.from_digest, pair.to_digest))
    if row is not None:
        session.delete(row)
    session.flush()
    return names


def failed_before(session: Session, at: datetime) -> list[Pair]:
    """Pairs that failed so long ago that trying again is worth it."""
    query = select(PackPair).where(PackPair.state == "failed", PackPair.made_at < at)
    return [Pair(row.from_digest, row.to_digest) for row in session.exec(query)]


def _pack(row: PackRow) -> Pack:
    return Pack(row.from_digest, row.to_digest, row.sha256, row.size_bytes, Encoding(row.encoding), row.decoded_bytes)
