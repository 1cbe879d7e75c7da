"""Look whether the device's certificate is due, and get one for a new key: `python -I -m surefoot_agent.fresh_pair`.

Promises: the new key is made here and its request is signed with the old one; both files are whole on the medium before
the answer says so; a kill at any step leaves what the next look goes on from; one look at a time, even where the agent
that asked for one was killed and its successor asks for another. A process of its own, once an hour, because what makes
keys and reads certificates would stay in the agent's memory. Refuses to switch: that is `renew`'s.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from surefoot_agent import https
from surefoot_agent.enrol import certificate_request, check_certificate
from surefoot_agent.identity import DEVICE_FACTS, Identity, load_identity
from surefoot_agent.renew import RENEWED_AT, Looked, pair_files, remove_pair, spare_of
from surefoot_agent.trust_talk import failure_of
from surefoot_shared import wire
from surefoot_shared.enrolment import Renewed, RenewRequest
from surefoot_shared.errors import ConfigError, InstallFailed, Invalid, SurefootError
from surefoot_shared.identity import DeviceKey, generate_key, key_from_pem, key_to_pem, seal
from surefoot_shared.seals import SealKind
from surefoot_shared.trust.durable import write_durably

SHARE = 2 / 3
"""Of its life that a certificate serves before it is renewed: a third is left for a device that is often offline."""

Ask = Callable[[str, Path, str, bytes], tuple[int, bytes]]


def main(state_dir: Path) -> None:
    """Write one answer to stdout; an expected failure is an answer too."""
    try:
        answer = Looked(ready=look(state_dir, datetime.now(timezone.utc)))
    except SurefootError as error:
        answer = Looked(error=failure_of(error))
    except OSError as error:
        failed = InstallFailed("slot_write_failed", f"The next identity cannot be written: {error.strerror}.")
        answer = Looked(error=failure_of(failed))
    sys.stdout.buffer.write(wire.encode(answer))


def look(state_dir: Path, now: datetime, ask: Ask = https.ask) -> bool:
    """Where it is time, get a certificate for a new key; say whether a pair lies ready.

    Raises ConfigError, Unreachable or Invalid.
    """
    with _alone(state_dir / "identity") as alone:
        return alone and _looked(state_dir, now, ask)


def due(begins: datetime, ends: datetime, now: datetime, renewed_at: datetime | None = None) -> bool:
    """Whether a certificate has served its share. A clock that stands before its beginning is wrong, so: no.

    `renewed_at` is when this device got it, by its own clock: one that runs years ahead would find each new certificate
    old at once, and ask for another every hour.
    """
    share = (ends - begins) * SHARE
    lately = renewed_at is not None and timedelta() <= now - renewed_at < share
    return now >= begins + share and not lately


def _looked(state_dir: Path, now: datetime, ask: Ask) -> bool:
    identity, folder = load_identity(state_dir), state_dir / "identity"
    facts = json.loads((folder / DEVICE_FACTS).read_bytes())
    if facts.get("before"):
        return False  # the pair in use has yet to connect for the first time
    spare = spare_of(identity.cert_file.stem)
    _drop_leftovers(identity, folder, spare)
    certificate = certificate_of(identity.cert_file)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not due(begins, ends, now, _time(facts.get(RENEWED_AT))):
        return False
    key_file, cert_file = pair_files(folder, spare)
    key = _own_key(key_file)
    if not cert_file.exists():
        answer = _renewed(identity, key, ask)
        pem, ca = answer.certificate.encode(), answer.ca.encode() or identity.ca_file.read_bytes()
        check_certificate(pem, identity.device, key, ca)
        if ca != identity.ca_file.read_bytes():
            write_durably(identity.ca_file, ca)
        write_durably(cert_file, pem)
    return True


def _renewed(identity: Identity, key: DeviceKey, ask: Ask) -> Renewed:
    asked = RenewRequest(identity.device, certificate_request(identity.device, key).decode())
    body = wire.encode(seal(SealKind.RENEW, wire.encode(asked), identity.key()))
    status, raw = ask(identity.server_url, identity.ca_file, "/api/v1/renew", body)
    if status == 202:
        raise ConfigError("enrolment_pending", "The server waits for an operator to let this device come back.")
    return wire.decode(Renewed, raw, https.ANSWER_LIMIT_BYTES)


def _drop_leftovers(identity: Identity, folder: Path, spare: str) -> None:
    """A kill between the switch's confirmation and the removal leaves the old pair beside the newer one."""
    key_file, cert_file = pair_files(folder, spare)
    try:
        certificate = certificate_of(cert_file)
    except FileNotFoundError:
        return
    except ConfigError:
        cert_file.unlink()
        return
    newer = certificate.not_valid_after_utc > certificate_of(identity.cert_file).not_valid_after_utc
    if not newer or not _belong_together(key_file, certificate, identity):
        remove_pair(folder, spare)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold the folder itself; False where another look holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _own_key(path: Path) -> DeviceKey:
    """The key of an interrupted renewal is used again, so that the server knows it."""
    if path.exists():
        return key_from_pem(path.read_bytes())
    key = generate_key()
    write_durably(path, key_to_pem(key))
    return key


def certificate_of(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise ConfigError("config_unreadable", f"{path} is not a certificate.", "Enrol the device again.") from error


def _belong_together(key_file: Path, certificate: x509.Certificate, identity: Identity) -> bool:
    try:
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        check_certificate(pem, identity.device, key_from_pem(key_file.read_bytes()), identity.ca_file.read_bytes())
    except (OSError, Invalid, ConfigError):
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
