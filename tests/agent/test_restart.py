"""A restart is ordered of the machine's own init, and an init that refuses is told as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent import restart
from surefoot_shared.errors import InstallFailed


def test_where_systemd_runs_it_is_asked_and_elsewhere_the_inits_own_command(tmp_path: Path) -> None:
    assert restart.command(tmp_path) == ("/sbin/reboot",)
    (tmp_path / "run/systemd/system").mkdir(parents=True)

    assert restart.command(tmp_path) == ("systemctl", "--no-block", "reboot")


def test_an_order_that_is_taken_returns() -> None:
    assert restart.order(("true",)) is None


def test_an_order_that_init_ends_together_with_everything_else_was_taken() -> None:
    assert restart.order(("sh", "-c", "kill -TERM $$")) is None


def test_an_init_that_refuses_is_told_with_its_words() -> None:
    with pytest.raises(InstallFailed, match="Interactive authentication required") as caught:
        restart.order(("sh", "-c", "echo Interactive authentication required. >&2; exit 1"))

    assert caught.value.kind == "restart_failed"


def test_an_init_that_is_not_there_is_told_as_such() -> None:
    with pytest.raises(InstallFailed) as caught:
        restart.order(("/nowhere/reboot",))

    assert caught.value.kind == "restart_failed"


def test_the_restart_orders_the_machines_command(monkeypatch: pytest.MonkeyPatch) -> None:
    ordered: list[tuple[str, ...]] = []
    monkeypatch.setattr(restart, "order", ordered.append)

    restart.restart_machine()

    assert ordered == [restart.command()]
