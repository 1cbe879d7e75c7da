"""The signed policy's form."""

from __future__ import annotations

import pytest

from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.trust.policy import Policy, policy_bytes, policy_path


def test_a_policy_survives_its_wire_form() -> None:
    policy = Policy("app", 3, ("0" * 64,))

    assert wire.decode(Policy, policy_bytes(policy)) == policy
    assert policy_path("app") == "policy/app.json"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"component":"App"}',
        b'{"component":"app","min_svn":-1}',
        b'{"component":"app","min_svn":"3"}',
        b'{"component":"app","revoked":["short"]}',
        b'{"component":"app","v":2}',
        b"{}",
    ],
)
def test_a_malformed_policy_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        wire.decode(Policy, raw)
