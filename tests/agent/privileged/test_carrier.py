from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.carry import Move
from surefoot_agent.data import DataFolder, Kept, Phase
from surefoot_agent.privileged.carrier import PrivilegedCarrier, PrivilegedData
from surefoot_agent.privileged.proxies import ANSWER_S, Line
from surefoot_agent.privileged.talk import Reply, Verb
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import DataHandling
from surefoot_shared.status import SlotName
from tests.agent.fakes import Device
from tests.agent.trees import install

pytestmark = pytest.mark.usefixtures("unsynced")
MOVE = Move("a-1", 1, SlotName.B, SlotName.A)


class Told(Line):
    """What was asked, and for how long an answer was awaited."""

    def __init__(self, reply: Reply) -> None:
        self.reply, self.asked = reply, list[tuple[Verb, float, object]]()

    def ask(self, verb: Verb, frames: object = (), wait_s: float = 0.0, **more: object) -> Reply:
        self.asked.append((verb, wait_s, more))
        return self.reply


def test_nothing_is_asked_for_releases_that_leave_the_data_alone(tmp_path: Path) -> None:
    line = Told(Reply())
    carrier, hands = PrivilegedCarrier(line), Device(tmp_path).hands()

    carrier.there(hands, MOVE)
    carrier.commit(hands, MOVE)
    carrier.back(hands, None)
    carrier.finish(hands)

    assert line.asked == []


def test_an_answer_is_awaited_for_as_long_as_the_data_may_take(tmp_path: Path) -> None:
    device, line = Device(tmp_path), Told(Reply(yes=True))
    device.publish("1.1", DataHandling(forward=("run",), timeout_s=900.0))
    manifest = device.manifests["1.1"]
    install(device.slots, SlotName.B, manifest, {f.path: device.downloader.blobs[f.sha256] for f in manifest.files})

    PrivilegedCarrier(line).there(device.hands(), MOVE)

    ((verb, wait_s, more),) = line.asked
    assert (verb, more) == (Verb.CARRY_THERE, {"assignment": "a-1", "attempt": 1})
    assert wait_s >= ANSWER_S + 1800.0


def test_data_that_are_away_are_asked_for_though_their_release_is_gone(tmp_path: Path) -> None:
    device, line = Device(tmp_path), Told(Reply(yes=True))
    DataFolder(device.component_dir).keep(Kept("a-1", 1, Phase.KEPT, "1.0", "1.1"))

    PrivilegedCarrier(line).back(device.hands(), MOVE)

    assert [verb for verb, *_ in line.asked] == [Verb.CARRY_BACK]


def test_no_room_is_what_the_other_side_says(tmp_path: Path) -> None:
    data = PrivilegedData(tmp_path, Told(Reply(size_bytes=5_000, text="A copy needs 5000 bytes; 7 are free.")))

    with pytest.raises(InstallFailed, match="7 are free") as full:
        data.room()

    assert (full.value.kind, data.size_bytes()) == ("no_space", 5_000)


def test_a_helper_that_says_nothing_of_the_data_is_asked_again(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed) as silent:
        PrivilegedData(tmp_path, Told(Reply(yes=True))).room()

    assert silent.value.kind == "helper_unreachable"
