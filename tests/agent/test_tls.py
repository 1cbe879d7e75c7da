"""A real handshake each: who is let in, and when the dates of a certificate count."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest

from surefoot_agent import clock, tls
from surefoot_agent.reach import Broken
from surefoot_server.pki.ca import create_ca, prepare_pki
from surefoot_server.pki.files import PkiFiles
from tests.agent.test_reach import server_context, serving, shake

YEARS = 10 * 365


def dated(folder: Path, days: int) -> PkiFiles:
    """A server whose certificate begins so many days from now: how it looks to a clock that is as far off."""
    ca = create_ca(folder / "ca")
    return prepare_pki(folder / "pki", ca, ["127.0.0.1"], dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=days))


@pytest.mark.parametrize("days", [YEARS, -YEARS], ids=["the clock is far behind", "the clock is far ahead"])
def test_a_clock_that_nobody_vouches_for_keeps_nobody_from_the_server(tmp_path: Path, days: int) -> None:
    pki = dated(tmp_path, days)

    with serving(server_context(pki, clients=False)) as port:
        assert shake(port, tls.context(pki.ca, vouched=False)).startswith("TLSv1.3")


@pytest.mark.parametrize("days", [YEARS, -YEARS])
def test_with_a_time_service_the_dates_count(tmp_path: Path, days: int) -> None:
    pki = dated(tmp_path, days)

    with serving(server_context(pki, clients=False)) as port, pytest.raises(Broken) as caught:
        shake(port, tls.context(pki.ca, vouched=True))

    assert caught.value.step == "tls"


def test_whatever_the_clock_a_stranger_and_another_host_are_refused(tmp_path: Path) -> None:
    pki, strange = dated(tmp_path, 0), dated(tmp_path / "strange", 0)

    for server, host in ((strange, "127.0.0.1"), (pki, "elsewhere.example")):
        with serving(server_context(server, clients=False)) as port, pytest.raises(Broken):
            shake(port, tls.context(pki.ca, vouched=False), host=host)


def test_the_time_service_of_this_machine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pki, mark = dated(tmp_path, 0), tmp_path / "synchronized"
    monkeypatch.setattr(clock, "SYNCHRONISED", mark)

    assert tls.context(pki.ca).verify_flags & tls.NO_CHECK_TIME
    mark.touch()
    assert not tls.context(pki.ca).verify_flags & tls.NO_CHECK_TIME
    assert tls.context(pki.ca).minimum_version == ssl.TLSVersion.TLSv1_2
