"""What surrounds every page: the policy, the way around, the viewer's language, zone and colours."""

from __future__ import annotations

import html
import re
from datetime import timezone

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access.roles import Role
from surefoot_server.cohorts import service as cohorts
from surefoot_server.console.frame import View, environment, own_path, render
from surefoot_server.console.held_up import Found, Row
from surefoot_server.languages import gather, spoken
from surefoot_server.languages.catalogue import NAMES, language
from surefoot_server.rollouts.models import Rollout
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState, Verdict
from tests.server.access.cities import build, signed_in
from tests.server.languages.test_sentences import ENGLISH, QUOTED, filled
from tests.server.rig import NOW, Rig


@pytest.fixture
def browser(rig: Rig) -> TestClient:
    client = rig.client(None)
    client.post("/sign-in", data={"token": rig.token(Role.VIEWER)})
    return client


def test_the_policy_allows_our_own_files_and_nothing_inline(browser: TestClient) -> None:
    answer = browser.get("/")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_a_page_has_no_inline_script_style_or_handler(browser: TestClient) -> None:
    text = browser.get("/").text

    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert "style=" not in text
    assert "<style" not in text
    assert not re.search(r"\son\w+=", text)


def test_every_file_a_page_names_is_there(browser: TestClient) -> None:
    named = set(re.findall(r'(?:src|href)="(/static/[^"#]+)', browser.get("/").text))

    assert len(named) >= 6
    assert {browser.get(name).status_code for name in named} == {200}


def test_the_page_one_looks_at_is_marked_in_the_navigation(browser: TestClient) -> None:
    assert '<a href="/" aria-current="page"' in browser.get("/").text


def test_pages_are_compressed_for_those_who_read_that(browser: TestClient) -> None:
    assert browser.get("/").headers["content-encoding"] == "gzip"
    assert "content-encoding" not in browser.get("/", headers={"Accept-Encoding": "identity"}).headers


def test_a_page_says_who_is_signed_in(browser: TestClient) -> None:
    assert re.search(r"Signed in as viewer-\d+, viewer", browser.get("/").text)


@pytest.mark.parametrize("path", ["/", "/devices?q=a%20b", "/rollouts/r1"])
def test_a_path_of_the_console_is_kept(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize("path", ["", "//x", "/\\x", "https://x", "javascript:alert(1)", "/a\r\nb"])
def test_a_path_elsewhere_is_the_first_page(path: str) -> None:
    assert own_path(path) == "/"


@pytest.mark.parametrize("code", sorted(NAMES))
def test_every_template_compiles_in_every_language(code: str) -> None:
    made = environment(code)

    assert [name for name in made.list_templates() if made.get_template(name).name != name] == []


def test_who_has_a_role_in_a_scope_is_told_no_command_for_what_is_missing_there(rig: Rig) -> None:
    build(rig)
    with rig.db.write() as session:
        cohorts.create(session, "nobody", "tag('nobody')", "test", NOW)
    scoped, fleet = signed_in(rig, Role.ADMIN, "cohort:nobody"), signed_in(rig, Role.ADMIN, "fleet")

    pages = [scoped.get(path).text for path in ("/", "/devices", "/releases", "/map", "/rollouts/new")]

    assert ["nothing here that you have a role over" in page for page in pages] == [True] * len(pages)
    assert [page for page in pages if "enrol-token create" in page or "release publish" in page] == []
    assert "nothing here that you have a role over" not in fleet.get("/releases").text


def test_a_page_in_vietnamese_with_every_reason_and_every_state_holds_no_english() -> None:
    """Whoever adds a reason or a state finds it here, in a page that people read."""
    states = [str(each.value) for enum in (AttemptState, Outcome, PhaseState, RolloutState, Verdict) for each in enum]
    reasons = [filled(sentence) for sentence in spoken.sentences(gather.ROOT)]
    rows = [*(Row("d1", "hw", 0, state, "") for state in states), *(Row("d1", "hw", 0, "lost", r) for r in reasons)]
    view = View(None, language("vi"), timezone.utc, "", "/rollouts/r1/devices", "/", NOW)
    rollout = Rollout(id="r1", number=1, release_id="app/1", cohort="x")

    found = Found(tuple(rows), len(rows), tuple((state, 1) for state in states))
    page = render("rollout_devices.html", view, rollout=rollout, found=found, only="")

    text = html.unescape(re.sub(r"<[^>]*>", "\n", page.partition("<table")[2]))
    left = {line for line in text.splitlines() if ENGLISH.search(QUOTED.sub("", line))}
    assert "đang thử thách" in text
    assert left == set()
