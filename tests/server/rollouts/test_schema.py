"""The policy's schema: it is what the parser asks for, and what it calls a default is one."""

from __future__ import annotations

import re

import pytest
import yaml

from surefoot_server.rollouts.policy import parse
from surefoot_server.rollouts.schema import MEANINGS, every_key, to_json
from surefoot_shared.errors import Invalid
from surefoot_shared.wire import Json

KEYS = {key.path: key for key in every_key()}


def test_every_part_of_a_policy_is_there_and_every_sentence_is_about_a_key() -> None:
    assert {path.split(".")[0].removesuffix("[]") for path in KEYS} == {
        *("rollout", "phases", "gate", "limits", "timeouts", "on_fail", "triggers", "retry", "releases", "revert")
    }
    assert set(MEANINGS) <= set(KEYS)


@pytest.mark.parametrize("path", [p for p in KEYS if "[]" not in p and p.count(".") == 1])
def test_a_key_beside_a_listed_one_is_refused_and_its_neighbours_are_the_listed_ones(path: str) -> None:
    part = path.split(".")[0]

    with pytest.raises(Invalid) as refused:
        parse(f"{part}: {{not_a_key: 1}}")

    known = set(re.split(r"[ ,]+", refused.value.message.partition("known are ")[2].rstrip(".")))
    assert path.split(".")[1] in known
    assert known == {p.split(".")[1].removesuffix("[]") for p in KEYS if p.startswith(f"{part}.")}


@pytest.mark.parametrize("path", [p for p, k in KEYS.items() if k.default and "[]" not in p])
def test_a_default_that_is_written_down_changes_nothing(path: str) -> None:
    document: dict[str, object] = {}
    *parts, last = path.split(".")
    inner = document
    for part in parts:
        inner = inner.setdefault(part, {})  # type: ignore[assignment]
    if path.startswith("rollout.shadow"):
        document["rollout"]["strategy"] = "shadow"  # type: ignore[index]
    inner[last] = KEYS[path].default.replace(",", "")
    text = yaml.safe_dump(document).replace("'", "")
    if path.startswith("triggers.not_passed"):
        text = "triggers: {not_passed: {within: 1h}}"

    plain = parse("triggers: {not_passed: {within: 1h}}" if "not_passed" in path else "")
    plain = parse("rollout: {strategy: shadow}") if path.startswith("rollout.shadow") else plain
    assert parse(text) == plain


def test_both_kinds_of_objectives_are_described() -> None:
    of_objectives = {p.removeprefix("gate.objectives[].") for p in KEYS if p.startswith("gate.objectives[].")}

    assert {"fail_if_surely_above", "pass_if_proved_below", "tripwire"} < of_objectives
    assert {"against", "min_ratio", "max_increase", "max", "critical", "baseline"} < of_objectives


def test_the_document_refuses_unknown_keys_on_every_level() -> None:
    def objects(node: Json) -> list[dict[str, Json]]:
        if not isinstance(node, dict):
            return []
        mine = [node] if isinstance(node.get("properties"), dict) else []
        return mine + [found for value in node.values() for found in objects(value)]

    found = objects(to_json())

    assert len(found) >= 9
    assert all(node.get("additionalProperties") is False for node in found)
