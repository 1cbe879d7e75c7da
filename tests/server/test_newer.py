"""Unknown words of a newer agent cost what they say; what is wrong otherwise is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_server import newer
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import EventKind

RECORDED = Path(__file__).parent / "neighbours"


def recorded(name: str, **changes: object) -> bytes:
    return json.dumps({**json.loads((RECORDED / f"{name}.json").read_text()), **changes}).encode()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "rehearsal"}, "kind 'rehearsal'"),
        ({"state": "warming"}, "state 'warming'"),
        ({"outcome": "postponed"}, "outcome 'postponed'"),
        (
            {"kind": "rehearsal", "outcome": "postponed" * 20, "report": {"of": "later"}},
            "kind 'rehearsal', outcome 'post",
        ),
    ],
)
def test_an_event_in_unknown_words_keeps_its_number_and_says_which_words(
    changes: dict[str, object], named: str
) -> None:
    event = newer.read_event(recorded("event", **changes))

    assert (event.device, event.seq, event.assignment) == ("cam-17", 42, "a-17")
    assert (event.kind, event.outcome, event.state, event.reason, event.proof) == (
        EventKind.NOTICE,
        None,
        None,
        None,
        None,
    )
    assert named in event.message
    assert len(event.message) < 200


def test_a_hello_goes_without_the_component_that_cannot_be_understood_of() -> None:
    plain = json.loads(recorded("hello"))
    (known,) = plain["components"]
    strange = {**known, "component": "model", "state": "warming"}

    hello = newer.read_hello(json.dumps({**plain, "components": [strange, known]}).encode())

    assert [part.component for part in hello.components] == [known["component"]]
    assert hello.seq == plain["seq"]


@pytest.mark.parametrize("changes", [{"seq": "many"}, {"device": None}, {"v": 99}, {"kind": 7}, {"boot_id": []}])
def test_an_event_that_is_wrong_otherwise_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        newer.read_event(recorded("event", **changes))


@pytest.mark.parametrize("changes", [{"seq": "many"}, {"device": None}, {"v": 99}, {"kind": "rehearsal", "seq": None}])
def test_a_word_that_is_unknown_excuses_nothing_else(changes: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        newer.read_event(recorded("event", **{"state": "warming", **changes}))
    with pytest.raises(Invalid):
        newer.read_hello(recorded("hello", **{"components": "none", **changes}))


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"{" * 300_000])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    for read in (newer.read_event, newer.read_hello):
        with pytest.raises(Invalid):
            read(raw)
