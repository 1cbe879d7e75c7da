"""Many devices on one loop against a real broker."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from surefoot_server.pki.ca import create_ca
from surefoot_shared.identity import generate_key, key_to_pem
from surefoot_simulators.fleet.swarm import Identities, Swarm
from tests.server.broker.rig import request
from tests.server.house import House

pytestmark = [pytest.mark.slow, pytest.mark.needs("mosquitto")]


def test_every_device_hears_its_own_and_what_is_said_to_all(tmp_path: Path) -> None:
    heard: list[tuple[str, str, bytes]] = []
    with contextlib.ExitStack() as parts:
        house = House(tmp_path, "mosquitto", 5, parts)
        gateway, key = house.gateway(), generate_key()
        identities = Identities(
            tmp_path / "sim", house.pki.ca, key_to_pem(key), lambda n: house.ca.issue_device(request(n, key), n)
        )
        swarm = Swarm("127.0.0.1", house.broker.port, identities.context, lambda *said: heard.append(said))
        parts.callback(swarm.close)
        names = [f"cam-{n}" for n in range(20)]
        swarm.connect(names, lambda n: (f"surefoot/v1/d/{n}/down/#", "surefoot/v1/fleet/#"))

        gateway.publish_halt(b"stop")
        gateway.publish_bundle("cam-7", b"yours")
        assert swarm.run(lambda: len(heard) == 21, 20)
        swarm.publish("cam-3", "surefoot/v1/d/cam-3/up/presence", b'{"instance":"i","state":"online","v":1}')
        assert swarm.run(swarm.settled, 20)
        house.book.wait(lambda: len(house.book.committed) == 1)

    assert [said for said in heard if said[2] == b"yours"] == [("cam-7", "surefoot/v1/d/cam-7/down/bundle", b"yours")]
    assert {name for name, topic, _ in heard if topic == "surefoot/v1/fleet/halt"} == set(names)


def test_a_certificate_of_somebody_else_does_not_get_a_device_in(tmp_path: Path) -> None:
    with contextlib.ExitStack() as parts:
        house = House(tmp_path, "mosquitto", 5, parts)
        stranger, key = create_ca(tmp_path / "stranger"), generate_key()
        identities = Identities(
            tmp_path / "sim", house.pki.ca, key_to_pem(key), lambda n: stranger.issue_device(request(n, key), n)
        )
        swarm = Swarm("127.0.0.1", house.broker.port, identities.context)
        parts.callback(swarm.close)

        with pytest.raises(TimeoutError):
            swarm.connect(["cam-1"], limit_s=2)
