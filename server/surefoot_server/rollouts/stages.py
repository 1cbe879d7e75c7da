"""How far the way back of a rollout is: kept in its row, moved by decisions, let go on by a person.

Promises: works in the caller's transaction; a person's word acknowledges what could not go back so far, and no more.
"""

from __future__ import annotations

from datetime import datetime

from surefoot_server.rollouts.decisions import BakeBack, HoldBack, NextBack
from surefoot_server.rollouts.facts import BackFact
from surefoot_server.rollouts.models import Rollout
from surefoot_server.rollouts.taking_back import GOT_BACK
from surefoot_server.rollouts.tally import outcomes
from surefoot_server.rollouts.transaction import Transaction
from surefoot_shared.errors import Conflict


def read(row: Rollout) -> BackFact:
    kept = row.back
    return BackFact(
        stage=kept.get("stage", 0),
        baking_at=datetime.fromisoformat(kept["baking_at"]) if kept.get("baking_at") else None,
        held=kept.get("held", False),
        acknowledged=kept.get("acknowledged", 0),
    )


def note(tx: Transaction, decision: BakeBack | NextBack | HoldBack) -> None:
    """Write down what was decided about the way back."""
    row = tx.rollout
    match decision:
        case BakeBack():
            row.back = {**row.back, "baking_at": tx.now.isoformat()}
        case NextBack(stage, _):
            row.back = {**row.back, "stage": stage, "baking_at": None}
        case HoldBack(_, reason):
            row.back, row.reason = {**row.back, "held": True}, reason
    tx.session.add(row)


def go_on(tx: Transaction) -> None:
    """A person lets a held way back go on. Raises Conflict where it is not held."""
    row = tx.rollout
    if not read(row).held:
        raise Conflict("conflict", f"The way back of rollout {row.id} goes on by itself; nothing holds it.")
    bad = sum(n for outcome, n in outcomes(row.tally, reverts=True).items() if outcome not in GOT_BACK)
    row.back = {**row.back, "held": False, "acknowledged": bad}
    tx.session.add(row)
