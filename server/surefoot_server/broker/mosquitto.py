"""mosquitto's configuration, rendered, and where its files lie.

Promises: one TLS listener that demands a client certificate, no plaintext, no anonymous, no password; the certificate's
common name is user name and client id, so a client can be nobody else; packets and queues are bounded.
Started as root, mosquitto would either read no key (it drops to its own user first) or stay root; so its files are
given to the user `mosquitto` where that user can reach them, and only else does it stay root, which is logged.
"""

from __future__ import annotations

import logging
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from surefoot_server.broker.acl import ShutOut, render_mosquitto
from surefoot_server.pki.files import PkiFiles, write_private
from surefoot_shared.wire import LIMIT_BYTES

log = logging.getLogger(__name__)

PROTOCOL = 5
PACKET_LIMIT_BYTES = LIMIT_BYTES + 38_000
"""The largest payload plus topic and properties, about 300 kB; the default of 2.0 is 256 MB."""
USER = "mosquitto"
EXPECTED = ("Warning: ACL pattern ",)
"""It wonders at patterns without a name in them; ours are for what every device may read: halts and artifacts."""


@dataclass(frozen=True, slots=True)
class MosquittoFiles:
    """Everything mosquitto reads and writes, in one folder that can be given to its user."""

    folder: Path

    @property
    def conf(self) -> Path:
        return self.folder / "mosquitto.conf"

    @property
    def acl(self) -> Path:
        return self.folder / "acl"

    @property
    def crl(self) -> Path:
        return self.folder / "crl.pem"


def program() -> str | None:
    """The path of mosquitto; Debian puts it into sbin, which is not on every user's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def write_files(folder: Path, host: str, port: int, pki: PkiFiles, out: ShutOut) -> MosquittoFiles:
    """Write configuration, access list, revocation list and copies of the TLS files; return where they are."""
    files = MosquittoFiles(folder)
    user = choose_user(os.geteuid(), _exists(USER), _reachable(folder))
    for source, name in ((pki.ca, "ca.pem"), (pki.server_cert, "server.crt"), (pki.server_key, "server.key")):
        write_private(folder / name, source.read_bytes())
    write_private(files.acl, render_mosquitto(out.names).encode())
    if out.crl:
        write_private(files.crl, out.crl)
    write_private(files.conf, render(folder, host, port, user, crl=bool(out.crl)).encode())
    if user == USER:
        _give(folder, USER)
    elif user is not None:
        log.warning("broker_runs_as_root folder=%s hint=%s", folder, "its user cannot reach the data folder")
    return files


def write_shut_out(files: MosquittoFiles, out: ShutOut) -> None:
    """Render access and revocation list again; SIGHUP makes them count."""
    owner = files.folder.stat()
    for path, content in ((files.acl, render_mosquitto(out.names).encode()), (files.crl, out.crl)):
        if content:
            write_private(path, content)
            if os.geteuid() == 0:
                os.chown(path, owner.st_uid, owner.st_gid)


def choose_user(euid: int, user_exists: bool, reachable: bool) -> str | None:
    """Which `user` line the configuration needs: none when not root, else mosquitto's own, else root."""
    if euid != 0:
        return None
    return USER if user_exists and reachable else "root"


def render(folder: Path, host: str, port: int, user: str | None, *, crl: bool = False) -> str:
    """mosquitto.conf for 2.0; options of later versions only where 2.0 has them too."""
    lines = [
        "# Made from surefoot_server.broker.mosquitto; changes here are overwritten.",
        f"listener {port} {host}".rstrip(),
        f"cafile {folder}/ca.pem",
        f"certfile {folder}/server.crt",
        f"keyfile {folder}/server.key",
        *([f"crlfile {folder}/crl.pem"] if crl else []),
        "tls_version tlsv1.2",  # the lowest that is accepted
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",  # else a device could push another off by its client id
        "allow_anonymous false",
        f"acl_file {folder}/acl",
        f"max_packet_size {PACKET_LIMIT_BYTES}",
        "max_inflight_messages 20",
        # Counted in bytes: a limit of messages makes it drop for a slow reader what it acknowledged to the sender.
        "max_queued_messages 0",
        "max_queued_bytes 67108864",
        "max_keepalive 600",
        "persistent_client_expiration 30d",
        "set_tcp_nodelay true",  # else 40 ms are lost on every second small message
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 60",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "connection_messages false",
    ]
    return "\n".join(lines + ([f"user {user}"] if user else [])) + "\n"


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _reachable(folder: Path) -> bool:
    """Whether another user may pass through every folder above."""
    return all(parent.stat().st_mode & 0o001 for parent in folder.resolve().parents)


def _give(folder: Path, user: str) -> None:
    entry = pwd.getpwnam(user)
    for path in (folder, *folder.iterdir()):
        os.chown(path, entry.pw_uid, entry.pw_gid)
