"""What a signature is over, byte for byte: old servers and new devices must agree on it."""

from __future__ import annotations

import pytest

from surefoot_shared.seals import SealKind, sealed_by, signed_bytes


@pytest.mark.parametrize(
    ("kind", "signed"),
    [
        (SealKind.HELLO, b"surefoot-hello-v1\x00{}"),
        (SealKind.EVENT, b"surefoot-event-v1\x00{}"),
        (SealKind.TOKEN, b"surefoot-token-v1\x00{}"),
        (SealKind.RENEW, b"surefoot-renew-v1\x00{}"),
    ],
)
def test_the_signed_bytes_name_the_kind(kind: SealKind, signed: bytes) -> None:
    assert signed_bytes(kind, b"{}") == signed


def test_the_text_travels_as_it_was_signed() -> None:
    seen: list[bytes] = []

    def sign(text: bytes) -> bytes:
        seen.append(text)
        return b"\x00\xff"

    sealed = sealed_by(sign, SealKind.EVENT, "Đà Nẵng".encode())

    assert seen == [signed_bytes(SealKind.EVENT, "Đà Nẵng".encode())]
    assert (sealed.payload, sealed.signature) == ("Đà Nẵng", "AP8=")
