"""Build and parse MQTT topic names, here and nowhere else.

The device id is the topic's owner, so its form is enforced wherever one is made: by the certificate authority, by the
server and here.
"""

from __future__ import annotations

import re

from surefoot_shared.errors import Invalid

PREFIX = "surefoot/v1"
FLEET_HALT = f"{PREFIX}/fleet/halt"
FLEET_TRUST = f"{PREFIX}/fleet/trust"
SERVICE_PREFIX = "svc-"
"""Client ids of the server's own roles; never a device's."""

BLOB = re.compile(r"[0-9a-f]{64}/(0|[1-9][0-9]{0,9})", re.ASCII)
DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
DOWN = ("bundle", "ack", "lease", "request")
UP = ("hello", "events", "telemetry", "presence", "response", "chunks")


def check_device_id(device_id: str) -> str:
    """Return the id, or raise Invalid: letters, digits, dot, dash and underscore, 1 to 64, not a service's name."""
    if not DEVICE_ID.fullmatch(device_id) or device_id.startswith(SERVICE_PREFIX):
        raise Invalid(
            "malformed",
            f"{device_id[:80]!r} is not a device id.",
            "Use 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit, not svc-.",
        )
    return device_id


def down(device_id: str, what: str) -> str:
    if what not in DOWN:
        raise ValueError(what)
    return f"{PREFIX}/d/{device_id}/down/{what}"


def up(device_id: str, what: str) -> str:
    if what not in UP:
        raise ValueError(what)
    return f"{PREFIX}/d/{device_id}/up/{what}"


def heard_by(device_id: str) -> tuple[str, str]:
    """The filters to which a device subscribes: its own, and the fleet's."""
    return f"{PREFIX}/d/{device_id}/down/#", f"{PREFIX}/fleet/#"


def blob(sha256: str, n: int) -> str:
    """Chunk n of an artifact, where a network has no HTTP."""
    return f"{PREFIX}/blobs/{sha256}/{n}"


def chunks_of(sha256: str) -> str:
    """The filter for every chunk of a blob."""
    return f"{PREFIX}/blobs/{sha256}/+"


def parse_blob(topic: str) -> tuple[str, int] | None:
    """Split `surefoot/v1/blobs/SHA256/N` into (SHA256, N); None for every other topic."""
    head, _, tail = topic.partition("/blobs/")
    sha256, _, n = tail.partition("/")
    return (sha256, int(n)) if head == PREFIX and BLOB.fullmatch(tail) else None


def parse_up(topic: str) -> tuple[str, str]:
    """Split `surefoot/v1/d/ID/up/WHAT` into (ID, WHAT), or raise Invalid."""
    parts = topic.split("/")
    if len(parts) != 6 or parts[:3] != ["surefoot", "v1", "d"] or parts[4] != "up" or parts[5] not in UP:
        raise Invalid("malformed", f"{topic[:200]!r} is not a topic that devices write.")
    return check_device_id(parts[3]), parts[5]


READ = (f"{PREFIX}/d/%u/down/#", f"{PREFIX}/fleet/#", f"{PREFIX}/blobs/#")
WRITE = (f"{PREFIX}/d/%u/up/#",)
"""The one access rule for every device; `%u` is the common name of its certificate."""
