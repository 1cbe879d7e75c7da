"""Older and newer, as PyPI and Debian count."""

from __future__ import annotations

import itertools
import subprocess

import pytest

from surefoot_server.findings.order import order_of

DEBIAN = (
    *("0~alpha", "0", "0-1", "0.1", "1.0~rc1-1", "1.0~rc1-2", "1.0", "1.0-1~deb12u1", "1.0-1", "1.0-1+b1", "1.0a-1"),
    *("1.0+git2", "1.2", "1.9", "1.10", "1.10.1-1.1", "2~~", "2~", "2", "1:0.1", "1:0.1-1", "2:1"),
)


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.9", "1.10"), ("2.0rc1", "2.0"), ("2.0.dev1", "2.0a1"), ("1.0", "1.0.post1"), ("9.9", "1!0.1"), ("1", "1.0.1")],
)
def test_pypi_counts_by_pep_440(older: str, newer: str) -> None:
    order = order_of("PyPI")

    assert order is not None
    assert order(older) < order(newer)


@pytest.mark.parametrize(("older", "newer"), list(itertools.pairwise(DEBIAN)))
def test_debian_counts_by_its_policy(older: str, newer: str) -> None:
    order = order_of("Debian:12")

    assert order is not None
    assert order(older) < order(newer)


def test_a_missing_revision_is_the_zeroth_and_leading_zeros_do_not_count() -> None:
    order = order_of("Debian:12")

    assert order is not None
    assert order("1.0") == order("1.0-0") == order("1.00")


@pytest.mark.needs("dpkg")
@pytest.mark.slow
def test_debians_own_tool_says_the_same_of_every_pair() -> None:
    order = order_of("Debian:12")
    assert order is not None

    for one in DEBIAN:
        for other in DEBIAN:
            said = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0
            assert said is bool(order(one) < order(other)), (one, other)


@pytest.mark.parametrize(("ecosystem", "version"), [("PyPI", "not a version"), ("Debian:12", ""), ("Debian:12", "1 0")])
def test_what_is_no_version_has_no_order(ecosystem: str, version: str) -> None:
    order = order_of(ecosystem)

    assert order is not None
    assert order(version) is None


def test_other_ecosystems_have_none() -> None:
    assert order_of("npm") is None
