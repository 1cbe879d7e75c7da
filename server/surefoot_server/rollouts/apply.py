"""Write the engine's decisions down: states by the tables, orders by the device service, each with its audit row.

Promises: works in the caller's transaction, changes states only along `table.py`, and records every decision with its
reason and its numbers before the transaction ends. Refuses to decide anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any

from surefoot_server.audit import service as audit
from surefoot_server.rollouts import orders, stages
from surefoot_server.rollouts.decisions import (
    AskApproval,
    BakeBack,
    BeginBake,
    CollapsePhase,
    Decision,
    EndRevert,
    FailPhase,
    Finish,
    HoldBack,
    HoldPhase,
    NextBack,
    PassPhase,
    StartPhase,
    StartRollout,
    SwitchTogether,
    TakeLook,
    WaitAnew,
)
from surefoot_server.rollouts.judge import Finding
from surefoot_server.rollouts.models import RolloutDecision, RolloutPhase
from surefoot_server.rollouts.policy import CommittedDevices
from surefoot_server.rollouts.table import PhaseEvent, RolloutEvent, next_phase, next_rollout
from surefoot_server.rollouts.transaction import Transaction
from surefoot_shared.status import ROLLOUT_ENDED, PhaseState, RolloutState

ENGINE = "engine"


def apply(tx: Transaction, decisions: Sequence[Decision]) -> None:
    """Apply and record each decision, in order."""
    for decision in decisions:
        extra = _apply_one(tx, decision)
        _record(tx, decision, extra)
    tx.session.add(tx.rollout)
    tx.session.flush()


def change_rollout(tx: Transaction, event: RolloutEvent, reason: str) -> None:
    """Move the rollout along its table; raises Conflict where the table has no such step."""
    row = tx.rollout
    state = next_rollout(RolloutState(row.state), event)
    row.state, row.reason = state.value, reason
    row.ended_at = tx.now if state in ROLLOUT_ENDED else None
    tx.session.add(row)


def change_phase(tx: Transaction, index: int, event: PhaseEvent, reason: str) -> RolloutPhase:
    """Move a phase along its table."""
    row = tx.phase(index)
    state = next_phase(PhaseState(row.state), event)
    row.state, row.reason = state.value, reason
    row.ended_at = tx.now if state in (PhaseState.PASSED, PhaseState.FAILED) else None
    tx.session.add(row)
    return row


def _apply_one(tx: Transaction, decision: Decision) -> dict[str, Any]:
    """Do what the decision says; returns facts for its record that only the doing brought to light."""
    match decision:
        case StartRollout(reason):
            change_rollout(tx, RolloutEvent.START, reason)
        case AskApproval(index, reason):
            if tx.phase(index).state == PhaseState.PENDING.value:
                change_phase(tx, index, PhaseEvent.ASK, reason)
            change_rollout(tx, RolloutEvent.HOLD, reason)
        case StartPhase(index, reason):
            begun = change_phase(tx, index, PhaseEvent.START, reason)
            begun.began_at = begun.waiting_since = tx.now
        case CollapsePhase(index, reason):
            change_phase(tx, index, PhaseEvent.COLLAPSE, reason)
            tx.rollout.phase = index + 1
        case SwitchTogether(index, _):
            row = tx.phase(index)
            row.activated_at = tx.now
            tx.session.add(row)
        case WaitAnew(index, _):
            row = tx.phase(index)
            row.waiting_since = tx.now
            tx.session.add(row)
        case BeginBake(index, reason):
            row = change_phase(tx, index, PhaseEvent.BAKE, reason)
            row.baking_at = row.baking_at or tx.now
        case TakeLook(index, _, found, number):
            row = tx.phase(index)
            row.looks = number
            _judged(row, found)
            tx.session.add(row)
        case PassPhase(index, reason, found):
            _judged(change_phase(tx, index, PhaseEvent.PASS, reason), found)
            tx.rollout.phase = index + 1
        case HoldPhase(index, reason, found):
            _judged(change_phase(tx, index, PhaseEvent.HOLD, reason), found)
            change_rollout(tx, RolloutEvent.HOLD, f"{tx.policy.phases[index].name} is held: {reason}")
        case FailPhase():
            _fail(tx, decision)
        case Finish(reason):
            change_rollout(tx, RolloutEvent.FINISH, reason)
        case BakeBack() | NextBack() | HoldBack():
            stages.note(tx, decision)
        case EndRevert(reason):
            change_rollout(tx, RolloutEvent.REVERTED, _with_cause(tx, reason))
        case _:
            return orders.order(tx, decision)
    return {}


def _fail(tx: Transaction, decision: FailPhase) -> None:
    _judged(change_phase(tx, decision.phase, PhaseEvent.FAIL, decision.reason), decision.finding)
    tx.rollout.halts_digest = tx.rollout.halts_digest or decision.halt
    choice = CommittedDevices.REVERT if decision.revert else CommittedDevices.KEEP
    tx.rollout.committed_devices = choice.value
    event = RolloutEvent.REVERT if decision.revert else RolloutEvent.FAIL
    change_rollout(tx, event, f"{tx.policy.phases[decision.phase].name} failed: {decision.reason}")


def _judged(row: RolloutPhase, found: Finding) -> None:
    row.verdict = found.verdict.value
    row.evidence = evidence(found)


def evidence(found: Finding) -> dict[str, Any]:
    """The finding as plain JSON: every number that the verdict rests on."""
    plain = _plain(asdict(found))
    assert isinstance(plain, dict)
    return plain


def _with_cause(tx: Transaction, reason: str) -> str:
    """Why the rollout went back stays in front; it is what an operator wants to know."""
    return f"{tx.rollout.reason}; {reason}" if tx.rollout.reason else reason


def _record(tx: Transaction, decision: Decision, extra: dict[str, Any]) -> None:
    fields = {k: v for k, v in _plain(asdict(decision)).items() if v is not None}
    detail = {k: v for k, v in fields.items() if k not in ("reason", "phase", "device")} | extra
    note(tx, ENGINE, kind_of(decision), decision.reason, fields.get("phase"), fields.get("device"), detail)


def note(
    tx: Transaction,
    actor: str,
    kind: str,
    reason: str,
    phase: int | None = None,
    device: str | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Record a decision or an act twice: for the rollout's own story, and in the audit trail's chain."""
    row, facts = tx.rollout, detail or {}
    tx.session.add(
        RolloutDecision(
            rollout_id=row.id,
            at=tx.now,
            actor=actor,
            kind=kind,
            phase=phase,
            device_id=device,
            reason=reason,
            detail=facts,
        )
    )
    told = {"reason": reason, "phase": phase, "device": device, **facts}
    told = {k: v for k, v in told.items() if v is not None}
    audit.record(tx.session, actor, f"rollout.{kind}", f"rollout:{row.id}", told, tx.now)


def kind_of(decision: Decision) -> str:
    """`StartPhase` → `start_phase`."""
    name = type(decision).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case dict():
            return {str(_plain(k)): _plain(v) for k, v in value.items()}
        case list() | tuple():
            return [_plain(v) for v in value]
        case _:
            return value
