"""A person gets a page, a program a problem document; both say the same."""

from __future__ import annotations

import pytest

from surefoot_server.access.roles import Role
from tests.server.console.browser import browser
from tests.server.rig import Rig


def test_a_person_reads_what_was_refused_and_why(rig: Rig) -> None:
    answer = browser(rig).get("/devices/cam-9")

    assert answer.status_code == 404
    assert "There is no device" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_what_a_person_typed_is_text_in_it(rig: Rig) -> None:
    answer = browser(rig).get("/devices/<script>")

    assert "<script>" not in answer.text.replace('<script src="/static', "")


@pytest.mark.parametrize(
    ("referer", "shown"),
    [
        ("http://testserver/rollouts/r1?x=1", True),
        ("http://evil.example/rollouts/r1?x=1", False),
        ("http://[/rollouts/r1?x=1", False),
        ("", False),
    ],
)
def test_whose_form_was_refused_finds_the_way_back_to_it(rig: Rig, referer: str, shown: bool) -> None:
    answer = browser(rig).post("/rollouts/r1/pause", headers={"Referer": referer})

    assert answer.status_code == 403
    assert ('<a href="/rollouts/r1?x=1">Back to the page' in answer.text) is shown
    assert ('name="back" value="/rollouts/r1?x=1"' in answer.text) is shown


def test_a_malformed_address_is_said_in_the_readers_language(rig: Rig) -> None:
    answer = browser(rig, language="vi").get("/devices", params={"q": "x" * 300})

    assert answer.status_code == 422
    assert 'lang="vi"' in answer.text
    assert "Địa chỉ" in answer.text


def test_a_program_gets_a_problem_document(rig: Rig) -> None:
    program = rig.client(Role.VIEWER)

    assert program.get("/api/v1/devices/cam-9", headers={"Accept": "text/html"}).json()["kind"] == "not_found"
    assert browser(rig).get("/devices/cam-9", headers={"Accept": "*/*"}).json()["kind"] == "not_found"


def test_a_refusal_is_said_in_the_readers_language_with_the_sentence_as_detail(rig: Rig) -> None:
    text = browser(rig, language="vi").get("/devices/cam-9").text

    assert "<strong>Không có gì mang tên này." in text
    assert '<p lang="en">There is no device &#39;cam-9&#39;.' in text
