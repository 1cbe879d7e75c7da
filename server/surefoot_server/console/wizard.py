"""The rollout wizard's form as a value, and the policy document that it amounts to; pure.

Promises: what the form says is written out as the YAML that the plan is made from and that the rollout keeps, so the
preview and the start are of one document; a document that a person wrote wins over the fields. Refuses to judge what
fields say: the policy's own parser does.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from surefoot_server.access.roles import Role
from surefoot_server.rollouts.creation import Order
from surefoot_server.rollouts.strategy import LADDER, Strategy
from surefoot_shared.errors import Invalid

MEASURED = ("failed", "reverted", "lost")
PHASES = ", ".join(f"{percent:g}" for percent in LADDER)


@dataclass(frozen=True, slots=True)
class Form:
    """As it was typed; `document` wins over the fields below it."""

    release: str = ""
    also: tuple[str, ...] = ()
    """Releases that go with it as one set, in the order in which they are listed."""
    cohort: str = "all"
    strategy: str = Strategy.CANARY.value
    phases: str = PHASES
    bake: str = "1h"
    min_reported: str = "90%"
    on_fail: str = "revert"
    max_concurrent: str = "200"
    window: str = ""
    approvals: str = "0"
    phase_approvals: str = ""
    approver: str = Role.OPERATOR.value
    failed: str = "2%"
    failed_count: str = ""
    reverted: str = "1%"
    reverted_count: str = "2"
    lost: str = "1%"
    lost_count: str = "1"
    document: str = ""
    salt: str = ""
    lift_halt: bool = False
    accept_blind: bool = False

    def policy(self) -> str:
        return self.document if self.document.strip() else written(self)

    def order(self) -> Order:
        accepted = (self.lift_halt, self.accept_blind)
        also = tuple(each for each in self.also if each != self.release)
        return Order(self.policy(), self.release or None, self.cohort or None, self.salt, *accepted, also)


def written(form: Form) -> str:
    """The fields as a policy document; raises Invalid where a list has not as many entries as there are phases."""
    canary = form.strategy == Strategy.CANARY.value
    rollout: dict[str, object] = {"strategy": form.strategy}
    if (count := form.approvals.strip()) not in ("", "0"):
        rollout["approval"] = _approval(form, count)
    limits: dict[str, object] = {"max_concurrent": _number(form.max_concurrent)}
    if form.window.strip():
        limits["window"] = form.window.strip()
    document = {
        "rollout": rollout,
        "phases": _phases(form, form.phases.replace("%", " ").replace(",", " ").split() if canary else ["100"]),
        "gate": {"min_reported": form.min_reported.strip(), "objectives": [_objective(form, m) for m in MEASURED]},
        "limits": limits,
        "on_fail": {"halt": True, "committed_devices": form.on_fail},
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


def _phases(form: Form, percents: list[str]) -> list[dict[str, object]]:
    bakes = _each(form.bake, len(percents), "bakes")
    counts = _each(form.phase_approvals.strip() or "0", len(percents), "approvals")
    found: list[dict[str, object]] = []
    for percent, bake, count in zip(percents, bakes, counts, strict=True):
        phase: dict[str, object] = {"percent": _number(percent), "bake": bake}
        if count != "0":
            phase["approval"] = _approval(form, count)
        found.append(phase)
    return found


def _each(text: str, phases: int, what: str) -> list[str]:
    """One for each phase; a single one is for all."""
    listed = [part.strip() for part in text.split(",")]
    if len(listed) == 1:
        return listed * phases
    if len(listed) != phases:
        message = f"There are {phases} phases and {len(listed)} {what}."
        raise Invalid("malformed", message, "Give one for all phases, or one for each, separated by commas.")
    return listed


def _approval(form: Form, count: str) -> dict[str, object]:
    return {"by": form.approver, "count": _number(count)}


def _objective(form: Form, metric: str) -> dict[str, object]:
    """How many may end so; an empty count is no tripwire, an empty share is what the policy refuses."""
    share, count = str(getattr(form, metric)).strip(), str(getattr(form, f"{metric}_count")).strip()
    bounds: dict[str, object] = {"metric": metric}
    if share:
        bounds["fail_if_surely_above"] = share
    if count:
        bounds["tripwire"] = _number(count)
    return bounds


def _number(text: str) -> int | float | str:
    """What YAML would read; anything else stays text, and the policy's parser says what is wrong with it."""
    for kind in (int, float):
        try:
            return kind(text.strip())
        except ValueError:
            continue
    return text
