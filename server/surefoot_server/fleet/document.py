"""The fleet's document: cohorts, policies, channels and webhooks in one YAML file, so that they live in git.

    version: 1
    policies:
      careful: {phases: [{percent: 5, bake: 6h}, {percent: 100}]}
    cohorts:
      hanoi: "site ~ 'hanoi-*' and not tag('lab')"
    channels:
      dev: {cohort: "channel == 'dev'"}
      production: {after: dev, cohort: hanoi, policy: careful, requires: {acceptance: 1}}
    webhooks:
      oncall: {url: "mailto:oncall@example.com", kinds: [alarm], language: vi}
      chat: {form: slack, kinds: [rollout]}

Promises: every error names its line and its field; a key that is not known is one. A part that is left out is not
spoken of: it is neither changed nor removed. An address may hold a token, so it may be left out, as `chat` does, where
the server has the webhook: `surefoot webhook create` makes it. Signing secrets never stand here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from surefoot_server.channels import requirements
from surefoot_server.cohorts.service import EVERYTHING, NAME
from surefoot_server.events.models import Happening
from surefoot_server.fleet.changes import Fields, State, Things
from surefoot_server.languages.catalogue import NAMES as LANGUAGES
from surefoot_server.notify import placing
from surefoot_server.notify.models import Form
from surefoot_server.rollouts import document, policy
from surefoot_server.rollouts.document import Field
from surefoot_shared.errors import Invalid

ABOUT = "The fleet's document"
VERSION = 1
WEBHOOK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
WEBHOOK_KEYS = ("url", "form", "kinds", "rollout", "device", "language")
LIMIT_CHARACTERS = 512 * 1024


@dataclass(frozen=True, slots=True)
class Known:
    """What the server has already: the document may name it without carrying it."""

    policies: Collection[str] = ()
    cohorts: Collection[str] = ()
    channels: Mapping[str, str] = field(default_factory=dict)
    """name → the channel before it, empty for a first one."""
    webhooks: Collection[str] = ()


def parse(text: str, known: Known) -> State:
    """Read the document; raises Invalid naming line and field."""
    return read(document.parse(text, ABOUT, LIMIT_CHARACTERS), known)


def read(root: Field, known: Known) -> State:
    """Read the document from its root."""
    top = root.mapping("version", "policies", "cohorts", "channels", "webhooks")
    top["version"].required().integer(VERSION, low=VERSION, high=VERSION)
    found: dict[str, Things] = {}
    if not top["policies"].absent:
        found["policy"] = {name: _policy(place) for name, place in _named(top["policies"])}
    if not top["cohorts"].absent:
        found["cohort"] = {name: _cohort(name, place) for name, place in _named(top["cohorts"])}
    if not top["channels"].absent:
        named = dict(_named(top["channels"]))
        policies, cohorts = {*known.policies, *found.get("policy", ())}, {*known.cohorts, *found.get("cohort", ())}
        names = {*known.channels, *named}
        found["channel"] = {name: _channel(place, policies, cohorts, names) for name, place in named.items()}
        _no_circle(named, {**known.channels, **{n: c["after"] for n, c in found["channel"].items()}})
    if not top["webhooks"].absent:
        entries = _named(top["webhooks"], WEBHOOK_NAME, "64 letters, digits, dashes, underscores, dots or @")
        found["webhook"] = {name: _webhook(place, name in known.webhooks) for name, place in entries}
    return found


def _named(
    place: Field, names: re.Pattern[str] = NAME, use: str = "64 small letters, digits, dashes or underscores"
) -> list[tuple[str, Field]]:
    listed = list(place.entries())
    for name, each in listed:
        if not names.fullmatch(name):
            raise each.wrong(f"{name!r} is not a name: use 1 to {use}")
    return listed


def _policy(place: Field) -> Fields:
    policy.read(place)
    return {"policy": place.written().strip()}


def _cohort(name: str, place: Field) -> Fields:
    if name == EVERYTHING:
        raise place.wrong("`all` is the whole fleet, so no cohort can be named so")
    return {"expression": place.required().expression_or_none() or ""}


def _channel(place: Field, policies: Collection[str], cohorts: Collection[str], channels: Collection[str]) -> Fields:
    fields = place.mapping("after", "cohort", "policy", "requires")
    after = fields["after"].text_or_none() or ""
    if after and after not in channels:
        raise fields["after"].wrong(f"there is no channel {after!r}")
    requirements.read(fields["requires"])
    return {
        "after": after,
        "cohort": _cohort_of(fields["cohort"].required(), cohorts),
        "policy": _policy_of(fields["policy"], policies),
        "requires": fields["requires"].written().strip(),
    }


def _cohort_of(place: Field, cohorts: Collection[str]) -> str:
    """A saved cohort's name, here or on the server, or an expression."""
    text = place.text_or_none() or ""
    if not NAME.fullmatch(text) or text == EVERYTHING:
        return place.expression_or_none() or ""
    if text not in cohorts:
        raise place.wrong(f"there is no cohort {text!r}")
    return text


def _policy_of(place: Field, policies: Collection[str]) -> str:
    """A saved policy's name, here or on the server, or a policy of the channel's own."""
    if not place.single:
        policy.read(place)
        return place.written().strip()
    text = place.text_or_none() or ""
    if text not in policies:
        raise place.wrong(f"there is no policy {text!r}")
    return text


def _webhook(place: Field, known: bool) -> Fields:
    """`url` stays empty where the one that the server has is meant."""
    fields = place.mapping(*WEBHOOK_KEYS)
    url = fields["url"].text_or_none() or ""
    if not url and not known:
        raise place.wrong("the server has no webhook of this name, so its url is needed")
    form = fields["form"].choice(Form, placing.form_of(url))
    if url:
        try:
            placing.place(form, url)
        except Invalid as error:
            raise fields["url"].wrong(error.message.rstrip(".")) from error
    language = fields["language"].text_or_none() or "en"
    if language not in LANGUAGES:
        raise fields["language"].wrong(f"there is no language {language!r}; there are {', '.join(LANGUAGES)}")
    return {
        "url": url,
        "form": form.value,
        "kinds": ", ".join(sorted(_kinds(fields["kinds"]))),
        "rollout": _short(fields["rollout"], 16),
        "device": _short(fields["device"], 64),
        "language": language,
    }


def _kinds(place: Field) -> set[str]:
    return set() if place.absent else {each.choice(Happening, Happening.ROLLOUT).value for each in place.items()}


def _short(place: Field, most: int) -> str:
    text = place.text_or_none() or ""
    if len(text) > most:
        raise place.wrong(f"it has more than {most} characters")
    return text


def _no_circle(places: Mapping[str, Field], after: Mapping[str, str]) -> None:
    for name, place in places.items():
        passed, at = {name}, after[name]
        while at:
            if at in passed:
                raise place.wrong(f"it comes after itself, by way of {at!r}")
            passed.add(at)
            at = after.get(at, "")
