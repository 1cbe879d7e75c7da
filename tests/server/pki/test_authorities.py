"""The authority is replaced, and nobody is locked out on the way."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from surefoot_agent.enrol import check_certificate
from surefoot_server.broker.acl import ShutOut
from surefoot_server.broker.start import start_broker
from surefoot_server.cli.main import run
from surefoot_server.keys.init import init_keys
from surefoot_server.keys.install import install_keys
from surefoot_server.pki import authorities
from surefoot_server.pki.authorities import LEAVING, Authorities, finish_ca, load_authorities, rotate_ca
from surefoot_server.pki.ca import DEVICE_LIFE, CertificateAuthority, create_ca, prepare_pki
from surefoot_server.pki.crl import Revoked, make_crl
from surefoot_shared.errors import Conflict
from surefoot_shared.identity import generate_key, key_to_pem
from tests.server.broker.rig import Credentials, Fleet, Server, request
from tests.server.conftest import PASSPHRASE

NOW = dt.datetime.now(dt.timezone.utc)
ENDS = NOW + DEVICE_LIFE + dt.timedelta(seconds=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_ca(tmp_path / "ca", "north", NOW)
    return tmp_path / "ca"


def test_until_it_is_finished_both_are_trusted_and_each_has_its_part(folder: Path) -> None:
    old = load_authorities(folder)
    assert (old.all, old.serving, old.trusted) == ((old.issuing,), old.issuing, old.issuing.pem)

    ends = rotate_ca(folder, NOW)

    held = load_authorities(folder)
    assert held.leaving is not None
    assert (held.leaving.pem, held.serving.pem, held.issuing.fleet) == (old.issuing.pem, old.issuing.pem, "north")
    assert held.trusted == held.issuing.pem + old.issuing.pem
    assert NOW + DEVICE_LIFE - dt.timedelta(seconds=1) <= ends <= ENDS
    with pytest.raises(Conflict, match="being replaced already"):
        rotate_ca(folder, NOW)


def test_it_is_not_finished_while_a_device_may_hold_an_old_certificate(folder: Path) -> None:
    with pytest.raises(Conflict, match="No authority is being replaced"):
        finish_ca(folder, NOW)
    rotate_ca(folder, NOW)
    with pytest.raises(Conflict, match="until"):
        finish_ca(folder, NOW + DEVICE_LIFE - dt.timedelta(days=1))

    finish_ca(folder, ENDS)

    held = load_authorities(folder)
    assert (held.leaving, held.serving) == (None, held.issuing)
    rotate_ca(folder, ENDS)


@pytest.mark.parametrize("cut", range(4))
def test_a_cut_at_any_write_is_mended_by_the_same_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    class Cut(BaseException):
        pass

    done: list[str] = []
    real_write, real_replace = authorities.write_private, Path.replace

    def step(name: str) -> None:
        if len(done) == cut:
            raise Cut
        done.append(name)

    monkeypatch.setattr(authorities, "write_private", lambda p, c: (step("write"), real_write(p, c)))
    monkeypatch.setattr(Path, "replace", lambda p, to: (step("replace"), real_replace(p, to))[1])
    with pytest.raises(Cut):
        rotate_ca(folder, NOW)
    monkeypatch.undo()

    try:
        rotate_ca(folder, NOW)
    except Conflict:
        assert cut == 3, "only the last rename was missing, and is done now"

    held = load_authorities(folder)
    assert held.leaving is not None
    assert held.leaving.pem != held.issuing.pem


def test_a_device_that_renews_gets_both_and_one_that_does_not_still_knows_the_server(
    folder: Path, tmp_path: Path
) -> None:
    known = load_authorities(folder).issuing.pem
    rotate_ca(folder, NOW)
    held, key = load_authorities(folder), generate_key()

    pem = held.issuing.issue_device(request("cam-1", key), "cam-1")
    check_certificate(pem, "cam-1", key, held.trusted)
    files = prepare_pki(tmp_path / "pki", held.serving, ["127.0.0.1"], trusted=held.trusted)

    server = x509.load_pem_x509_certificate(files.server_cert.read_bytes())
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(known))
    assert len(ssl.create_default_context(cafile=str(files.ca)).get_ca_certs()) == 2


@pytest.mark.slow
@pytest.mark.needs("mosquitto", "mosquitto_pub", "mosquitto_sub")
@pytest.mark.parametrize("which", ["mosquitto", "embedded"])
def test_both_brokers_let_in_devices_of_both_and_revoke_those_of_either(
    folder: Path, tmp_path: Path, which: str
) -> None:
    old = load_authorities(folder).issuing
    rotate_ca(folder, NOW)
    held = load_authorities(folder)
    pki = prepare_pki(tmp_path / "pki", held.serving, ["127.0.0.1"], trusted=held.trusted)
    by = {"old": old, "new": held.issuing}
    lost = {name: _device(tmp_path, f"lost-{name}", ca, pki.ca) for name, ca in by.items()}
    serials = [_serial(who) for who in lost.values()]
    out = ShutOut(frozenset(), _crl(held, serials), frozenset(f"{serial:x}" for serial in serials))
    broker = start_broker(tmp_path / "data", "127.0.0.1", 0, pki, out=out, prefer=which)
    fleet = Fleet(tmp_path, old, pki, broker, 4, Server(broker.host, broker.port, 4, pki))
    try:
        for name, ca in by.items():
            topic = f"surefoot/v1/d/cam-{name}/up/events"
            fleet.publish(_device(tmp_path, f"cam-{name}", ca, pki.ca), topic, f"I am {name}")
            assert fleet.server.until(f"I am {name}")[-1] == (topic, f"I am {name}")
        refused = [fleet.publish(who, f"surefoot/v1/d/lost-{n}/up/events", "x").returncode for n, who in lost.items()]
        assert 0 not in refused
    finally:
        fleet.stop()


def test_the_command_and_install_bring_both_to_the_server_and_take_the_old_one_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, data = tmp_path / "keys", tmp_path / "data"
    init_keys(keys, PASSPHRASE, NOW)

    assert run(["keys", "rotate-ca", "--keys", str(keys)]) == 0
    installed = install_keys(keys, data).online_dir
    held = load_authorities(installed)
    assert held.leaving is not None
    assert held.trusted == (keys / "bootstrap" / "ca.pem").read_bytes()
    assert run(["keys", "rotate-ca", "--keys", str(keys)]) == 5
    assert run(["keys", "rotate-ca", "--keys", str(keys), "--finish"]) == 5

    assert run(["keys", "rotate-ca", "--keys", str(keys), "--finish", "--stolen"]) == 2
    finish_ca(keys / "online", ENDS + dt.timedelta(hours=1))
    install_keys(keys, data)
    assert load_authorities(installed).leaving is None
    assert not (keys / "online" / LEAVING).exists()


def test_a_stolen_authority_counts_no_more_at_once(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    init_keys(keys, PASSPHRASE, NOW)
    old = load_authorities(keys / "online").issuing

    assert run(["keys", "rotate-ca", "--keys", str(keys), "--stolen"]) == 0

    held = load_authorities(keys / "online")
    assert (held.leaving, (keys / "bootstrap" / "ca.pem").read_bytes()) == (None, held.issuing.pem)
    assert held.issuing.pem != old.pem


def _device(folder: Path, name: str, ca: CertificateAuthority, trusted: Path) -> Credentials:
    key = generate_key()
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    cert_file.write_bytes(ca.issue_device(request(name, key), name))
    key_file.write_bytes(key_to_pem(key))
    return Credentials(trusted, cert_file, key_file)


def _serial(who: Credentials) -> int:
    assert who.cert is not None
    return x509.load_pem_x509_certificate(who.cert.read_bytes()).serial_number


def _crl(held: Authorities, serials: list[int]) -> bytes:
    return make_crl(held.all, [Revoked(serial, NOW) for serial in serials], NOW)
