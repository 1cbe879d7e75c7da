"""Reach a server step by step: name, connection, TLS, answer; and say of a failed step whose fault it can be.

Promises: each step is over within its time, the resolver's too; nothing is sent but a TLS handshake and one HEAD; the
blame is OURS only where this node alone explains the failure (no route, no resolver, a TLS library that has nothing in
common with a server it spoke to before). A server that is down, refuses or is too slow is THEIRS or UNCLEAR, so that an
outage of the server is never taken for a fault of the release that happens to be on trial.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from surefoot_agent import tls

RESOLVER = Path("/etc/resolv.conf")
TEST_NET = "192.0.2.1"
"""An address that nobody has (RFC 5737); a datagram socket is pointed at it to ask for a route, nothing is sent."""
LOCAL_ERRORS = frozenset(
    {errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT}
)
WEAK = frozenset({66, 67, 68})
"""X509_V_ERR_{EE,CA}_KEY_TOO_SMALL and CA_MD_TOO_WEAK: this library became stricter than the fleet's certificates."""
NOT_YET_VALID = 9
NOTHING_IN_COMMON = ("HANDSHAKE_FAILURE", "PROTOCOL_VERSION", "INSUFFICIENT_SECURITY")
"""Alerts of a server that finds no protocol or cipher to speak with us."""
LATE_ALERT_S = 0.5
"""TLS 1.3 lets a client finish before the server has looked at its certificate; a refusal follows soon."""


class Blame(str, Enum):
    OURS = "ours"
    THEIRS = "theirs"
    UNCLEAR = "unclear"


class Broken(Exception):
    """A step failed: which, in words, whose fault it can be, and what a person can do."""

    def __init__(self, step: str, message: str, blame: Blame, hint: str = "") -> None:
        super().__init__(message)
        self.step, self.message, self.blame, self.hint = step, message, blame, hint


@dataclass(frozen=True)
class Address:
    """One address of a host, as the resolver gave it."""

    family: int
    where: tuple[str, int]


def resolve(host: str, port: int, timeout_s: float) -> Sequence[Address]:
    """Ask the resolver, for no longer than `timeout_s`; raises Broken("dns")."""
    found: list[Sequence[Address] | Broken] = []
    asking = threading.Thread(target=lambda: found.append(_ask(host, port)), name="resolver", daemon=True)
    asking.start()
    asking.join(timeout_s)
    if not found:
        raise Broken("dns", f"The resolver gave no answer for {host} within {timeout_s:g} s.", _without_network())
    if isinstance(found[0], Broken):
        raise found[0]
    return found[0]


def connect(addresses: Sequence[Address], timeout_s: float) -> socket.socket:
    """Open a TCP connection to the first address that takes one; raises Broken("tcp") with the last failure."""
    deadline, last = time.monotonic() + timeout_s, Broken("tcp", "The name has no address.", Blame.THEIRS)
    for address in addresses:
        wire = socket.socket(address.family, socket.SOCK_STREAM)
        wire.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            wire.connect(address.where)
            return wire
        except OSError as error:
            wire.close()
            last = _no_connection(address, error)
    raise last


def handshake(wire: socket.socket, host: str, context: ssl.SSLContext, timeout_s: float) -> str:
    """Shake hands, wait for a late refusal, and return protocol and cipher; raises Broken("tls"). Closes the socket."""
    wire.settimeout(timeout_s)
    try:
        with wire, context.wrap_socket(wire, server_hostname=host) as safe:
            cipher = safe.cipher()
            safe.settimeout(LATE_ALERT_S)
            try:
                if safe.recv(1) == b"":
                    raise Broken("tls", f"{host} closed the connection after the handshake.", Blame.THEIRS)
            except TimeoutError:
                pass  # it waits for us to speak: we are let in
            return f"{safe.version()}, {cipher[0] if cipher else 'no cipher'}"
    except ssl.SSLCertVerificationError as error:
        raise _not_verified(host, error) from error
    except ssl.SSLError as error:
        raise _tls_failed(host, error) from error
    except TimeoutError as error:
        raise Broken("tls", f"{host} gave no answer to the handshake in {timeout_s:g} s.", Blame.UNCLEAR) from error
    except OSError as error:
        raise Broken("tls", f"{host} broke off: {error.strerror or error}.", Blame.UNCLEAR) from error


def context_of(ca_file: Path, cert_file: Path | None = None, key_file: Path | None = None) -> ssl.SSLContext:
    """Trust the fleet's CA and nothing else, and show our certificate where one is given; raises Broken("tls")."""
    try:
        return tls.context(ca_file, cert_file, key_file)
    except (OSError, ValueError) as error:
        raise Broken("tls", _not_loaded(error, ca_file, cert_file, key_file), Blame.OURS, _NOT_LOADED_HINT) from error


_NOT_LOADED_HINT = (
    "Look at this node's identity with `surefoot-agent doctor`, and enrol it again where a file is damaged."
)


def _not_loaded(error: OSError | ValueError, ca_file: Path, cert_file: Path | None, key_file: Path | None) -> str:
    """Which file it is, in words: the library's own name a line of its source, and no file at all."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return f"This node's certificates cannot be loaded: {error.strerror or error}."
    try:
        tls.context(ca_file)
    except (OSError, ValueError):
        return f"This node's certificates cannot be loaded: {ca_file} holds no certificate."
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"This node's certificate {cert_file} is for another key than {key_file}."
    return f"This node's key cannot be loaded: {key_file}, or its certificate {cert_file}, is damaged."


def head(url: str, ca_file: Path, timeout_s: float) -> int:
    """Ask HEAD of an https address and return the status. Any answer but a server's failure proves the way."""
    parts = urlsplit(url)
    host, deadline = parts.hostname or "", time.monotonic() + timeout_s
    resolve(host, parts.port or 443, timeout_s)
    connection = http.client.HTTPSConnection(
        host, parts.port or 443, timeout=max(0.1, deadline - time.monotonic()), context=context_of(ca_file)
    )
    try:
        connection.request("HEAD", parts.path or "/")
        status = connection.getresponse().status
    except ssl.SSLCertVerificationError as error:
        raise _not_verified(host, error) from error
    except ssl.SSLError as error:
        raise _tls_failed(host, error) from error
    except TimeoutError as error:
        raise Broken("https", f"{host} gave no answer within {timeout_s:g} s.", Blame.UNCLEAR) from error
    except (OSError, http.client.HTTPException) as error:
        blame = Blame.OURS if getattr(error, "errno", None) in LOCAL_ERRORS else Blame.UNCLEAR
        raise Broken("https", f"{host} does not answer: {error}.", blame) from error
    finally:
        connection.close()
    if status >= 500 or status == 429:
        raise Broken("https", f"{host} answers {status}.", Blame.THEIRS, "The server is busy or broken.")
    return status


def _ask(host: str, port: int) -> Sequence[Address] | Broken:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return Broken("dns", f"{host} has no address: {error.strerror}.", _without_network(), _resolver_hint())
    except (OSError, UnicodeError) as error:
        return Broken("dns", f"{host} cannot be looked up: {error}.", Blame.UNCLEAR)
    return [Address(family, (str(where[0]), int(where[1]))) for family, _, _, _, where in found]


def _resolver_hint() -> str:
    return "Check the name and the resolver." if _has_resolver() else "/etc/resolv.conf names no resolver."


def _has_resolver() -> bool:
    try:
        return any(line.split()[:1] == ["nameserver"] for line in RESOLVER.read_text().splitlines())
    except OSError:
        return False


def _without_network() -> Blame:
    """A node without a resolver or a route explains by itself that a name is not found."""
    return Blame.UNCLEAR if _has_resolver() and has_route(Address(socket.AF_INET, (TEST_NET, 9))) else Blame.OURS


def has_route(address: Address) -> bool:
    """Whether the kernel knows a way; nothing is sent."""
    with socket.socket(address.family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address.where)
        except OSError:
            return False
    return True


def _no_connection(address: Address, error: OSError) -> Broken:
    host, port = address.where
    if isinstance(error, ConnectionRefusedError):
        return Broken("tcp", f"{host} refuses port {port}.", Blame.THEIRS, "Is the server running, and the port right?")
    if error.errno in LOCAL_ERRORS or not has_route(address):
        return Broken(
            "tcp", f"This node has no way to {host}: {error.strerror or error}.", Blame.OURS, "Check network."
        )
    words = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
    hint = "Check the site's uplink and firewall; the server may be down."
    return Broken("tcp", f"{host}:{port} cannot be reached: {words}.", Blame.UNCLEAR, hint)


def _not_verified(host: str, error: ssl.SSLCertVerificationError) -> Broken:
    message = f"We do not trust {host}: {error.verify_message}."
    if error.verify_code in WEAK:
        return Broken("tls", message, Blame.OURS, "The TLS library of this node refuses what the fleet's CA signed.")
    if error.verify_code == NOT_YET_VALID:
        return Broken("tls", message, Blame.UNCLEAR, "Check this node's clock.")
    return Broken("tls", message, Blame.THEIRS, "Check the server's certificate, this node's clock and its ca.pem.")


def _tls_failed(host: str, error: ssl.SSLError) -> Broken:
    reason = error.reason or str(error)
    if "ALERT" not in reason:
        ours = "EOF" not in reason and "WRONG_VERSION" not in reason and "HTTP_REQUEST" not in reason
        return Broken("tls", f"The handshake with {host} failed here: {reason}.", Blame.OURS if ours else Blame.UNCLEAR)
    alert = reason.partition("ALERT_")[2]
    if any(word in alert for word in NOTHING_IN_COMMON):
        return Broken("tls", f"{host} finds no common protocol or cipher: {alert}.", Blame.OURS)
    hint = "The server refuses this node's certificate: see `surefoot device show`; enrol again where it was revoked."
    return Broken("tls", f"{host} refuses this node: {alert}.", Blame.THEIRS, hint)
