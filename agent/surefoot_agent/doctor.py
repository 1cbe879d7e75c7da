"""Which credential or link fails, and why: one line each, from the identity on this disk to the server's artifacts.

Promises: every line is told, though one before failed, unless nothing can be said without it; words say which side
refuses, and the TLS library's reason; no secret is shown. Sends nothing but what a device says anyway: handshakes, one
message of its own presence, one signed request for a token, one HEAD. Where the agent runs, the broker is asked over
its connection, because a second one of the same identity would throw it out.
"""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from surefoot_agent import https, reach, readiness
from surefoot_agent.clock import SystemClock, stamp
from surefoot_agent.config import Settings
from surefoot_agent.downlink import Connected, Disconnected, LinkEvent
from surefoot_agent.enrol import check_certificate
from surefoot_agent.health.uplink import NOTHING
from surefoot_agent.identity import Identity, load_identity
from surefoot_agent.reach import Broken
from surefoot_agent.readiness import Finding
from surefoot_shared import wire
from surefoot_shared.errors import Invalid, SurefootError, Unreachable
from surefoot_shared.identity import public_to_pem, seal
from surefoot_shared.messages import PresenceMessage
from surefoot_shared.seals import SealKind
from surefoot_shared.status import Presence
from surefoot_shared.tokens import DeviceToken, TokenRequest
from surefoot_shared.trust.age import grown_old
from surefoot_shared.trust.clock import parse_time
from surefoot_shared.trust.floors import Floors, FloorStore

STEP_S = 8.0
"""Longer than a slow mobile link takes for one step; the whole examination is over within a minute."""
OF_THIS_NODE = ("state", "journal", "room")
"""What the readiness check answers that a doctor is asked too."""
STREAM = "doctor"
"""Token requests of the doctor are numbered by the clock, apart from the agent's own."""
RoundTrip = Callable[[float], float]


def examine(settings: Settings, round_trip: RoundTrip | None = None) -> tuple[Finding, ...]:
    """Look at everything; `round_trip` asks the broker over a connection that exists, None: make one."""
    floors = _floors(settings)
    own = [f for f in readiness.check(settings, _seconds(floors.time)) if f.name.rpartition(".")[2] in OF_THIS_NODE]
    try:
        identity = load_identity(settings.state_dir)
    except SurefootError as error:
        return (Finding("identity", False, error.message, error.hint), *_time(floors), *_trust(floors), *own)
    return (
        Finding("identity", True, f"This node is {identity.device}, {identity.hw}, of {identity.server_url}."),
        *_certificate(identity, floors),
        *_time(floors),
        *_trust(floors),
        *own,
        *_server(identity),
        *_broker(identity, round_trip),
    )


# --- what is on this disk -------------------------------------------------------------------------------------------


def _certificate(identity: Identity, floors: Floors) -> Iterator[Finding]:
    hint = "Enrol this node again: `surefoot-agent enrol` with a new token, after `surefoot device replace`."
    try:
        pem, key = identity.cert_file.read_bytes(), identity.key()
        certificate = x509.load_pem_x509_certificate(pem)
    except SurefootError as error:
        yield Finding("credentials", False, error.message, hint)
        return
    except OSError as error:
        words = f"Key or certificate cannot be read: {error.filename}: {error.strerror or error}."
        yield Finding("credentials", False, words, hint)
        return
    except ValueError:  # the library's words name a page about itself
        yield Finding("credentials", False, f"The certificate {identity.cert_file} is damaged.", hint)
        return
    public = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if public != public_to_pem(key.public_key()):
        yield Finding("credentials", False, "The certificate is for another key.", hint)
    else:
        yield Finding("credentials", True, "The certificate is for this node's key.")
    try:
        check_certificate(pem, identity.device, key, identity.ca_file.read_bytes())
        yield Finding("chain", True, "The certificate is signed by the fleet's CA in ca.pem, for this device's name.")
    except Invalid:
        words = "The fleet's CA in ca.pem did not sign this certificate, or it is for another name."
        yield Finding("chain", False, words, hint)
    except OSError as error:
        yield Finding("chain", False, f"The fleet's CA {identity.ca_file} cannot be read: {error.strerror}.", hint)
    yield _dates(certificate, floors)


def _dates(certificate: x509.Certificate, floors: Floors) -> Finding:
    """The later of clock and trusted floor is the time by which a certificate is judged."""
    floor = parse_time(floors.time)
    now = max(datetime.now(timezone.utc), floor or datetime.min.replace(tzinfo=timezone.utc))
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    span = f"{begins:%Y-%m-%d} to {ends:%Y-%m-%d}"
    if now > ends:
        return Finding("validity", False, f"The certificate ended: it was valid {span}.", "Enrol this node again.")
    if now < begins:
        return Finding("validity", False, f"The certificate is not valid yet: {span}.", "Set this node's clock.")
    return Finding("validity", True, f"The certificate is valid {span}, {(ends - now).days} days more.")


def _time(floors: Floors) -> Iterator[Finding]:
    source, behind_s = SystemClock().source(), _seconds(floors.time) - time.time()
    if behind_s > readiness.CLOCK_SLACK_S:
        words = f"The clock is {behind_s:.0f} s behind the last signed time (source: {source})."
        yield Finding("clock", False, words, "Start time synchronisation; TLS may refuse valid certificates.")
    else:
        yield Finding("clock", True, f"The clock is not behind the last signed time (source: {source}).")


def _trust(floors: Floors) -> Iterator[Finding]:
    olds = list(grown_old(floors, datetime.now(timezone.utc)))
    for old in olds:
        yield Finding("trust", False, old.message, "Does the server sign, and does it reach this device?")
    if olds:
        return
    signed = "nothing was verified yet" if floors.time.startswith("1970") else f"signed last {floors.time}"
    ends = "; ".join(f"{name}'s release keys signed until {at}" for name, at in sorted(floors.role_expires.items()))
    yield Finding("trust", True, f"Metadata: {signed}{'; ' + ends if ends else ''}.")


# --- the way to the server ------------------------------------------------------------------------------------------


def _server(identity: Identity) -> Iterator[Finding]:
    """Names, TCP and TLS of the HTTPS listener, then a token and an answer where artifacts are."""
    parts = urlsplit(identity.server_url)
    reached = False
    for finding in _way("server", identity, parts.hostname or "", parts.port or 443, with_certificate=False):
        reached = finding.ok and finding.name == "server-tls"
        yield finding
    if not reached:
        return
    yield _token(identity)
    try:
        status = reach.head(f"{identity.server_url.rstrip('/')}/api/v1/blobs/{NOTHING}", identity.ca_file, STEP_S)
        yield Finding("artifacts", True, f"Artifacts can be asked for: HEAD answers {status}.")
    except Broken as broken:
        yield Finding("artifacts", False, broken.message, broken.hint)


def _way(who: str, identity: Identity, host: str, port: int, with_certificate: bool) -> Iterator[Finding]:
    """One line for each step; the first that fails is the last."""
    try:
        addresses = reach.resolve(host, port, STEP_S)
        yield Finding(f"{who}-dns", True, f"{host} is {', '.join(sorted({a.where[0] for a in addresses}))}.")
        wire_ = reach.connect(addresses, STEP_S)
        yield Finding(f"{who}-tcp", True, f"{host} accepts connections on port {port}.")
        pair = (identity.cert_file, identity.key_file) if with_certificate else (None, None)
        words = reach.handshake(wire_, host, reach.context_of(identity.ca_file, *pair), STEP_S)
        own = ", and lets this node's certificate in" if with_certificate else ""
        yield Finding(f"{who}-tls", True, f"{host} is the fleet's{own} ({words}).")
    except Broken as broken:
        yield Finding(f"{who}-{broken.step}", False, broken.message, broken.hint)


def _token(identity: Identity) -> Finding:
    asked = TokenRequest(
        identity.device, STREAM, int(time.time() * 1000), uuid.uuid4().hex, stamp(datetime.now(timezone.utc))
    )
    try:
        sealed = wire.encode(seal(SealKind.TOKEN, wire.encode(asked), identity.key()))
        _, raw = https.ask(identity.server_url, identity.ca_file, "/api/v1/token", sealed)
        wire.decode(DeviceToken, raw)
    except (SurefootError, OSError, ValueError) as error:
        hint = error.hint if isinstance(error, SurefootError) else ""
        return Finding("token", False, f"The server gives no token: {getattr(error, 'message', error)}", hint)
    return Finding("token", True, "The server knows this node's signature and gives it a token.")


def _broker(identity: Identity, round_trip: RoundTrip | None) -> Iterator[Finding]:
    reached = False
    for finding in _way("broker", identity, identity.mqtt_host, identity.mqtt_port, with_certificate=True):
        reached = finding.ok and finding.name == "broker-tls"
        yield finding
    if reached:
        yield _mqtt(round_trip or (lambda timeout_s: _own_connection(identity, timeout_s)))


def _mqtt(round_trip: RoundTrip) -> Finding:
    try:
        return Finding("mqtt", True, f"The broker acknowledged a message after {round_trip(STEP_S):.3f} s.")
    except SurefootError as error:
        hint = error.hint if error.kind != "unreachable" else "Look at the broker's log for this device."
        return Finding("mqtt", False, error.message, hint)


def _own_connection(identity: Identity, timeout_s: float) -> float:
    """Connect as the agent would, without telling the server that the device is online. Raises Unreachable."""
    from surefoot_agent.link import Link  # paho: only where the agent does not run

    heard: queue.Queue[LinkEvent] = queue.Queue()
    presence = wire.encode(PresenceMessage(Presence.OFFLINE, f"doctor-{uuid.uuid4().hex}"))
    link, deadline = Link(identity, heard.put, presence, visible=False), time.monotonic() + timeout_s
    link.start()
    try:
        while True:
            match heard.get(timeout=max(0.1, deadline - time.monotonic())):
                case Connected():
                    return link.round_trip(max(0.1, deadline - time.monotonic()))
                case Disconnected(reason, message):
                    raise Unreachable(reason, message)
                case _:
                    pass  # retained messages of the server
    except queue.Empty:
        raise Unreachable("too_slow", f"The broker let nobody in within {timeout_s:g} s.") from None
    finally:
        link.stop()


def _floors(settings: Settings) -> Floors:
    with suppress(SurefootError, OSError):
        return FloorStore(settings.state_dir / "trust").load()
    return Floors()


def _seconds(text: str) -> float:
    at = parse_time(text)
    return at.timestamp() if at else 0.0
