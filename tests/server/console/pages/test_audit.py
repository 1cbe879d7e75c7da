"""The page of the audit trail: found, checked, written; read by everybody, written by nobody."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from surefoot_server.audit import service
from surefoot_server.console.pages.audit import Asked, place_of
from tests.server.audit.tampering import unlock
from tests.server.console.browser import browser
from tests.server.rig import NOW, Rig


@pytest.fixture
def trail(rig: Rig) -> Rig:
    rig.device("cam-1")
    with rig.db.write() as session:
        service.record(session, "anna", "rollout.halt", "rollout:r1", {"reason": "<script>x</script>"}, NOW)
    return rig


def test_entries_are_found_by_the_address_alone(trail: Rig) -> None:
    page = browser(trail)

    assert "device.enrol" in page.get("/audit", params={"object": "device"}).text
    assert ">rollout:r1</a>" not in page.get("/audit", params={"object": "device"}).text
    assert ">rollout:r1</a>" in page.get("/audit", params={"actor": "anna", "action": "rollout.halt"}).text


def test_an_act_is_in_the_readers_words_beside_its_code(trail: Rig) -> None:
    page = browser(trail)
    english = page.get("/audit").text
    page.headers["Accept-Language"] = "vi"
    vietnamese = page.get("/audit").text

    assert 'halt <code class="quiet code">rollout.halt</code>' in english
    assert 'chặn <code class="quiet code">rollout.halt</code>' in vietnamese
    assert '<optgroup label="thiết bị">' in vietnamese
    assert '<option value="rollout.halt">chặn · rollout.halt</option>' in vietnamese


def test_what_was_given_as_a_reason_is_text(trail: Rig) -> None:
    text = browser(trail).get("/audit").text

    assert "<script>x" not in text
    assert "&lt;script&gt;x" in text


def test_the_chain_is_checked_on_request_and_a_change_shows(trail: Rig) -> None:
    page = browser(trail)
    assert "The chain is whole" in page.get("/audit", params={"verify": "1"}).text
    assert "The chain" not in page.get("/audit").text.replace("Check the chain", "")

    with trail.db.write() as session:
        unlock(session)
        session.connection().execute(sa.text("UPDATE audit_entry SET actor = 'nobody' WHERE seq = 2"))

    assert "The chain is broken: row 2 was altered." in page.get("/audit", params={"verify": "1"}).text


def test_what_is_found_is_written_to_a_file(trail: Rig) -> None:
    page = browser(trail)

    sheet = page.get("/audit/export", params={"actor": "anna"})
    lines = page.get("/audit/export", params={"actor": "anna", "form": "jsonl"})

    assert 'filename="audit.csv"' in sheet.headers["content-disposition"]
    assert len(sheet.text.splitlines()) == 2
    assert len(lines.text.splitlines()) == 1


def test_days_are_the_readers_own_and_the_last_one_counts() -> None:
    question = Asked(since="2026-03-01", until="2026-03-01").question(ZoneInfo("Asia/Ho_Chi_Minh"))

    assert question.since == datetime(2026, 2, 28, 17, tzinfo=timezone.utc)
    assert question.until == datetime(2026, 3, 1, 17, tzinfo=timezone.utc)
    assert Asked(since="yesterday").question(timezone.utc).since is None


@pytest.mark.parametrize(
    ("object", "place"),
    [
        ("device:cam-1", "/devices/cam-1"),
        ("release:app/1.0", "/releases/app/1.0"),
        ("cohort:hanoi", "/devices?cohort=hanoi"),
        ("device:../x?y", "/devices/../x%3Fy"),
        ("token:ab", ""),
        ("devices:12", ""),
        ("device:", ""),
    ],
)
def test_a_thing_leads_to_its_page(object: str, place: str) -> None:
    assert place_of(object) == place


def test_a_long_trail_goes_on_page_by_page(trail: Rig) -> None:
    with trail.db.write() as session:
        for n in range(60):
            service.record(session, "anna", "cohort.create", f"cohort:c{n}", {}, NOW)

    first = browser(trail).get("/audit", params={"action": "cohort"}).text
    assert first.count('<th scope="row"') == 50
    assert 'rel="next"' in first
    last = browser(trail).get("/audit", params={"action": "cohort", "before": 14}).text
    assert 'rel="next"' not in last
    assert "First page" in last


def test_without_signing_in_nothing_is_read_or_written(trail: Rig) -> None:
    nobody = trail.client(None)

    for path in ("/audit", "/audit/export"):
        assert nobody.get(path, follow_redirects=False).status_code == 303
