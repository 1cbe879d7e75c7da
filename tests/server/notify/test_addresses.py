"""No webhook reaches what is inside, however its address is written."""

from __future__ import annotations

import pytest

from surefoot_server.notify.addresses import networks, reachable, resolve
from surefoot_shared.errors import NotAllowed, Unreachable

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_refused(address: str) -> None:
    with pytest.raises(NotAllowed, match="no public address"):
        reachable("hooks.example.com", 443, (), lambda _h, _p: [address])


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_a_public_address_is_the_one_to_connect_to(address: str) -> None:
    assert reachable("hooks.example.com", 443, (), lambda _h, _p: [address]) == address


def test_one_address_inside_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(NotAllowed):
        reachable("hooks.example.com", 443, (), lambda _h, _p: ["93.184.216.34", "10.0.0.1"])


def test_what_the_settings_name_is_allowed_and_nothing_beside_it() -> None:
    allowed = networks("127.0.0.0/8, 10.0.0.5")

    assert reachable("h", 80, allowed, lambda _h, _p: ["127.0.0.1"]) == "127.0.0.1"
    assert reachable("h", 80, allowed, lambda _h, _p: ["10.0.0.5"]) == "10.0.0.5"
    with pytest.raises(NotAllowed):
        reachable("h", 80, allowed, lambda _h, _p: ["10.0.0.6"])


@pytest.mark.parametrize("written", ["127.1", "2130706433", "0x7f000001", "localhost"])
def test_other_ways_to_write_the_loopback_are_seen_through(written: str) -> None:
    """The machine's own resolver reads them as the connection would."""
    with pytest.raises(NotAllowed):
        reachable(written, 80, ())


@pytest.mark.parametrize("host", ["", "no.such.host.invalid", "a" * 300])
def test_a_name_without_an_address_is_told_as_such(host: str) -> None:
    with pytest.raises((Unreachable, NotAllowed)):
        reachable(host, 80, ())


def test_a_list_of_networks_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="inside"):
        networks("inside")
    assert networks("") == ()
    assert resolve("127.0.0.1", 80) == ["127.0.0.1"]
