"""CycloneDX as generators write it: every part is counted, and looked up where it can be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot_server.findings.bill import parse
from surefoot_shared.errors import Invalid
from tests.server.findings.bills import CUDA, OPENSSL, REQUESTS, bill


@pytest.mark.parametrize("spec", ["1.4", "1.5", "1.6"])
def test_parts_are_read_with_where_to_look_them_up(spec: str) -> None:
    found = parse(bill(REQUESTS, OPENSSL, CUDA, spec=spec))

    assert [(p.ecosystem, p.package, p.version) for p in found] == [
        ("PyPI", "requests", "2.31.0"),
        ("Debian:12", "openssl", "3.0.11-1~deb12u1"),
        ("", "", "12.2"),
    ]


@pytest.mark.parametrize(
    ("purl", "place"),
    [
        ("pkg:pypi/Zope.Interface@5.0", ("PyPI", "zope-interface", "5.0")),
        ("pkg:pypi/torch@2.1.0%2Bcu121", ("PyPI", "torch", "2.1.0+cu121")),
        ("pkg:deb/debian/curl@7.88.1-10?distro=bookworm", ("Debian:12", "curl", "7.88.1-10")),
        ("pkg:deb/debian/bind9@9.18.1-1?distro=debian-12&epoch=1", ("Debian:12", "bind9", "1:9.18.1-1")),
        ("pkg:deb/debian/bind9@1%3A9.18.1-1?distro=debian-12", ("Debian:12", "bind9", "1:9.18.1-1")),
        ("pkg:deb/debian/a@2?distro=debian-12&upstream=b%401", ("Debian:12", "b", "1")),
        ("pkg:deb/debian/curl@7.88.1-10", ("", "", "7.88.1-10")),
        ("pkg:deb/ubuntu/curl@7?distro=ubuntu-22.04", ("", "", "7")),
        ("pkg:pypi/requests", ("", "", "")),
        ("not a purl", ("", "", "")),
    ],
)
def test_a_package_url_says_where_or_nothing(purl: str, place: tuple[str, str, str]) -> None:
    (part,) = parse(bill(purl))

    assert (part.ecosystem, part.package) == place[:2]
    assert not place[0] or part.version == place[2]


def test_parts_of_parts_count_and_the_same_part_twice_is_one() -> None:
    inner = {"type": "library", "name": "requests", "version": "2.31.0", "purl": REQUESTS}
    outer = {"type": "application", "name": "counter", "components": [inner, inner]}
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [outer, inner]}

    assert [p.name for p in parse(json.dumps(document).encode())] == ["counter", "requests"]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"<bom/>", "is no JSON"),
        (b'{"spdxVersion": "SPDX-2.3"}', "bomFormat is missing"),
        (b'{"bomFormat": "CycloneDX", "specVersion": "1.3"}', "is CycloneDX 1.3; CycloneDX 1.4, 1.5, 1.6 are read"),
        (b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}', "lists no parts"),
        (b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": 5}]}', "name must be"),
    ],
)
def test_what_is_no_bill_is_refused_with_what_is_wrong(raw: bytes, said: str) -> None:
    with pytest.raises(Invalid, match="bill of materials") as refused:
        parse(raw)

    assert refused.value.kind == "sbom_malformed"
    assert said in refused.value.message


@given(st.text(max_size=80))
def test_no_package_url_breaks_the_reader(purl: str) -> None:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "x", "purl": purl}]}

    assert len(parse(json.dumps(document).encode())) == 1
