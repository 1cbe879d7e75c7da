"""The doctor on identities that are broken in one way each, and against a real broker and HTTPS server."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from surefoot_agent.config import Settings
from surefoot_agent.doctor import examine
from surefoot_agent.readiness import Finding
from surefoot_server.pki.ca import CertificateAuthority, create_ca
from surefoot_shared.errors import Unreachable
from surefoot_shared.identity import DeviceKey, generate_key, key_to_pem
from surefoot_shared.trust.floors import Floors, FloorStore
from tests.agent.test_reach import answering
from tests.server.broker.rig import request as csr
from tests.server.house import House


class Node:
    """A state folder with an identity."""

    def __init__(self, folder: Path, ca: CertificateAuthority | None = None) -> None:
        self.settings = Settings(state_dir=folder / "state")
        self.folder = self.settings.state_dir / "identity"
        self.folder.mkdir(parents=True, mode=0o700)
        self.ca = ca or create_ca(folder / "ca")
        self.key = generate_key()
        (self.folder / "ca.pem").write_bytes(self.ca.pem)
        self.say_key(self.key)
        self.certify(self.ca, self.key)
        self.point("https://127.0.0.1:1", 1)

    def say_key(self, key: DeviceKey) -> None:
        (self.folder / "device.key").write_bytes(key_to_pem(key))
        (self.folder / "device.key").chmod(0o600)

    def certify(self, ca: CertificateAuthority, key: DeviceKey, now: datetime | None = None) -> None:
        (self.folder / "device.crt").write_bytes(ca.issue_device(csr("cam-1", key), "cam-1", now))

    def point(self, url: str, port: int) -> None:
        mqtt = {"host": "127.0.0.1", "port": port, "protocol": 5}
        facts = {"device": "cam-1", "hw": "rpi5", "server_url": url, "mqtt": mqtt, "v": 1}
        (self.folder / "device.json").write_text(json.dumps(facts))

    def examine(self) -> dict[str, Finding]:
        return {finding.name: finding for finding in examine(self.settings)}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_node_that_was_never_enrolled_is_told_so_and_its_disk_is_still_looked_at(tmp_path: Path) -> None:
    found = {finding.name: finding for finding in examine(Settings(state_dir=tmp_path))}

    assert not found["identity"].ok
    assert "enrol" in found["identity"].hint
    assert found["state"].ok
    assert "server-dns" not in found


def test_credentials_that_fit_are_told_to_fit(node: Node) -> None:
    found = node.examine()

    assert [found[name].ok for name in ("identity", "credentials", "chain", "validity", "clock", "trust")] == [True] * 6


def test_a_certificate_for_another_key_is_found(node: Node) -> None:
    node.say_key(generate_key())

    found = node.examine()

    assert (found["credentials"].ok, found["credentials"].message) == (False, "The certificate is for another key.")


def test_a_certificate_of_another_fleet_is_found(node: Node, tmp_path: Path) -> None:
    node.certify(create_ca(tmp_path / "stranger"), node.key)

    found = node.examine()

    assert (found["credentials"].ok, found["chain"].ok) == (True, False)


def test_a_certificate_that_ended_is_found_and_its_days_are_named(node: Node) -> None:
    node.certify(node.ca, node.key, datetime.now(timezone.utc) - timedelta(days=4000))

    found = node.examine()["validity"]

    assert not found.ok
    assert "ended" in found.message


def test_a_certificate_is_judged_by_the_signed_time_where_the_clock_lags(node: Node) -> None:
    later = (datetime.now(timezone.utc) + timedelta(days=4000)).strftime("%Y-%m-%dT%H:%M:%SZ")
    FloorStore(node.settings.state_dir / "trust").save(Floors(time=later))

    found = node.examine()

    assert (found["validity"].ok, found["clock"].ok) == (False, False)
    assert "behind the last signed time" in found["clock"].message


def test_metadata_that_grew_old_is_told(node: Node) -> None:
    FloorStore(node.settings.state_dir / "trust").save(
        Floors(time="2020-01-01T00:00:00Z", offline_days={"app": 30}, role_expires={"app": "2020-02-01T00:00:00Z"})
    )

    assert not node.examine()["trust"].ok


def test_a_garbled_certificate_or_ca_does_not_end_the_examination(node: Node) -> None:
    (node.folder / "device.crt").write_text("garbage")
    (node.folder / "ca.pem").write_text("garbage")

    found = node.examine()

    assert not found["credentials"].ok
    assert found["credentials"].message == f"The certificate {node.folder / 'device.crt'} is damaged."
    assert "server-tcp" in found


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_damaged_key_is_one_sentence_also_where_a_broker_listens(node: Node, content: bytes) -> None:
    (node.folder / "device.key").write_bytes(content)
    with socket.create_server(("127.0.0.1", 0)) as broker:
        node.point("https://127.0.0.1:1", broker.getsockname()[1])

        found = node.examine()

    assert found["credentials"].message == "The device key cannot be read."
    assert found["broker-tls"].message.startswith("This node's key cannot be loaded: ")
    assert "_ssl" not in found["broker-tls"].message


def test_a_certificate_that_is_not_there_is_named(node: Node) -> None:
    (node.folder / "device.crt").unlink()

    found = node.examine()

    assert found["credentials"].message.endswith("device.crt: No such file or directory.")


def test_both_ways_are_tried_and_each_says_where_it_breaks(node: Node) -> None:
    found = node.examine()

    assert (found["server-dns"].ok, found["server-tcp"].ok) == (True, False)
    assert (found["broker-dns"].ok, found["broker-tcp"].ok) == (True, False)
    assert "refuses port 1" in found["broker-tcp"].message
    assert not {"token", "artifacts", "mqtt", "server-tls", "broker-tls"} & set(found)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with contextlib.ExitStack() as parts:
        yield House(tmp_path / "house", "mosquitto", 5, parts)


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_a_node_whose_agent_is_down_makes_its_own_round_trip(house: House, tmp_path: Path) -> None:
    node = Node(tmp_path, house.ca)
    with answering(house.pki, 403) as url:
        node.point(url.partition("/api")[0], house.broker.port)
        found = node.examine()

    assert found["broker-tls"].ok, found["broker-tls"].message
    assert found["mqtt"].ok, found["mqtt"].message
    assert (found["artifacts"].ok, found["token"].ok) == (True, False)


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_a_broker_that_refuses_the_certificate_is_named_as_the_side_that_refuses(house: House, tmp_path: Path) -> None:
    node = Node(tmp_path, house.ca)
    node.certify(create_ca(tmp_path / "stranger"), node.key)
    node.point("https://127.0.0.1:1", house.broker.port)

    found = node.examine()["broker-tls"]

    assert not found.ok
    assert "refuses this node" in found.message


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_a_running_agents_connection_is_asked_and_its_words_are_told(house: House, tmp_path: Path) -> None:
    node = Node(tmp_path, house.ca)
    node.point("https://127.0.0.1:1", house.broker.port)

    def away(timeout_s: float) -> float:
        raise Unreachable("unreachable", "The connection broke off.")

    told = {f.name: f for f in examine(node.settings, away)}["mqtt"]
    good = {f.name: f for f in examine(node.settings, lambda _: 0.25)}["mqtt"]

    assert (told.ok, told.message) == (False, "The connection broke off.")
    assert (good.ok, "0.250 s" in good.message) == (True, True)
