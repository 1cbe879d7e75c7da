"""One image, many devices: nothing of an identity in it, and each becomes itself at its first boot."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from surefoot_agent import golden
from surefoot_agent.golden import FirstBoot, device_id, facts, first_boot, prepare
from surefoot_agent.identity import FIRST_BOOT, load_identity
from surefoot_server.enrolment.service import TokenWish
from surefoot_shared.errors import ConfigError, Invalid
from tests.agent.test_enrol import Site, keys, site  # noqa: F401 - fixtures
from tests.server.rig import NOW

NOBODY = "https://127.0.0.1:1"


class Impatient(threading.Event):
    """A stop that is asked for at the first wait, which is how a test sees what would have been waited for."""

    waited_s: float | None = None

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_s = timeout
        self.set()
        return True


def hardware(root: Path, serial: str) -> Path:
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/device-tree/serial-number").write_bytes(serial.encode() + b"\0")
    return root


def image(site: Site, token: str, name: str = "image") -> Path:  # noqa: F811
    state_dir = site.folder / name
    prepare(state_dir, site.bootstrap, FirstBoot(site.url, "rpi5", "cam-{serial}", token))
    return state_dir


@pytest.mark.slow
def test_an_image_holds_no_identity_and_its_first_boot_makes_one(site: Site) -> None:  # noqa: F811
    token = site.token(TokenWish(auto_approve=True, max_uses=10))
    first, second = image(site, token, "first"), image(site, token, "second")
    before = {path.name for path in first.rglob("*") if path.is_file()}

    for number, state_dir in enumerate((first, second)):
        first_boot(state_dir, threading.Event(), hardware(site.folder / f"board-{number}", f"SN 00{number}"))

    assert before == {"image.root.json", "director.root.json", "ca.pem", FIRST_BOOT}
    one, other = load_identity(first), load_identity(second)
    assert (one.device, other.device) == ("cam-sn-000", "cam-sn-001")
    assert one.key_file.read_bytes() != other.key_file.read_bytes()


@pytest.mark.slow
def test_the_token_is_gone_once_the_device_is_enrolled(site: Site) -> None:  # noqa: F811
    token = site.token()
    state_dir = image(site, token)

    first_boot(state_dir, threading.Event(), hardware(site.folder / "board", "1"))

    assert token.encode() not in b"".join(path.read_bytes() for path in state_dir.rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_token_that_a_cut_left_behind_goes_with_the_next_start(site: Site) -> None:  # noqa: F811
    state_dir = image(site, site.token())
    left = (state_dir / "identity" / FIRST_BOOT).read_bytes()
    board = hardware(site.folder / "board", "1")
    first_boot(state_dir, threading.Event(), board)
    (state_dir / "identity" / FIRST_BOOT).write_bytes(left)

    first_boot(state_dir, threading.Event(), board)

    assert not (state_dir / "identity" / FIRST_BOOT).exists()


@pytest.mark.slow
def test_a_device_waits_for_approval_and_stays_itself_meanwhile(site: Site) -> None:  # noqa: F811
    state_dir, board = image(site, site.token(TokenWish())), hardware(site.folder / "board", "7")
    stop = Impatient()

    first_boot(state_dir, stop, board, lambda: 0.5)
    assert stop.waited_s == golden.PENDING_S
    key = (state_dir / "identity" / "device.key").read_bytes()
    with site.rig.db.write() as session:
        site.rig.state.enrolment.decide(session, "cam-7", True, "anna", NOW)
    first_boot(state_dir, threading.Event(), board)

    assert load_identity(state_dir).key_file.read_bytes() == key


@pytest.mark.slow
def test_a_server_that_is_away_is_waited_for(site: Site) -> None:  # noqa: F811
    stop, state_dir = Impatient(), site.folder / "image"
    prepare(state_dir, site.bootstrap, FirstBoot(NOBODY, "rpi5", "cam-{serial}", "t"))

    first_boot(state_dir, stop, hardware(site.folder / "board", "7"))

    assert stop.waited_s is not None
    assert (state_dir / "identity" / FIRST_BOOT).exists()


@pytest.mark.slow
def test_a_refusal_ends_the_agent_so_that_a_person_sees_it(site: Site) -> None:  # noqa: F811
    with pytest.raises(ConfigError, match="unknown"):
        first_boot(image(site, "sfe_no_such"), threading.Event(), hardware(site.folder / "board", "7"))


def bootstrap(folder: Path) -> Path:
    folder.mkdir()
    for name in ("image.root.json", "director.root.json", "ca.pem"):
        (folder / name).write_text(name)
    return folder


@pytest.mark.parametrize("name", ["device.json", "device.key", "device.crt"])
def test_an_image_with_an_identity_is_not_prepared(tmp_path: Path, name: str) -> None:
    (tmp_path / "identity").mkdir()
    (tmp_path / "identity" / name).write_text("somebody's")

    with pytest.raises(ConfigError, match="would share"):
        prepare(tmp_path, bootstrap(tmp_path / "b"), FirstBoot(NOBODY, "rpi5", "cam-{serial}"))


@pytest.mark.parametrize("pattern", ["cam-1", "", "cam-{", "{colour}", "cam-{}", "cam-{0}"])
def test_a_name_that_all_devices_would_share_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ConfigError):
        prepare(tmp_path / "s", bootstrap(tmp_path / "b"), FirstBoot(NOBODY, "rpi5", pattern))


def test_a_pattern_that_is_no_device_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="not a device id"):
        prepare(tmp_path / "s", bootstrap(tmp_path / "b"), FirstBoot(NOBODY, "rpi5", "a/b-{serial}"))


def test_preparing_again_changes_the_token(tmp_path: Path) -> None:
    for token in ("one", "two"):
        folder = tmp_path / "b"
        prepare(
            tmp_path / "s",
            folder if folder.exists() else bootstrap(folder),
            FirstBoot(NOBODY, "rpi5", "cam-{mac}", token),
        )

    assert json.loads((tmp_path / "s/identity" / FIRST_BOOT).read_bytes())["token"] == "two"
    assert (tmp_path / "s/identity" / FIRST_BOOT).stat().st_mode & 0o777 == 0o600


def test_a_node_that_was_enrolled_by_hand_is_left_alone(tmp_path: Path) -> None:
    first_boot(tmp_path, threading.Event())

    assert list(tmp_path.iterdir()) == []


def test_hardware_that_does_not_say_its_serial_number_is_told_apart_from_one_that_does(tmp_path: Path) -> None:
    assert device_id("cam-{serial}", facts(hardware(tmp_path / "a", "ABC/123 "))) == "cam-abc-123"
    with pytest.raises(ConfigError, match="does not say its serial"):
        device_id("cam-{serial}", facts(tmp_path / "nothing"))


def test_the_first_real_network_card_gives_the_mac(tmp_path: Path) -> None:
    for name, address in (("eth0", "d8:3a:dd:00:00:01"), ("lo", "00:00:00:00:00:00")):
        card = tmp_path / "sys/class/net" / name
        card.mkdir(parents=True)
        (card / "address").write_text(address + "\n")
    (tmp_path / "sys/class/net/eth0/device").mkdir()

    assert facts(tmp_path)["mac"] == "d8-3a-dd-00-00-01"
