"""The two images differ by the suites that their packages come from, and by nothing else."""

from __future__ import annotations

import pytest

from surefoot_simulators.bench import debian

SOURCES = """Types: deb
# a mirror
URIs: http://mirror.example/debian
Suites: stable stable-updates
Components: main

Types: deb
URIs: http://mirror.example/security
Suites: stable-security
Components: main
"""


def test_the_older_image_has_no_updates() -> None:
    before = debian.only(SOURCES, ["stable"])

    assert "Suites: stable\n" in before
    assert "security" not in before
    assert "updates" not in before


def test_the_newer_image_has_all_of_them() -> None:
    after = debian.only(SOURCES, ["stable", "stable-updates", "stable-security"])

    assert [line for line in after.splitlines() if line.startswith("Suites")] == [
        "Suites: stable stable-updates",
        "Suites: stable-security",
    ]


def test_what_is_missing_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PROGRAMS", {"no-such-program": "its-package"})

    assert debian.absent()[0] == "no-such-program is not installed (apt-get install its-package)"
