"""A refusal is said in the reader's language, and the service's sentence stays."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import surefoot_server
from surefoot_server.console import refusals
from surefoot_server.console.refusals import Refusal
from surefoot_server.languages.catalogue import language
from surefoot_shared import errors
from surefoot_shared.errors import Conflict, NotAllowed, NotFound, SurefootError, Unreachable

EN, VI = language("en"), language("vi")
SERVER = Path(surefoot_server.__file__).parent
FAMILIES = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, SurefootError)}
NEVER_ON_A_PAGE = {"already_running", "not_enrolled", "port_in_use"}
"""Said where a program starts, before there are pages."""


def raised() -> set[str]:
    """Every kind that the server's own code raises."""
    found = set()
    for file in SERVER.rglob("*.py"):
        if "cli" in file.relative_to(SERVER).parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FAMILIES:
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
    return found


def test_every_kind_that_the_server_raises_has_a_text_in_every_language() -> None:
    kinds = raised() - NEVER_ON_A_PAGE

    assert {"conflict", "not_found", "halted"} <= kinds
    assert kinds - set(refusals.KINDS) == set()
    assert [kind for kind in kinds if VI.gettext(refusals.KINDS[kind]) == refusals.KINDS[kind]] == []


def test_in_english_the_services_sentence_is_enough() -> None:
    error = Conflict("conflict", "The rollout has ended.", "Start another one.")

    assert refusals.of(EN, error) == Refusal("conflict", "The rollout has ended.", "", "Start another one.")


def test_in_another_language_its_own_comes_first_and_the_sentence_stays() -> None:
    found = refusals.of(VI, Conflict("conflict", "The rollout has ended.", "Start another one."))

    assert found.said.startswith("Trạng thái hiện tại")
    assert (found.detail, found.hint) == ("The rollout has ended.", "Start another one.")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotFound("brand_new", "x"), "not_found"),
        (Unreachable("brand_new", "x"), "unreachable"),
    ],
)
def test_a_kind_without_a_text_is_said_by_its_family(error: SurefootError, kind: str) -> None:
    assert refusals.of(VI, error).said == VI.gettext(refusals.KINDS[kind])
    assert refusals.of(VI, SurefootError("brand_new", "x")).said == VI.gettext(refusals.ELSE)


def test_who_lacks_a_role_is_told_which_and_whom_to_ask() -> None:
    error = NotAllowed("not_allowed", "hoa is viewer over fleet; this needs operator over the fleet.")

    english, vietnamese = refusals.of(EN, error), refusals.of(VI, error)

    assert english.hint == "Ask an administrator for that role, or somebody who has it to do this."
    assert vietnamese.detail == (
        "hoa có vai trò người xem trên toàn bộ thiết bị; việc này cần người vận hành trên toàn bộ thiết bị."
    )
    assert vietnamese.hint.startswith("Hãy xin quản trị viên")
    assert not vietnamese.english
