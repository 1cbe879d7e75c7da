"""From the state that is to the state that is wanted: nothing twice, nothing unasked, everything in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surefoot_server.fleet.changes import KINDS, Change, State, changes, counted, left, mark

NAMES = st.sampled_from(["a", "b", "c"])
STATES = st.dictionaries(
    st.sampled_from(KINDS), st.dictionaries(NAMES, st.fixed_dictionaries({"text": st.sampled_from(["x", "y"])}))
)


def applied(now: State, done: list[Change]) -> dict[str, dict[str, object]]:
    after: dict[str, dict[str, object]] = {kind: dict(things) for kind, things in now.items()}
    for change in done:
        things = after.setdefault(change.kind, {})
        assert things.get(change.name) == change.before
        if change.after is None:
            del things[change.name]
        else:
            things[change.name] = change.after
    return after


@given(STATES, STATES)
def test_a_document_that_was_applied_changes_nothing_more(now: State, wanted: State) -> None:
    after = applied(now, changes(now, wanted, prune=True))

    assert changes(after, wanted, prune=True) == []  # type: ignore[arg-type]
    assert {k: after.get(k, {}) for k in wanted} == {k: dict(v) for k, v in wanted.items()}


@given(STATES, STATES)
def test_without_prune_nothing_is_removed_and_other_kinds_are_never_touched(now: State, wanted: State) -> None:
    plain, pruned = changes(now, wanted), changes(now, wanted, prune=True)

    assert all(change.after is not None for change in plain)
    assert {change.kind for change in pruned} <= set(wanted)
    assert [(c.kind, c.name) for c in pruned if c.act == "remove"] == left(now, wanted)


def test_what_is_named_is_made_first_and_removed_last() -> None:
    wanted: State = {
        "channel": {"alpha": {"after": "zeta"}, "zeta": {"after": ""}},
        "cohort": {"c": {}},
        "policy": {"p": {}},
    }

    assert [c.name for c in changes({}, wanted)] == ["p", "c", "zeta", "alpha"]
    assert [name for _, name in left(wanted, {"channel": {}, "cohort": {}, "policy": {}})] == [
        "alpha",
        "zeta",
        "c",
        "p",
    ]


def test_the_sum_names_each_act() -> None:
    found = changes({"cohort": {"a": {"x": "1"}, "b": {}}}, {"cohort": {"a": {"x": "2"}, "c": {}}}, prune=True)

    assert counted(found) == "1 to add, 1 to change, 1 to remove"


def test_a_state_has_the_same_mark_whatever_its_order_and_another_one_after_a_change() -> None:
    one: State = {"cohort": {"a": {"x": "1"}, "b": {"x": "2"}}}
    same: State = {"cohort": {"b": {"x": "2"}, "a": {"x": "1"}}}

    assert mark(one) == mark(same)
    assert mark(one) != mark({"cohort": {"a": {"x": "1"}}})
