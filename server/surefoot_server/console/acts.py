"""What a person may do to a rollout now, each act with the sentence that names its devices; pure.

Promises: only acts that the rollout's own table allows are offered; a confirmation says how many devices it touches and
what becomes of the others. Refuses to do anything: the service does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from surefoot_server.languages.catalogue import Language
from surefoot_server.languages.sentences import told
from surefoot_server.rollouts.views import RolloutOut
from surefoot_shared.status import Outcome

ORDER = ("approve", "resume", "retry", "pause", "halt", "revert", "reject", "cancel")
"""What goes on stands left of what stops."""
TONES = {"halt": "bad", "revert": "bad", "reject": "bad", "cancel": "bad"}
AGAIN = (Outcome.FAILED, Outcome.REVERTED, Outcome.REFUSED, Outcome.LOST, Outcome.CANCELLED)


@dataclass(frozen=True, slots=True)
class Act:
    """`button` does it and names the count; `sentence` says what follows."""

    verb: str
    name: str
    sentence: str
    button: str
    tone: str


def of(say: Language, rollout: RolloutOut, forecast: str = "", back: int = 0) -> list[Act]:
    """The acts of a rollout; `forecast` and `back` are what a revert would do, and to how many."""
    counts = _counts(rollout) | {"back": back}
    return [
        Act(
            verb,
            _name(say, verb),
            _sentence(say, verb, counts, forecast),
            _button(say, verb, counts),
            TONES.get(verb, ""),
        )
        for verb in ORDER
        if verb in rollout.acts and not (verb == "retry" and not counts["again"])
    ]


def _counts(rollout: RolloutOut) -> dict[str, int]:
    outcomes: Mapping[str, int] = rollout.outcomes
    return {
        "waiting": rollout.waiting,
        "busy": sum(phase.busy for phase in rollout.phases),
        "done": outcomes.get(Outcome.COMMITTED.value, 0),
        "again": sum(outcomes.get(outcome.value, 0) for outcome in AGAIN),
        "members": rollout.members,
    }


def _name(say: Language, verb: str) -> str:
    match verb:
        case "approve":
            return say.gettext("Approve")
        case "reject":
            return say.gettext("Reject")
        case "pause":
            return say.gettext("Pause")
        case "resume":
            return say.gettext("Resume")
        case "halt":
            return say.gettext("Halt")
        case "revert":
            return say.gettext("Revert")
        case "retry":
            return say.gettext("Retry")
    return say.gettext("Cancel")


def _button(say: Language, verb: str, counts: Mapping[str, int]) -> str:
    waiting, stopped = counts["waiting"], counts["waiting"] + counts["busy"]
    match verb:
        case "approve":
            return say.ngettext("Approve for %(num)s device", "Approve for %(num)s devices", counts["members"])
        case "reject":
            return say.ngettext("Reject for %(num)s device", "Reject for %(num)s devices", counts["members"])
        case "pause":
            return say.ngettext("Pause %(num)s device", "Pause %(num)s devices", waiting)
        case "resume":
            return say.ngettext("Resume for %(num)s device", "Resume for %(num)s devices", waiting)
        case "halt":
            return say.ngettext("Halt %(num)s device", "Halt %(num)s devices", stopped)
        case "revert":
            return say.ngettext("Revert %(num)s device", "Revert %(num)s devices", counts["back"])
        case "retry":
            return say.ngettext("Retry %(num)s device", "Retry %(num)s devices", counts["again"])
    return say.ngettext("Cancel for %(num)s device", "Cancel for %(num)s devices", stopped)


def _sentence(say: Language, verb: str, counts: Mapping[str, int], forecast: str) -> str:
    values = {name: say.number(count) for name, count in counts.items()}
    match verb:
        case "approve":
            return say.gettext("Your yes counts once. With the last one needed, the release goes on.")
        case "reject":
            return say.gettext(
                "The rollout is cancelled; %(done)s devices that have the release keep it.", done=values["done"]
            )
        case "pause":
            return say.gettext(
                "%(waiting)s devices are offered nothing for now; %(busy)s at work finish.",
                waiting=values["waiting"],
                busy=values["busy"],
            )
        case "resume":
            return say.gettext(
                "%(waiting)s devices get it as phases pass; %(again)s failures seen so far are acknowledged.",
                waiting=values["waiting"],
                again=values["again"],
            )
        case "halt":
            return say.gettext(
                "The release stops everywhere: %(waiting)s waiting and %(busy)s at work do not switch to it.",
                waiting=values["waiting"],
                busy=values["busy"],
            )
        case "revert":
            return say.gettext("The release is taken back: %(forecast)s.", forecast=told(say, forecast))
        case "retry":
            return say.gettext(
                "%(again)s devices whose attempt ended badly have their turn again.", again=values["again"]
            )
    return say.gettext(
        "It stops for good: %(waiting)s devices are offered nothing, %(done)s keep the release.",
        waiting=values["waiting"],
        done=values["done"],
    )
