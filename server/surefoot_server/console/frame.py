"""What surrounds every page: who looks, in which language, zone and colours, the way to the other pages, the policy.

Promises: a page is HTML that reads without scripts; every text that comes from elsewhere is escaped; the content policy
allows this server's own files and nothing inline. Refuses an unknown name in a template: it fails the page's test.
"""

from __future__ import annotations

import functools
import gzip
import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from urllib.parse import unquote, urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from surefoot_server import db
from surefoot_server.access.guard import SAFE
from surefoot_server.access.guard import own_form as own_form  # pages reach it here
from surefoot_server.access.roles import Principal, Role
from surefoot_server.console import assets, times, words
from surefoot_server.console.navigation import Entry, entries, opens
from surefoot_server.languages import sentences
from surefoot_server.languages.catalogue import NAMES, Language, chosen, language

LANGUAGE_COOKIE = "surefoot_language"
THEME_COOKIE = "surefoot_theme"
THEMES = ("light", "dark")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""`data:` is for the small pictures within Pico's own style sheet; scripts and styles have no such door."""
READABLE = 4000
"""Characters of a document that a page shows; the whole is in the export."""
PACKED_FROM_BYTES = 1400
"""Smaller answers fit one packet as they are."""


@dataclass(frozen=True, slots=True)
class View:
    """One person's look at one page."""

    who: Principal | None
    say: Language
    zone: tzinfo
    theme: str
    path: str
    back: str
    now: datetime

    def may(self, role: str) -> bool:
        return self.who is not None and self.who.role.includes(Role(role))

    @property
    def scoped(self) -> bool:
        """Whether the person sees what lies in scopes alone."""
        return self.who is not None and self.who.reach is not None

    def opens(self, path: str, method: str = "GET") -> bool:
        return self.who is None or opens(self.who, path, method)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in entries() if self.opens(entry.path))

    @property
    def languages(self) -> Mapping[str, str]:
        return NAMES

    def at(self, entry: Entry) -> bool:
        return self.path == entry.path or (entry.path != "/" and self.path.startswith(entry.path + "/"))


def view_of(request: Request, who: Principal | None = None) -> View:
    cookies = request.cookies
    theme = cookies.get(THEME_COOKIE, "")
    return View(
        who=who,
        say=language_of(request),
        zone=times.zone(unquote(cookies.get(times.COOKIE, "")[:64])),
        theme=theme if theme in THEMES else "",
        path=request.url.path,
        back=_address(request.url.path, request.url.query) if request.method in SAFE else came_from(request),
        now=db.utc_now(),
    )


def language_of(request: Request) -> Language:
    return chosen(request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", ""))


def show(
    request: Request, template: str, who: Principal | None = None, *, status: int = 200, **values: object
) -> HTMLResponse:
    """Render a page, or a part of one, for who looks at it."""
    text = render(template, view_of(request, who), **values).encode()
    headers = {"Content-Security-Policy": POLICY, "Vary": "Accept-Encoding, Accept-Language, Cookie"}
    if len(text) >= PACKED_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        text = gzip.compress(text, 5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return HTMLResponse(text, status, headers=headers)


def render(template: str, view: View, **values: object) -> str:
    return environment(view.say.code).get_template(template).render(view=view, **values)


def came_from(request: Request) -> str:
    """The page of the console whose form was sent; the first page where the browser does not say."""
    try:
        page = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # such as `http://[`
        return "/"
    return own_path(_address(page.path, page.query)) if page.netloc == request.headers.get("host") else "/"


def _address(path: str, query: str) -> str:
    return path + (f"?{query}" if query else "")


def own_path(path: str) -> str:
    """A place within the console to go back to; anything else is the first page."""
    good = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if good else "/"


@functools.lru_cache
def environment(code: str) -> Environment:
    """Jinja's environment for one language."""
    made = Environment(
        loader=PackageLoader("surefoot_server.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    texts = language(code).texts
    made.install_gettext_translations(texts, newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    made.globals["asset"] = assets.address
    made.filters |= {
        "tone": words.tone,
        "said": _said,
        "act": _act,
        "told": _told,
        "moment": _moment,
        "second": _second,
        "since": _since,
        "span": _span,
        "number": _number,
        "figure": _figure,
        "bytes": _bytes,
        "readable": _readable,
        "quoted": shlex.quote,
    }
    return made


@pass_context
def _said(context: Context, word: str) -> str:
    return words.said(context["view"].say, word)


@pass_context
def _act(context: Context, action: str) -> str:
    return words.act_said(context["view"].say, action)


@pass_context
def _told(context: Context, sentence: str) -> str:
    return sentences.told(context["view"].say, sentence)


@pass_context
def _moment(context: Context, at: datetime | None) -> Markup:
    view = context["view"]
    return times.moment(at, view.zone, view.say)


@pass_context
def _second(context: Context, at: datetime) -> Markup:
    return times.second(at, context["view"].zone)


@pass_context
def _since(context: Context, at: datetime | None) -> Markup:
    view = context["view"]
    return times.since(at, view.now, view.say)


@pass_context
def _span(context: Context, seconds: float) -> str:
    return times.span(seconds, context["view"].say)


@pass_context
def _number(context: Context, value: float, digits: int | None = None) -> str:
    say: Language = context["view"].say
    return say.number(value, digits)


@pass_context
def _figure(context: Context, value: float | None) -> str:
    """A measured figure with four digits that count; `…` where nothing was measured."""
    if value is None:
        return "…"
    say: Language = context["view"].say
    size = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    return say.number(value, max(0, 3 - size)) if math.isfinite(value) and -5 < size < 15 else f"{value:.4g}"


@pass_context
def _bytes(context: Context, size: float) -> str:
    say: Language = context["view"].say
    for unit, large in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= large:
            return f"{say.number(size / large, 1)} {unit}"
    return f"{say.number(size)} B"


def _readable(value: object) -> str:
    """A document as text that is escaped like any other; Jinja's own `tojson` would pass for markup."""
    text = json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= READABLE else text[:READABLE] + "…"
