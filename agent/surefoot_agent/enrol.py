"""Make this node a member of a fleet: a key made here, a certificate for it from the server, and the roots it trusts.

Promises: the private key is made on this node and never leaves it; the server is checked against the CA of the
bootstrap folder and nothing else; identity files are 0600 and each appears whole; `device.json` is written last, so an
identity exists whole or not at all, and running it again, after a power cut too, continues or changes nothing.
Refuses to give a node that has an identity another one, and a certificate that is not for this key and name.
"""

from __future__ import annotations

import contextlib
import json
import urllib.parse
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from surefoot_agent import https
from surefoot_agent.identity import CA_FILE, DEVICE_FACTS, PAIR, Identity, load_identity
from surefoot_shared import wire
from surefoot_shared.enrolment import Enrolled, EnrolRequest
from surefoot_shared.errors import ConfigError, Invalid, Unreachable
from surefoot_shared.identity import DeviceKey, generate_key, key_from_pem, key_to_pem, public_to_pem
from surefoot_shared.topics import check_device_id
from surefoot_shared.trust.durable import write_durably

ROOTS = ("image.root.json", "director.root.json")


def enrol(
    server_url: str, bootstrap_dir: Path, token: str, device_id: str, hw: str, state_dir: Path, chain: str = ""
) -> Identity:
    """Enrol, or return the identity that is already there; raises ConfigError, Unreachable or Invalid.

    Without a token the server must know the key, or `chain` must hold a factory's certificate of it.
    """
    check_device_id(device_id)
    if (state_dir / "identity" / DEVICE_FACTS).exists():
        return _same(load_identity(state_dir), device_id, server_url)
    check_url(server_url)
    folder = state_dir / "identity"
    copy_roots(bootstrap_dir, state_dir)
    baked_in = (folder / CA_FILE).exists() and not (bootstrap_dir / CA_FILE).exists()
    _write(folder / CA_FILE, _read((folder if baked_in else bootstrap_dir) / CA_FILE))
    key = own_key(state_dir)
    csr = certificate_request(device_id, key).decode()
    request = EnrolRequest(device=device_id, hw=hw, token=token, csr=csr, chain=chain)
    answer = _ask(server_url, folder / CA_FILE, wire.encode(request))
    trusted = answer.ca.encode() or (folder / CA_FILE).read_bytes()
    check_certificate(answer.certificate.encode(), device_id, key, trusted)
    _write(folder / CA_FILE, trusted)
    _write(folder / f"{PAIR}.crt", answer.certificate.encode())
    host = answer.mqtt.host or urllib.parse.urlsplit(server_url).hostname or ""
    mqtt = {"host": host, "port": answer.mqtt.port, "protocol": answer.mqtt.protocol}
    facts = {"device": device_id, "hw": hw, "server_url": server_url, "mqtt": mqtt, "v": 1}
    _write(folder / DEVICE_FACTS, json.dumps(facts, indent=1, sort_keys=True).encode())
    return load_identity(state_dir)


def _same(identity: Identity, device_id: str, server_url: str) -> Identity:
    if (identity.device, identity.server_url) == (device_id, server_url):
        return identity
    raise ConfigError(
        "conflict",
        f"This node is already {identity.device} of {identity.server_url}.",
        "Give the other identity its own state directory.",
    )


def check_url(server_url: str) -> None:
    """Raise ConfigError where it is not an https URL."""
    parts = urllib.parse.urlsplit(server_url)
    if parts.scheme != "https" or not parts.hostname:
        raise ConfigError("config_invalid", f"{server_url!r} is not an https URL.", "Use https://HOST:PORT.")


def copy_roots(bootstrap_dir: Path, state_dir: Path) -> None:
    """Take over the two roots of the bootstrap folder; done twice it changes nothing."""
    for name in ROOTS:
        _write(state_dir / "trust" / "bootstrap" / name, _read(bootstrap_dir / name))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        hint = "Copy the folder `bootstrap` that `surefoot keys init` made to this node."
        raise ConfigError("config_unreadable", f"{path} cannot be read: {error.strerror}.", hint) from error


def own_key(state_dir: Path) -> DeviceKey:
    """The node's key, made where there is none; that of an interrupted enrolment, or of the factory, is used again."""
    path = state_dir / "identity" / f"{PAIR}.key"
    if path.exists():
        return key_from_pem(path.read_bytes())
    key = generate_key()
    _write(path, key_to_pem(key))
    return key


def certificate_request(device_id: str, key: DeviceKey) -> bytes:
    """A PEM request for this name, signed with the key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device_id)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def _ask(server_url: str, ca_file: Path, body: bytes) -> Enrolled:
    try:
        status, raw = https.ask(server_url, ca_file, "/api/v1/enrol", body)
    except Unreachable as error:  # a person typed this: nothing tries again by itself
        hint = "Check the address and try the command again." if error.kind == "unreachable" else "Try it again later."
        raise Unreachable(error.kind, error.message, hint, retry_after_s=error.retry_after_s) from error
    if status == 202:
        raise ConfigError("enrolment_pending", "The server waits for an operator to approve this device.")
    return wire.decode(Enrolled, raw, https.ANSWER_LIMIT_BYTES)


def check_certificate(pem: bytes, device_id: str, key: DeviceKey, ca_pem: bytes) -> None:
    """Raise Invalid unless the certificate is for this key and name, by one of the authorities in `ca_pem`."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        _check_issuer(certificate, x509.load_pem_x509_certificates(ca_pem))
        ours = certificate.public_key().public_bytes(  # one shape for both sides of the comparison
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ) == public_to_pem(key.public_key())
        names = [a.value for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except (ValueError, TypeError, InvalidSignature) as error:
        raise Invalid("malformed", "The server answered with a certificate that is not the fleet's.") from error
    if not ours or names != [device_id]:
        raise Invalid("malformed", f"The server answered with a certificate that is not {device_id}'s.")


def _check_issuer(certificate: x509.Certificate, authorities: list[x509.Certificate]) -> None:
    for authority in authorities[:-1]:
        with contextlib.suppress(ValueError, TypeError, InvalidSignature):
            certificate.verify_directly_issued_by(authority)
            return
    certificate.verify_directly_issued_by(authorities[-1])


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(path, content)
