"""News read as sentences, in English and Vietnamese."""

from __future__ import annotations

from typing import Any

import pytest

from surefoot_server.events.models import Happening
from surefoot_server.languages.catalogue import NAMES, language
from surefoot_server.notify.texts import lines, subject


def entry(kind: str, subject: str = "rollout:r1", **detail: object) -> dict[str, Any]:
    at = "2026-03-01T12:00:00+00:00"
    return {"id": 1, "at": at, "kind": kind, "subject": subject, "actor": "engine", "detail": detail}


@pytest.mark.parametrize(
    ("told", "english"),
    [
        (entry("rollout", state="halted", was="running"), "Rollout r1 is halted"),
        (entry("phase", name="canary", state="baking"), "Rollout r1, phase canary: baking"),
        (entry("verdict", name="canary", verdict="fail"), "Rollout r1, phase canary: the verdict is fail"),
        (entry("outcome", "device:cam-1", outcome="reverted", release="app/1.1"), "cam-1: app/1.1 reverted"),
        (entry("flag", "device:cam-1", action="flag.raise"), "Flag about cam-1"),
        (entry("alarm", "device:cam-1", alarm="security"), "cam-1 needs a person"),
        (entry("rollout", state="reverting", was="reverting", held=True), "Rollout r1: the way back is held"),
        (entry("alarm", action="rollout.hold_back"), "Rollout r1: the way back is held and needs a person"),
        (entry("audit", "cohort:lab", action="cohort.create"), "lab: cohort.create"),
        (entry("decision", action="rollout.pause"), "Rollout r1: rollout.pause"),
        (entry("drill", "drill:d1", action="drill.start"), "d1: drill.start"),
    ],
)
def test_each_kind_has_its_sentence(told: dict[str, Any], english: str) -> None:
    assert subject(told, language("en")) == english


def test_every_kind_is_told_in_every_language() -> None:
    for code in NAMES:
        for kind in Happening:
            assert subject(entry(kind.value), language(code))


def test_a_vietnamese_reader_reads_vietnamese() -> None:
    told = lines(entry("rollout", state="halted", reason="3 of 40 failed"), language("vi"))

    assert told[1] == "Lý do: 3 of 40 failed"
    assert told[0] != "Rollout r1 is halted"


def test_an_act_is_told_in_words_in_vietnamese() -> None:
    assert (
        subject(entry("decision", action="rollout.start_phase"), language("vi"))
        == "Đợt triển khai r1: bắt đầu giai đoạn"
    )
    assert subject(entry("audit", "user:an", action="user.password.refused"), language("vi")).endswith(
        ": mật khẩu: bị từ chối"
    )


def test_a_held_way_back_is_told_in_vietnamese() -> None:
    for told in (entry("rollout", held=True), entry("alarm", action="rollout.hold_back")):
        assert "đường quay về bị giữ lại" in subject(told, language("vi"))


def test_the_lines_say_why_who_and_when() -> None:
    assert lines(entry("rollout", state="halted", reason="3 of 40 failed"), language("en")) == [
        "Rollout r1 is halted",
        "Why: 3 of 40 failed",
        "By: engine",
        "At: 2026-03-01 12:00:00 UTC",
    ]
