"""Names in signed metadata are for ever: devices in the field look for exactly these."""

from __future__ import annotations

from surefoot_shared.trust import fields


def test_the_names_that_devices_look_for_never_change() -> None:
    assert {name: value for name, value in vars(fields).items() if name.isupper()} == {
        "IMAGE": "image",
        "DIRECTOR": "director",
        "X_REPO": "x-repo",
        "X_FLEET": "x-fleet",
        "X_DEVICE": "x-device",
        "X_ROLE": "x-role",
        "X_HALT": "x-halt",
        "X_DIGESTS": "x-digests",
        "X_SIGNED_AT": "x-signed-at",
        "X_NONCE": "x-nonce",
        "X_NAME": "x-name",
        "X_MISSING": "x-missing",
    }
