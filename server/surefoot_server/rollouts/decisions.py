"""What the engine may decide: one small frozen value for each kind, always with its reason in one sentence.

Promises: a decision names what is to happen and why, and holds no database id; applying one is the service's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from surefoot_server.rollouts.judge import Finding


@dataclass(frozen=True, slots=True)
class StartRollout:
    reason: str


@dataclass(frozen=True, slots=True)
class AskApproval:
    """People must approve the phase before it begins: the rollout is held for them."""

    phase: int
    reason: str


@dataclass(frozen=True, slots=True)
class StartPhase:
    phase: int
    reason: str


@dataclass(frozen=True, slots=True)
class CollapsePhase:
    """Nobody is in the phase, or nobody any more: passed at once, and said so."""

    phase: int
    reason: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Want the release on the device; `phase` is the current one, in which its outcome will count."""

    device: str
    phase: int
    reason: str
    activate: bool = True
    """False: it stages the release and waits for `Activate`."""


@dataclass(frozen=True, slots=True)
class SwitchTogether:
    """Everyone of the phase who is awake has it staged: from now on each is told to switch."""

    phase: int
    reason: str


@dataclass(frozen=True, slots=True)
class Activate:
    """Tell a device that has it staged to switch. `order` is which of its two assignments: update or revert."""

    device: str
    reason: str
    order: str = "update"


@dataclass(frozen=True, slots=True)
class Renew:
    """The windows that the device was told come to their end: tell it the next ones."""

    device: str
    reason: str
    order: str = "update"


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
class Retry:
    """Its attempt failed at something that passes: it counts for nothing, and the device has its turn again later.

    `failure` is the class of which this uses up a try; see `retries.py`.
    """

    device: str
    reason: str
    failure: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class Recall:
    """Its order could not be signed, so it was never told: the order is taken back, and given again after `wait_s`."""

    device: str
    reason: str
    failure: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class WaitAnew:
    """No device could be told anything: the phase's time to wait for them begins anew."""

    phase: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reconcile:
    """It committed the release and runs something else: it has its turn again, or is let be."""

    device: str
    reason: str
    again: bool


@dataclass(frozen=True, slots=True)
class Withdraw:
    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class SendBack:
    """Want the previous release on the device again."""

    device: str
    reason: str
    activate: bool = True


@dataclass(frozen=True, slots=True)
class BakeBack:
    """A share of the devices is back: wait before the next. `stage` counts the shares of the way back from 0."""

    stage: int
    reason: str


@dataclass(frozen=True, slots=True)
class NextBack:
    """The next share of the devices is ordered back."""

    stage: int
    reason: str


@dataclass(frozen=True, slots=True)
class HoldBack:
    """Too many could not go back: nobody else is ordered back until a person lets it go on."""

    stage: int
    reason: str


@dataclass(frozen=True, slots=True)
class BeginBake:
    phase: int
    reason: str


@dataclass(frozen=True, slots=True)
class TakeLook:
    """The metrics were looked at within the bake and nothing failed: the numbers are kept, the bake goes on."""

    phase: int
    reason: str
    finding: Finding
    number: int


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
    StartRollout
    | AskApproval
    | StartPhase
    | CollapsePhase
    | Offer
    | SwitchTogether
    | Activate
    | Renew
    | Lose
    | TimeOut
    | Retry
    | Recall
    | WaitAnew
    | Reconcile
    | Withdraw
    | SendBack
    | BakeBack
    | NextBack
    | HoldBack
    | BeginBake
    | TakeLook
    | PassPhase
    | HoldPhase
    | FailPhase
    | Finish
    | EndRevert
)
