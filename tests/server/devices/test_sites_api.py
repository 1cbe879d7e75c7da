"""Sites over HTTP."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from tests.server.rig import Rig


def test_sites_are_listed_and_placed(rig: Rig) -> None:
    rig.device("cam-1")
    client = rig.client(Role.OPERATOR)
    (before,) = client.get("/api/v1/sites").json()

    done = client.put("/api/v1/sites/hanoi", json={"latitude": 21.03, "longitude": 105.85, "devices": 1})

    (after,) = client.get("/api/v1/sites").json()
    assert (before["name"], before["state"], before["latitude"]) == ("hanoi", "offline", None)
    assert done.json() == {"devices": 1}
    assert (after["latitude"], after["longitude"]) == (21.03, 105.85)


def test_a_place_off_the_earth_is_malformed(rig: Rig) -> None:
    refused = rig.client(Role.OPERATOR).put("/api/v1/sites/hanoi", json={"latitude": 91, "longitude": 0, "devices": 1})

    assert refused.status_code == 422
