"""Signatures are the ones that every library of Standard Webhooks checks."""

from __future__ import annotations

import base64

import pytest

from surefoot_server.notify import signing
from surefoot_server.notify.signing import Signed
from surefoot_shared.errors import Invalid, NotAllowed


def test_the_specifications_own_example_has_the_same_signature() -> None:
    made = signing.headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )

    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert (made["webhook-id"], made["webhook-timestamp"]) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330")


def test_every_part_of_a_message_is_signed() -> None:
    secret = signing.new_secret()
    same = signing.headers(secret, "m", 1, b"body")["webhook-signature"]

    others = [
        signing.headers(secret, "n", 1, b"body"),
        signing.headers(secret, "m", 2, b"body"),
        signing.headers(secret, "m", 1, b"bodx"),
        signing.headers(signing.new_secret(), "m", 1, b"body"),
    ]

    assert same not in {other["webhook-signature"] for other in others}


def test_a_secret_has_as_many_bytes_as_the_specification_asks_for() -> None:
    assert 24 <= len(base64.b64decode(signing.new_secret().removeprefix("whsec_"))) <= 64


def test_a_message_signed_with_one_of_several_secrets_passes_whichever_signature_it_is() -> None:
    old, new = signing.new_secret(), signing.new_secret()
    made = signing.headers(new, "m", 1000, b"body")["webhook-signature"]
    told = Signed("m", "1000", f"v1a,AAAA v1,BBBB {made}", b"body")

    signing.check([old, new], told, 1299.0)

    for secrets, now_s, kind in (([old], 1000.0, "signature_wrong"), ([], 1000.0, "signature_wrong")):
        with pytest.raises(NotAllowed) as refused:
            signing.check(secrets, told, now_s)
        assert refused.value.kind == kind


def test_of_a_flood_of_signatures_only_so_many_are_looked_at() -> None:
    secret = signing.new_secret()
    right = signing.headers(secret, "m", 1000, b"")["webhook-signature"]
    flood = " ".join(["v1,AAAA"] * signing.SIGNATURES_MOST)

    with pytest.raises(NotAllowed):
        signing.check([secret], Signed("m", "1000", f"{flood} {right}", b""), 1000.0)


def test_a_secret_of_another_system_is_kept_in_one_form_or_refused() -> None:
    secret = signing.new_secret()

    assert signing.check_secret(f" {secret.removeprefix('whsec_')}\n") == signing.check_secret(secret) == secret
    for wrong in ("", "whsec_", "whsec_AAAA", "whsec_!!!!", secret * 3, "whsec_é"):
        with pytest.raises(Invalid) as refused:
            signing.check_secret(wrong)
        assert len(wrong) < 10 or wrong not in refused.value.message
