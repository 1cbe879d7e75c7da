"""The catalogues hold every text of the pages, translated, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from surefoot_server.languages import gather
from surefoot_server.languages.catalogue import FOLDER, NAMES, SOURCE

TRANSLATED = sorted(set(NAMES) - {SOURCE})


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_text_of_the_console_is_translated(code: str) -> None:
    assert gather.problems(gather.gathered(FOLDER / f"{code}.po")) == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_the_catalogue_is_what_gather_writes(code: str, tmp_path: Path) -> None:
    copy = tmp_path / f"{code}.po"
    copy.write_bytes((FOLDER / f"{code}.po").read_bytes())

    gather.write(copy)

    assert copy.read_bytes() == (FOLDER / f"{code}.po").read_bytes(), "run: python -m surefoot_server.languages.gather"


def test_texts_are_found_in_templates_and_in_modules() -> None:
    found = set(gather.messages())

    assert {"Skip to the content", "Overview", "%(time)s ago"} <= found


def test_no_text_hides_where_the_extractor_does_not_look() -> None:
    """It reads tokens: a call within an f-string is one token to it, on some interpreters."""
    found = {text for message in gather.messages() for text in ([message] if isinstance(message, str) else message)}
    wanted = {text for name in gather.SOURCES for path in (gather.ROOT / name).rglob("*.py") for text in texts(path)}

    assert wanted - found == set()


def texts(path: Path) -> Iterator[str]:
    """Every literal that a module hands to gettext, ngettext or N_."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            for arg in node.args[: {"gettext": 1, "N_": 1, "ngettext": 2}.get(name, 0)]:
                if isinstance(arg, ast.Constant):
                    yield str(arg.value)


@pytest.mark.parametrize(
    ("message", "string", "flags", "said"),
    [
        ("Find", "", (), "untranslated: 'Find'"),
        ("Find", "Tìm", ("fuzzy",), "fuzzy: 'Find'"),
        ("%(n)s min", "phút", (), "other places than its source: '%(n)s min'"),
        ("%(n)s min", "%(m)s phút", (), "other places than its source: '%(n)s min'"),
        (("%(num)s day", "%(num)s days"), ("",), (), "untranslated: '%(num)s day'"),
    ],
)
def test_a_text_that_is_not_fit_to_be_read_is_named(
    message: str | tuple[str, ...], string: str | tuple[str, ...], flags: tuple[str, ...], said: str
) -> None:
    catalogue = Catalog(locale="vi")
    catalogue.add(message, string, flags=flags)

    assert gather.problems(catalogue) == [said]


def test_a_good_text_is_no_problem() -> None:
    catalogue = Catalog(locale="vi")
    catalogue.add("%(n)s min", "%(n)s phút")
    catalogue.add(("%(num)s day", "%(num)s days"), ("%(num)s ngày",))

    assert gather.problems(catalogue) == []
