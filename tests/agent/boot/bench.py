"""What a bench is: one device's boot control on a medium in a folder, and the bootloader that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.ports import BootControl
from surefoot_shared.status import SlotState

Marks = tuple[SlotState, SlotState]


@dataclass(frozen=True)
class Bench:
    """`marks` are what a new device says of A and B; `reads` tells a call that only asks from one that writes."""

    folder: Path
    marks: Marks = (SlotState.EMPTY, SlotState.EMPTY)

    @property
    def media(self) -> tuple[Path, ...]:
        """What a program that boot control starts may write to."""
        return ()

    def open(self) -> BootControl:
        raise NotImplementedError

    def enter(self) -> None:
        raise NotImplementedError

    def reads(self, argv: list[str]) -> bool:
        raise NotImplementedError

    @property
    def of_others(self) -> frozenset[str]:
        """Files whose writer is not ours: it answers for what a torn write of its own leaves."""
        return frozenset()
