"""The strategies: how a release reaches the devices of a phase, and what a policy without phases means then."""

from __future__ import annotations

from enum import Enum

from surefoot_shared.status import Ability

LADDER = (1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 100.0)
"""DESIGN §8: the canary strategy without phases of its own."""


class Strategy(str, Enum):
    CANARY = "canary"
    """A few first, and more as each phase passes."""
    ROLLING = "rolling"
    """A number of devices at a time (`limits.max_unavailable`) until everyone has it."""
    BLUE_GREEN = "blue-green"
    """Everyone of a phase stages it, then all switch together; the way back is together too, without a download."""

    RECREATE = "recreate"
    """Where a device has no room for two releases it gives up the one that runs before it fetches the new one."""

    SHADOW = "shadow"
    """It runs from the other slot beside the live release, on the same frames, and is compared; nothing switches."""

    @property
    def ability(self) -> Ability | None:
        """What a device's agent must announce to be offered a release this way."""
        return ABILITIES.get(self)

    @property
    def ladder(self) -> tuple[float, ...]:
        return LADDER if self is Strategy.CANARY else (100.0,)


ABILITIES = {Strategy.RECREATE: Ability.RECREATE, Strategy.SHADOW: Ability.SHADOW}
