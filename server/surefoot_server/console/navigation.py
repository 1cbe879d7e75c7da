"""The pages of the console, in the order people look for them, with the keys that lead there.

Promises: a page is linked as soon as its module is listed here, and not before; what a person may not open or do is
neither linked nor offered (`opens`), by the guards of the routes themselves. Refuses a second list elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from surefoot_server.access import matrix
from surefoot_server.access.guard import Permission
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal
from surefoot_server.languages.catalogue import N_

PAGES = (
    "oidc",
    "overview",
    "rollout_new",
    "rollouts",
    "rollout_verdicts",
    "live",
    "devices",
    "device",
    "sites",
    "releases",
    "drills",
    "audit",
    "settings",
    "password",
)
"""Modules of `console.pages`, in the order of their links; each has `router`, and `ENTRY` if it is linked from all."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A link of the frame: `name` is translated where it is shown, `icon` is an id in icons.svg, `key` follows `g`."""

    path: str
    name: str
    icon: str
    key: str


HOME = Entry("/", N_("Overview"), "overview", "o")


@functools.cache
def pages() -> tuple[ModuleType, ...]:
    return tuple(import_module(f"surefoot_server.console.pages.{name}") for name in PAGES)


@functools.cache
def entries() -> tuple[Entry, ...]:
    return tuple(page.ENTRY for page in pages() if hasattr(page, "ENTRY"))


def opens(who: Principal, path: str, method: str = "GET") -> bool:
    """Whether a route of the pages lets a person in, by its path as it is written in its module.

    Where the route is about one thing, the role counts that they have over what they look at now.
    """
    permission = permissions()[method, path]
    role, fleet = permission.role, who.over_fleet()
    if role is None or (fleet is not None and fleet.includes(role)):
        return True
    if permission.over in (Over.ANYWHERE, Over.ORDER):
        return any(grant.role.includes(role) for grant in who.held())
    return permission.over is not Over.FLEET and who.role.includes(role)


@functools.cache
def permissions() -> Mapping[tuple[str, str], Permission]:
    found = matrix.rows(route for page in pages() for route in page.router.routes)
    return {(row.method, row.path): row.permission for row in found if row.permission is not None}
