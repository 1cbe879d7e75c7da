"""One sentence for every combination of facts."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from surefoot_server.devices.why import RULES, Facts, Wish, explain
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rig import NOW, later

S = AttemptState
CALM = Facts(device="cam-17", component="app", now=NOW, runs="app/1.0", online=True, last_seen_at=later(-5))
OPEN = Wish("app/1.1", S.OFFERED, True)
ENDED = Wish("app/1.1", S.IDLE, False, Outcome.REVERTED, "health_failed", "30 of 30 frozen frames")

CASES: list[tuple[Facts, str, str]] = [
    (replace(CALM, revoked=True), "revoked", "cam-17 runs app/1.0: it is revoked, so nothing is offered to it."),
    (
        replace(CALM, attention="identity_conflict", wish=OPEN),
        "offered",
        "needs attention: two agents use its identity",
    ),
    (replace(CALM, last_seen_at=None, online=False, runs=None), "never_connected", "runs nothing known"),
    (
        replace(CALM, attention="fell_back", attention_message="It fell back."),
        "nothing_wanted",
        "cam-17 runs app/1.0: nothing else is wanted of it. It needs attention: It fell back (fell_back).",
    ),
    (replace(CALM, wish=OPEN, online=False), "offline", "and is wanted on app/1.1: it is offline, last heard at"),
    (replace(CALM, wish=OPEN, last_seen_at=later(-3600)), "offline", "goes on when it returns."),
    (replace(CALM, wish=OPEN), "offered", "it has been told and has not begun yet"),
    (
        replace(CALM, wish=replace(OPEN, rollout="r7", rollout_state="paused")),
        "rollout_stopped",
        "its rollout r7 is paused.",
    ),
    (replace(CALM, wish=replace(OPEN, state=S.CHECKING)), "checking", "free space"),
    (replace(CALM, wish=replace(OPEN, state=S.DOWNLOADING, progress=0.42)), "downloading", "it downloads, 42% done."),
    (replace(CALM, wish=replace(OPEN, state=S.DOWNLOADING)), "downloading", "it downloads."),
    (replace(CALM, wish=replace(OPEN, state=S.STAGED)), "staged", "waits to be switched to"),
    (
        replace(CALM, wish=replace(OPEN, state=S.STAGED, message="waits for the order"), waiting="2 are unavailable"),
        "staged",
        "the release is in its other slot and waits for its turn to switch: 2 are unavailable",
    ),
    (
        replace(CALM, wish=replace(OPEN, state=S.STAGED, message="waits: the application holds a lock since 12:00Z")),
        "staged",
        "is in its other slot and waits: the application holds a lock since 12:00Z.",
    ),
    (replace(CALM, wish=replace(OPEN, state=S.SWITCHING)), "switching", "switches"),
    (replace(CALM, wish=replace(OPEN, state=S.PROBATION)), "probation", "prove its health"),
    (replace(CALM, wish=replace(OPEN, state=S.COMMITTING)), "committing", "permanent"),
    (replace(CALM, wish=replace(OPEN, state=S.REVERTING, reason="boot_failed")), "reverting", "(boot_failed)."),
    (replace(CALM, wish=replace(OPEN, state=S.RESCUE)), "rescue", "neither of its slots is usable"),
    (replace(CALM, state=S.RESCUE), "rescue", "assign it a release that works, or visit it"),
    (replace(CALM, state=S.RESCUE, wish=ENDED), "rescue", "neither of its slots is usable"),
    (
        replace(
            CALM, state=S.RESCUE, attention="storage", attention_message="The journal cannot be read: … Way out: it."
        ),
        "journal_unreadable",
        "its journal cannot be read, so nothing new is begun there; what runs goes on. It needs attention: The journal",
    ),
    (replace(CALM, wish=ENDED), "reverted", "it reverted from app/1.1; 30 of 30 frozen frames (health_failed)."),
    (
        replace(CALM, wish=replace(ENDED, outcome=Outcome.FAILED, reason="no_space", message="")),
        "failed",
        "app/1.1 failed before the switch; free space on the device's data partition",
    ),
    (replace(CALM, wish=replace(ENDED, outcome=Outcome.REFUSED)), "refused", "it refused app/1.1"),
    (replace(CALM, wish=replace(ENDED, outcome=Outcome.CANCELLED)), "cancelled", "was withdrawn"),
    (
        replace(CALM, wish=replace(ENDED, outcome=Outcome.LOST), online=False),
        "lost",
        "and is wanted on app/1.1: it went silent after the switch",
    ),
    (
        replace(CALM, runs="app/1.1", wish=replace(ENDED, outcome=Outcome.COMMITTED)),
        "up_to_date",
        "cam-17 runs app/1.1: it runs what was wanted, committed, and waits for nothing.",
    ),
    (replace(CALM, wish=replace(ENDED, outcome=Outcome.COMMITTED)), "differs", "has run something else since"),
    (replace(CALM, waiting="it is in phase all of rollout r7."), "waiting_for_rollout", "in phase all of rollout r7."),
    (CALM, "nothing_wanted", "nothing else is wanted of it."),
    (replace(CALM, runs=None, digest="a" * 64), "nothing_wanted", "runs the unknown digest aaaaaaaaaaaa"),
]


@pytest.mark.parametrize(("facts", "kind", "part"), CASES, ids=[f"{n}-{kind}" for n, (_, kind, _) in enumerate(CASES)])
def test_each_situation_has_its_kind_and_sentence(facts: Facts, kind: str, part: str) -> None:
    why = explain(facts)

    assert why.kind == kind
    assert part in why.sentence


def test_every_combination_gets_exactly_one_sentence() -> None:
    wishes = [Wish("app/1.1", state, True) for state in S]
    wishes += [Wish("app/1.1", S.IDLE, False, outcome, "kind") for outcome in Outcome]
    for wish, online, waiting in itertools.product([None, *wishes], [True, False], [None, "a phase"]):
        sentence = explain(replace(CALM, wish=wish, online=online, waiting=waiting)).sentence
        alarmed = explain(replace(CALM, wish=wish, online=online, waiting=waiting, attention="security")).sentence

        assert alarmed == f"{sentence} It needs attention: security (security)."
        assert sentence.startswith("cam-17 runs app/1.0")
        assert sentence.endswith(".")
        assert not sentence.endswith("..")


def test_kinds_are_stable_and_said_once() -> None:
    kinds = [kind for kind, _, _ in RULES]

    assert len(set(kinds)) == len(kinds)
    assert {kind for _, kind, _ in CASES} <= set(kinds)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("", "look at the failing check in the revert report"),
        ("USB is gone.", "USB is gone"),
        ("The disk.", "the disk"),
    ],
)
def test_within_a_sentence_words_begin_small_unless_they_are_a_name(message: str, said: str) -> None:
    answer = explain(replace(CALM, wish=replace(ENDED, message=message)))

    assert answer.sentence.endswith(f"it reverted from app/1.1; {said} (health_failed).")
