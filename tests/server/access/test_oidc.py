"""People come in by a real identity provider on the loopback, with the roles of their groups, and forgers do not."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from oidc_provider_mock import User as Account
from oidc_provider_mock import run_server_in_thread

from surefoot_server.access import oidc, users
from surefoot_server.access.guard import COOKIE
from surefoot_server.access.oidc import Oidc, Provider, granted, oidc_of, parse_roles
from surefoot_server.access.roles import FLEET, Grant, Role, Scope
from surefoot_server.cohorts import service as cohorts
from surefoot_shared.errors import ConfigError, NotAllowed, Unreachable
from tests.server.rig import NOW, Rig, serving

HOME = "http://testserver/sign-in/oidc/back"
ROLES = parse_roles("leads=admin, hanoi=operator@cohort:hanoi, gone=viewer@cohort:nowhere")


@pytest.fixture(scope="session")
def issuer() -> Iterator[str]:
    people = [
        Account(sub="1", claims={"preferred_username": "linh", "groups": ["leads", "hanoi"]}),
        Account(sub="2", claims={"preferred_username": "minh", "groups": ["hanoi"]}),
        Account(sub="3", claims={"preferred_username": "eve", "groups": ["others", "gone"]}),
        Account(sub="4", claims={"preferred_username": "admin", "groups": "leads"}),
    ]
    with run_server_in_thread(user_claims=people) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def provider(issuer: str, tmp_path: Path) -> Provider:
    secret = tmp_path / "client.secret"
    secret.write_text("of the client\n")
    return Provider(issuer, "surefoot", str(secret), HOME, "openid profile", "groups", "preferred_username", ROLES)


@pytest.fixture
def browser(rig: Rig, provider: Provider) -> TestClient:
    with rig.db.write() as session:
        cohorts.create(session, "hanoi", "all", "test", NOW)
        users.create(session, "admin", "four words of mine", [Grant(FLEET, Role.ADMIN)], "test", NOW)
    return TestClient(serving(replace(rig.state, oidc=Oidc(provider))), follow_redirects=False)


def consent(browser: TestClient, subject: str, asked: str = "/") -> str:
    """Go to the provider and agree there; the address that it sends the browser back to."""
    away = browser.get("/sign-in/oidc", params={"next": asked})
    assert away.status_code == 303
    answer = httpx.post(away.headers["location"], data={"sub": subject})
    return answer.headers["location"]


def test_a_person_comes_in_with_the_highest_role_of_the_groups(rig: Rig, browser: TestClient) -> None:
    landed = browser.get(consent(browser, "1"))

    assert (landed.status_code, COOKIE in browser.cookies) == (200, True)
    assert browser.get("/").status_code == 200
    with rig.db.read() as session:
        row = users.get(session, "linh")
        assert users.grants(session, row.id) == (
            Grant(Scope.parse("cohort:hanoi"), Role.OPERATOR),
            Grant(FLEET, Role.ADMIN),
        )
        assert row.password_hash is None


@pytest.mark.parametrize(
    ("asked", "landed_on"),
    [
        ("/rollouts/r1?a=1&b=%C3%A9", "/rollouts/r1?a=1&b=%C3%A9"),
        ("/devices?q=a;b", "/devices?q=a;b"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/x\r\ny", "/"),
        ("/" + "%" * 2500, "/"),
    ],
)
def test_the_way_back_from_the_provider_leads_to_the_page_that_was_asked_for(
    browser: TestClient, asked: str, landed_on: str
) -> None:
    link = browser.get("/sign-in", params={"next": asked[:1000]})

    if landed_on != "/":
        assert "/sign-in/oidc?next=/" in link.text
    landed = browser.get(consent(browser, "1", asked))

    assert f'content="0; url={html.escape(landed_on)}"' in landed.text


def test_the_request_asks_by_code_with_a_challenge_a_state_and_a_nonce(browser: TestClient) -> None:
    away = browser.get("/sign-in/oidc")

    asked = {k: v[0] for k, v in parse_qs(urlsplit(away.headers["location"]).query).items()}
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert "httponly" in away.headers["set-cookie"].lower()
    assert "samesite=lax" in away.headers["set-cookie"].lower()


@pytest.mark.parametrize("subject", ["3", "4"])
def test_who_has_no_role_or_another_users_name_is_nobody(rig: Rig, browser: TestClient, subject: str) -> None:
    landed = browser.get(consent(browser, subject))

    assert landed.status_code == 401
    assert COOKIE not in browser.cookies
    with rig.db.read() as session:
        assert [u.name for u in users.users(session)] == ["admin"]


def test_an_answer_to_another_browsers_question_is_refused(browser: TestClient) -> None:
    back = consent(browser, "1")
    browser.cookies.clear()
    browser.get("/sign-in/oidc")

    assert browser.get(back).status_code == 401
    assert COOKIE not in browser.cookies


@pytest.mark.parametrize("spoil", ["code=forged", "state=forged"])
def test_a_forged_code_or_state_is_refused(browser: TestClient, spoil: str) -> None:
    back = consent(browser, "1")
    name = spoil.partition("=")[0]
    genuine = parse_qs(urlsplit(back).query)[name][0]

    assert browser.get(back.replace(genuine, "forged")).status_code == 401


def test_a_token_for_another_nonce_or_client_proves_nothing(provider: Provider) -> None:
    one = Oidc(provider)
    url, secret = one.begin()
    location = httpx.post(url, data={"sub": "1"}).headers["location"]
    code = parse_qs(urlsplit(location).query)["code"][0]
    with one._client() as client:
        token = client.fetch_token(
            f"{provider.issuer}/oauth2/token", code=code, code_verifier=oidc._derived(secret, "verifier")
        )["id_token"]
        assert one._proved(client, token, oidc._derived(secret, "nonce")).name == "linh"

        with pytest.raises(NotAllowed):
            one._proved(client, token, "another nonce")
        with pytest.raises(NotAllowed):
            Oidc(replace(provider, client_id="other"))._proved(client, token, oidc._derived(secret, "nonce"))
        head, body, signature = token.split(".")
        with pytest.raises(NotAllowed):
            one._proved(client, f"{head}.{body[:-2]}AA.{signature}", oidc._derived(secret, "nonce"))


def test_roles_follow_the_groups_at_each_sign_in_and_none_is_none(rig: Rig, issuer: str) -> None:
    made = Provider(issuer, "surefoot", "", HOME, "openid", "groups", "preferred_username", ROLES)
    who = oidc.Identity("iss 9", "lan", ("leads",))
    with rig.db.write() as session:
        row = oidc.person(session, who, made, NOW)
    with rig.db.read() as session:
        assert users.principal_of(session, row).role is Role.ADMIN

    with rig.db.write() as session:
        oidc.person(session, replace(who, groups=()), made, NOW)

    with rig.db.read() as session, pytest.raises(NotAllowed):
        users.principal_of(session, row)


def test_a_provider_that_does_not_answer_leaves_the_password(rig: Rig) -> None:
    made = Provider("http://127.0.0.1:9", "surefoot", "", HOME, "openid", "groups", "name", ROLES)
    client = TestClient(serving(replace(rig.state, oidc=Oidc(made))), follow_redirects=False)

    answer = client.get("/sign-in/oidc")

    assert answer.status_code == 503
    assert 'name="password"' in answer.text
    with pytest.raises(Unreachable):
        Oidc(made).begin()


def test_without_a_provider_there_is_no_way_to_one(rig: Rig) -> None:
    client = rig.client(None)

    assert client.get("/sign-in/oidc").status_code == 404
    assert "/sign-in/oidc" not in client.get("/sign-in").text
    assert oidc_of(rig.state.settings) is None


def test_a_provider_that_is_half_set_up_is_refused(rig: Rig) -> None:
    with pytest.raises(ConfigError, match="oidc_client_id"):
        oidc_of(replace(rig.state.settings, oidc_issuer="https://id.example.com"))


@pytest.mark.parametrize("text", ["leads", "leads=king", "=admin", "leads=admin@cohort", "leads=admin@moon:x"])
def test_a_mapping_that_is_not_understood_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="oidc_roles"):
        parse_roles(text)


def test_groups_add_up_and_unknown_ones_give_nothing() -> None:
    assert granted(["others"], ROLES) == []
    assert [str(g.scope) for g in granted(["hanoi", "leads", "hanoi"], ROLES)] == ["cohort:hanoi", "fleet"]
