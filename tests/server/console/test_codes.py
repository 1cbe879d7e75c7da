"""Every name that a machine gives is in the vocabulary, translated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from surefoot_server.access.roles import Role
from surefoot_server.console.codes import ACTS, FAILURES, KINDS
from surefoot_server.console.words import WORDS, said
from surefoot_server.languages import gather
from surefoot_server.languages.catalogue import language
from surefoot_server.rollouts import decisions
from surefoot_server.rollouts.apply import kind_of
from surefoot_server.rollouts.retries import Failure
from surefoot_server.rollouts.table import RolloutEvent
from surefoot_shared import errors

KNOWN = {*KINDS, *ACTS, *FAILURES, *WORDS}
ACTION = re.compile(r"[a-z][a-z_-]*\.([a-z_]+)")


def test_every_kind_of_error_has_words() -> None:
    assert {kind.replace("_", " ") for kind in errors.KINDS} - KNOWN == set()


def test_every_decision_and_every_act_of_a_rollout_has_words() -> None:
    made = [
        each for each in vars(decisions).values() if isinstance(each, type) and each.__module__ == decisions.__name__
    ]
    named = {kind_of(object.__new__(each)).replace("_", " ") for each in made}

    assert named - KNOWN == set()
    assert {event.value.replace("_", " ") for event in RolloutEvent} - KNOWN == set()
    assert {failure.value for failure in Failure} - KNOWN == set()


def test_every_act_of_the_audit_trail_has_words() -> None:
    found = set(recorded())

    assert {"publish", "fell back"} <= found
    assert found - KNOWN == set()


def test_no_code_is_said_in_english_to_somebody_else() -> None:
    vi = language("vi")

    assert [word for word in (*KINDS, *ACTS, *FAILURES) if said(vi, word) == word] == []


def test_codes_of_roles_are_words_too() -> None:
    assert {role.value for role in Role} - KNOWN == set()


def recorded() -> Iterator[str]:
    """The last part of each act that some module hands to `audit.record`, where it is a literal."""
    for path in gather.ROOT.rglob("*.py"):
        source = path.read_text()
        for node in ast.walk(ast.parse(source)) if "audit.record(" in source else ():
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "record":
                for arg in node.args:
                    if isinstance(arg, ast.Constant) and (match := ACTION.fullmatch(str(arg.value))):
                        yield match[1].replace("_", " ")
