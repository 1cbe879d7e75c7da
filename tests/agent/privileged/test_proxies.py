from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.ports import BootControl
from surefoot_agent.privileged import gate, serve
from surefoot_agent.privileged.proxies import Line
from surefoot_agent.privileged.steward import Steward
from surefoot_agent.privileged.talk import Reply, Verb
from surefoot_agent.trial import Verdict
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.status import SlotName
from tests.agent.apps import until
from tests.agent.boot.contract import BootContract
from tests.agent.privileged.rig import Rig

A, B = SlotName.A, SlotName.B


class TestPrivilegedBoot(BootContract):
    """The contract of every boot control, through the socket. What the gate would refuse is tested with the steward."""

    @pytest.fixture
    def boot(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> BootControl:
        for name in ("may_mark", "may_arm", "may_enter", "may_commit"):
            monkeypatch.setattr(gate, name, lambda *_: None)
        for name in ("boot.0", "boot.1"):
            (rig.folder / name).unlink(missing_ok=True)
        return rig.proxies()[0]

    def enter(self, boot: BootControl) -> None:
        """A link is entered as it is moved."""


def test_a_file_is_written_from_where_it_stopped(rig: Rig) -> None:
    manifest = rig.publish("1.1", 101)
    _, slots, _, _ = rig.proxies()
    slots.begin(B, manifest, rig.raws["1.1"])
    content, offsets = rig.files["1.1"]["run"], []

    def breaks(offset: int) -> Iterator[bytes]:
        offsets.append(offset)
        yield content[offset : offset + 10]
        raise Unreachable("unreachable", "The network is gone.")

    def goes_on(offset: int) -> Iterator[bytes]:
        offsets.append(offset)
        yield content[offset:]

    with pytest.raises(Unreachable, match="The network is gone"):
        slots.write(B, rig.piece("1.1", "run"), breaks)
    slots.write(B, rig.piece("1.1", "run"), goes_on)

    assert offsets == [0, 10]
    assert (rig.folder / "slots/B/run").read_bytes() == content


def test_what_the_other_slot_holds_is_linked_and_not_sent(rig: Rig) -> None:
    rig.prepare(rig.publish("1.1", 101))

    assert (rig.folder / "slots/B/run").samefile(rig.folder / "slots/A/run")


def test_the_lock_is_held_over_several_requests_and_keeps_others_out(rig: Rig) -> None:
    _, _, trials, _ = rig.proxies()

    with trials.lock(), trials.lock(), pytest.raises(guard.Locked), guard.trial_lock(rig.folder, 0.05):
        pass

    with guard.trial_lock(rig.folder, 5.0):
        assert trials.read() is None


def test_an_agent_that_freezes_inside_the_lock_loses_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LOCK_IDLE_S", 0.05)
    boot, _, trials, _ = rig.proxies()

    with trials.lock():
        with guard.trial_lock(rig.folder, 5.0):  # got by the guard meanwhile
            pass
        with pytest.raises(InstallFailed) as caught:
            boot.current()

    assert caught.value.kind == "helper_unreachable"
    assert boot.current() is A  # without the lock there is a new connection


def test_nobody_keeps_the_lock_by_chattering(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LOCK_S", 0.2)
    boot, _, trials, _ = rig.proxies()
    said = 0

    def chatter() -> None:
        nonlocal said
        while said < 1_000_000:
            boot.current()
            said += 1

    with trials.lock(), pytest.raises(InstallFailed):
        chatter()

    assert 0 < said < 1_000_000


def test_each_thread_has_its_own_hold(rig: Rig) -> None:
    _, _, trials, _ = rig.proxies()
    entered, leave, seen = threading.Event(), threading.Event(), []

    def other() -> None:
        with trials.lock():
            seen.append(leave.is_set())

    with trials.lock():
        thread = threading.Thread(target=other)
        thread.start()
        entered.wait(0.05)
        leave.set()
    thread.join()

    assert seen == [True]


def test_a_helper_that_is_not_there_is_named(tmp_path: Path) -> None:
    line = Line(tmp_path / "nobody.sock", "app", connect_s=0.0)

    with pytest.raises(InstallFailed) as caught:
        line.ask(Verb.RUNNING)

    assert caught.value.kind == "helper_unreachable"
    assert "surefoot-helper" in caught.value.hint


def test_a_restarted_helper_is_found_again(rig: Rig) -> None:
    boot, _, _, _ = rig.proxies()
    assert boot.current() is A

    rig.server.stop()
    rig.server = serve.Server(rig.folder.parent / "helper.sock", -1, {"app": rig.steward})
    rig.server.start()
    rig.line.drop()

    assert boot.current() is A


def test_a_helper_that_died_between_proof_and_beginning_is_asked_for_both_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, slots, _, _ = rig.proxies()
    manifest = rig.publish("1.1", 101)
    raw = rig.raws["1.1"]
    with monkeypatch.context() as forgetful:
        forgetful.setattr(rig.steward, "_proved", {})
        forgetful.setattr(Steward, "prove", lambda *_: Reply(yes=True))
        with pytest.raises(InstallFailed) as caught:
            slots.begin(B, manifest, raw)
    assert caught.value.kind == "helper_unreachable"

    slots.begin(B, manifest, raw)

    assert (rig.folder / "slots" / "B").is_dir()


def test_the_application_is_seen_through_the_one_who_may_see_it(rig: Rig) -> None:
    _, _, _, application = rig.proxies()
    assert application.running() is None
    installed = rig.slots.installed(A)
    assert installed is not None

    running = application.start(A, installed)

    until(lambda: application.running() is not None, "the application to show its command line")
    assert list(application.pids()) == [running.pid]
    assert application.listens(1) is False
    assert application.endpoint() == rig.application.endpoint()
    application.tend()
    application.stop()
    assert application.running() is None
    assert application.log_tail() == rig.application.log_tail()


def test_a_verdict_is_told_and_the_trial_is_read_from_the_file(rig: Rig) -> None:
    rig.prepare(rig.publish("1.1", 101))
    _, _, trials, _ = rig.proxies()
    assert trials.decide("a-1", 1, Verdict.HEALTHY) is None
    held = trials.arm(rig.trial())
    assert trials.of("a-1", 1) == held

    decided = trials.decide("a-1", 1, Verdict.UNHEALTHY, "health_failed")

    assert decided is not None
    assert (decided.verdict, decided.reason) == (Verdict.UNHEALTHY, "health_failed")
    trials.finish("a-1", 1)
    read = trials.read()
    assert read is not None
    assert read.finished
