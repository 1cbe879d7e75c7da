"""What a server stands on: keys, certificates, database and blobs of one data folder, opened or made at start.

Promises: what is wrong with a folder is said before anything listens. Reads the online keys only, never `offline/`.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from surefoot_server import db, partitions
from surefoot_server.access import service as access
from surefoot_server.access import users
from surefoot_server.audit.checkpoints import Checkpoints
from surefoot_server.audit.checkpoints import load_or_make_key as load_or_make_audit_key
from surefoot_server.broker.acl import ShutOut
from surefoot_server.config import Settings
from surefoot_server.db import Database
from surefoot_server.events.feed import Feed
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.notify.sealing import Sealing
from surefoot_server.pki.authorities import Authorities, load_authorities
from surefoot_server.pki.ca import prepare_pki
from surefoot_server.pki.files import PkiFiles
from surefoot_server.releases.blobs import BlobStore
from surefoot_server.releases.leases import LeaseTokens, load_or_make_key
from surefoot_server.releases.objects import ObjectStorage
from surefoot_server.shutout import shut_out
from surefoot_shared.tokens import TOKEN_VALID_S


@dataclass(frozen=True, slots=True)
class Ground:
    settings: Settings
    authorities: Authorities
    pki: PkiFiles
    online: OnlineRepository
    database: Database
    password: str
    """Of the user `admin`, at the first start alone."""
    feed: Feed
    blobs: BlobStore
    objects: ObjectStorage | None
    leases: LeaseTokens
    tokens: LeaseTokens
    checkpoints: Checkpoints
    sealing: Sealing

    def shut_out(self) -> ShutOut:
        """Whom the broker must not let in, as of now."""
        return shut_out(self.database, self.authorities.all, db.utc_now())


def lay_ground(settings: Settings, parts: ExitStack) -> Ground:
    """Open what is there and make what is missing. Raises ConfigError."""
    keys = install_keys(settings.keys_dir, settings.data_dir)
    authorities = load_authorities(keys.online_dir)
    database, password = _open_database(settings, parts)
    lease_key = load_or_make_key(settings.secrets_dir / "lease.key")
    return Ground(
        settings=settings,
        authorities=authorities,
        pki=prepare_pki(
            settings.data_dir / "pki", authorities.serving, [settings.public_host], trusted=authorities.trusted
        ),
        online=OnlineRepository(keys.repo_dir, keys.online_dir),
        database=database,
        password=password,
        feed=Feed(database, settings.events_keep),
        blobs=BlobStore(settings.data_dir / "blobs", settings.blob_limit_bytes),
        objects=ObjectStorage(settings.object_storage) if settings.object_storage else None,
        leases=LeaseTokens(lease_key, settings.lease_valid_s),
        tokens=LeaseTokens(lease_key, TOKEN_VALID_S, "device"),
        checkpoints=Checkpoints(database, load_or_make_audit_key(settings.secrets_dir / "audit.key")),
        sealing=Sealing(settings.secrets_dir / "notify.key"),
    )


def _open_database(settings: Settings, parts: ExitStack) -> tuple[Database, str]:
    settings.secrets_dir.mkdir(mode=0o700, exist_ok=True)
    database = Database(settings.database)
    parts.callback(database.dispose)
    database.upgrade()
    with database.write() as session:
        partitions.prepare(session, db.utc_now())
        access.ensure_first_token(session, settings.token_file, db.utc_now())
        password = users.ensure_first(session, db.utc_now())
    return database, password
