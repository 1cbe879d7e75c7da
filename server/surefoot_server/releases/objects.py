"""Object storage that devices fetch blobs from: what the store takes in is copied there, and addresses are minted.

Promises: a blob is offered from there only once it is there, and copied only while it is whole; objects of other names
than blobs have are nobody's here and are left alone; addresses end by themselves and name one blob each; what the
object storage says is never believed, as devices check every byte. The server's own folder stays the store: a
storage that is away, or lost, costs bandwidth and nothing else. Credentials come from the environment (`AWS_…`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from datetime import timedelta

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from surefoot_server.releases.blobs import NAME, BlobStore
from surefoot_shared.errors import NotFound, Unreachable

log = logging.getLogger(__name__)
ENDPOINTS = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
"""Variables that say where a storage other than Amazon's is; whoever writes http:// there means it."""


class ObjectStorage:
    """One bucket, `s3://bucket/prefix`, filled from the store by `copy`."""

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        """`options` go before the environment: `aws_endpoint`, `aws_region`, `aws_access_key_id` and so on."""
        endpoints = ((options or {}).get("aws_endpoint"), *map(os.environ.get, ENDPOINTS))
        plain = {"allow_http": True} if next(filter(None, endpoints), "").startswith("http://") else {}
        self._store = S3Store.from_url(url, config=dict(options or {}), client_options=plain)  # type: ignore[arg-type]
        self._there: set[str] = set()
        self._known = False
        """Whether that is all there is; unknown at the start, and after a failure."""

    def copy(self, blobs: BlobStore) -> int:
        """Copy what is not there, remove what the store has no more; return how many were copied.

        Raises Unreachable; what was done until then counts.
        """
        copied = 0
        try:
            there, wanted = self._list(), set(blobs.names())
            for name in sorted(there - wanted):
                self._there.discard(name)  # first: an address of it would lead nowhere
                obstore.delete(self._store, name)
            self._there = there & wanted
            for name in sorted(wanted - there):
                if blobs.is_whole(name):
                    obstore.put(self._store, name, blobs.existing(name))
                    self._there.add(name)
                    copied += 1
            self._known = True
        except (BaseError, OSError, NotFound) as error:
            self._known = False
            raise Unreachable("unreachable", f"The object storage cannot be used: {str(error)[:200]}.") from error
        return copied

    def addresses(self, names: Iterable[str], valid_s: float) -> dict[str, str]:
        """Name → address, for those that are there."""
        return {name: self._sign(name, valid_s) for name in names if name in self._there}

    def has(self, name: str) -> bool:
        try:
            obstore.head(self._store, name)
        except (NotFoundError, FileNotFoundError):
            return False
        return True

    def _sign(self, name: str, valid_s: float) -> str:
        return obstore.sign(self._store, "GET", name, timedelta(seconds=valid_s))

    def _list(self) -> set[str]:
        """What is there; asked once, as nobody else writes."""
        if self._known:
            return set(self._there)
        found = {entry["path"] for page in obstore.list(self._store) for entry in page}
        return {name for name in found if NAME.fullmatch(name)}
