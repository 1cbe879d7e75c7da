"""Every capability of the API has a verb, and every request of a verb has a route; read from both sources."""

from __future__ import annotations

import functools

import pytest

from surefoot_server.app import OPERATOR_ROUTERS
from tests.server.cli import reach

WITHOUT = {
    ("POST", "/hooks/{token}"): "for other systems: its address is all that is needed, and curl calls it",
    ("GET", "/events"): "the stream that pages follow; `rollout status -w` and `audit list` show the same",
    ("POST", "/rollouts/forecast"): "`surefoot sim forecast` computes the same without a server",
    ("GET", "/users/{name}"): "`user list` shows each person whole",
    ("GET", "/openapi.json"): "the description of the API itself, for programs",
}
"""The whole list of routes that no verb asks, each with its reason; a new one is a decision."""


@functools.cache
def routes() -> list[tuple[str, str]]:
    found = [
        (method, str(route.path).removeprefix("/api/v1"))  # type: ignore[attr-defined]
        for router in OPERATOR_ROUTERS
        for route in router.routes
        if str(getattr(route, "path", "")).startswith("/api/v1/")
        for method in sorted(getattr(route, "methods", ()))
    ]
    assert len(found) > 90
    return found


@functools.cache
def asked() -> dict[str, set[reach.Request]]:
    return {name: reach.requests(command) for name, command in reach.verbs()}


@functools.cache
def verb_of() -> dict[tuple[str, str], list[str]]:
    """route → the verbs that ask it."""
    return {
        route: [name for name, said in asked().items() if any(reach.fits(request, *route) for request in said)]
        for route in routes()
    }


def test_every_route_has_a_verb_or_a_reason() -> None:
    assert [" ".join(route) for route, verbs in verb_of().items() if not verbs and route not in WITHOUT] == []


def test_no_verb_asks_what_no_route_answers() -> None:
    lost = [
        f"{name}: {' '.join(request)}"
        for name, said in asked().items()
        for request in said
        if not any(reach.fits(request, *route) for route in routes())
    ]

    assert lost == []


@pytest.mark.parametrize(
    ("method", "route", "verb"),
    [
        ("POST", "/configuration/apply", "apply"),
        ("GET", "/rollouts/{rollout_id}/decisions", "rollout decisions"),
        ("GET", "/releases/{component}/{version}/evidence.zip", "release evidence"),
        ("POST", "/channels/{name}/note", "channel accept"),
        ("PUT", "/blobs/{sha256}", "release publish"),
        ("POST", "/rollouts/{rollout_id}/halt", "rollout halt"),
        ("DELETE", "/enrol-tokens/{token_id}", "enrol-token revoke"),
    ],
)
def test_the_map_leads_to_the_verb_that_a_person_would_use(method: str, route: str, verb: str) -> None:
    assert verb in verb_of()[method, route]


def test_a_verb_without_a_server_asks_nothing() -> None:
    assert asked()["release sign"] == set()
    assert asked()["completion"] == set()


@pytest.mark.parametrize(
    ("request_", "route", "fit"),
    [
        (("GET", "/devices/*"), "/devices/{device_id}", True),
        (("GET", "/releases/*/*"), "/releases/{component}/{version}", True),
        (("GET", "/devices/*/why"), "/devices/{device_id}/letters", False),
        (("GET", "/devices"), "/devices/{device_id}", False),
    ],
)
def test_a_request_fits_a_route_part_by_part(request_: reach.Request, route: str, fit: bool) -> None:
    assert reach.fits(request_, "GET", route) is fit


def test_every_verb_knows_json() -> None:
    lacking = [name for name, command in reach.verbs() if "--json" not in {o for p in command.params for o in p.opts}]

    assert lacking in ([], ["up"]), "up is no question: it runs until it is told to stop"
