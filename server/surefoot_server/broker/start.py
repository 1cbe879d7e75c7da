"""Start the broker that this machine can run, and say which.

Promises: mosquitto where it is installed, else the embedded broker with its limit said; both under the same access
table and the same certificates; the returned address is listening. Refuses a port that is taken.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from surefoot_server.broker import mosquitto
from surefoot_server.broker.acl import ShutOut
from surefoot_server.broker.child import Child, end_stale, free_port
from surefoot_server.pki.files import PkiFiles, write_private
from surefoot_shared.topics import check_device_id

log = logging.getLogger(__name__)

EMBEDDED_PROTOCOL = 4
EMBEDDED_NOTICE = "The embedded broker serves about 100 devices, for trying out; install mosquitto for a fleet."


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """`protocol` is 5, or 4 where clients must speak MQTT 3.1.1. `notice` is for the operator, empty if all is well."""

    name: str
    host: str
    port: int
    protocol: int
    notice: str
    child: Child
    _write: Callable[[ShutOut], None]

    def deny(self, device_ids: Collection[str]) -> None:
        """Mute exactly these devices from now on, live connections too; revoked certificates stay as they are."""
        self.shut_out(ShutOut(frozenset(device_ids)))

    def shut_out(self, out: ShutOut) -> None:
        """Keep exactly these out from now on. An empty revocation list leaves the one that is there."""
        for name in out.names:
            check_device_id(name)
        self._write(out)
        self.child.reload()

    def stop(self) -> None:
        self.child.stop()


def start_broker(
    data_dir: Path,
    host: str,
    port: int,
    pki: PkiFiles,
    *,
    out: ShutOut | None = None,
    prefer: str | None = None,
) -> RunningBroker:
    """Start on host:port (0: a free port). `prefer` is "mosquitto" or "embedded" where one is wanted."""
    folder = data_dir / "broker"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = mosquitto.program() if prefer in (None, "mosquitto") else None
    start = _start_mosquitto if path else _start_embedded
    running = start(path or sys.executable, folder, host, port, pki, out or ShutOut())
    log.info("broker_started name=%s host=%s port=%d protocol=%d", running.name, host, running.port, running.protocol)
    if running.notice:
        log.warning("broker_limited name=%s notice=%s", running.name, running.notice)
    return running


def _start_mosquitto(path: str, folder: Path, host: str, port: int, pki: PkiFiles, out: ShutOut) -> RunningBroker:
    conf = mosquitto.MosquittoFiles(folder).conf
    end_stale(conf.with_suffix(".pid"), conf)
    port = free_port(host, port)
    files = mosquitto.write_files(folder, host, port, pki, out)
    child = Child("mosquitto", [path, "-c", str(files.conf)], files.conf, (host, port), mosquitto.EXPECTED)
    child.start()

    def write(shut: ShutOut) -> None:
        mosquitto.write_shut_out(files, shut)

    return RunningBroker("mosquitto", host, port, mosquitto.PROTOCOL, "", child, write)


def _start_embedded(path: str, folder: Path, host: str, port: int, pki: PkiFiles, out: ShutOut) -> RunningBroker:
    conf = folder / "embedded.json"
    end_stale(conf.with_suffix(".pid"), conf)
    port = free_port(host, port)

    serials = out.serials

    def write(shut: ShutOut) -> None:
        nonlocal serials
        serials = shut.serials if shut.crl else serials
        facts = {
            "host": host,
            "port": port,
            "ca": str(pki.ca),
            "cert": str(pki.server_cert),
            "key": str(pki.server_key),
            "denied": sorted(shut.names),
            "revoked": sorted(serials),
        }
        write_private(conf, json.dumps(facts, indent=1).encode())

    write(out)
    child = Child("embedded", [path, "-m", "surefoot_server.broker.embedded", str(conf)], conf, (host, port))
    child.start()
    return RunningBroker("embedded", host, port, EMBEDDED_PROTOCOL, EMBEDDED_NOTICE, child, write)
