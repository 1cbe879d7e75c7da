"""Renewal against the real server over real HTTPS, cut off at every write."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from surefoot_agent import fresh_pair, https, renew
from surefoot_agent.enrol import certificate_request
from surefoot_agent.fresh_pair import Ask
from surefoot_agent.identity import Identity, load_identity
from surefoot_agent.renew import PAIRS, Renewal, look_in_child
from surefoot_server.devices import repository
from surefoot_server.pki.ca import create_ca, load_ca
from surefoot_shared.errors import ConfigError, InstallFailed, Invalid, Unreachable
from surefoot_shared.identity import open_sealed, public_to_pem
from surefoot_shared.seals import SealKind
from surefoot_shared.trust.durable import sync_folder, write_durably
from tests.agent.test_enrol import Site, keys, site  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow
NOW = datetime.now(timezone.utc)
LATER = NOW + timedelta(days=80)


class Cut(BaseException):
    """The power goes; nothing in the code under test may catch it."""


@pytest.fixture
def state_dir(site: Site) -> Path:  # noqa: F811
    site.enrol(site.token())
    return site.folder / "state"


def renewal(state_dir: Path, now: datetime = LATER, ask: Ask = https.ask) -> Renewal:
    return Renewal(state_dir, lambda: now, lambda at: fresh_pair.look(at, now, ask))


def certified(identity: Identity) -> bytes:
    certificate = fresh_pair.certificate_of(identity.cert_file)
    return public_to_pem(certificate.public_key())  # type: ignore[arg-type]  # the CA makes P-256


def known_to_the_server(site: Site) -> list[bytes]:  # noqa: F811
    return [public_to_pem(key) for key in repository.keys_of(site.rig.device_row("cam-1"))]


def cut_at(monkeypatch: pytest.MonkeyPatch, count: int) -> list[str]:
    """Let the power go at the n-th durable change of a file, before it or after it."""
    done: list[str] = []

    def tripped(real: Callable[..., None]) -> Callable[..., None]:
        def change(path: Path, *given: object) -> None:
            for act in (lambda: None, lambda: real(path, *given)):
                if len(done) == count:
                    raise Cut
                act()
                done.append(path.name)

        return change

    for module in (renew, fresh_pair):
        monkeypatch.setattr(module, "write_durably", tripped(write_durably))
    monkeypatch.setattr(renew, "sync_folder", tripped(sync_folder))
    return done


def test_a_device_whose_clock_is_ten_years_ahead_asks_once_and_not_every_hour(state_dir: Path) -> None:
    ahead, asked = NOW + timedelta(days=3650), list[str]()

    def counted(url: str, ca: Path, path: str, body: bytes) -> tuple[int, bytes]:
        asked.append(path)
        return https.ask(url, ca, path, body)

    for hour in range(5):
        device = renewal(state_dir, ahead + timedelta(hours=hour), counted)  # started again each time, at the worst
        if device.prepare().ready:
            device.adopt()
            device.confirm()

    assert asked == ["/api/v1/renew"]


def test_a_young_certificate_is_left_alone_and_nobody_is_asked(state_dir: Path) -> None:
    def nobody(*_: object) -> tuple[int, bytes]:
        raise AssertionError("the server was asked")

    assert renewal(state_dir, NOW, nobody).prepare().ready is False


def test_a_new_pair_is_whole_before_it_counts_and_the_old_one_stays_until_it_is_confirmed(
    site: Site,  # noqa: F811
    state_dir: Path,
) -> None:
    device = renewal(state_dir)
    old = device.identity

    ready = device.prepare().ready
    assert (ready, device.pair, load_identity(state_dir)) == (True, PAIRS[0], old)
    device.adopt()
    assert (device.pair, device.on_trial, old.key_file.exists()) == (PAIRS[1], True, True)
    device.confirm()

    assert not device.on_trial
    assert not old.key_file.exists()
    assert not old.cert_file.exists()
    assert certified(load_identity(state_dir)) == public_to_pem(device.identity.key().public_key())
    assert known_to_the_server(site)[1] == certified(device.identity)


def test_the_one_who_connects_is_told_and_signatures_follow(state_dir: Path) -> None:
    device, used = renewal(state_dir), list[Identity]()
    device.on_change(used.append)
    device.prepare()

    device.adopt()

    assert [identity.cert_file.stem for identity in used] == [PAIRS[1]]
    sealed = device.seal(SealKind.HELLO, b"{}")
    assert open_sealed(SealKind.HELLO, sealed, device.identity.key().public_key()) == b"{}"


def test_the_next_renewal_uses_the_other_names_again(state_dir: Path) -> None:
    device = renewal(state_dir)
    device.prepare()
    device.adopt()
    device.confirm()
    first = certified(device.identity)

    again = renewal(state_dir, LATER + timedelta(days=80))
    again.prepare()
    again.adopt()

    assert again.pair == PAIRS[0]
    assert certified(again.identity) != first


def test_a_pair_that_the_broker_does_not_let_in_is_given_up_for_the_old_one(state_dir: Path) -> None:
    device = renewal(state_dir)
    old = certified(device.identity)
    device.prepare()
    device.adopt()
    tried = certified(device.identity)

    device.go_back()

    assert (device.pair, device.on_trial, certified(device.identity)) == (PAIRS[0], False, old)
    device.prepare()
    device.adopt()
    assert certified(device.identity) == tried, "the same key, which the server knows, with another certificate"


@pytest.mark.parametrize("count", range(14))
def test_a_cut_at_any_write_leaves_a_pair_that_works_and_the_next_start_goes_on(
    site: Site,  # noqa: F811
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    with monkeypatch.context() as patch:
        cut_at(patch, count)
        try:
            device = renewal(state_dir)
            device.prepare()
            device.adopt()
            device.confirm()
        except Cut:
            pass

    survivor = renewal(state_dir)
    assert certified(survivor.identity) == public_to_pem(survivor.identity.key().public_key())
    assert certified(survivor.identity) in known_to_the_server(site)
    if survivor.on_trial:
        survivor.confirm()
    if survivor.pair == PAIRS[0]:
        assert survivor.prepare().ready
        survivor.adopt()
        survivor.confirm()
    assert not renewal(state_dir, NOW).prepare().ready, "which also clears away what a cut left"
    assert certified(survivor.identity) == known_to_the_server(site)[-1]
    names = {path.name for path in (state_dir / "identity").iterdir() if path.suffix in (".key", ".crt")}
    assert names == {f"{PAIRS[1]}.key", f"{PAIRS[1]}.crt"}


def test_what_a_kill_left_of_the_old_pair_is_never_taken_for_a_new_one(state_dir: Path) -> None:
    device = renewal(state_dir)
    key, cert = device.identity.key_file.read_bytes(), device.identity.cert_file.read_bytes()
    device.prepare()
    device.adopt()
    device.confirm()
    (state_dir / "identity" / "device.key").write_bytes(key)
    (state_dir / "identity" / "device.crt").write_bytes(cert)

    again = renewal(state_dir, LATER + timedelta(days=80))
    again.prepare()

    assert (state_dir / "identity" / "device.key").read_bytes() != key


def test_a_certificate_for_another_key_is_not_taken(state_dir: Path) -> None:
    def impostor(_url: str, _ca: Path, _path: str, _body: bytes) -> tuple[int, bytes]:
        own = (state_dir / "identity" / "device.crt").read_text()
        return 201, json.dumps({"device": "cam-1", "certificate": own, "ca": "", "v": 1}).encode()

    device = renewal(state_dir, ask=impostor)

    with pytest.raises(Invalid, match="not cam-1's"):
        device.prepare()
    assert not (state_dir / "identity" / f"{PAIRS[1]}.crt").exists()


def test_a_server_that_is_away_leaves_everything_as_it_was(state_dir: Path) -> None:
    def away(*_: object) -> tuple[int, bytes]:
        raise Unreachable("unreachable", "away")

    device = renewal(state_dir, ask=away)

    with pytest.raises(Unreachable):
        device.prepare()
    assert (device.pair, device.on_trial) == (PAIRS[0], False)


def test_a_device_that_was_away_too_long_says_that_a_person_must_approve(state_dir: Path) -> None:
    device = renewal(state_dir, ask=lambda *_: (202, b"{}"))

    with pytest.raises(ConfigError) as caught:
        device.prepare()
    assert caught.value.kind == "enrolment_pending"


def test_new_authorities_come_with_the_certificate_and_stay(
    site: Site,  # noqa: F811
    state_dir: Path,
) -> None:
    old = (state_dir / "identity" / "ca.pem").read_bytes()
    second = create_ca(site.folder / "second").pem
    site.rig.state.enrolment._trusted = old + second

    renewal(state_dir).prepare()

    assert (state_dir / "identity" / "ca.pem").read_bytes() == old + second


def test_a_key_with_no_certificate_beside_it_is_asked_for_again(state_dir: Path) -> None:
    asked: list[bytes] = []

    def cut_off(_url: str, _ca: Path, _path: str, _body: bytes) -> tuple[int, bytes]:
        asked.append((state_dir / "identity" / f"{PAIRS[1]}.key").read_bytes())
        raise Unreachable("unreachable", "away")

    for _ in range(2):
        with pytest.raises(Unreachable):
            renewal(state_dir, ask=cut_off).prepare()

    assert len(asked) == 2
    assert asked[0] == asked[1], "one key for all attempts, so that the server knows it"


def test_a_look_in_a_process_of_its_own_leaves_a_young_certificate_alone(state_dir: Path) -> None:
    assert look_in_child(state_dir) is False
    assert not (state_dir / "identity" / f"{PAIRS[1]}.key").exists()


def test_a_look_in_a_process_of_its_own_brings_a_pair_that_the_server_knows(
    site: Site,  # noqa: F811
    keys: Path,  # noqa: F811
    state_dir: Path,
) -> None:
    young = load_identity(state_dir)
    request = certificate_request(young.device, young.key())
    young.cert_file.write_bytes(load_ca(keys / "online").issue_device(request, young.device, NOW - timedelta(days=80)))
    device = Renewal(state_dir, lambda: NOW)

    ready = device.prepare().ready
    device.adopt()

    assert (ready, device.pair) == (True, PAIRS[1])
    assert certified(device.identity) == known_to_the_server(site)[1]


def test_what_a_look_in_a_process_of_its_own_finds_wrong_is_raised_here(state_dir: Path) -> None:
    (state_dir / "identity" / "device.crt").write_text("no certificate")

    with pytest.raises(ConfigError, match="is not a certificate") as caught:
        look_in_child(state_dir)
    assert (caught.value.kind, caught.value.hint) == ("config_unreadable", "Enrol the device again.")


def test_a_look_that_cannot_read_the_disk_says_so(state_dir: Path) -> None:
    (state_dir / "identity" / "device.crt").unlink()

    with pytest.raises(InstallFailed, match="No such file") as caught:
        look_in_child(state_dir)
    assert caught.value.kind == "slot_write_failed"


def test_a_look_that_dies_without_an_answer_is_made_again_later(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renew.sys, "executable", "/bin/false")

    with pytest.raises(Unreachable, match="code 1") as caught:
        look_in_child(state_dir)
    assert caught.value.kind == "busy"
