"""A lease token serves one device until a moment, and cannot be made by anybody else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from surefoot_server.releases.leases import LeaseTokens, load_or_make_key
from surefoot_shared.errors import ConfigError, NotAllowed
from tests.server.rig import NOW

LEASES = LeaseTokens(b"k" * 32, 60.0)


def test_a_token_names_its_device_until_it_ends() -> None:
    token = LEASES.mint("cam-1", NOW)

    assert LEASES.check(token, NOW + timedelta(seconds=59)) == "cam-1"
    with pytest.raises(NotAllowed) as refused:
        LEASES.check(token, NOW + timedelta(seconds=60))
    assert refused.value.kind == "lease_expired"


@pytest.mark.parametrize(
    "spoil", ["", ".", "a.b", "é.é", "{payload}.", ".{mac}", "{mac}.{payload}", "{payload}.{mac}x"]
)
def test_a_token_of_another_form_is_refused(spoil: str) -> None:
    payload, _, mac = LEASES.mint("cam-1", NOW).partition(".")

    with pytest.raises(NotAllowed):
        LEASES.check(spoil.format(payload=payload, mac=mac), NOW)


def test_every_changed_character_is_noticed() -> None:
    token = LEASES.mint("cam-1", NOW)

    for n in range(len(token)):
        changed = token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :]
        with pytest.raises(NotAllowed):
            LEASES.check(changed, NOW)


def test_a_token_of_another_server_is_refused() -> None:
    with pytest.raises(NotAllowed):
        LEASES.check(LeaseTokens(b"x" * 32).mint("cam-1", NOW), NOW)


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = load_or_make_key(tmp_path / "lease.key")

    assert load_or_make_key(tmp_path / "lease.key") == first
    assert (tmp_path / "lease.key").stat().st_mode & 0o777 == 0o600


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigError):
        LeaseTokens(b"short")
