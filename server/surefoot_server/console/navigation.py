"""The pages of the console, in the order people look for them, with the keys that lead there.

Promises: a page is linked as soon as its module is listed here, and not before. Refuses a second list elsewhere.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

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
