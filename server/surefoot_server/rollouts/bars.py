"""Releases that a policy keeps away from devices: below a floor, forbidden, or too far from what runs. Pure.

Promises: nobody is sent to a barred release, neither forward nor back; a halted release is barred for the way back too.
Older and newer are told by the releases' counters, as devices do. Refuses names that are no release.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from surefoot_server.rollouts.document import Field

RELEASE = re.compile(r"[a-z0-9][a-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._+~-]*")


@dataclass(frozen=True, slots=True)
class Bars:
    """Ids of releases. `origins`: what a device must run at least, before it may be offered something newer."""

    floors: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def floor(self, component: str) -> str | None:
        return _of(self.floors, component)

    def origin(self, component: str) -> str | None:
        return _of(self.origins, component)

    def named(self, component: str) -> tuple[str, ...]:
        """What it says about the component: these must exist."""
        return tuple(r for r in (*self.floors, *self.forbidden, *self.origins) if r.partition("/")[0] == component)

    def words(self, component: str) -> list[str]:
        """Each as a clause for a person."""
        floor, origin = self.floor(component), self.origin(component)
        never = [r for r in self.forbidden if r.partition("/")[0] == component]
        said = [f"nothing below {floor}"] if floor else []
        said += [f"never {', '.join(never)}"] if never else []
        return said + ([f"only from {origin} on"] if origin else [])


def parse(field: Field) -> Bars:
    """Read the `releases` part of a policy; raises Invalid naming line and field."""
    fields = field.mapping("floors", "forbidden", "from")
    return Bars(
        floors=releases(fields["floors"]),
        forbidden=releases(fields["forbidden"], each_once=False),
        origins=releases(fields["from"]),
    )


def barred(bars: Bars, component: str, counters: Mapping[str, int], halted: Collection[str] = ()) -> dict[str, str]:
    """release id → why nobody may be sent there, as a clause. `counters` are the component's releases."""
    floor = bars.floor(component)
    least = counters.get(floor, 0) if floor else 0
    found = {r: f"it is below the floor {floor}" for r, counter in counters.items() if counter < least}
    found |= {r: "it is on the halt list" for r in counters if r in halted}
    return found | {r: "the policy forbids it" for r in counters if r in bars.forbidden}


def _of(releases: tuple[str, ...], component: str) -> str | None:
    return next((r for r in releases if r.partition("/")[0] == component), None)


def releases(field: Field, *, each_once: bool = True) -> tuple[str, ...]:
    """A list of releases, one of a component; raises Invalid naming line and field."""
    found: list[str] = []
    for item in () if field.absent else field.items():
        text = item.text_or_none()
        if text is None:
            continue
        if not RELEASE.fullmatch(text):
            raise item.wrong(f"{text!r} is not a release such as app/1.4")
        if each_once and _of(tuple(found), text.partition("/")[0]) is not None:
            raise item.wrong(f"a component has one; {text} is the second")
        found.append(text)
    return tuple(found)
