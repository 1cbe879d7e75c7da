"""Every name that a machine gives is in the vocabulary, translated."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator

from surefoot_server.access.roles import Role
from surefoot_server.console.codes import ACTS, FAILURES, KINDS, KINDS_OF_THINGS, PROOF
from surefoot_server.console.words import WORDS, act_said, said
from surefoot_server.languages import gather
from surefoot_server.languages.catalogue import language
from surefoot_server.rollouts import decisions
from surefoot_server.rollouts.apply import kind_of
from surefoot_server.rollouts.retries import Failure
from surefoot_server.rollouts.table import RolloutEvent
from surefoot_shared import errors
from surefoot_shared.messages import RunningProof

KNOWN = {*KINDS, *ACTS, *FAILURES, *WORDS}
ACTION = re.compile(r"([a-z][a-z_-]*)((?:\.[a-z_]+)+)")
WRITERS = {"record", "record_seldom"}
EN, VI = language("en"), language("vi")


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

    assert {"publish", "fell back", "refused"} <= {act for _, act in found}
    assert {act for _, act in found} - KNOWN == set()
    assert {kind for kind, _ in found} - {*KINDS_OF_THINGS, *FAILURES, *WORDS} == set()


def test_an_act_is_said_without_the_kind_of_its_thing() -> None:
    assert act_said(EN, "rollout.start_phase") == "start phase"
    assert act_said(VI, "rollout.start") == "bắt đầu"
    assert act_said(VI, "user.password.refused") == "mật khẩu: bị từ chối"
    assert act_said(VI, "sign_in") == "đăng nhập"


def test_what_a_proof_is_made_of_has_words() -> None:
    assert {field.name.replace("_", " ") for field in dataclasses.fields(RunningProof)} == set(PROOF)


def test_no_code_is_said_in_english_to_somebody_else() -> None:
    assert [word for word in (*KINDS, *ACTS, *FAILURES, *KINDS_OF_THINGS, *PROOF) if said(VI, word) == word] == []


def test_codes_of_roles_are_words_too() -> None:
    assert {role.value for role in Role} - KNOWN == set()


def recorded() -> Iterator[tuple[str, str]]:
    """The kind of thing and each further part of what some module calls an act of the audit trail."""
    for path in gather.ROOT.rglob("*.py"):
        source = path.read_text()
        if "record" not in source:
            continue
        tree = ast.parse(source)
        named = {
            target.id: value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target, value in _pairs(node)
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in WRITERS:
                for arg in (named.get(arg.id, arg) if isinstance(arg, ast.Name) else arg for arg in node.args):
                    if isinstance(arg, ast.Constant) and (match := ACTION.fullmatch(str(arg.value))):
                        for part in match[2][1:].split("."):
                            yield match[1].replace("_", " "), part.replace("_", " ")


def _pairs(node: ast.Assign) -> list[tuple[ast.expr, ast.expr]]:
    """`A, B = "x", "y"` as two assignments."""
    target = node.targets[0]
    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        return list(zip(target.elts, node.value.elts, strict=True))
    return [(target, node.value)]
