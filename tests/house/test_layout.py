"""The tree's own rules: what is a package, what is not, how large and how named a module may be."""

from __future__ import annotations

import ast

from tests.house.tree import PACKAGES, ROOT, modules

BANNED_NAMES = {"utils", "util", "helpers", "common", "manager", "base", "handler", "handlers", "misc"}
LONGEST_MODULE = 400
ONE_FILE = {"agent/guard.py": 699}
"""The guard is all that may be needed, so it is one file (ADR 4): never two, and never long."""


def test_source_roots_and_packaging_are_folders_never_packages() -> None:
    wrong = [root for root in [*PACKAGES, "packaging"] if (ROOT / root / "__init__.py").exists()]

    assert wrong == []


def test_each_source_root_holds_exactly_one_package_and_no_stray_module() -> None:
    for root, package in PACKAGES.items():
        importable = {p.name for p in (ROOT / root).iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}

        assert importable == {package.name}


def test_pypi_packaging_is_not_shadowed_by_our_folder() -> None:
    import packaging

    assert not str(packaging.__file__).startswith(str(ROOT / "packaging"))


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = [
        f"{root}/{path}" for root, path in modules() if BANNED_NAMES & {part.removesuffix(".py") for part in path.parts}
    ]

    assert named == []


def test_no_module_is_longer_than_the_limit() -> None:
    lines = {f"{root}/{path}": len((PACKAGES[root] / path).read_text().splitlines()) for root, path in modules()}

    assert {name: count for name, count in lines.items() if count > ONE_FILE.get(name, LONGEST_MODULE)} == {}


def test_every_module_opens_with_what_it_promises() -> None:
    silent = [
        f"{root}/{path}"
        for root, path in modules()
        if (source := (PACKAGES[root] / path).read_text()).strip() and not ast.get_docstring(ast.parse(source))
    ]

    assert silent == [], "only an empty __init__.py may say nothing"


def test_every_folder_of_a_package_is_importable() -> None:
    missing = {
        str(p.parent)
        for package in PACKAGES.values()
        for p in package.rglob("*.py")
        if not (p.parent / "__init__.py").exists()
    }

    assert {m for m in missing if "migrations" not in m} == set()
