"""Give the device a new key and certificate before the old certificate ends, and never be without one that works.

Promises: the new key is made here and its request is signed with the old one; the two files of the new pair are whole
on the medium before anything points at them; one rename of `device.json` switches from the old pair to the new; the old
pair stays until the broker has let the device in with the new one, and is taken again where it does not for TRY_S. A
kill or a power cut at any step leaves a pair that works, and the next start goes on from there.
Refuses to begin or to switch while an update is not committed: that is the runner's to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from surefoot_agent import https
from surefoot_agent.enrol import DEVICE_FACTS, Identity, certificate_request, check_certificate, load_identity
from surefoot_shared import identity as keys
from surefoot_shared import wire
from surefoot_shared.enrolment import Renewed, RenewRequest
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.identity import DeviceKey, SealKind, generate_key, key_from_pem, key_to_pem
from surefoot_shared.messages import Sealed
from surefoot_shared.trust.durable import sync_folder, write_durably

SHARE = 2 / 3
"""Of its life that a certificate serves before it is renewed: a third is left for a device that is often offline."""
POLL_S = 3600.0
"""Between two looks at the certificate; also after a refusal, for the server's operator must act first."""
TRY_S = 900.0
"""How long a new pair may fail to connect before the old one is taken again; both are valid, so it costs little."""
SOON_S = 60.0
"""Until the next look while an update is going on."""
RENEWED_AT = "renewed_at"
"""The fact of `device.json` that says when the pair in use was taken, by this device's clock."""
PAIRS = ("device", "device-2")
"""File names of the two pairs; `device.json` says which one counts."""

Ask = Callable[[str, Path, str, bytes], tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Whether a new pair lies ready to be adopted."""

    ready: bool


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The old pair is gone."""


def due(begins: datetime, ends: datetime, now: datetime, renewed_at: datetime | None = None) -> bool:
    """Whether a certificate has served its share. A clock that stands before its beginning is wrong, so: no.

    `renewed_at` is when this device got it, by its own clock: one that runs years ahead would find each new certificate
    old at once, and ask for another every hour.
    """
    share = (ends - begins) * SHARE
    lately = renewed_at is not None and timedelta() <= now - renewed_at < share
    return now >= begins + share and not lately


class Renewal:
    """The pair in use and the spare one. `prepare` and `confirm` run in a worker, the rest in the loop."""

    def __init__(self, state_dir: Path, utc: Callable[[], datetime], ask: Ask = https.ask) -> None:
        self._state_dir, self._folder, self._utc, self._ask = state_dir, state_dir / "identity", utc, ask
        self._identity = load_identity(state_dir)
        self._key = self._identity.key()
        self._use: Callable[[Identity], None] = lambda _: None

    @property
    def identity(self) -> Identity:
        return self._identity

    @property
    def pair(self) -> str:
        """The name of the pair in use."""
        return self._identity.cert_file.stem

    @property
    def on_trial(self) -> bool:
        """Whether the pair in use has yet to connect for the first time."""
        return bool(self._facts().get("before"))

    def on_change(self, use: Callable[[Identity], None]) -> None:
        """Say who must connect anew when the pair changes."""
        self._use = use

    def seal(self, kind: SealKind, payload: bytes) -> Sealed:
        """Sign with the key in use, whichever it is by then."""
        return keys.seal(kind, payload, self._key)

    def prepare(self) -> Prepared:
        """Where it is time, get a certificate for a new key. Raises ConfigError, Unreachable or Invalid."""
        if self.on_trial:
            return Prepared(False)
        self._drop_leftovers()
        certificate = _certificate(self._identity.cert_file)
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not due(begins, ends, self._utc(), _time(self._facts().get(RENEWED_AT))):
            return Prepared(False)
        key_file, cert_file = self._files(self._spare)
        key = _own_key(key_file)
        if not cert_file.exists():
            answer = self._renewed(key)
            pem, ca = answer.certificate.encode(), answer.ca.encode() or self._identity.ca_file.read_bytes()
            check_certificate(pem, self._identity.device, key, ca)
            if ca != self._identity.ca_file.read_bytes():
                write_durably(self._identity.ca_file, ca)
            write_durably(cert_file, pem)
        return Prepared(True)

    def adopt(self) -> None:
        """Switch to the new pair, on trial; the broker is asked to let us in with it."""
        if not all(path.exists() for path in self._files(self._spare)):
            return
        facts = {**self._facts(), RENEWED_AT: self._utc().isoformat()}
        self._point_at({**facts, "pair": self._spare, "before": self.pair})

    def confirm(self) -> Confirmed:
        """The broker let us in with the pair in use: the other one has done its duty."""
        facts = self._facts()
        facts.pop("before", None)
        self._write(facts)
        self._remove(self._spare)
        return Confirmed()

    def go_back(self) -> None:
        """The new pair did not connect: take the old one again, and ask for another certificate later."""
        facts = self._facts()
        before = str(facts.pop("before", ""))
        facts.pop(RENEWED_AT, None)
        if before:
            tried = self.pair
            self._point_at({**facts, "pair": before})
            self._files(tried)[1].unlink(missing_ok=True)

    @property
    def _spare(self) -> str:
        return PAIRS[1] if self.pair == PAIRS[0] else PAIRS[0]

    def _renewed(self, key: DeviceKey) -> Renewed:
        identity = self._identity
        asked = RenewRequest(identity.device, certificate_request(identity.device, key).decode())
        body = wire.encode(self.seal(SealKind.RENEW, wire.encode(asked)))
        status, raw = self._ask(identity.server_url, identity.ca_file, "/api/v1/renew", body)
        if status == 202:
            raise ConfigError("enrolment_pending", "The server waits for an operator to let this device come back.")
        return wire.decode(Renewed, raw, https.ANSWER_LIMIT_BYTES)

    def _point_at(self, facts: dict[str, object]) -> None:
        self._write(facts)
        self._identity = load_identity(self._state_dir)
        self._key = self._identity.key()
        self._use(self._identity)

    def _drop_leftovers(self) -> None:
        """A kill between the switch's confirmation and the removal leaves the old pair beside the newer one."""
        _, cert_file = self._files(self._spare)
        try:
            spare = _certificate(cert_file)
        except FileNotFoundError:
            return
        except ConfigError:
            cert_file.unlink()
            return
        key_file, _ = self._files(self._spare)
        newer = spare.not_valid_after_utc > _certificate(self._identity.cert_file).not_valid_after_utc
        if not newer or not _belong_together(key_file, spare, self._identity):
            self._remove(self._spare)

    def _remove(self, pair: str) -> None:
        key_file, cert_file = self._files(pair)
        key_file.unlink(missing_ok=True)  # first: a key without its certificate would be taken for a fresh one
        cert_file.unlink(missing_ok=True)
        sync_folder(self._folder)

    def _files(self, pair: str) -> tuple[Path, Path]:
        return self._folder / f"{pair}.key", self._folder / f"{pair}.crt"

    def _facts(self) -> dict[str, object]:
        facts = json.loads((self._folder / DEVICE_FACTS).read_bytes())
        assert isinstance(facts, dict)  # load_identity refuses the rest
        return facts

    def _write(self, facts: dict[str, object]) -> None:
        write_durably(self._folder / DEVICE_FACTS, json.dumps(facts, indent=1, sort_keys=True).encode())


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


def _certificate(path: Path) -> x509.Certificate:
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
