"""`surefoot event`: what happened, chosen by kind, device and rollout."""

from __future__ import annotations

import json

from surefoot_server.cli.event import KINDS
from surefoot_server.events.models import Happening
from tests.server.cli.conftest import Operator


def test_the_list_says_what_happened_to_what(surefoot: Operator) -> None:
    surefoot("cohort", "create", "lab", "all")

    said = surefoot("event", "list", "--kind", "audit", "--kind", "alarm", "--limit", "1")

    header, line = said.out.splitlines()
    assert header.split() == ["NO", "AT", "KIND", "OF", "WHO", "WHAT"]
    assert "cohort:lab" in line
    assert "cohort.create" in line


def test_the_json_is_the_apis_own_and_is_chosen_from(surefoot: Operator) -> None:
    surefoot("cohort", "create", "lab", "all")

    found = json.loads(surefoot("event", "list", "--json").out)
    none = json.loads(surefoot("event", "list", "--json", "--kind", "verdict").out)

    assert found[0]["subject"] == "cohort:lab"
    assert found[0]["detail"]["expression"] == "all"
    assert [event["id"] for event in found] == sorted((event["id"] for event in found), reverse=True)
    assert none == []


def test_the_kinds_are_those_of_the_server(surefoot: Operator) -> None:
    assert tuple(kind.value for kind in Happening) == KINDS
    assert surefoot("event", "list", "--kind", "weather").code == 2
