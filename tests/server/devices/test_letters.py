"""What is put aside is there to be looked at, counted, and bounded."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from surefoot_server.devices import letters
from surefoot_server.devices.letters import KEPT, Refused
from surefoot_server.devices.models import DeadLetter
from tests.server.rig import Rig, later


def refused(number: int = 0, device: str = "cam-1", error: str = "It is not signed.") -> Refused:
    return Refused(device, f"surefoot/v1/d/{device}/up/events", f"{number:064x}", b"\xff\x1b[2J", error)


def keep(rig: Rig, *given: Refused, seconds: float = 0) -> None:
    for one in given:
        with rig.db.write() as session:
            letters.keep(session, one, later(seconds))


def of(rig: Rig, device: str) -> list[DeadLetter]:
    with rig.db.read() as session:
        return list(letters.of_device(session, device))


def test_the_same_bytes_are_one_row_with_a_count_and_the_newest_reason(rig: Rig) -> None:
    keep(rig, refused())
    keep(rig, refused(error="The store refused the message."), seconds=60)

    [row] = of(rig, "cam-1")
    assert (row.count, row.error, row.excerpt) == (2, "The store refused the message.", b"\xff\x1b[2J")
    assert (row.first_at, row.last_at) == (later(0), later(60))


def test_a_device_that_sends_rubbish_fills_its_own_rows_and_no_others(rig: Rig) -> None:
    keep(rig, refused(device="cam-2"))

    keep(rig, *(refused(number) for number in range(KEPT + 5)))

    assert [row.sha256 for row in of(rig, "cam-1")] == [f"{n:064x}" for n in reversed(range(5, KEPT + 5))]
    assert len(of(rig, "cam-2")) == 1


def test_they_are_told_over_http_with_their_bytes_in_base64(rig: Rig) -> None:
    rig.device("cam-1")
    keep(rig, refused())

    [told] = rig.client(Role.VIEWER).get("/api/v1/devices/cam-1/letters").json()

    assert (told["error"], told["count"], told["excerpt"]) == ("It is not signed.", 1, "/xtbMko=")
    assert rig.client(Role.VIEWER).get("/api/v1/devices/cam-9/letters").status_code == 404
