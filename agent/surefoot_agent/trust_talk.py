"""What the agent and its verification child say to each other over their pipes: one question, one answer, as JSON."""

from __future__ import annotations

from dataclasses import dataclass

from surefoot_agent.wishes import Decision
from surefoot_shared.errors import SurefootError

SLOW = "It is tried again by itself; where that repeats, look at what keeps this node so busy."
"""What is said where a child took longer than it may."""


@dataclass(frozen=True, slots=True)
class Question:
    """`verb` is decide or halt; `data` is base64 of the bytes to be verified."""

    verb: str
    trust_folder: str
    device: str
    hw: str
    data: str
    nonces: tuple[str, ...] = ()
    """Of the newest hellos of this agent's process: a bundle that answers one of them tells the time."""
    v: int = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of surefoot_shared.errors, by its class name."""

    family: str
    kind: str
    message: str
    hint: str


def failure_of(error: SurefootError) -> Failure:
    return Failure(type(error).__name__, error.kind, error.message, error.hint)


@dataclass(frozen=True, slots=True)
class HaltAnswer:
    epoch: int
    digests: tuple[str, ...]
    root: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """At most one of the three is set, by the verb or by what went wrong; none after a rehearsal that went well."""

    decision: Decision | None = None
    halt: HaltAnswer | None = None
    error: Failure | None = None
    v: int = 1
