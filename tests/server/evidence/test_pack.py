"""The pack: the same bytes for the same facts, sums that hold, a summary that no text of a stranger can bend."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

from surefoot_server.evidence.pack import pack, summary

FACTS: dict[str, Any] = {
    "release": {
        "id": "app/1.1",
        "digest": "d" * 64,
        "hw": ["rpi5"],
        "counter": 101,
        "svn": 0,
        "notes": "a | <b>\n# c",
        "published_at": "2026-03-01",
        "published_by": "ann",
    },
    "signatures": {
        "role": "rel-app",
        "version": 3,
        "expires": "2027",
        "threshold": 2,
        "signed": ["k1"],
        "listed": False,
    },
    "documents": [],
    "provenance": None,
    "channels": [],
    "tests": [{"channel": "dev", "kind": "test", "name": "night", "passed": False, "at": "t", "by": "ci", "note": ""}],
    "rollouts": [],
    "drill": {
        "id": "d1",
        "started_at": "2026-02-01",
        "state": "passed",
        "reason": "",
        "devices": [{"revert_s": 12.4}, {"revert_s": 31.0}, {"revert_s": None}],
    },
    "scan": {"parts": 0, "judged": 0, "advisories": [], "findings": []},
    "waivers": [],
    "advisories": [],
    "flags": [],
    "audit": [],
}


def test_the_same_facts_are_the_same_bytes_in_any_order() -> None:
    shuffled = dict(reversed(FACTS.items()))

    assert pack(FACTS, {"a": b"1", "b": b"2"}) == pack(shuffled, {"b": b"2", "a": b"1"})


def test_every_file_has_its_sum() -> None:
    with zipfile.ZipFile(io.BytesIO(pack(FACTS, {"manifest.json": b"{}"}))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}

    sums = dict(reversed(line.split("  ")) for line in files.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
    assert set(files) == {"manifest.json", "evidence.json", "summary.md"}
    assert json.loads(files["evidence.json"]) == FACTS


def test_the_summary_says_what_is_lacking_too() -> None:
    told = summary(FACTS)

    assert "signatures: 1 of 2 needed on rel-app version 3" in told
    assert "it does not list this release any more" in told
    assert "| dev | test | night | failed | t | ci |  |" in told
    assert "the slowest of 2 devices was back within 31 s" in told
    assert "0 of 0 parts could be looked up, in no advisories." in told


def test_the_summary_names_the_set_of_a_rollout() -> None:
    pair = [{"release": "app/1.1", "digest": "a" * 64}, {"release": "model/2.0", "digest": "b" * 64}]
    rollout: dict[str, Any] = {
        "id": "r1",
        "state": "succeeded",
        "cohort": "all",
        "created_at": "t",
        "created_by": "ann",
    }
    rollout |= {"ended_at": "u", "reason": "", "tally": {}, "phases": [], "approvals": []}

    whole, alone = (summary({**FACTS, "rollouts": [{**rollout, "set": some}]}) for some in (pair, pair[:1]))

    assert f"As one set: app/1.1 (`{'a' * 64}`), model/2.0 (`{'b' * 64}`)." in whole
    assert "As one set" not in alone


def test_the_summary_says_what_the_provenance_is_worth_and_what_it_only_claims() -> None:
    claimed = {"standing": "unknown", "told": "its signature is by no known key", "keys": [], "builder": "a|b<i>"}
    vouched = {"standing": "verified", "told": "verified by ci", "keys": ["ci"], "builder": "b"}

    said = [
        summary({**FACTS, "provenance": found and {**found, "predicate_type": "p"}})
        for found in (None, claimed, vouched)
    ]

    assert "There is no provenance statement." in said[0]
    assert "its signature is by no known key. Predicate: p. Builder, as it claims: a\\|b&lt;i>." in said[1]
    assert "Provenance: verified by ci. Predicate: p. Builder: b." in said[2]


def test_no_text_draws_a_table_a_heading_or_a_tag() -> None:
    assert "notes: a \\| &lt;b> # c\n" in summary(FACTS)
