"""The limits of a policy: how many devices at a time, at a site, at which hours and days, and how fast.

Promises: as `policy.py` does: every key is known and in its range, errors name line and field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from surefoot_server.rollouts.document import Field
from surefoot_server.rollouts.strategy import Strategy
from surefoot_server.rollouts.windows import Freeze, Window, parse_freeze, parse_window

T = TypeVar("T")
ONE_AT_A_TIME = (Strategy.ROLLING, Strategy.RECREATE)
"""Unless the policy allows more to be unavailable."""
NOBODY_WAITS = {
    Strategy.BLUE_GREEN: "blue-green switches every device at the same time",
    Strategy.SHADOW: "a shadow makes no device unavailable",
}
MBPS = 125_000
"""Bytes a second in a megabit a second."""


@dataclass(frozen=True, slots=True)
class Limits:
    """max_concurrent: devices with an attempt under way. max_unavailable: devices that may be between two releases,
    or did not come back from it. per_site_unavailable: the same within one site (the device's attribute `site`).
    """

    max_concurrent: int = 200
    max_unavailable: int | None = None
    per_site_unavailable: int | None = None
    bandwidth_mbps: int | None = None
    window: Window | None = None
    download_window: Window | None = None
    freeze: tuple[Freeze, ...] = ()

    @property
    def orders_each_switch(self) -> bool:
        """A device that has staged the release waits for the order: else nobody could keep within these."""
        return self.max_unavailable is not None or self.per_site_unavailable is not None

    def words(self) -> list[str]:
        """Each limit that is set, as a clause for a person."""
        said = {
            "at most {} at a time": self.max_concurrent,
            "at most {} unavailable": self.max_unavailable,
            "at most {} unavailable at a site": self.per_site_unavailable,
            "downloads share {} Mbit/s": self.bandwidth_mbps,
            "switches {}": self.window.text if self.window else None,
            "downloads {}": self.download_window.text if self.download_window else None,
            "nothing new on {}": ", ".join(f"{f.first} to {f.last}" for f in self.freeze) or None,
        }
        return [words.format(value) for words, value in said.items() if value is not None]

    @property
    def pool_bytes_per_s(self) -> int | None:
        """What all devices that fetch at a time share."""
        return None if self.bandwidth_mbps is None else self.bandwidth_mbps * MBPS


def parse(field: Field, strategy: Strategy) -> Limits:
    fields = field.mapping(
        "max_concurrent",
        "max_unavailable",
        "per_site_unavailable",
        "bandwidth_mbps",
        "window",
        "download_window",
        "freeze",
    )
    unavailable = fields["max_unavailable"]
    if (why := NOBODY_WAITS.get(strategy)) is not None:
        for name in ("max_unavailable", "per_site_unavailable"):
            if not fields[name].absent:
                raise fields[name].wrong(why)
    return Limits(
        max_concurrent=fields["max_concurrent"].integer(200, low=1, high=1_000_000),
        max_unavailable=1 if strategy in ONE_AT_A_TIME and unavailable.absent else _integer_or_none(unavailable),
        per_site_unavailable=_integer_or_none(fields["per_site_unavailable"]),
        bandwidth_mbps=_integer_or_none(fields["bandwidth_mbps"]),
        window=_read(fields["window"], parse_window),
        download_window=_read(fields["download_window"], parse_window),
        freeze=_freezes(fields["freeze"]),
    )


def _integer_or_none(field: Field) -> int | None:
    return None if field.absent else field.integer(1, low=1, high=1_000_000)


def _freezes(field: Field) -> tuple[Freeze, ...]:
    found = () if field.absent else tuple(_read(item, parse_freeze) for item in field.items())
    return tuple(freeze for freeze in found if freeze is not None)


def _read(field: Field, parse_text: Callable[[str], T | None]) -> T | None:
    text = field.text_or_none()
    if text is None:
        return None
    try:
        return parse_text(text)
    except ValueError as error:
        raise field.wrong(str(error)) from error
