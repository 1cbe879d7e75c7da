"""What work comes back as, the runner's own and that of an attempt: frozen values and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from surefoot_agent.ports import CheckResult, Decision
from surefoot_shared.messages import RunningProof, Sample
from surefoot_shared.trust.age import Old


@dataclass(frozen=True, slots=True)
class Decided:
    """What a bundle says, with what of each component ran committed when it was read."""

    decision: Decision
    proofs: Mapping[str, RunningProof | None]


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
