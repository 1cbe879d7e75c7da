"""Settings: who is let in, with what, and until when things are signed."""

from __future__ import annotations

import re

import pytest

from surefoot_server.access import service as access
from surefoot_server.access import users
from surefoot_server.access.roles import FLEET, Grant, Role
from surefoot_server.notify.models import Delivery, Form
from surefoot_server.notify.service import Order
from surefoot_server.policies import service as policies
from tests.server.console.browser import browser
from tests.server.rig import NOW, Rig

PASSWORD = "correct horse battery staple"


def test_everybody_reads_until_when_the_keys_signed(rig: Rig) -> None:
    text = browser(rig).get("/settings").text

    assert "image rel-app" in text
    assert "director root" in text
    assert "days left" in text


def test_only_an_administrator_reads_who_is_let_in(rig: Rig) -> None:
    assert "Add a person" not in browser(rig, Role.RELEASER).get("/settings").text
    assert "Add a person" in browser(rig, Role.ADMIN).get("/settings").text


def test_an_administrator_adds_a_person_changes_the_role_and_shuts_them_out(rig: Rig) -> None:
    page = browser(rig, Role.ADMIN)

    made = page.post(
        "/settings/users", data={"name": "anna", "password": PASSWORD, "role": "operator"}, follow_redirects=False
    )
    page.post("/settings/users/anna/grant", data={"role": "releaser"})
    page.post("/settings/users/anna/disable")

    assert (made.status_code, made.headers["location"]) == (303, "/settings#people")
    with rig.db.read() as session:
        row = users.get(session, "anna")
        assert users.grants(session, row.id) == (Grant(FLEET, Role.RELEASER),)
    assert row.disabled_at is not None
    page.post("/settings/users/anna/enable")
    with rig.db.read() as session:
        assert users.get(session, "anna").disabled_at is None


def test_a_token_is_on_the_page_that_made_it_and_on_no_other(rig: Rig) -> None:
    page = browser(rig, Role.ADMIN)

    made = page.post("/settings/tokens", data={"name": "ci", "role": "viewer", "days": 30})

    text = re.search(r"sf_[0-9a-f]{12}_[0-9a-f]{64}", made.text)
    assert made.status_code == 201
    assert text is not None
    assert text[0] not in page.get("/settings").text
    with rig.db.read() as session:
        assert access.principal_of(session, text[0], NOW).role is Role.VIEWER


def test_a_revoked_token_opens_nothing(rig: Rig) -> None:
    page = browser(rig, Role.ADMIN)
    page.post("/settings/tokens", data={"name": "ci", "role": "viewer"})
    with rig.db.read() as session:
        token = next(row for row in access.tokens(session) if row.name == "ci")

    page.post(f"/settings/tokens/{token.id}/revoke")

    with rig.db.read() as session:
        assert next(row for row in access.tokens(session) if row.name == "ci").revoked_at is not None


def test_a_scope_that_is_none_is_refused_on_a_page(rig: Rig) -> None:
    answer = browser(rig, Role.ADMIN).post("/settings/tokens", data={"name": "x", "role": "viewer", "scope": "moon"})

    assert answer.status_code == 422
    assert "is no scope" in answer.text


def test_policies_show_what_they_say(rig: Rig) -> None:
    with rig.db.write() as session:
        policies.save(session, "careful", "", "anna", NOW)

    assert "careful" in browser(rig).get("/settings").text


def test_a_hooks_secret_is_on_the_page_that_answers_and_nowhere_else(rig: Rig) -> None:
    rig.release("app/1.1")
    here = browser(rig, Role.OPERATOR)

    made = here.post("/settings/hooks", data={"name": "pager", "act": "halt", "about": "app/1.1"})
    hook = re.search(r"hooks/sfh_([0-9a-f]+)<", made.text)
    assert hook is not None
    rotated = here.post(f"/settings/hooks/{hook[1]}/rotate", data={})

    secrets = [re.findall(r"whsec_[A-Za-z0-9+/=&#;]+", page.text) for page in (made, rotated, here.get("/settings"))]
    assert [len(found) for found in secrets] == [1, 1, 0]
    assert secrets[0] != secrets[1]
    assert "chỉ nhận lời gọi có chữ ký" in browser(rig, language="vi").get("/settings").text
    assert here.post("/settings/hooks", data={"name": "x", "act": "halt", "about": "nothing"}).status_code == 404


def test_everybody_sees_who_is_told_how_it_fares_and_the_command_for_another(rig: Rig) -> None:
    assert "surefoot webhook create oncall mailto:" in browser(rig).get("/settings").text
    row, _ = rig.state.notify.create(Order("chat", "mailto:chat@example.com", Form.MAIL), "anna", NOW)
    with rig.db.write() as session:
        tried = {"state": "failed", "tried_at": NOW, "error": "<b>relay refused</b>", "created_at": NOW}
        session.add(Delivery(webhook_id=row.id, message_id="m", event_id=0, body="{}", **tried))

    text = browser(rig).get("/settings").text

    assert "chat@example.com" in text
    assert "&lt;b&gt;relay refused&lt;/b&gt;" in text
    assert "1 was given up" in text
    assert "surefoot webhook create NAME URL" in text
    assert "1 tin đã bỏ" in browser(rig, language="vi").get("/settings").text


@pytest.mark.parametrize(
    ("act", "data"),
    [
        ("users", {"name": "x", "password": PASSWORD, "role": "admin"}),
        ("users/x/grant", {"role": "admin"}),
        ("users/x/withdraw", {"scope": "fleet"}),
        ("users/x/disable", {}),
        ("users/x/enable", {}),
        ("tokens", {"name": "x", "role": "admin"}),
        ("tokens/x/revoke", {}),
        ("hooks", {"name": "x", "act": "halt", "about": "r1"}),
        ("hooks/x/rotate", {}),
        ("hooks/x/revoke", {}),
    ],
)
def test_a_lower_role_and_another_site_may_do_none_of_it(rig: Rig, act: str, data: dict[str, str]) -> None:
    lower = Role.VIEWER if act.startswith("hooks") else Role.RELEASER

    assert browser(rig, lower).post(f"/settings/{act}", data=data).status_code == 403
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert browser(rig, Role.ADMIN).post(f"/settings/{act}", data=data, headers=elsewhere).status_code == 403
