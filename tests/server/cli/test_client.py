"""The API's refusals become the families that the server meant; bytes are sent in pieces."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest

from surefoot_server.access.roles import Role
from surefoot_server.cli.client import Api
from surefoot_shared.errors import (
    ConfigError,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    SurefootError,
    Unreachable,
    UntrustedRelease,
)
from tests.server.rig import Rig


def answering(status: int, body: object) -> Api:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=body)

    return Api("http://server", "sf_x", httpx.MockTransport(answer))


@pytest.mark.parametrize(
    ("status", "kind", "family"),
    [
        (401, "not_signed_in", NotAllowed),
        (403, "not_allowed", NotAllowed),
        (404, "not_found", NotFound),
        (409, "conflict", Conflict),
        (409, "halted", Conflict),
        (409, "metadata_untrusted", UntrustedRelease),
        (422, "malformed", Invalid),
        (503, "busy", Unreachable),
        (500, "internal", SurefootError),
    ],
)
def test_each_refusal_is_the_family_that_the_server_meant(status: int, kind: str, family: type[Exception]) -> None:
    with pytest.raises(SurefootError) as refused:
        answering(status, {"kind": kind, "message": "No.", "hint": "Do that."}).get("/devices")

    assert type(refused.value) is family
    assert (refused.value.kind, refused.value.message, refused.value.hint) == (kind, "No.", "Do that.")


@pytest.mark.parametrize("body", ["<html>", [], {"detail": "x"}, None])
def test_an_answer_that_is_no_problem_document_points_at_what_is_in_between(body: object) -> None:
    with pytest.raises(SurefootError, match="without a problem document"):
        answering(502, body).get("/devices")


@pytest.mark.parametrize("server", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_nobody_there_is_unreachable_with_the_address(server: str) -> None:
    with pytest.raises(Unreachable, match=server):
        Api(server, "sf_x").get("/devices")


@pytest.mark.parametrize("server", ["nonsense", "ftp://x", "http://[::1"])
def test_what_is_no_url_is_said_to_be_none(server: str) -> None:
    with pytest.raises((ConfigError, Unreachable)):
        Api(server, "sf_x").get("/devices")


def test_the_token_never_follows_a_redirect() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(302, headers={"Location": "http://elsewhere/"})

    with pytest.raises(SurefootError):
        Api("http://server", "sf_x", httpx.MockTransport(answer)).get("/devices")

    assert seen == ["server"]


def test_a_proxy_of_the_environment_is_not_used(server: str, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    with Api(server, rig.token(Role.VIEWER)) as api:
        assert api.get("/devices") == []


def test_a_file_arrives_whole(server: str, rig: Rig, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    file, name = tmp_path / "blob", hashlib.sha256(content).hexdigest()
    file.write_bytes(content)

    with Api(server, rig.token(Role.RELEASER)) as api:
        api.put_file(f"/blobs/{name}", file)

    assert rig.state.blobs.existing(name).read_bytes() == content


def test_an_address_without_protocol_ends_in_one_full_stop() -> None:
    with pytest.raises(SurefootError) as refused:
        Api("nonsense", "sf_x").get("/devices")

    assert ".." not in refused.value.message
