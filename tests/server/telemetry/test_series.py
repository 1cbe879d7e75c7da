"""Series are looked up once, and what a failed transaction gave is forgotten."""

from __future__ import annotations

import pytest
from sqlmodel import select

from surefoot_server.telemetry import series
from surefoot_server.telemetry.models import TelemetrySeries
from surefoot_shared.status import SlotName
from tests.server.rig import Rig

FPS = ("camera_fps", "app", "d", SlotName.A)


def said(device: str) -> list[tuple[str, series.Said, int, float]]:
    return [(device, FPS, 0, 1.0)]


def test_what_is_known_costs_no_query(rig: Rig) -> None:
    rig.device("cam-1")
    cache, statements = series.Cache(), list[str]()
    from sqlalchemy import event

    event.listen(rig.db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    with rig.db.write() as session:
        first = cache.ids(session, said("cam-1"))
    cache.keep()
    statements.clear()

    with rig.db.write() as session:
        again = cache.ids(session, said("cam-1"))

    assert again == first
    assert [s for s in statements if "telemetry_series" in s] == []


def test_ids_of_a_transaction_that_failed_are_not_remembered(rig: Rig) -> None:
    rig.device("cam-1")
    cache = series.Cache()

    def fail() -> None:
        with rig.db.write() as session:
            cache.ids(session, said("cam-1"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with rig.db.write() as session:
        found = cache.ids(session, said("cam-1"))

    with rig.db.read() as session:
        assert session.exec(select(TelemetrySeries.id)).all() == found


def test_memory_is_bounded_by_the_devices_heard_last(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "DEVICES_LIMIT", 1)
    cache = series.Cache()
    for name in ("cam-1", "cam-2"):
        rig.device(name)
        with rig.db.write() as session:
            cache.ids(session, said(name))
        cache.keep()

    assert list(cache._known) == ["cam-2"]
