"""Signatures are the ones that every library of Standard Webhooks checks."""

from __future__ import annotations

import base64

from surefoot_server.notify import signing


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
