"""The registry of failures is complete, and every failure speaks."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from surefoot_shared import errors
from surefoot_shared.errors import KINDS, ConfigError, InstallFailed, SurefootError, Unreachable

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = {name: cls for name, cls in vars(errors).items() if isinstance(cls, type) and issubclass(cls, SurefootError)}


@cache
def raised() -> list[tuple[str, str]]:
    """Every kind that is written where a failure is made, and where."""
    found = []  # every module is read for it: once, since it takes seconds
    for source in ("agent", "server", "shared", "simulators"):
        for path in sorted((ROOT / source).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FAMILIES:
                    kind = node.args[0] if node.args else None
                    if isinstance(kind, ast.Constant):
                        found.append((str(kind.value), f"{path.relative_to(ROOT)}:{node.lineno}"))
    return found


def test_every_kind_that_is_raised_is_in_the_registry() -> None:
    missing = {(kind, where) for kind, where in raised() if kind not in KINDS}

    assert missing == set()
    assert len(raised()) > 50


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_says_who_must_act_and_what_to_do(kind: str) -> None:
    row = KINDS[kind]

    assert row.who in {"operator", "publisher", "network", "device", "us"}
    assert row.hint.endswith(".")
    assert row.hint[0].isupper() or row.hint[0] == "`"


def test_a_failure_without_a_hint_takes_its_kinds() -> None:
    assert ConfigError("not_enrolled", "No identity.").hint == KINDS["not_enrolled"].hint
    assert ConfigError("not_enrolled", "No identity.", "Own words.").hint == "Own words."
    assert SurefootError("never heard of", "Something.").hint == ""


def test_a_failure_reads_as_what_why_and_what_to_do() -> None:
    text = str(InstallFailed("no_space", "12 MB are missing."))

    assert text == f"12 MB are missing. [no_space] {KINDS['no_space'].hint}"
    assert str(SurefootError("odd", "Something.")) == "Something. [odd]"


def test_the_families_name_who_must_act() -> None:
    who = {name: cls.who for name, cls in FAMILIES.items() if name != "SurefootError"}

    assert who == {
        "ConfigError": "operator",
        "UntrustedRelease": "publisher",
        "Unreachable": "network",
        "InstallFailed": "device",
        "NotFound": "operator",
        "NotAllowed": "operator",
        "Conflict": "operator",
        "Invalid": "operator",
    }


def test_the_network_may_say_when_to_come_back() -> None:
    assert Unreachable("busy", "Later.", retry_after_s=7.0).retry_after_s == 7.0
    assert Unreachable("unreachable", "Gone.").retry_after_s is None
