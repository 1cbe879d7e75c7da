"""Each sentence of the server is read back from its English and said in the reader's language."""

from __future__ import annotations

import re
import time

import pytest

from surefoot_server.languages import gather, spoken
from surefoot_server.languages.catalogue import NAMES, SOURCE, language
from surefoot_server.languages.sentences import DEEPEST, MOST_READINGS, PLACE, _Reader, _templates, code_said, told
from surefoot_shared.errors import KINDS

VI = language("vi")
TRANSLATED = sorted(set(NAMES) - {SOURCE})
ENGLISH = re.compile(
    r"\b(the|of|and|is|are|was|were|has|have|it|its|that|which|not|been|devices?|by|for|with|this|before|after|"
    r"failed|waits?|within|until|since|needed|because|could|cannot|will|from|at|to|on|no|be)\b",
    re.IGNORECASE,
)
"""Words that no sentence in another language holds, unless they name something."""
QUOTED = re.compile(r"`[^`]*`|\*[^*]*\*|surefoot [a-z ]+ \S+.*|packs_limit_bytes|intent: downgrade|of \[application\]")


def filled(template: str, value: str = "x") -> str:
    return PLACE.sub(lambda place: f"{value}{place[1]}", template)


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_sentence_is_told_in_the_readers_language_with_its_values(code: str) -> None:
    say = language(code)

    wrong = {
        source: said
        for source in spoken.sentences(gather.ROOT)
        if (said := told(say, filled(source))) != filled(say.sentences[source])
    }

    assert wrong == {}


def test_no_english_remains_in_any_sentence() -> None:
    left = {
        said: found
        for source in spoken.sentences(gather.ROOT)
        if (found := ENGLISH.findall(QUOTED.sub("", said := told(VI, filled(source)))))
    }

    assert left == {}


def test_an_untranslated_sentence_would_be_noticed() -> None:
    assert told(VI, "it sleeps until somebody comes") == "it sleeps until somebody comes"
    assert ENGLISH.findall("it sleeps until somebody comes")


def test_what_is_put_together_is_told_part_by_part() -> None:
    reason = (
        "early failed: 3 of 40 devices reverted (7.5%), surely more than 2.2% at 90% confidence, the limit is 1.0%; "
        "2 of 40 devices were lost, the tripwire is 1"
    )

    assert told(VI, reason) == (
        "early không đạt: 3 trên 40 thiết bị đã quay lại (7.5%), chắc chắn hơn 2.2% ở độ tin cậy 90%, "
        "giới hạn là 1.0%; "
        "2 trên 40 thiết bị mất liên lạc, ngưỡng bẫy là 1"
    )


def test_values_may_be_sentences_codes_and_spans() -> None:
    assert told(VI, "36 of 40 due devices have reported, 38 are needed after 2 d") == (
        "36 trên 40 thiết bị đến hạn đã báo cáo, cần 38 sau 2 ngày"
    )
    assert told(VI, "its download failed (unreachable); retry 1 of 3, at the earliest in 40 s") == (
        "tải xuống thất bại (không kết nối được); thử lại lần 1 trên 3, sớm nhất sau 40 giây"
    )


@pytest.mark.parametrize(
    "words",
    [
        "I stopped it, because it is bad",
        "the connection was closed by the peer",
        "the check app_ready failed: connection refused",
        "camera looks at the wall",
        "",
        "..., (; : )",
        "(",
        ")",
        "x" * 3000,
    ],
)
def test_what_a_person_or_a_device_wrote_stays_as_it_is(words: str) -> None:
    assert told(VI, words) == words


def test_a_persons_reason_within_a_sentence_stays_as_it_is() -> None:
    assert told(VI, "halt by admin: the customer is angry, very") == "chặn bởi admin: the customer is angry, very"


def test_in_english_a_sentence_is_as_it_was_stored() -> None:
    assert told(language("en"), "halt by admin: no") == "halt by admin: no"


def test_a_role_is_a_word_within_a_sentence_and_somebody_called_admin_is_not() -> None:
    assert told(VI, "it waits for 2 approvals by admin") == "đang chờ 2 phê duyệt của quản trị viên"
    assert told(VI, "linh is operator over cohort:admin; this needs releaser.") == (
        "linh có vai trò người vận hành trên cohort:admin; việc này cần người phát hành."
    )
    assert told(VI, "halt by admin: no") == "chặn bởi admin: no"


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("app/1.2: cancelled_by_order", "app/1.2: cancelled by order"),
        ("the check health_failed at 3:00", "the check health failed at 3:00"),
        ("camera_fps fell; /var/health_failed and health_failed.txt", None),
    ],
)
def test_in_english_codes_are_words_too_but_no_names_or_paths(stored: str, said: str | None) -> None:
    assert told(language("en"), stored) == (said or stored)


def test_a_code_is_a_word_in_each_language() -> None:
    assert code_said(language("en"), "health_failed") == "health failed"
    assert code_said(VI, "health_failed") == "kiểm tra sức khỏe không đạt"
    assert code_said(VI, "") == ""
    assert [kind for kind in KINDS if code_said(VI, kind) == kind.replace("_", " ")] == []


@pytest.mark.parametrize(
    "words",
    ["." * 2000, "a" + " (b)" * 480, ")" * 2000, "; " * 1000, "x: " * 600, " (" * 900 + ")"],
    ids=["full stops", "brackets", "closing brackets", "semicolons", "colons", "opening brackets"],
)
def test_what_a_hostile_device_nests_without_end_stays_as_it_is(words: str) -> None:
    assert told(VI, words) == words


def test_what_a_hostile_device_writes_to_be_read_in_every_way_is_read_in_few() -> None:
    words = (" of a, within a: of its a is a in a by a to a after a over a runs a at a waits for a ended a" * 22)[:1900]
    reader = _Reader(VI, tuple(each for each in _templates("vi") if each.may_be_in(words)))

    reader.read(words)

    assert MOST_READINGS <= len(reader.seen) < MOST_READINGS + DEEPEST
    assert told(VI, words)


def test_many_reasons_of_a_verdict_are_all_read() -> None:
    said = told(VI, "early failed: " + "; ".join(f"{n} of 40 devices reverted, the tripwire is {n}" for n in range(30)))

    assert ENGLISH.findall(said) == []


def test_a_sentence_of_many_parts_is_read_in_no_time() -> None:
    told(VI, "warm")
    began = time.process_time()

    told(VI, "; ".join(f"{n} of 40 devices reverted, the tripwire is {n}, and (so) on: {n}" for n in range(25)))

    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "words",
    ["; " * 1000, "a; " * 660, "in " * 600 + "x", "at " * 600 + "x", "a" + "." * 1900, "a" + " (" * 600 + ")" * 600],
)
def test_no_message_of_a_device_is_too_deep_to_be_shown(words: str) -> None:
    began = time.process_time()

    assert told(VI, words)

    assert time.process_time() - began < 5


def test_what_is_in_more_pieces_than_are_tried_at_once_is_read_piece_by_piece() -> None:
    piece = "2 of 40 devices were lost, the tripwire is 1"

    assert told(VI, "; ".join([piece] * 42)) == "; ".join([told(VI, piece)] * 42)
