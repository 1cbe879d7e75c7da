"""What work comes back as, the runner's own and that of an attempt: frozen values and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from surefoot_agent.ports import CheckResult, Decision, Trust
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import RunningProof, Sample
from surefoot_shared.trust.age import Old

SAYINGS, SAYING_CHARS = 24, 400
"""Of one download."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a bundle says, with what of each component ran committed when it was read."""

    decision: Decision
    proofs: Mapping[str, RunningProof | None]


@dataclass(frozen=True, slots=True)
class Carried:
    """A bundle from a medium; `answer` tells whoever brought it what the verification said, from any thread."""

    raw: bytes
    answer: Callable[[Decision | SurefootError], None]

    def decide(self, trust: Trust) -> Decision:
        """Verify it, and answer before anybody else hears; raises as `trust.decide`."""
        try:
            decision = trust.decide(self.raw)
        except SurefootError as error:
            self.answer(error)
            raise
        self.answer(decision)
        return decision


@dataclass(frozen=True, slots=True)
class Settled:
    """What of one component runs committed now."""

    proof: RunningProof | None


@dataclass(frozen=True, slots=True)
class Checked:
    results: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """The start id of the application that runs, None where none does."""

    start: str | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """Bytes in place of the download that `stop` ends, or a sentence about it."""

    stop: threading.Event
    done: int
    total: int
    said: str = ""


@dataclass(slots=True)
class Sayings:
    """What a download has to say, each sentence once and not too many: each is a write to flash and an event."""

    tell: Callable[[str], None]
    told: set[str] = field(default_factory=set)

    def __call__(self, sentence: str) -> None:
        if sentence in self.told or len(self.told) >= SAYINGS:
            return
        self.told.add(sentence)
        self.tell(sentence[:SAYING_CHARS])


@dataclass(frozen=True, slots=True)
class HaltRead:
    epoch: int
    digests: tuple[str, ...]
    root: int = 0


@dataclass(frozen=True, slots=True)
class Aged:
    olds: tuple[Old, ...]


@dataclass(frozen=True, slots=True)
class Sampled:
    samples: tuple[Sample, ...]
