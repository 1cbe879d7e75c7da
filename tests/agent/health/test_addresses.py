from __future__ import annotations

import os
import socket

import pytest

from surefoot_agent.health.addresses import fill, own, url_of
from surefoot_agent.health.scene import Scene
from surefoot_agent.ports import Running
from surefoot_shared.release import CheckKind, HealthCheck
from surefoot_shared.status import SlotName

HERE = Running("s1", os.getpid(), SlotName.A, "/bin/app", "/", 1.0)


def scene(port: int = 1) -> Scene:
    return Scene(HERE, None, {"metrics_port": str(port)}, {}, tuple)


def test_the_devices_values_are_filled_in() -> None:
    assert fill("http://127.0.0.1:{metrics_port}/{other}", scene(9)) == "http://127.0.0.1:9/{other}"


def test_a_port_that_somebody_else_serves_is_not_the_applications() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mine:
        port = mine.getsockname()[1]
        own(port, scene())
        with pytest.raises(ConnectionError, match=f"does not listen on port {port}"):
            own(port, Scene(Running("s", 1, SlotName.A, "", "", 1.0), None, {}, {}, tuple))


def test_another_machine_is_looked_at_without_proof_and_this_one_never() -> None:
    far = HealthCheck("c", CheckKind.HTTP, params={"url": "http://camera.example:{metrics_port}/"})
    near = HealthCheck("c", CheckKind.HTTP, params={"url": "http://localhost:{metrics_port}/"})

    assert url_of(far, scene(1)) == "http://camera.example:1/"
    with pytest.raises(ConnectionError, match="port 1"):
        url_of(near, scene(1))
