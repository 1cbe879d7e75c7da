"""A fleet to attack: a real broker under our configuration, certificates for anybody, and mosquitto's own clients."""

from __future__ import annotations

import datetime as dt
import itertools
import queue
import subprocess
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from surefoot_server.broker.acl import ShutOut
from surefoot_server.broker.start import RunningBroker, start_broker
from surefoot_server.pki.ca import DEVICE_LIFE, CertificateAuthority, create_ca, prepare_pki
from surefoot_server.pki.crl import Revoked, make_crl
from surefoot_server.pki.files import PkiFiles
from surefoot_shared.identity import DeviceKey, generate_key, key_to_pem

WAIT_S = 15.0
_names = itertools.count(1)


@dataclass(frozen=True)
class Credentials:
    """What a client shows; None for a client without a certificate."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None

    @property
    def arguments(self) -> list[str]:
        own = [] if self.cert is None else ["--cert", str(self.cert), "--key", str(self.key)]
        return ["--cafile", str(self.ca), *own]


def request(device_id: str, key: DeviceKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device_id)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM)


def _said(line: str) -> tuple[str, str]:
    topic, _, payload = line[1:].partition(" ")
    return topic, payload


class Server:
    """The server's place in the fleet: one connection that hears everything and may publish anywhere.

    One connection, because the broker makes the certificate's name the client id: a second one would push it off.
    """

    def __init__(self, host: str, port: int, protocol: int, pki: PkiFiles) -> None:
        version = MQTTProtocolVersion.MQTTv5 if protocol == 5 else MQTTProtocolVersion.MQTTv311
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="svc-server", protocol=version)
        self._client.tls_set(str(pki.ca), str(pki.service_cert), str(pki.service_key))
        self._heard: queue.Queue[tuple[str, str]] = queue.Queue()
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = lambda _c, _u, m: self._heard.put((m.topic, m.payload.decode()))
        self._client.connect(host, port)
        self._client.loop_start()
        self._client.subscribe("surefoot/v1/#", qos=1)
        assert subscribed.wait(WAIT_S)

    def say(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(WAIT_S)

    def until(self, marker: str) -> list[tuple[str, str]]:
        """Everything heard since the last call, up to the payload `marker`."""
        got = [self._heard.get(timeout=WAIT_S)]
        while got[-1][1] != marker:
            got.append(self._heard.get(timeout=WAIT_S))
        return got

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Listener:
    """mosquitto_sub; `until` reads what it was given up to a marker, so that no test has to wait for nothing."""

    def __init__(self, arguments: list[str]) -> None:
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "mosquitto_sub", *arguments, "-d", "-F", ">%t %p"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._early: list[tuple[str, str]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def ready(self) -> Listener:
        """Wait until the broker answered the subscription, whatever it said."""
        while (line := self._lines.get(timeout=WAIT_S)) is not None and not line.startswith("Subscribed"):
            if line.startswith(">"):  # what waited in a kept session comes before the subscription
                self._early.append(_said(line))
        return self

    def until(self, marker: str) -> list[tuple[str, str]]:
        """Every (topic, payload) up to and with the payload `marker`."""
        got, self._early = self._early, []
        while not got or got[-1][1] != marker:
            line = self._lines.get(timeout=WAIT_S)
            assert line is not None, f"mosquitto_sub ended before {marker!r}: {got}"
            if line.startswith(">"):
                got.append(_said(line))
        return got

    def given(self) -> list[tuple[str, str]]:
        """After `kill`: everything it was given."""
        got = list(self._early)
        while (line := self._lines.get(timeout=WAIT_S)) is not None:
            if line.startswith(">"):
                got.append(_said(line))
        return got

    def kill(self) -> None:
        """Vanish without a goodbye: the broker sends the last will."""
        self.process.kill()
        self.process.wait(timeout=WAIT_S)

    def __enter__(self) -> Listener:
        return self.ready()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.kill()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


@dataclass
class Fleet:
    """One broker, one CA, as many devices as a test likes."""

    folder: Path
    ca: CertificateAuthority
    pki: PkiFiles
    broker: RunningBroker
    protocol: int
    server: Server
    issued: dict[str, Credentials] = field(default_factory=dict)

    @classmethod
    def start(cls, folder: Path, which: str, protocol: int) -> Fleet:
        ca = create_ca(folder / "ca")
        pki = prepare_pki(folder / "pki", ca, ["127.0.0.1"])
        out = ShutOut(crl=make_crl([ca], (), dt.datetime.now(dt.timezone.utc)))
        broker = start_broker(folder / "data", "127.0.0.1", 0, pki, out=out, prefer=which)
        return cls(folder, ca, pki, broker, protocol, Server(broker.host, broker.port, protocol, pki))

    def stop(self) -> None:
        self.server.stop()
        self.broker.stop()

    def new(self) -> str:
        """A device id that no other test uses, with a certificate."""
        name = f"dev-{next(_names)}"
        self.issued[name] = self.issue(name, self.ca)
        return name

    def issue(self, name: str, ca: CertificateAuthority, now: dt.datetime | None = None) -> Credentials:
        key, number = generate_key(), next(_names)
        cert_file, key_file = self.folder / f"{number}.crt", self.folder / f"{number}.key"
        cert_file.write_bytes(ca.issue_device(request(name, key), name, now))
        key_file.write_bytes(key_to_pem(key))
        return Credentials(self.pki.ca, cert_file, key_file)

    def forge(self, name: str) -> Credentials:
        """A certificate of our own authority for any name at all, which the authority itself would refuse to make."""
        key, number = generate_key(), next(_names)
        pem = self.ca._leaf(
            name, key.public_key(), [x509.DNSName("x")], ExtendedKeyUsageOID.CLIENT_AUTH, DEVICE_LIFE, None
        )
        cert_file, key_file = self.folder / f"{number}.crt", self.folder / f"{number}.key"
        cert_file.write_bytes(pem)
        key_file.write_bytes(key_to_pem(key))
        return Credentials(self.pki.ca, cert_file, key_file)

    def shut_out(self, *names: str, serials: Collection[int] = (), listed_at: dt.datetime | None = None) -> None:
        """Keep exactly these devices and certificates out; `listed_at` is when the revocation list was made."""
        now = dt.datetime.now(dt.timezone.utc)
        crl = make_crl([self.ca], [Revoked(serial, now) for serial in serials], listed_at or now)
        self.broker.shut_out(ShutOut(frozenset(names), crl, frozenset(f"{serial:x}" for serial in serials)))

    def serial(self, who: str) -> int:
        cert = self.issued[who].cert
        assert cert is not None
        return x509.load_pem_x509_certificate(cert.read_bytes()).serial_number

    def listen(self, who: str | Credentials, *filters: str, extra: tuple[str, ...] = ()) -> Listener:
        wanted = [word for topic_filter in filters for word in ("-t", topic_filter)]
        return Listener([*self._arguments(who, extra), "-q", "1", *wanted])

    def publish(
        self, who: str | Credentials, topic: str, payload: str, *, retain: bool = False, extra: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """mosquitto_pub at QoS 1; a refusal is not an error here, deliveries are what tests judge."""
        words = ["-q", "1", "-t", topic, "-s", *(["-r"] if retain else [])]
        command = ["mosquitto_pub", *self._arguments(who, extra), *words]
        return subprocess.run(command, input=payload, capture_output=True, text=True, timeout=WAIT_S)

    def _arguments(self, who: str | Credentials, extra: tuple[str, ...]) -> list[str]:
        credentials = self.issued[who] if isinstance(who, str) else who
        version = "mqttv5" if self.protocol == 5 else "mqttv311"
        address = ["-h", self.broker.host, "-p", str(self.broker.port), "-V", version]
        return [*address, *credentials.arguments, *extra]
