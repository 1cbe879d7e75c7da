"""Bare clients connect to a real broker with the certificates they are given; those that are missing are told."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from surefoot_server.pki.ca import create_ca
from surefoot_shared.identity import generate_key, key_to_pem
from surefoot_simulators.bench import wire_peers
from surefoot_simulators.fleet.swarm import Identities
from tests.server.broker.rig import request
from tests.server.house import House


def test_fewer_certificates_than_clients_are_told(tmp_path: Path) -> None:
    ca, key = create_ca(tmp_path / "ca"), generate_key()
    pem = next((tmp_path / "ca").glob("*.pem"))
    Identities(tmp_path / "sim", pem, key_to_pem(key), lambda n: ca.issue_device(request(n, key), n))

    with pytest.raises(TimeoutError, match="2 of 2 bare clients are not connected"):
        wire_peers.connect(tmp_path / "sim", pem, 2, 1, 5.0)


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.needs("mosquitto")
def test_bare_clients_connect_to_a_real_broker(tmp_path: Path) -> None:
    with contextlib.ExitStack() as parts:
        house, key = House(tmp_path, "mosquitto", 5, parts), generate_key()
        identities = Identities(
            tmp_path / "sim", house.pki.ca, key_to_pem(key), lambda n: house.ca.issue_device(request(n, key), n)
        )
        for n in range(5):
            identities.certificate(f"cam-{n}")

        took_s = wire_peers.connect(tmp_path / "sim", house.pki.ca, 5, house.broker.port, 60.0)

    assert 0 < took_s < 60
