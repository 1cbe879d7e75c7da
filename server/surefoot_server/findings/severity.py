"""How bad a vulnerability is: from its CVSS vector or from what its source calls it; pure.

Promises: a vector of CVSS 3.x is scored by the standard's own formula, one of 4.0 by `cvss4`; a vector of another kind,
a malformed one, or none, falls back to the word of the source; without either it is `unrated`, never harmless. Source:
CVSS v3.1 specification, §7.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum

from surefoot_server.findings import cvss4

WORDS = {"moderate": "medium", "important": "high", "unimportant": "low", "negligible": "low", "none": "low"}
ATTACK = {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2}
COMPLEXITY = {"L": 0.77, "H": 0.44}
PRIVILEGES = {"N": 0.85, "L": 0.62, "H": 0.27}
PRIVILEGES_CHANGED = {"N": 0.85, "L": 0.68, "H": 0.5}
INTERACTION = {"N": 0.85, "R": 0.62}
IMPACT = {"H": 0.56, "L": 0.22, "N": 0.0}


class Severity(str, Enum):
    UNRATED = "unrated"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


def severity_of(vectors: Sequence[str], word: str = "") -> tuple[Severity, float | None]:
    """The worst of the vectors that can be scored, else the word; with the score where there is one."""
    found = (cvss4.score(vector) if vector.strip().startswith(cvss4.HEAD) else base_score(vector) for vector in vectors)
    scores = [score for score in found if score is not None]
    if scores:
        worst = max(scores)
        return _rated(worst), worst
    word = WORDS.get(word.lower(), word.lower())
    return (Severity(word) if word in {s.value for s in Severity} else Severity.UNRATED), None


def base_score(vector: str) -> float | None:
    """The base score of a CVSS 3.0 or 3.1 vector; None for anything else."""
    head, *pairs = vector.strip().split("/")
    if head not in ("CVSS:3.0", "CVSS:3.1"):
        return None
    m = dict(pair.split(":", 1) for pair in pairs if ":" in pair)
    try:
        changed = m["S"] == "C"
        impact = 1 - (1 - IMPACT[m["C"]]) * (1 - IMPACT[m["I"]]) * (1 - IMPACT[m["A"]])
        privileges = (PRIVILEGES_CHANGED if changed else PRIVILEGES)[m["PR"]]
        exploitability = 8.22 * ATTACK[m["AV"]] * COMPLEXITY[m["AC"]] * privileges * INTERACTION[m["UI"]]
    except KeyError:
        return None
    weight = 7.52 * (impact - 0.029) - 3.25 * (impact - 0.02) ** 15 if changed else 6.42 * impact
    if weight <= 0:
        return 0.0
    return _up(min((1.08 if changed else 1.0) * (weight + exploitability), 10.0))


def _up(value: float) -> float:
    """Round up to one decimal, in the integers that the standard prescribes against drift."""
    tenths = round(value * 100_000)
    return tenths / 100_000 if tenths % 10_000 == 0 else (math.floor(tenths / 10_000) + 1) / 10


def _rated(score: float) -> Severity:
    bounds = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM))
    return next((severity for least, severity in bounds if score >= least), Severity.LOW)
