"""Which texts of the sources count as sentences for people."""

from __future__ import annotations

import pytest

from surefoot_server.languages import gather, spoken


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('x = f"{a} begins with {len(b)} devices"', ["%(1)s begins with %(2)s devices"]),
        ('x = f"{a:%Y-%m-%d %H:%M} UTC is late"', ["%(1)s UTC is late"]),
        ('x = f"at most {limit} " f"of {total:.1%}"', ["at most %(1)s of %(2)s"]),
        ('x = "at most {} at a time"', ["at most %(1)s at a time"]),
        ('x = f"; retry {n} of {m}"', ["retry %(1)s of %(2)s"]),
        ('x = f" (by {n} devices)"', ["by %(1)s devices"]),
        ('x = f"{a} (by {n})"', ["%(1)s (by %(2)s)"]),
        ('def f():\n    """It says so."""\n', []),
        ('raise Conflict("conflict", "It is not so.", f"Look at {it}.")', []),
        ('log.warning("it went wrong size=%d", 3)', []),
        ('x = f"{a} {b}"', []),
        ('x = "word"', []),
        ('x = f"device:{id}"', []),
    ],
)
def test_a_sentence_is_found_with_its_places_numbered(source: str, found: list[str]) -> None:
    assert list(spoken.of_source(source)) == found


def test_every_speaker_speaks() -> None:
    silent = [name for name in spoken.SPEAKERS if not list(spoken.of_source((gather.ROOT / name).read_text()))]

    assert silent == []


def test_a_new_sentence_of_the_engine_is_in_the_catalogue_by_itself() -> None:
    found = set(spoken.sentences(gather.ROOT))

    assert {"%(1)s begins with %(2)s devices", "it is revoked, so nothing is offered to it"} <= found
    assert "Look at the failing check in the revert report" in found, "what the registry of errors advises"
