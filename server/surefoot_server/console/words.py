"""The one vocabulary as the console says it: each word of state and outcome with its tone, in the reader's language.

Promises: the word that API, CLI and logs use is what a page in English shows; a tone never stands without its word.
Refuses synonyms.
"""

from __future__ import annotations

from surefoot_server.languages.catalogue import N_, Language

TONES = {
    "committed": "good",
    "shadowed": "good",
    "passed": "good",
    "pass": "good",
    "succeeded": "good",
    "good": "good",
    "online": "good",
    "reverted": "bad",
    "failed": "bad",
    "fail": "bad",
    "lost": "bad",
    "halted": "bad",
    "refused": "bad",
    "rescue": "bad",
    "reverting": "bad",
    "bad": "bad",
    "security": "bad",
    "identity_conflict": "bad",
    "held": "wait",
    "hold": "wait",
    "paused": "wait",
    "awaiting_approval": "wait",
    "unknown": "wait",
    "waiting": "calm",
    "satisfied": "good",
    "excluded": "calm",
    "idle": "calm",
    "pending": "calm",
    "superseded": "calm",
    "cancelled": "calm",
    "scheduled": "calm",
    "draft": "calm",
    "empty": "calm",
    "offline": "calm",
    "revoked": "calm",
    "attention": "bad",
    "listed": "good",
    "done": "good",
    "skipped": "calm",
    "ready": "good",
    "withdrawn": "bad",
    "outdated": "wait",
    "critical": "bad",
    "high": "bad",
    "medium": "wait",
    "delivered": "good",
    "unrated": "wait",
    "low": "calm",
}
"""Word → tone; anything else is at work."""

WORDS = (
    # attempts
    N_("idle"),
    N_("offered"),
    N_("checking"),
    N_("downloading"),
    N_("verified"),
    N_("staged"),
    N_("armed"),
    N_("switching"),
    N_("probation"),
    N_("committing"),
    N_("reverting"),
    N_("cleaning"),
    N_("rescue"),
    # outcomes
    N_("committed"),
    N_("reverted"),
    N_("failed"),
    N_("lost"),
    N_("refused"),
    N_("superseded"),
    N_("cancelled"),
    N_("shadowed"),
    # rollouts and phases
    N_("draft"),
    N_("awaiting approval"),
    N_("scheduled"),
    N_("running"),
    N_("paused"),
    N_("held"),
    N_("halted"),
    N_("succeeded"),
    N_("pending"),
    N_("offering"),
    N_("baking"),
    N_("passed"),
    # verdicts, checks, slots, presence
    N_("pass"),
    N_("fail"),
    N_("hold"),
    N_("halt"),
    N_("flag"),
    N_("unknown"),
    N_("empty"),
    N_("good"),
    N_("bad"),
    N_("online"),
    N_("offline"),
    N_("waiting"),
    N_("satisfied"),
    N_("excluded"),
    N_("canary"),
    N_("control"),
    N_("attention"),
    N_("updating"),
    N_("revoked"),
    # a drill's devices
    N_("done"),
    N_("skipped"),
    N_("applying"),
    # how a release stands
    N_("listed"),
    N_("withdrawn"),
    N_("outdated"),
    N_("ready"),
    # what became of a message
    N_("delivered"),
    # how bad a finding is
    N_("critical"),
    N_("high"),
    N_("medium"),
    N_("low"),
    N_("unrated"),
    # what a device needs attention for
    N_("security"),
    N_("identity conflict"),
    N_("fell back"),
    N_("suspicious outcome"),
    # why a device went back
    N_("power cut"),
    N_("panic"),
    N_("watchdog"),
    N_("clean restart"),
    N_("unexplained"),
    N_("application died"),
    N_("failed verdict"),
    N_("no verdict"),
    N_("switch without effect"),
    N_("ordered"),
    # what it is asked, and what it says apart from attempts
    N_("doctor"),
    N_("logs"),
    N_("diagnostics"),
    N_("notice"),
    N_("progress"),
    N_("outcome"),
    # intents
    N_("update"),
    N_("downgrade"),
    N_("revert"),
    # roles
    N_("viewer"),
    N_("operator"),
    N_("releaser"),
    N_("admin"),
)


def tone(word: str) -> str:
    return TONES.get(word, "work")


def act_said(say: Language, action: str) -> str:
    """What an act of the audit trail did, without the kind of thing that it was done to: `rollout.start` → `start`."""
    return ": ".join(said(say, part) for part in action.split(".")[1:] or [action])


def said(say: Language, word: str) -> str:
    """The word for a reader; one of nobody's vocabulary stays as it is, and so do the names within several words."""
    text = word if " " in word else word.replace("_", " ")
    return say.gettext(text) if text else ""
