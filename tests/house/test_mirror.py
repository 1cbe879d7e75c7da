"""The tests are the specification: each module has its file of them, and each of them can fail."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.house.tree import ROOT, modules, specifications

SPEAKS = re.compile(r"\buntil\(|\bassert\b|\braises\(|\bassert_|\bexpect|\bfail\(")


def test_every_module_has_its_mirrored_test_file() -> None:
    wanted = {_mirror(root, path) for root, path in modules() if path.stem != "__init__"}

    assert sorted(str(p) for p in wanted if not (ROOT / p).exists()) == []


def test_every_test_file_holds_at_least_one_test() -> None:
    empty = [str(p.relative_to(ROOT)) for p in specifications() if not _tests_of(p.read_text())]

    assert empty == []


def test_every_folder_of_tests_is_a_package_so_that_equal_file_names_do_not_collide() -> None:
    missing = {str(p.parent.relative_to(ROOT)) for p in specifications() if not (p.parent / "__init__.py").exists()}

    assert missing == set()


def test_no_test_is_without_an_assertion() -> None:
    mute = []
    for path in specifications():
        source = path.read_text()
        mute += [f"{path.relative_to(ROOT)}::{t.name}" for t in _tests_of(source) if not _can_fail(source, t)]

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
    a, b = _tests_of(source)

    assert _can_fail(source, a)
    assert not _can_fail(source, b)


def _mirror(root: str, path: Path) -> Path:
    """agent/surefoot_agent/boot/symlink.py → tests/agent/boot/test_symlink.py; __main__ → test_main."""
    return Path("tests", root, path.parent, f"test_{path.stem.strip('_')}.py")


def _tests_of(source: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    ]


def _can_fail(source: str, test: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Its own text asserts, or it calls a function of the same file whose text does."""
    if SPEAKS.search(ast.get_source_segment(source, test) or ""):
        return True
    called = {n.func.id for n in ast.walk(test) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    local = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name in called]
    return any(SPEAKS.search(ast.get_source_segment(source, function) or "") for function in local)
