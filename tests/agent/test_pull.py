"""A device without a broker against the real devices' listener: bundle and lease by signature, each request once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent.pull import Puller
from surefoot_server.keys.init import init_keys
from surefoot_server.pki.ca import load_ca, prepare_pki
from surefoot_shared.errors import ConfigError
from surefoot_shared.identity import generate_key, public_to_pem, seal
from surefoot_shared.trust.bundle import unpack
from tests.agent.test_enrol import serving
from tests.server.rig import NOW, Rig, make_rig

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Rig, Puller]]:
    keys = tmp_path / "keys"
    init_keys(keys, b"passphrase of the tests", NOW)
    key, numbers = generate_key(), itertools.count(1)
    with make_rig(keys, tmp_path / "data") as rig:
        with rig.db.write() as session:
            rig.devices.register(session, "cam-1", "rpi5", public_to_pem(key.public_key()).decode(), NOW)
        pki = prepare_pki(tmp_path / "pki", load_ca(keys / "online"), ["127.0.0.1"])
        with serving(rig, pki) as url:
            yield (
                rig,
                Puller(
                    device="cam-1",
                    server_url=url,
                    ca_file=keys / "bootstrap" / "ca.pem",
                    stream="stream",
                    next_seq=lambda: next(numbers),
                    new_id=lambda: "nonce",
                    now=lambda: "2026-03-01T12:00:00Z",
                    seal=lambda kind, payload: seal(kind, payload, key),
                ),
            )


def test_a_device_fetches_its_bundle_and_leave_to_download(site: tuple[Rig, Puller]) -> None:
    rig, puller = site
    rig.release("app/1.1")
    row = rig.assign("cam-1", "app/1.1")

    pulled = puller.send(puller.request())

    assert unpack(pulled.bundle).device == "cam-1"
    assert pulled.lease is not None
    assert pulled.lease.assignment == row.id


def test_where_nothing_is_wanted_there_is_a_bundle_and_no_lease(site: tuple[Rig, Puller]) -> None:
    _, puller = site

    assert puller.send(puller.request()).lease is None


def test_a_request_serves_once(site: tuple[Rig, Puller]) -> None:
    _, puller = site
    request = puller.request()
    puller.send(request)

    with pytest.raises(ConfigError) as caught:
        puller.send(request)

    assert caught.value.kind == "not_allowed"
