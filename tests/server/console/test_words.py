"""The vocabulary on pages: all of it, with a tone, in each language."""

from __future__ import annotations

from surefoot_server.console.words import TONES, WORDS, said, tone
from surefoot_server.languages.catalogue import language
from surefoot_shared import status


def test_every_word_of_the_vocabulary_is_known_to_the_catalogues() -> None:
    enums = (status.AttemptState, status.Outcome, status.RolloutState, status.PhaseState, status.Verdict)
    enums += (status.SlotState, status.Presence, status.Check, status.Intent)  # type: ignore[assignment]
    words = {str(member.value).replace("_", " ") for enum in enums for member in enum}

    assert words - set(WORDS) == set()


def test_every_outcome_has_a_tone_and_work_is_the_rest() -> None:
    assert {tone(o.value) for o in status.Outcome} == {"good", "bad", "calm"}
    assert tone("downloading") == "work"
    assert set(TONES.values()) == {"good", "bad", "wait", "calm"}


def test_a_word_is_said_in_the_readers_language_and_an_unknown_one_as_it_is() -> None:
    assert said(language("en"), "awaiting_approval") == "awaiting approval"
    assert said(language("vi"), "committed") == "đã chốt"
    assert said(language("vi"), "frobnicated") == "frobnicated"
    assert said(language("vi"), "") == ""


def test_names_within_a_sentence_keep_their_spelling() -> None:
    assert said(language("en"), "test night_count") == "test night_count"
    assert said(language("vi"), "1 trên 2 người: ngoc_anh") == "1 trên 2 người: ngoc_anh"
