"""An expectation is a value and a sentence; one that a run could not fail, or not meet, is refused where it stands."""

from __future__ import annotations

import pytest

from surefoot_shared.errors import Invalid
from surefoot_shared.status import PhaseState
from surefoot_simulators.world.asked import KEYS, NEEDED, SUBJECTS, Expectation, Kind, Known, check, read
from surefoot_simulators.world.toml_lines import parse

KNOWN = Known(versions={"1.0", "1.1"}, devices={"a", "b"}, rollouts=1, phases={"all"}, faults={"power_cut"})
EVERY = ", ".join(f'"{state.value}"' for state in PhaseState)


def test_every_kind_has_its_words_and_needs_only_what_it_looks_at() -> None:
    assert set(SUBJECTS) == set(Kind)
    assert all(set(needed) <= set(KEYS[kind]) for kind, needed in NEEDED.items())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "bricked"', "it needs at_most, at_least or exactly"),
        ('kind = "rollout"', "an expectation of kind rollout needs state"),
        ('kind = "rollout"\nstate = []', "it needs a state"),
        ('kind = "rollout"\nstate = "done"', "line 2: state: 'done' is not one of draft"),
        ('kind = "ever_ran"\nat_most = 1', "an expectation of kind ever_ran needs version"),
        ('kind = "never_began"', "an expectation of kind never_began needs phase"),
        ('kind = "back_within"\nversion = "1.1"', "an expectation of kind back_within needs within"),
        ('kind = "parted"\nversions = "1.1"\nexactly = 0', "it needs two versions or more"),
        ('kind = "luck"', "'luck' is not one of"),
    ],
)
def test_what_asks_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read(parse(text, "a.toml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "bricked"\nat_least = 0', "line 2: at_least: it can never fail"),
        ('kind = "bricked"\nat_least = 3\nat_most = 2', "line 2: at_least: it can never hold"),
        ('kind = "bricked"\nexactly = 0\nat_most = 2', "line 2: exactly: it stands alone"),
        ('kind = "bricked"\nat_most = -1', "line 2: at_most: -1 is not a number from 0"),
        (f'kind = "phase"\nphase = "all"\nstate = [{EVERY}]', "line 3: state: it can never fail"),
        ('kind = "told"\ntext = ""\nat_least = 1', "line 2: text"),
    ],
)
def test_what_no_run_could_fail_or_meet_is_refused(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read(parse(text, "a.toml"))


@pytest.mark.parametrize(
    "text",
    [
        'kind = "bricked"\nexactly = 0\nversion = "1.1"',
        'kind = "rollout"\nstate = "failed"\nat_most = 1',
        'kind = "ever_ran"\nversion = "1.1"\nat_most = 1\nwithin = "5m"',
        'kind = "told"\ntext = "x"\nat_most = 1\ncolour = "red"',
    ],
)
def test_a_key_that_the_kind_does_not_look_at_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="there is no such key here; known are"):
        read(parse(text, "a.toml"))


@pytest.mark.parametrize(
    ("expectation", "words"),
    [
        (Expectation(Kind.EVER_RAN, 7, version="9", high=0), "line 7: expect: version: '9' is not one of 1.0, 1.1"),
        (Expectation(Kind.ONLY_RAN, 7, versions=("1.0", "9")), "versions: '9' is not one of"),
        (Expectation(Kind.ANSWER, 7, text="x", device="c", high=0), "device: 'c' is not one of a, b"),
        (Expectation(Kind.PHASE, 7, phase="some", states=("passed",)), "phase: 'some' is not one of all"),
        (Expectation(Kind.FAULTS, 7, text="panic", high=0), "text: 'panic' is not one of power_cut"),
        (
            Expectation(Kind.ROLLOUT, 7, rollout=2, states=("failed",)),
            "there is no rollout 2; there is only one rollout",
        ),
        (Expectation(Kind.BRICKED, 7, high=2), "it can never fail: there are 2 devices"),
        (Expectation(Kind.RUNS_AT_END, 7, version="1.1", low=3), "it can never hold: there are 2 devices"),
    ],
)
def test_what_is_not_in_the_scenario_is_not_asked_about(expectation: Expectation, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        check(expectation, KNOWN, "a.toml")


def test_where_there_is_nothing_of_the_kind_that_is_said() -> None:
    nothing = Known(versions=(), devices={"a"}, rollouts=0, phases=(), faults=())

    with pytest.raises(Invalid, match="text: there is no fault 'meteor', since the scenario has no fault at all"):
        check(Expectation(Kind.FAULTS, 7, text="meteor", high=0), nothing, "a.toml")
    with pytest.raises(Invalid, match="there is no rollout 1; there is no rollout"):
        check(Expectation(Kind.ROLLOUT, 7, states=("failed",)), nothing, "a.toml")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("heath_failed", "line 4: reason: no attempt ever ends for 'heath_failed'; near it are health_failed"),
        ("cheese", "line 4: reason: no attempt ever ends for 'cheese'; docs/reference/errors.md lists them"),
    ],
)
def test_a_reason_for_which_nothing_ends_is_refused_and_one_near_it_named(reason: str, words: str) -> None:
    text = f'kind = "outcomes"\noutcome = "reverted"\nexactly = 0\nreason = "{reason}"'

    with pytest.raises(Invalid, match=words):
        read(parse(text, "a.toml"))
    assert read(parse(text.replace(reason, "health_failed"), "a.toml")).reason == "health_failed"


def test_what_is_counted_one_by_one_is_never_half() -> None:
    with pytest.raises(Invalid, match=r"line 2: exactly: it can never be so: 0\.5 of what is counted one by one"):
        read(parse('kind = "bricked"\nexactly = 0.5', "a.toml"))
    assert read(parse('kind = "metered_mb"\nat_most = 0.5', "a.toml")).high == 0.5


def _refused(expectation: Expectation) -> bool:
    try:
        check(expectation, KNOWN, "a.toml")
    except Invalid:
        return True
    return False


def test_what_can_be_met_and_missed_is_taken() -> None:
    sound = (
        Expectation(Kind.EVER_RAN, 7, version="1.1", low=1, high=2),
        Expectation(Kind.OUTCOMES, 7, version="1.1", high=5),
    )

    refused = [one for one in sound if _refused(one)]

    assert refused == []


def test_exactly_is_both_bounds() -> None:
    made = read(parse('kind = "bricked"\nexactly = 0', "a.toml"))

    assert (made.low, made.high) == (0.0, 0.0)
