"""A TUF repository of any make, bent by tests as they like, behind a real HTTP server on the loopback address.

Honest by default: `publish` makes new versions of the roles that it names and of all that must follow. Metadata is
served as it was signed; `served` can be changed afterwards, which is what an attacker does. Every request is noted.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

TOP = ("root", "timestamp", "snapshot", "targets")
YEAR = timedelta(days=365)


def now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


@dataclass
class Repository:
    """`served` is what the server gives: `metadata/1.root.json`, `targets/<hash>.name`."""

    consistent: bool = True
    signers: dict[str, list[Signer]] = field(default_factory=dict)
    delegated: dict[str, Targets] = field(default_factory=dict)
    served: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    url: str = ""
    unsigned: set[str] = field(default_factory=set)
    """Roles that are written with no signature at all."""

    def __post_init__(self) -> None:
        expires = now() + YEAR
        self.root = Root(expires=expires, consistent_snapshot=self.consistent)
        self.timestamp, self.snapshot, self.targets = Timestamp(expires=expires), Snapshot(expires=expires), Targets()
        self.targets.expires = expires
        for role in TOP:
            self.give_key(role)
        self.write("root", "targets", "snapshot", "timestamp")

    @property
    def first_root(self) -> bytes:
        return self.served["metadata/1.root.json"]

    def give_key(self, role: str, signer: Signer | None = None) -> Signer:
        """One more key for a top-level role."""
        made = signer or CryptoSigner.generate_ed25519()
        self.signers.setdefault(role, []).append(made)
        self.root.add_key(made.public_key, role)
        return made

    def take_keys(self, role: str) -> list[Signer]:
        """Drop every key of a top-level role; returns the signers."""
        for keyid in list(self.root.roles[role].keyids):
            self.root.revoke_key(keyid, role)
        return self.signers.pop(role, [])

    def delegate(self, parent: str, name: str, paths: Sequence[str], *, terminating: bool = False) -> None:
        """Let `parent` delegate to a role, which is made where it is new; publish afterwards."""
        signers = self.signers.setdefault(name, []) or self.signers[name]
        if not signers:
            signers.append(CryptoSigner.generate_ed25519())
        delegator = self.role(parent)
        if delegator.delegations is None:
            delegator.delegations = Delegations({}, roles={})
        roles = delegator.delegations.roles
        assert roles is not None
        roles[name] = DelegatedRole(name, [], 1, terminating, paths=list(paths))
        for signer in signers:
            delegator.add_key(signer.public_key, name)
        if name not in self.delegated:
            self.delegated[name] = Targets(expires=now() + YEAR)

    def role(self, name: str) -> Targets:
        return self.targets if name == "targets" else self.delegated[name]

    def add_target(self, path: str, content: bytes, role: str = "targets") -> None:
        digest = hashlib.sha256(content).hexdigest()
        self.role(role).targets[path] = TargetFile(len(content), {"sha256": digest}, path)
        folder, slash, name = path.rpartition("/")
        stored = f"{folder}{slash}{digest}.{name}" if self.root.consistent_snapshot else path
        self.served[f"targets/{stored}"] = content

    def publish(self, *roles: str) -> None:
        """New versions of these roles, and of snapshot and timestamp; a new root comes alone."""
        for name in roles:
            self.signed(name).version += 1
        if any(name not in TOP or name == "targets" for name in roles) and "snapshot" not in roles:
            self.snapshot.version += 1
        if set(roles) - {"root", "timestamp"} and "timestamp" not in roles:
            self.timestamp.version += 1
        self.write(*roles, "snapshot", "timestamp")

    def write(self, *roles: str) -> None:
        """Sign and serve these roles as they are now."""
        for name in ("targets", *self.delegated):
            self.snapshot.meta[f"{name}.json"] = MetaFile(self.role(name).version)
        self.timestamp.snapshot_meta = MetaFile(self.snapshot.version)
        for name in dict.fromkeys(roles):
            signed = self.signed(name)
            prefix = f"{signed.version}." if name == "root" or (self.consistent and name != "timestamp") else ""
            self.served[f"metadata/{prefix}{quote(name, '')}.json"] = self.sign(signed, name)

    def sign(self, signed: Signed, role: str) -> bytes:
        metadata = Metadata(signed)
        for signer in [] if role in self.unsigned else self.signers[role]:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def signed(self, name: str) -> Root | Timestamp | Snapshot | Targets:
        top = {"root": self.root, "timestamp": self.timestamp, "snapshot": self.snapshot}
        return top.get(name) or self.role(name)

    def requests(self, kind: str = "metadata") -> list[str]:
        """What was asked for since the last call, without its folder."""
        asked = [path.removeprefix(f"{kind}/") for path in self.asked if path.startswith(f"{kind}/")]
        self.asked.clear()
        return asked


@contextmanager
def serving(repository: Repository) -> Iterator[Repository]:
    """Serve it on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(self.path.lstrip("/")) if self.path.startswith("/targets/") else self.path.lstrip("/")
            repository.asked.append(path)
            body = repository.served.get(path)
            if path in repository.moved:
                self.send_response(302)
                self.send_header("Location", repository.moved[path])
            else:
                self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    repository.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield repository
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
