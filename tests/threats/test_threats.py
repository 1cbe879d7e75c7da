"""One test for every row of the threat table, named for the attack; README.md beside this file is the table."""

from __future__ import annotations

import re
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from surefoot_agent.acceptance import proved_manifest
from surefoot_agent.downlink import Disconnected, MessageRefused, parse_down
from surefoot_agent.orders import APPLICATION_VERBS, Verb
from surefoot_server.audit import service as audit
from surefoot_server.devices.models import DeviceComponent
from surefoot_server.inbound import Telegram
from surefoot_server.ingest import Ingest
from surefoot_server.intake import Intake, IntakeLimits
from surefoot_server.keys.init import init_keys
from surefoot_server.pki.ca import load_ca, prepare_pki
from surefoot_server.rates import TokenBuckets
from surefoot_shared import topics, wire
from surefoot_shared.errors import InstallFailed, NotAllowed, SurefootError, Unreachable, UntrustedRelease
from surefoot_shared.identity import generate_key, public_to_pem
from surefoot_shared.status import AttemptState, Intent, Outcome, SlotName
from surefoot_shared.trust.age import Old
from surefoot_shared.trust.policy import Policy
from tests.agent.download import sources
from tests.agent.download.sources import serving
from tests.agent.download.test_http import CONTENT, FILES, MANIFEST, B, lease, wish
from tests.agent.download.test_http import Device as Downloading
from tests.agent.fakes import Device
from tests.agent.test_enrol import serving as listening
from tests.agent.test_runner import reach
from tests.agent.trees import snapshot
from tests.server.conftest import PASSPHRASE
from tests.server.devices.test_https import ASKED, ask
from tests.server.enrolment.asking import Node, make_token
from tests.server.recorder import events_payload, hello_payload
from tests.server.rig import NOW, Rig, hello, make_rig, outcome, runs
from tests.shared.trust.simulator import DeviceSimulator, FleetSimulator
from tests.threats import attacks

Attack = Callable[[Path], bool]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    keys = tmp_path / "keys"
    init_keys(keys, PASSPHRASE, datetime.now(timezone.utc))
    with make_rig(keys, tmp_path / "data") as made:
        yield made


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "device")


# Uptane's list


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_u1_eavesdropping(rig: Rig, tmp_path: Path) -> None:
    """Nothing speaks in the clear, old TLS is refused, and a token never travels over plain HTTP."""
    pki = prepare_pki(tmp_path / "pki", load_ca(rig.keys / "online"), ["127.0.0.1"])
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with listening(rig, pki) as url:
        with pytest.raises((urllib.error.URLError, OSError)):
            urllib.request.urlopen(url.replace("https:", "http:") + "/api/v1/bundle", timeout=5)
        with pytest.raises((urllib.error.URLError, OSError)):
            urllib.request.urlopen(url + "/api/v1/bundle", timeout=5, context=old)
    with serving(CONTENT) as plain:
        Downloading(tmp_path).fill(lease(plain))

    assert {asked.authorization for asked in plain.asked} == {None}


def test_u1_a_url_of_another_device_or_another_hour(rig: Rig) -> None:
    """A lease names its device, cannot be rewritten for another, and ends."""
    now = datetime.now(timezone.utc)
    mine = rig.state.leases.mint("cam-1", now)
    theirs = rig.state.leases.mint("cam-2", now)

    for stolen in (f"{theirs.split('.')[0]}.{mine.split('.')[1]}", rig.state.leases.mint("cam-1", now - timedelta(1))):
        headers = {"Authorization": f"Bearer {stolen}"}
        assert rig.device_client().get(f"/api/v1/blobs/{'0' * 64}", headers=headers).status_code == 401


@pytest.mark.slow
def test_u2_drop_request(device: Device) -> None:
    """Cut off, the device goes on as it is, changes nothing, and says how old its knowledge is."""
    agent = device.start_agent()
    device.play(agent, 30.0)
    device.server.online = False
    device.trust.olds = [Old("stale_metadata", "app: nothing newer was signed.")]
    agent.post(Disconnected("unreachable", "gone"))

    device.play(agent, 3600.0)

    assert (device.running_version(), agent.record.state) == ("1.0", AttemptState.IDLE)
    assert "stale_metadata" in {event.reason for event in device.journal.waiting(0, 50)}  # type: ignore[union-attr]


def test_u3_slow_retrieval(tmp_path: Path) -> None:
    """A source that drips is left in time, and the next one goes on from the same byte."""
    device, began = Downloading(tmp_path), time.monotonic()
    with serving(CONTENT, sources.trickling) as slow, pytest.raises(Unreachable) as caught:
        device.fill(lease(slow))
    assert caught.value.kind == "too_slow"
    assert time.monotonic() - began < 10

    with serving(CONTENT) as good:
        device.fill(lease(good))

    assert snapshot(device.slots.path(B)) == FILES


def test_u4_freeze(tmp_path: Path) -> None:
    assert not attacks.freeze(tmp_path)


def test_u5_partial_installation(tmp_path: Path) -> None:
    """Half a release is none: a slot counts only once all of it was read back and sealed."""
    device = Downloading(tmp_path)
    with serving(CONTENT, sources.closing_after(1000)) as broken, pytest.raises(SurefootError):
        device.fill(lease(broken))

    assert device.slots.installed(B) is None
    with pytest.raises(InstallFailed):
        device.slots.seal(B)
    assert device.slots.installed(B) is None


def test_u6_denial_of_service() -> None:
    """One device that floods is cut to its rate, and its neighbour's first message is served."""
    buckets = TokenBuckets(IntakeLimits().device_rate)

    taken = sum(buckets.take("loud", 0.01 * n) for n in range(1000))

    assert taken <= IntakeLimits().device_rate.burst + 10 * IntakeLimits().device_rate.per_s + 1
    assert buckets.take("quiet", 10.0)


@pytest.mark.parametrize("attack", [attacks.replay, attacks.below_floor])
def test_u7_rollback(tmp_path: Path, attack: Attack) -> None:
    assert not attack(tmp_path)


def test_u7_a_failing_rollout_of_a_security_fix_can_still_be_reverted(tmp_path: Path) -> None:
    """The floor follows the signed policy, which is signed after the rollout ended well: until then all may go back."""
    fleet = FleetSimulator()
    old = fleet.release_version("1.1", 101, svn=0)
    fixed = fleet.release_version("2.0", 200, svn=1)
    device = DeviceSimulator(tmp_path / "trust", fleet)
    device.commit(old)
    assert device.decide(fleet.bundle(fleet.wish("2.0"))).approved
    device.commit(fixed)

    assert device.decide(fleet.bundle(fleet.wish("1.1", Intent.REVERT))).approved

    fleet.set_policy(Policy("app", min_svn=1))
    refused = device.decide(fleet.bundle(fleet.wish("1.1", Intent.REVERT))).refused
    assert [each.kind for each in refused] == ["below_svn_floor"]


def test_u8_endless_data(tmp_path: Path) -> None:
    assert not attacks.zip_bomb(tmp_path)
    with serving(CONTENT, sources.endless) as source, pytest.raises(InstallFailed) as caught:
        Downloading(tmp_path).fill(lease(source))
    assert caught.value.kind == "artifact_corrupt"


@pytest.mark.parametrize("attack", [attacks.mix_and_match, attacks.mixed_set])
def test_u9_mix_and_match(tmp_path: Path, attack: Attack) -> None:
    assert not attack(tmp_path)


@pytest.mark.parametrize("attack", [attacks.one_release_key, attacks.unlisted_release])
def test_u10_arbitrary_software(tmp_path: Path, attack: Attack) -> None:
    assert not attack(tmp_path)


def test_u11_arbitrary_commands() -> None:
    """Orders are typed and few: there is no message that carries a command, and the application orders nothing."""
    shell = {"id": "r1", "kind": "shell", "text": "rm -rf /", "v": 1}
    for device in ("cam-1", "cam-2"):
        topic = topics.down(device, "request")
        assert isinstance(parse_down("cam-1", topic, wire.encode(shell)), MessageRefused)
    assert {Verb.COMMIT, Verb.REVERT, Verb.APPLY}.isdisjoint(APPLICATION_VERBS)


def forged_request(rig: Rig) -> bool:
    """U12: a request signed with a key that is not the device's."""
    key = generate_key()
    with rig.db.write() as session:
        rig.devices.register(session, "cam-1", "rpi5", public_to_pem(key.public_key()).decode(), NOW)
    return ask(rig, generate_key(), ASKED).status_code == 200


def said_by_devices(rig: Rig, *said: tuple[str, bytes]) -> None:
    """Through the gateway's own intake into the store, as the broker would bring it; returns once all is dealt with."""
    ingest = Ingest(rig.db, rig.devices, lambda acks, leases: None)
    done = threading.Semaphore(0)
    intake = Intake(ingest, lambda batch: done.release(len(batch)), IntakeLimits(), ingest.put_aside)
    intake.start()
    for number, (topic, payload) in enumerate(said):
        intake.offer(Telegram(topic, payload, number, qos=1))
    for _ in said:
        assert done.acquire(timeout=20)
    intake.stop()


def forged_commit(rig: Rig) -> bool:
    """U12: the broker itself says that a device committed; all but the signature is right."""
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    payload = events_payload(generate_key(), outcome(row, 1, Outcome.COMMITTED))
    said_by_devices(rig, (topics.up("cam-1", "events"), payload))
    return rig.read(row).outcome == "committed"


def neighbours_commit(rig: Rig) -> bool:
    """U12: a device says with its own key and on its own topic that its neighbour committed."""
    key = generate_key()
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    with rig.db.write() as session:
        rig.devices.register(session, "cam-2", "rpi5", public_to_pem(key.public_key()).decode(), NOW)
    claim = replace(outcome(row, 1, Outcome.COMMITTED), device="cam-2")
    said_by_devices(rig, (topics.up("cam-2", "events"), events_payload(key, claim)))
    return rig.read(row).outcome == "committed"


def replayed_hello(rig: Rig) -> bool:
    """U12: yesterday's hello again, so that the server believes that the old release runs."""
    key = generate_key()
    with rig.db.write() as session:
        rig.devices.register(session, "cam-1", "rpi5", public_to_pem(key.public_key()).decode(), NOW)
    for release in ("app/1.0", "app/1.1"):
        rig.release(release)
    old, new = (
        hello_payload(key, hello("cam-1", seq, components=(runs(release),)))
        for seq, release in ((1, "app/1.0"), (2, "app/1.1"))
    )
    topic = topics.up("cam-1", "hello")
    said_by_devices(rig, (topic, old), (topic, new), (topic, old))
    with rig.db.read() as session:
        part = session.get(DeviceComponent, ("cam-1", "app"))
    return part is None or part.release_id != "app/1.1"


def spoofed_header(rig: Rig) -> bool:
    """U12: a header says that a proxy saw the device's certificate."""
    rig.device("cam-1")
    return rig.device_client().get("/api/v1/bundle", headers={"X-SSL-Client-CN": "CN=cam-1"}).status_code == 200


@pytest.mark.parametrize(
    ("attack", "audited"),
    [
        (forged_request, "token.refused"),
        (forged_commit, "message.refused"),
        (neighbours_commit, ""),
        (replayed_hello, "hello.replayed"),
        (spoofed_header, "certificate-header.refused"),
    ],
)
def test_u12_spoofed_reports(rig: Rig, attack: Callable[[Rig], bool], audited: str) -> None:
    assert not attack(rig)

    with rig.db.read() as session:
        assert not audited or audited in {row.action for row in audit.entries(session)}


# TUF's


@pytest.mark.parametrize("attack", [attacks.fast_forward, attacks.clock_pushed_ahead, attacks.last_epoch])
def test_t1_fast_forward(tmp_path: Path, attack: Attack) -> None:
    assert not attack(tmp_path)


@pytest.mark.parametrize(
    "attack", [attacks.other_hash, attacks.other_components_release, attacks.other_components_keys]
)
def test_t2_wrong_software_under_a_right_name(tmp_path: Path, attack: Attack) -> None:
    assert not attack(tmp_path)


def test_t3_malicious_mirror(tmp_path: Path) -> None:
    """The mirror's bytes are refused by their signed hash, and the honest source installs."""
    device = Downloading(tmp_path)
    with serving(CONTENT, sources.garbage) as bad, serving(CONTENT) as good:
        device.fill(lease(bad, good))

    assert snapshot(device.slots.path(B)) == FILES


def test_t4_key_compromise(tmp_path: Path) -> None:
    assert not attacks.stolen_director_key(tmp_path)


# Our own


def test_o1_cross_repository_root(tmp_path: Path) -> None:
    assert not attacks.cross_repository_root(tmp_path)


def test_o2_cross_device_replay_of_an_empty_assignment(tmp_path: Path) -> None:
    assert not attacks.neighbours_empty_assignment(tmp_path)


def test_o3_wrong_hardware_by_a_stolen_director(tmp_path: Path) -> None:
    assert not attacks.wrong_hardware(tmp_path)


@pytest.mark.parametrize(
    "attack", [attacks.withdrawn_release, attacks.revoked_release, attacks.withdrawn_release_after_a_power_cut]
)
def test_o4_withdrawn_release_assigned_again(tmp_path: Path, attack: Attack) -> None:
    assert not attack(tmp_path)


def test_o5_same_version_other_content(tmp_path: Path) -> None:
    assert not attacks.same_version_other_content(tmp_path)


@pytest.mark.parametrize("days", [8, 3650, -20_000], ids=["eight days on", "ten years on", "back to 1970"])
def test_o6_metadata_that_expires_between_install_and_commit(device: Device, days: int) -> None:
    """The decision is on record: whatever the clock does after the switch, the commit does not ask again."""
    agent = reach(device, AttemptState.PROBATION)
    device.world.shift_s += days * 86_400.0
    device.trust.decisions.clear()  # from now on every bundle would be refused as expired

    device.run_until_idle(agent)

    assert (device.running_version(), device.linked_version()) == ("1.1", "1.1")
    assert agent.record.ended is not None
    assert agent.record.ended.outcome.value == "committed"


@pytest.mark.parametrize("attack", [attacks.no_signature, attacks.empty_file])
def test_o7_missing_signatures(tmp_path: Path, attack: Attack) -> None:
    assert not attack(tmp_path)


def test_o7_there_is_no_switch_that_turns_verification_off() -> None:
    from surefoot_agent.__main__ import parser
    from surefoot_agent.config import SETTINGS

    words = " ".join([parser().format_help(), *(setting.key for setting in SETTINGS)])
    assert re.search(r"insecure|skip.?verif|no.?verif|unsigned|\bdev\b", words) is None


def changed_manifest(device: Device) -> bool:
    """O8: the server hands out another manifest than was signed."""
    chosen = device.wish("1.1", "a-1")
    try:
        proved_manifest(chosen, device.downloader.blobs[device.digest("1.2")])
    except UntrustedRelease:
        return True  # the hash was believed; only the note that was signed beside it still differs
    except InstallFailed:
        return False
    return True


def test_o8_a_servers_hash_taken_for_authenticity(tmp_path: Path, device: Device) -> None:
    assert not attacks.unlisted_release(tmp_path)
    assert not changed_manifest(device)


def test_o9_changed_between_check_and_use(tmp_path: Path) -> None:
    """What was verified on its way in is read back before the switch."""
    device = Downloading(tmp_path)
    with serving(CONTENT) as good:
        device.downloader.fill(wish(), MANIFEST, B, lease(good), lambda *_: None, lambda: False)
    path = device.slots.path(B) / "lib/model.bin"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    with pytest.raises(InstallFailed) as caught:
        device.slots.seal(B)

    assert caught.value.kind == "slot_corrupt"
    assert device.slots.installed(SlotName.B) is None


def test_o10_a_revoked_device_enrols_again_or_another_takes_its_name(rig: Rig) -> None:
    node, token = Node(rig), make_token(rig)
    node.ask(token)
    thief = Node(rig)
    with pytest.raises(NotAllowed):
        thief.ask(token)
    assert rig.device_row("cam-1").public_key == node.public, "the first stays what it is"

    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "anna", NOW)

    for again in (node, thief):
        with pytest.raises(NotAllowed):
            again.ask(token)
    assert rig.device_row("cam-1").revoked_at is not None


def test_every_row_of_the_table_has_a_test_here() -> None:
    rows = {f"u{n}" for n in range(1, 13)} | {f"t{n}" for n in range(1, 5)} | {f"o{n}" for n in range(1, 11)}
    page = Path(__file__).with_name("README.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))

    assert {name.split("_")[1] for name in globals() if re.match(r"test_[uto]\d", name)} == rows
    assert {row.lower() for row in re.findall(r"^\| ([UTO]\d+) \|", page, re.MULTILINE)} == rows
    assert named <= set(globals())
