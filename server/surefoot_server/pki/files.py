"""Where the server's certificates lie, and how a secret reaches the disk: whole, durable, readable by its owner only.

Refuses to leave a half-written file: the new content appears under its name by rename, after fsync.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from surefoot_shared.trust.durable import write_durably

CA_KEY = "ca.key"
CA_CERT = "ca.pem"


@dataclass(frozen=True, slots=True)
class PkiFiles:
    """What the listeners and the gateway need: the CA that devices are checked against, and two key pairs."""

    ca: Path
    server_cert: Path
    server_key: Path
    service_cert: Path
    service_key: Path

    @classmethod
    def under(cls, directory: Path) -> PkiFiles:
        return cls(
            ca=directory / CA_CERT,
            server_cert=directory / "server.crt",
            server_key=directory / "server.key",
            service_cert=directory / "service.crt",
            service_key=directory / "service.key",
        )


def write_private(path: Path, content: bytes) -> None:
    """Put `content` at `path` with mode 0600, atomically; its folder is made with mode 0700 where it is missing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(path, content)
