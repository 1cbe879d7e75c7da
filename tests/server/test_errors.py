"""Every error has one status, and every refusal is a problem document."""

from __future__ import annotations

import errno
import sqlite3

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from surefoot_server import errors
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

CASES: list[tuple[Exception, int, str]] = [
    (NotFound("not_found", "There is no such thing."), 404, "not_found"),
    (NotAllowed("not_allowed", "Not with this token."), 403, "not_allowed"),
    (NotAllowed("not_signed_in", "Who are you?"), 401, "not_signed_in"),
    (NotAllowed("lease_expired", "The lease has ended."), 401, "lease_expired"),
    (NotAllowed("enrolment_refused", "No."), 403, "enrolment_refused"),
    (Conflict("halted", "The release is halted."), 409, "halted"),
    (Invalid("malformed", "No JSON."), 422, "malformed"),
    (UntrustedRelease("metadata_untrusted", "Wrong signature."), 409, "metadata_untrusted"),
    (Unreachable("busy", "Later.", retry_after_s=7.2), 503, "busy"),
    (ConfigError("config_invalid", "Wrong file."), 500, "config_invalid"),
    (Conflict("no_space", "No room."), 507, "no_space"),
    (OSError(errno.ENOSPC, "No space left on device"), 507, "no_space"),
    (OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full")), 507, "no_space"),
    (OSError(errno.EIO, "Input/output error"), 500, "internal"),
    (OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked")), 503, "busy"),
    (OperationalError("INSERT", {}, sqlite3.OperationalError("no such table")), 500, "internal"),
    (ZeroDivisionError("secret detail"), 500, "internal"),
]


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    errors.install(app)

    @app.get("/{n}")
    def fail(n: int) -> None:
        raise CASES[n][0]

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("n", range(len(CASES)))
def test_each_error_has_its_status_and_kind(client: TestClient, n: int) -> None:
    answer = client.get(f"/{n}")

    assert (answer.status_code, answer.json()["kind"]) == CASES[n][1:]
    assert answer.headers["content-type"] == errors.MEDIA_TYPE
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail", "kind", "message", "hint"}
    assert (told["status"], told["detail"]) == (answer.status_code, told["message"])
    assert told["type"] == f"urn:surefoot:problem:{told['kind']}"


def test_a_bug_shows_nothing_of_its_inside(client: TestClient) -> None:
    assert "secret" not in client.get(f"/{len(CASES) - 1}").text


def test_malformed_input_names_the_field(client: TestClient) -> None:
    answer = client.get("/many")

    assert answer.status_code == 422
    assert "path.n" in answer.json()["message"]


def test_an_unknown_path_and_method_are_problems_too(client: TestClient) -> None:
    missing, wrong = client.get("/a/b"), client.post("/1")

    assert (missing.status_code, missing.json()["kind"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["kind"], wrong.headers["allow"]) == (405, "wrong_method", "GET")
    assert missing.json()["hint"]
    assert wrong.headers["content-type"] == errors.MEDIA_TYPE


def test_load_that_is_refused_says_when_to_come_back(client: TestClient) -> None:
    assert client.get("/8").headers["retry-after"] == "7"


def test_a_missing_token_says_which_kind_is_wanted(client: TestClient) -> None:
    assert client.get("/2").headers["www-authenticate"] == "Bearer"


def test_every_family_is_in_the_table() -> None:
    assert all(errors.STATUS.get(family) for family in SurefootError.__subclasses__())
