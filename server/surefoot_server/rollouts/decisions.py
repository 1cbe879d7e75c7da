"""What the engine may decide: one small frozen value for each kind, always with its reason in one sentence.

Promises: a decision names what is to happen and why, and holds no database id; applying one is the service's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from surefoot_server.rollouts.judge import Finding


@dataclass(frozen=True, slots=True)
class StartPhase:
    phase: int
    reason: str


@dataclass(frozen=True, slots=True)
class CollapsePhase:
    """Nobody is in the phase: passed at once, and said so."""

    phase: int
    reason: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Want the release on the device; `phase` is the current one, in which its outcome will count."""

    device: str
    phase: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lose:
    """The device went silent after the switch. `order` is which of its two assignments: update or revert."""

    device: str
    reason: str
    order: str = "update"


@dataclass(frozen=True, slots=True)
class TimeOut:
    """The device is connected and gets nowhere; its attempt before the switch is ended as failed."""

    device: str
    reason: str
    order: str = "update"


@dataclass(frozen=True, slots=True)
class Withdraw:
    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class SendBack:
    """Want the previous release on the device again."""

    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class BeginBake:
    phase: int
    reason: str


@dataclass(frozen=True, slots=True)
class PassPhase:
    phase: int
    reason: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class HoldPhase:
    phase: int
    reason: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class FailPhase:
    """The phase and with it the rollout fails; `revert`: those that committed go back; `halt`: the digest is halted."""

    phase: int
    reason: str
    finding: Finding
    revert: bool
    halt: bool


@dataclass(frozen=True, slots=True)
class Finish:
    reason: str


@dataclass(frozen=True, slots=True)
class EndRevert:
    reason: str


Decision = (
    StartPhase
    | CollapsePhase
    | Offer
    | Lose
    | TimeOut
    | Withdraw
    | SendBack
    | BeginBake
    | PassPhase
    | HoldPhase
    | FailPhase
    | Finish
    | EndRevert
)
