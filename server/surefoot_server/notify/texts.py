"""News as a person reads them: a subject and a few lines, in their language.

Promises: the words of states and outcomes are the ones that API and console use; what a device or a person wrote is
quoted as text and never as markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surefoot_server.console.words import act_said, said
from surefoot_server.events.models import Happening
from surefoot_server.languages.catalogue import N_, SOURCE, Language
from surefoot_server.languages.sentences import told

Entry = Mapping[str, Any]
WAY_BACK_HELD = "rollout.hold_back"
"""The act that the engine records; devices keep a release that is taken back until a person lets it go on."""


def subject(entry: Entry, say: Language) -> str:
    """One line: what happened to what."""
    detail, named = entry["detail"], _named(entry, say)
    match entry["kind"]:
        case Happening.ROLLOUT.value if detail.get("held"):
            return say.gettext("%(thing)s: the way back is held", thing=named)
        case Happening.ROLLOUT.value:
            return say.gettext("%(thing)s is %(state)s", thing=named, state=said(say, detail.get("state", "")))
        case Happening.PHASE.value:
            phase, state = detail.get("name", ""), said(say, detail.get("state", ""))
            return say.gettext("%(thing)s, phase %(phase)s: %(state)s", thing=named, phase=phase, state=state)
        case Happening.VERDICT.value:
            phase, verdict = detail.get("name", ""), said(say, detail.get("verdict", ""))
            sentence = N_("%(thing)s, phase %(phase)s: the verdict is %(verdict)s")
            return say.gettext(sentence, thing=named, phase=phase, verdict=verdict)
        case Happening.OUTCOME.value:
            outcome, release = said(say, detail.get("outcome", "")), detail.get("release", "")
            return say.gettext("%(thing)s: %(release)s %(outcome)s", thing=named, release=release, outcome=outcome)
        case Happening.FLAG.value:
            return say.gettext("Flag about %(thing)s", thing=named)
        case Happening.ALARM.value if detail.get("action") == WAY_BACK_HELD:
            return say.gettext("%(thing)s: the way back is held and needs a person", thing=named)
        case Happening.ALARM.value:
            return say.gettext("%(thing)s needs a person", thing=named)
    return say.gettext("%(thing)s: %(action)s", thing=named, action=_act(detail.get("action", entry["kind"]), say))


def lines(entry: Entry, say: Language) -> list[str]:
    """The subject, why, who, and when in UTC."""
    detail = entry["detail"]
    why = " ".join(told(say, str(detail[name])) for name in ("reason", "message") if detail.get(name))
    who = entry.get("actor") or ""
    found = [subject(entry, say)]
    if why:
        found.append(say.gettext("Why: %(reason)s", reason=why))
    if who:
        found.append(say.gettext("By: %(actor)s", actor=who))
    return [*found, say.gettext("At: %(time)s", time=str(entry["at"])[:19].replace("T", " ") + " UTC")]


def _act(action: str, say: Language) -> str:
    """As API and audit trail call it; in another language in words, without the thing, which is named beside it."""
    return str(action) if say.code == SOURCE else act_said(say, str(action))


def _named(entry: Entry, say: Language) -> str:
    kind, _, name = str(entry["subject"]).partition(":")
    if kind == "rollout":
        return say.gettext("Rollout %(name)s", name=name)
    return name or kind
