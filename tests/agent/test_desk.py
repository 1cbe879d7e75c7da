from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent import desk as module
from surefoot_agent.desk import Desk
from surefoot_shared import identity, wire
from surefoot_shared.errors import Invalid, UntrustedRelease
from surefoot_shared.messages import Hello, MetadataVersions, Request, RequestKind, Response, Sealed
from surefoot_shared.seals import SealKind
from surefoot_shared.status import SlotName, SlotState
from tests.agent.fakes import KEY, Device

pytestmark = pytest.mark.usefixtures("unsynced")


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


@pytest.fixture
def desk(device: Device) -> Desk:
    device.start_agent().drain()
    return device.desk()


def hello(desk: Desk, device: Device) -> Hello:
    raw = desk.hello([desk.journal.record("app")], desk.look_around())
    sealed = wire.decode(Sealed, raw)
    return wire.decode(Hello, identity.open_sealed(SealKind.HELLO, sealed, KEY.public_key()))


def test_hello_says_who_what_and_where_and_is_sealed_with_the_devices_key(desk: Desk, device: Device) -> None:
    said = hello(desk, device)

    assert (said.device, said.hw, said.agent, said.boot_id) == ("cam-1", "x86-box", "0.1", "boot-1")
    assert (said.stream, said.instance, said.clock_source) == ("stream-1", "instance", "ntp")
    (component,) = said.components
    assert (component.slot, component.digest) == (SlotName.A, device.digest("1.0"))
    assert component.slots["B"].state is SlotState.EMPTY


def test_a_seal_made_for_hello_does_not_pass_as_an_event(desk: Desk) -> None:
    sealed = wire.decode(Sealed, desk.hello([desk.journal.record("app")], desk.look_around()))

    with pytest.raises(Invalid):
        identity.open_sealed(SealKind.EVENT, sealed, KEY.public_key())


def test_every_hello_has_a_higher_number(desk: Desk, device: Device) -> None:
    assert hello(desk, device).seq < hello(desk, device).seq


def test_metadata_that_cannot_be_read_is_told_as_none_so_that_everything_is_sent(
    desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn() -> tuple[MetadataVersions, MetadataVersions]:
        raise UntrustedRelease("bundle_malformed", "Torn.")

    monkeypatch.setattr(device.trust, "versions", torn)

    assert hello(desk, device).image == MetadataVersions()


def test_an_application_that_does_not_run_gives_samples_without_a_release(desk: Desk, device: Device) -> None:
    assert desk.sample()[0].digest == device.digest("1.0")
    device.application.process = None

    assert desk.sample()[0].digest is None


def answer(desk: Desk, kind: RequestKind, lines: int = 10) -> Response:
    status = desk.status(desk.journal.record("app"))
    return wire.decode(Response, desk.answer(Request("q-1", kind, lines), [status]))


def test_each_kind_of_request_has_an_answer(desk: Desk) -> None:
    for kind in RequestKind:
        given = answer(desk, kind)
        assert (given.id, given.ok, bool(given.text)) == ("q-1", True, True)


def test_an_answer_that_cannot_be_given_says_why(desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(lines: int = 40) -> str:
        raise OSError("the disk is gone")

    monkeypatch.setattr(device.application, "log_tail", gone)

    given = answer(desk, RequestKind.LOGS)

    assert (given.ok, given.text) == (False, "the disk is gone")


@pytest.mark.parametrize("lines", [-5, 0, 10**9])
def test_the_number_of_lines_is_kept_within_bounds(
    desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    asked = []
    monkeypatch.setattr(device.application, "log_tail", lambda n: asked.append(n) or "")

    answer(desk, RequestKind.LOGS, lines)

    assert 1 <= asked[0] <= 5000


def test_a_long_log_is_cut_to_its_end_and_fits_one_message(
    desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device.application, "log_tail", lambda n: "é" * module.ANSWER_BYTES + "the end")

    given = answer(desk, RequestKind.LOGS)

    assert given.text.endswith("the end")
    assert len(wire.encode(given)) < wire.LIMIT_BYTES
