"""What a device can reach, judged by deliveries alone: a SUBACK or a PUBACK proves nothing. Both brokers, one suite.

Every test ends at a marker that must arrive, so that silence is seen and not waited for.
"""

from __future__ import annotations

import datetime as dt
import inspect
import itertools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from surefoot_server.broker import embedded
from surefoot_server.broker.acl import Access, allows, known_name, render_mosquitto
from surefoot_server.broker.mosquitto import render
from surefoot_server.pki.ca import create_ca
from surefoot_server.pki.crl import LIFE
from surefoot_shared import topics
from surefoot_shared.errors import Invalid
from tests.server.broker.rig import WAIT_S, Credentials, Fleet

MARKS = (pytest.mark.needs("mosquitto", "mosquitto_pub", "mosquitto_sub"), pytest.mark.slow)
BROKERS = (("mosquitto", 5), ("mosquitto", 4), ("embedded", 4))


def down(device: str, what: str = "bundle") -> str:
    return f"surefoot/v1/d/{device}/down/{what}"


def up(device: str, what: str = "events") -> str:
    return f"surefoot/v1/d/{device}/up/{what}"


@pytest.fixture(scope="module", params=[pytest.param(b, id=f"{b[0]}-v{b[1]}", marks=MARKS) for b in BROKERS])
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    which, protocol = request.param
    running = Fleet.start(tmp_path_factory.mktemp("fleet"), which, protocol)
    yield running
    running.stop()


def test_a_device_hears_its_own_topics_and_the_fleets(fleet: Fleet) -> None:
    device = fleet.new()

    with fleet.listen(device, down(device, "#"), "surefoot/v1/fleet/#", "surefoot/v1/blobs/#") as ear:
        fleet.server.say(down(device), "bundle")
        fleet.server.say("surefoot/v1/fleet/halt", "halt")
        fleet.server.say("surefoot/v1/blobs/ab/0", "chunk")
        fleet.server.say(down(device, "ack"), "end")

        assert sorted(payload for _, payload in ear.until("end")) == ["bundle", "chunk", "end", "halt"]


def test_the_server_hears_what_a_device_says_on_its_own_topics(fleet: Fleet) -> None:
    device = fleet.new()

    fleet.publish(device, up(device), f"I am {device}")

    assert fleet.server.until(f"I am {device}")[-1] == (up(device), f"I am {device}")


@pytest.mark.parametrize(
    "wanted",
    ["#", "surefoot/#", "surefoot/v1/d/+/down/#", "{other}", "$share/g/surefoot/v1/#", "$share/g/{other}", "+/+/+/+/#"],
)
def test_a_device_that_subscribes_to_what_is_not_its_own_is_given_none_of_it(fleet: Fleet, wanted: str) -> None:
    spy, victim = fleet.new(), fleet.new()

    with fleet.listen(spy, wanted.format(other=down(victim)), down(spy, "ack")) as ear:
        fleet.server.say(down(victim), "secret")
        fleet.publish(victim, up(victim), "secret")
        fleet.server.say(down(spy, "ack"), "end")

        assert {topic for topic, _ in ear.until("end")} == {down(spy, "ack")}


def test_a_device_cannot_write_where_others_read(fleet: Fleet) -> None:
    rogue, victim = fleet.new(), fleet.new()
    forbidden = [
        up(victim),
        down(victim),
        down(rogue),
        "surefoot/v1/fleet/halt",
        "surefoot/v1/fleet/trust",
        "surefoot/v1/blobs/ab/0",
        f"surefoot/v1/d/{rogue}",
        "surefoot/v1/d/svc-server/up/events",
        "$CONTROL/dynamic-security/v1",
        "elsewhere",
    ]

    with fleet.listen(victim, down(victim, "#"), "surefoot/v1/fleet/#", "surefoot/v1/blobs/#") as ear:
        for topic in forbidden:
            fleet.publish(rogue, topic, "forged")
        fleet.publish(rogue, up(rogue), f"mine {rogue}")
        fleet.server.say(down(victim), "end")

        assert "forged" not in {payload for _, payload in fleet.server.until(f"mine {rogue}")}
        assert ear.until("end") == [(down(victim), "end")]


def test_a_retained_message_is_given_to_its_device_only(fleet: Fleet) -> None:
    owner, other = fleet.new(), fleet.new()
    fleet.server.say(down(owner), "retained", retain=True)
    fleet.publish(owner, up(owner, "presence"), "here", retain=True)

    with (
        fleet.listen(owner, down(owner, "#")) as own,
        fleet.listen(other, down(other, "#"), down(owner, "#"), up(owner, "#")) as ear,
    ):
        fleet.server.say(down(other), "end")

        assert own.until("retained") == [(down(owner), "retained")]
        assert ear.until("end") == [(down(other), "end")]


def test_a_last_will_reaches_the_devices_own_topic_and_no_other(fleet: Fleet) -> None:
    rogue, victim, honest = fleet.new(), fleet.new(), fleet.new()

    def dies_with_will(device: str, topic: str, payload: str) -> None:
        will = ("--will-topic", topic, "--will-payload", payload, "--will-qos", "1", "--will-retain")
        fleet.listen(device, down(device, "#"), extra=will).ready().kill()

    dies_with_will(rogue, up(victim, "presence"), "forged")
    dies_with_will(rogue, "surefoot/v1/fleet/halt", "forged")
    dies_with_will(honest, up(honest, "presence"), f"{honest} off")

    wills = [said for said in fleet.server.until(f"{honest} off") if said[1] in ("forged", f"{honest} off")]
    assert wills == [(up(honest, "presence"), f"{honest} off")]


def test_a_user_name_in_connect_is_not_believed(fleet: Fleet) -> None:
    rogue, victim = fleet.new(), fleet.new()

    with fleet.listen(victim, down(victim, "#")) as ear:
        for name in ("svc-server", victim):
            fleet.publish(rogue, down(victim), "forged", extra=("-u", name, "-P", "x"))
            fleet.publish(rogue, up(victim), "forged", extra=("-u", name, "-P", "x"))
        fleet.publish(rogue, up(rogue), f"mine {rogue}", extra=("-u", "svc-server", "-P", "x"))
        fleet.server.say(down(victim), "end")

        assert "forged" not in {payload for _, payload in fleet.server.until(f"mine {rogue}")}
        assert ear.until("end") == [(down(victim), "end")]


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "kept session"])
def test_a_client_id_of_another_neither_drops_it_nor_becomes_it(fleet: Fleet, clean: bool) -> None:
    rogue, victim = fleet.new(), fleet.new()
    kept = () if clean else ("-c",)
    stolen = ("-i", victim, *kept)

    with fleet.listen(victim, down(victim, "#"), extra=("-i", victim, *kept)) as ear:
        fleet.publish(rogue, up(rogue), "x", extra=("-i", victim))
        with fleet.listen(rogue, down(rogue, "#"), down(victim, "#"), extra=stolen) as spy:
            fleet.server.say(down(victim), "for the victim")
            fleet.server.say(down(rogue), "end")

            assert spy.until("end") == [(down(rogue), "end")]
        assert ear.until("for the victim") == [(down(victim), "for the victim")]


def test_what_waits_in_a_kept_session_is_not_handed_to_a_stolen_client_id(fleet: Fleet) -> None:
    rogue, victim = fleet.new(), fleet.new()
    keeps = ("-i", victim, "-c", *(("-x", "3600") if fleet.protocol == 5 else ()))
    fleet.listen(victim, down(victim, "#"), extra=keeps).ready().kill()
    fleet.server.say(down(victim), "queued")

    with fleet.listen(rogue, down(rogue, "#"), extra=keeps) as spy:
        fleet.server.say(down(rogue), "end")
        assert spy.until("end") == [(down(rogue), "end")]
    with fleet.listen(victim, down(victim, "#"), extra=keeps) as ear:
        assert ear.until("queued") == [(down(victim), "queued")]


def test_a_packet_beyond_the_cap_is_not_passed_on(fleet: Fleet) -> None:
    device = fleet.new()

    fleet.publish(device, up(device), "x" * 400_000)
    fleet.publish(device, up(device), "y" * 250_000)
    fleet.publish(device, up(device), f"end {device}")

    heard = [payload[:1] for topic, payload in fleet.server.until(f"end {device}") if topic == up(device)]
    assert heard == ["y", "e"]


def test_a_certificate_that_is_expired_foreign_missing_or_for_servers_is_refused(fleet: Fleet) -> None:
    device, long_ago = fleet.new(), dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=365)
    foreign = create_ca(fleet.folder / f"foreign-{device}")
    bad = {
        "expired": fleet.issue(device, fleet.ca, long_ago),
        "foreign": fleet.issue(device, foreign),
        "missing": Credentials(fleet.pki.ca),
        "server's": Credentials(fleet.pki.ca, fleet.pki.server_cert, fleet.pki.server_key),
    }

    codes = {name: fleet.publish(who, up(device), "forged").returncode for name, who in bad.items()}
    fleet.publish(device, up(device), f"end {device}")

    assert 0 not in codes.values(), codes
    assert "forged" not in {payload for _, payload in fleet.server.until(f"end {device}")}


def test_the_listener_answers_nothing_in_plain_text(fleet: Fleet) -> None:
    connect = bytes.fromhex("101000044d5154540402003c000464657631")

    with socket.create_connection((fleet.broker.host, fleet.broker.port), timeout=5) as plain:
        plain.sendall(connect)
        try:
            answer = plain.recv(64)
        except ConnectionError:
            answer = b""

    assert not answer.startswith(b"\x20"), "a CONNACK came over plain TCP"


def test_a_denied_device_is_muted_at_once_and_heard_again_when_the_denial_ends(fleet: Fleet) -> None:
    lost, other = fleet.new(), fleet.new()

    fleet.shut_out(lost)
    _until(fleet, lost, other, heard=False)
    fleet.shut_out()
    _until(fleet, lost, other, heard=True)

    fleet.publish(lost, up(lost), "back")
    assert fleet.server.until("back")[-1] == (up(lost), "back")


def test_a_live_session_of_a_revoked_device_hears_and_says_nothing_within_seconds(fleet: Fleet) -> None:
    """The session is held by one client all the time: mosquitto 2.0 cannot end it, so it is deaf and mute instead."""
    lost, other = fleet.new(), fleet.new()
    live = Live(fleet, lost)
    live.says("before")
    fleet.server.until("before")
    fleet.server.say(down(lost), "before")
    assert live.hears("before")

    began = time.monotonic()
    fleet.shut_out(lost, serials=[fleet.serial(lost)])
    for number in itertools.count():  # a signal takes effect between two messages, not at the call
        live.says(f"after {number}")
        fleet.publish(other, up(other), f"end {number}")
        if f"after {number}" not in {payload for _, payload in fleet.server.until(f"end {number}")}:
            break
        assert time.monotonic() - began < 5.0, "the revoked device is still heard"

    fleet.server.say(down(lost), "secret")
    fleet.server.say("surefoot/v1/fleet/halt", "secret")
    with fleet.listen(other, "surefoot/v1/fleet/#") as ear:
        fleet.server.say("surefoot/v1/fleet/trust", "end")
        ear.until("end")  # what was said before has been handed out by now
    assert "secret" not in live.heard
    if fleet.broker.name == "embedded":
        assert live.ended.wait(WAIT_S), "its connection is still open"
    live.stop()
    assert _soon_refused(fleet, fleet.issued[lost], up(lost)), "once gone it must not come back"
    fleet.shut_out()


def test_a_revoked_certificate_opens_no_connection_and_others_of_the_device_do(fleet: Fleet) -> None:
    device = fleet.new()
    old = fleet.issued[device]
    new = fleet.issue(device, fleet.ca)

    fleet.shut_out(serials=[fleet.serial(device)])
    codes = [_soon_refused(fleet, old, up(device)), fleet.publish(new, up(device), f"end {device}").returncode]

    assert codes == [True, 0]
    assert fleet.server.until(f"end {device}")[-1] == (up(device), f"end {device}")
    fleet.shut_out()


def test_a_list_that_is_refreshed_keeps_the_fleet_connected(fleet: Fleet) -> None:
    device, lost = fleet.new(), fleet.new()

    for _ in range(3):
        fleet.shut_out(serials=[fleet.serial(lost)])

    assert fleet.publish(device, up(device), f"end {device}").returncode == 0
    assert fleet.server.until(f"end {device}")[-1] == (up(device), f"end {device}")
    fleet.shut_out()


def test_an_overdue_list_locks_everybody_out_which_is_why_ours_holds_for_weeks(fleet: Fleet) -> None:
    """Of mosquitto. The embedded broker reads serials, which do not run out: devices stay, the revoked do not."""
    device, long_ago = fleet.new(), dt.datetime.now(dt.timezone.utc) - LIFE - dt.timedelta(days=1)

    fleet.shut_out(listed_at=long_ago)

    if fleet.broker.name == "mosquitto":
        assert _soon_refused(fleet, fleet.issued[device], up(device))
    else:
        lost = fleet.new()
        fleet.shut_out(serials=[fleet.serial(lost)], listed_at=long_ago)
        assert _soon_refused(fleet, fleet.issued[lost], up(lost))
        assert fleet.publish(device, up(device), "still here").returncode == 0
    fleet.shut_out()
    assert _soon_accepted(fleet, device)


@pytest.mark.parametrize("name", ["+", "#", "dev-1/#", "svc-other"])
def test_a_certificate_whose_name_is_no_device_id_reaches_nothing(fleet: Fleet, name: str) -> None:
    """The authority never makes one; were there one all the same, the broker must not open other topics to it."""
    victim, other, rogue = fleet.new(), fleet.new(), fleet.forge(name)

    spy = fleet.listen(rogue, "surefoot/v1/d/+/down/#", down(name, "#"), "surefoot/v1/fleet/#")  # may not even connect
    with fleet.listen(victim, down(victim, "#")) as ear:
        for topic in (up(victim), down(victim), "surefoot/v1/fleet/halt"):
            fleet.publish(rogue, topic, "forged")
        fleet.publish(other, up(other), f"end {victim}")
        fleet.server.say(down(victim), "end")

        assert "forged" not in {payload for _, payload in fleet.server.until(f"end {victim}")}
        assert ear.until("end") == [(down(victim), "end")]
    spy.kill()
    assert not spy.given(), "a name with a wildcard was given other devices' messages"


class Live:
    """One connection of a device that stays, as an agent's does."""

    def __init__(self, fleet: Fleet, device: str) -> None:
        version = MQTTProtocolVersion.MQTTv5 if fleet.protocol == 5 else MQTTProtocolVersion.MQTTv311
        who = fleet.issued[device]
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=device, protocol=version)
        self._client.tls_set(str(who.ca), str(who.cert), str(who.key))
        self._device, self.heard = device, list[str]()
        self._changed, subscribed = threading.Condition(), threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self.ended = threading.Event()
        self._client.on_disconnect = lambda *_: self.ended.set()
        self._client.on_message = lambda _c, _u, message: self._take(message.payload.decode())
        self._client.connect(fleet.broker.host, fleet.broker.port)
        self._client.loop_start()
        self._client.subscribe([(down(device, "#"), 1), ("surefoot/v1/fleet/#", 1)])
        assert subscribed.wait(WAIT_S)

    def says(self, text: str) -> None:
        self._client.publish(up(self._device), text, qos=1)

    def hears(self, text: str) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: text in self.heard, WAIT_S)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, text: str) -> None:
        with self._changed:
            self.heard.append(text)
            self._changed.notify_all()


def _soon_refused(fleet: Fleet, who: Credentials, topic: str) -> bool:
    return any(fleet.publish(who, topic, "probe").returncode != 0 for _ in range(100))


def _soon_accepted(fleet: Fleet, device: str) -> bool:
    return any(fleet.publish(device, up(device), "probe").returncode == 0 for _ in range(100))


def _until(fleet: Fleet, lost: str, other: str, *, heard: bool) -> None:
    for _ in range(100):  # SIGHUP takes effect between two messages, not at the call
        fleet.publish(lost, up(lost), "probe")
        fleet.publish(other, up(other), f"end {other}")
        if ((up(lost), "probe") in fleet.server.until(f"end {other}")) is heard:
            return
    raise AssertionError(f"heard is not {heard} after 100 messages")


def test_the_page_of_cases_names_tests_and_mechanisms_that_are_here() -> None:
    page = (Path(__file__).parents[3] / "docs" / "broker.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    tests = {name for name, value in globals().items() if name.startswith("test_") and _takes_a_fleet(value)}
    conf = render(Path("/f"), "", 8883, None, crl=True)

    assert [row[0].split()[1] for row in rows][:14] == [str(number) for number in range(1, 15)]
    for _, option_words, own_words, test in rows:
        assert set(re.findall(r"`(\w+)`", test)) <= tests
        assert all(f"\n{option} " in conf for option in re.findall(r"`(\w+)`", option_words))
        assert all(_is_in_the_embedded_broker(name) for name in re.findall(r"`(\w+)`", own_words))


def _takes_a_fleet(test: Callable[..., None]) -> bool:
    return "fleet" in inspect.signature(test).parameters


def _is_in_the_embedded_broker(name: str) -> bool:
    own = getattr(embedded, name, None) or vars(embedded.FleetBroker).get(name)
    return own is not None and getattr(own, "__module__", embedded.__name__) == embedded.__name__


@pytest.mark.parametrize("name", ["+", "#", "dev/1", "dev-1/#", "", "svc-other", "a" * 65, "$SYS", "-dev", "dev 1"])
def test_a_name_that_would_open_other_topics_has_no_right_at_all(name: str) -> None:
    assert not known_name(name)
    assert not allows(name, Access.READ, "surefoot/v1/fleet/halt")


@pytest.mark.parametrize(
    ("access", "topic", "allowed"),
    [
        (Access.READ, "surefoot/v1/d/cam/down/#", True),
        (Access.READ, "surefoot/v1/d/cam/down/bundle", True),
        (Access.READ, "surefoot/v1/d/cam/down/+", True),
        (Access.READ, "surefoot/v1/fleet/#", True),
        (Access.READ, "surefoot/v1/d/cam/#", False),
        (Access.READ, "surefoot/v1/d/+/down/bundle", False),
        (Access.READ, "surefoot/v1/#", False),
        (Access.READ, "surefoot/v1/d/cam/up/events", False),
        (Access.READ, "#", False),
        (Access.READ, "$share/g/surefoot/v1/fleet/halt", False),
        (Access.WRITE, "surefoot/v1/d/cam/up/events", True),
        (Access.WRITE, "surefoot/v1/d/cam/down/bundle", False),
        (Access.WRITE, "surefoot/v1/d/cam2/up/events", False),
        (Access.WRITE, "surefoot/v1/fleet/halt", False),
        (Access.WRITE, "", False),
    ],
)
def test_the_table_says_what_a_device_may_do(access: Access, topic: str, allowed: bool) -> None:
    assert allows("cam", access, topic) is allowed
    assert not allows("cam", access, topic, denied={"cam"})


def test_the_server_may_use_every_topic_of_ours_and_none_of_the_brokers_own() -> None:
    assert allows("svc-server", Access.WRITE, "surefoot/v1/d/cam/down/bundle")
    assert allows("svc-server", Access.READ, "surefoot/v1/d/+/up/#")
    assert not allows("svc-server", Access.READ, "$SYS/#")
    assert not allows("svc-server", Access.READ, "#")


def test_the_rendered_file_denies_the_denied_and_refuses_a_name_that_would_break_its_lines() -> None:
    text = render_mosquitto({"cam-2"})

    assert "user cam-2\ntopic deny #\n" in text
    assert "pattern write surefoot/v1/d/%u/up/#" in text
    with pytest.raises(Invalid):
        render_mosquitto({"cam\ntopic readwrite #"})


def test_a_device_may_hear_what_it_subscribes_to_and_nobody_elses() -> None:
    for each in topics.heard_by("cam"):
        assert allows("cam", Access.READ, each)
    assert not allows("cam", Access.READ, topics.heard_by("other")[0])
