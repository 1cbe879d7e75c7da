"""The tests are the specification: each module has its file of them, and each of them can fail."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

from tests.house.tree import ROOT, modules, specifications

SPEAKS = re.compile(r"raises$|fail$|until$|assert_|expect")
"""Names of functions that fail a test as an assertion does."""


def test_every_module_has_its_mirrored_test_file() -> None:
    wanted = {_mirror(root, path) for root, path in modules() if path.stem != "__init__"}

    assert sorted(str(p) for p in wanted if not (ROOT / p).exists()) == []


def test_every_test_file_holds_at_least_one_test() -> None:
    empty = [str(p.relative_to(ROOT)) for p in specifications() if not _tests_in(_parsed(p))]

    assert empty == []


def test_every_folder_of_tests_is_a_package_so_that_equal_file_names_do_not_collide() -> None:
    missing = {str(p.parent.relative_to(ROOT)) for p in specifications() if not (p.parent / "__init__.py").exists()}

    assert missing == set()


def test_no_test_is_without_an_assertion() -> None:
    mute = []
    for path in specifications():
        tree = _parsed(path)
        mute += [f"{path.relative_to(ROOT)}::{test.name}" for test in _tests_in(tree) if not _can_fail(tree, test)]

    assert mute == []


def test_no_test_is_switched_off() -> None:
    off = re.compile(r"mark\.(skip|skipif|xfail)\b|pytest\.(skip|xfail|importorskip)\(")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in specifications()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if off.search(line) and path.name != "test_mirror.py"
    ]

    assert found == [], "a test that needs a program says so with the marker `needs`"


def test_an_assertion_is_seen_in_the_function_that_a_test_calls() -> None:
    source = "def check(x):\n    assert x\n\ndef test_a():\n    check(1)\n\ndef test_b():\n    print(1)\n"
    tree = ast.parse(source)
    a, b = _tests_in(tree)

    assert _can_fail(tree, a)
    assert not _can_fail(tree, b)


def _mirror(root: str, path: Path) -> Path:
    """agent/surefoot_agent/boot/symlink.py → tests/agent/boot/test_symlink.py; __main__ → test_main."""
    return Path("tests", root, path.parent, f"test_{path.stem.strip('_')}.py")


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _tests_in(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    ]


def _can_fail(tree: ast.Module, test: ast.AST) -> bool:
    """It asserts itself, or it calls a function of the same file that does."""
    if _speaks(test):
        return True
    called = {n.func.id for n in ast.walk(test) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    return any(_speaks(n) for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in called)


def _speaks(node: ast.AST) -> bool:
    calls = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    names = (
        f.attr if isinstance(f, ast.Attribute) else f.id for f in calls if isinstance(f, (ast.Attribute, ast.Name))
    )
    return any(isinstance(n, ast.Assert) for n in ast.walk(node)) or any(SPEAKS.match(name) for name in names)
