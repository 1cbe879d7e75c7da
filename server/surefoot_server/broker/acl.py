"""Who may read and write which topic: one table, rendered for mosquitto and asked by the embedded broker.

Promises: a device reaches its own topics and the fleet's, nothing else; a denied device reaches nothing; whoever has no
rule has no right. The name that rules are built on is the common name of the client certificate, never what a client
says. Pure. Refuses a subscription that is wider than a rule: a granted wildcard would be a promise not kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from surefoot_shared import topics
from surefoot_shared.errors import Invalid

SERVICES = (f"{topics.SERVICE_PREFIX}server",)


class Access(str, Enum):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Rule:
    """`service` None means every device; `%u` in the pattern is the device's own name."""

    access: Access
    pattern: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class ShutOut:
    """Who is kept out: devices by name, live connections too, and certificates by a revocation list for new ones.

    `crl` is PEM and `serials` the same in lower-case hexadecimal, for a broker that reads no list.
    """

    names: frozenset[str] = frozenset()
    crl: bytes = b""
    serials: frozenset[str] = frozenset()


TABLE: tuple[Rule, ...] = (
    *(Rule(access, f"{topics.PREFIX}/#", service) for service in SERVICES for access in Access),
    *(Rule(Access.READ, pattern) for pattern in topics.READ),
    *(Rule(Access.WRITE, pattern) for pattern in topics.WRITE),
)


def allows(name: str, access: Access, topic: str, denied: Collection[str] = ()) -> bool:
    """Whether `name` may read or write a topic, or subscribe to a filter that lies wholly inside what it may read."""
    if name in denied or not known_name(name) or not topic or topic.startswith("$"):
        return False
    mine = [rule for rule in TABLE if rule.service == (name if name in SERVICES else None)]
    return any(_inside(topic, rule.pattern.replace("%u", name)) for rule in mine if rule.access is access)


def known_name(name: str) -> bool:
    """Whether a certificate's name is a service's or has the form of a device id; a wildcard would open every topic."""
    if name in SERVICES:
        return True
    try:
        topics.check_device_id(name)
    except Invalid:
        return False
    return True


def render_mosquitto(denied: Collection[str] = ()) -> str:
    """The table as mosquitto's acl_file. Denied devices are muted at once on reload, live sessions too."""
    lines = ["# Made from surefoot_server.broker.acl; changes here are overwritten."]
    for service in SERVICES:
        lines += ["", f"user {service}"]
        lines += [f"topic {rule.access.value} {rule.pattern}" for rule in TABLE if rule.service == service]
    for name in sorted(denied):
        lines += ["", f"user {topics.check_device_id(name)}", "topic deny #"]
    lines += ["", *(f"pattern {rule.access.value} {rule.pattern}" for rule in TABLE if rule.service is None)]
    return "\n".join(lines) + "\n"


def _inside(asked: str, pattern: str) -> bool:
    """Whether every topic that `asked` (a topic or filter) matches is matched by `pattern` too. MQTT 5 §4.7."""
    have, may = asked.split("/"), pattern.split("/")
    for i, level in enumerate(may):
        if level == "#":
            return True
        if i >= len(have) or have[i] == "#" or (have[i] == "+" and level != "+"):
            return False
        if level not in ("+", have[i]):
            return False
    return len(have) == len(may)
