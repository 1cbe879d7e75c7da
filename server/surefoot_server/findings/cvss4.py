"""CVSS 4.0: from a vector to its score, through the standard's sets of equally severe vectors; pure.

Promises: the score is the standard's own, with threat and environmental metrics where the vector has them. A vector
that lacks a base metric, names one twice or says what the standard does not know has no score: it is never guessed.
Source: CVSS v4.0 specification, §7 (vector string) and §8 (scoring): five classes with their levels make 270 sets, each
with a score that experts gave; within its set a vector counts by how far it is from the worst one there. Reckoned in
whole tenths and fractions, so that no rounding but the last one happens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

HEAD = "CVSS:4.0"
BASE = {"AV": "NALP", "AC": "LH", "AT": "NP", "PR": "NLH", "UI": "NPA"} | dict.fromkeys(
    ("VC", "VI", "VA", "SC", "SI", "SA"), "HLN"
)
"""What a vector must say. The worst value comes first, here and below: places are the standard's distances."""
ORDER = BASE | dict.fromkeys(("SI", "SA"), "SHLN") | dict.fromkeys(("CR", "IR", "AR"), "HML") | {"E": "APU"}
"""What is reckoned with. S, harm to people, is worse than H, and only a modified metric says it."""
OPTIONAL = {"S": "NP", "AU": "NY", "R": "AUI", "V": "DC", "RE": "LMH"} | {
    name if name in ("CR", "IR", "AR", "E") else f"M{name}": values for name, values in ORDER.items()
}
"""What it may say besides `X`, which says nothing; the first five only inform."""
URGENCY = ("X", "Clear", "Green", "Amber", "Red")

EXPLOITED, COMPLEX, HARMED, BEYOND = (
    ("AV", "PR", "UI"),
    ("AC", "AT"),
    ("VC", "VI", "VA", "CR", "IR", "AR"),
    ("SC", "SI", "SA"),
)
CLASSES: tuple[tuple[tuple[str, ...], tuple[tuple[int, tuple[str, ...]], ...]], ...] = (
    (EXPLOITED, ((1, ("NNN",)), (4, ("ANN", "NLN", "NNP")), (5, ("PNN", "ALP")))),
    (COMPLEX, ((1, ("LN",)), (2, ("HN", "LP")))),
    (
        HARMED,
        (
            (7, ("HHHHHH",)),
            (6, ("HHLMMH", "HHHMMM")),
            (8, ("LHHHHH", "HLHHHH")),
            (8, ("LHLHMH", "LHHHMM", "HLHMHM", "HLLMHH", "LLHHHM")),
            (10, ("LLLHHH",)),
        ),
    ),
    (BEYOND, ((6, ("HSS",)), (5, ("HHH",)), (4, ("LLL",)))),
    (("E",), ((1, ("A",)), (1, ("P",)), (1, ("U",)))),
)
"""For each class its metrics, and for each of its levels how deep it is and its worst vectors (tables 24 to 30).

The third joins what the standard calls EQ3 and EQ6, as it does itself: 00, 01, 10, 11 and 21.
"""
BELOW = ({0: (1,), 1: (2,)}, {0: (1,)}, {0: (1, 2), 1: (3,), 2: (3,), 3: (4,)}, {0: (1,), 1: (2,)}, {0: (1,), 1: (2,)})
"""For each class: level → the levels next below it."""
TENTHS = """
    100  98  95 100  93  91  93  89  81    99  95  92  96  87  81  90  80  68    98  95  90  93  89  81  88  78  69
     95  92  84  92  81  65  80  70  48    92  82  72  79  69  50  69  55  27    99  95  92  95  90  84  92  82  72
     97  92  85  91  83  71  81  71  53    95  92  85  92  80  70  84  71  50    93  85  73  82  72  59  70  52  30
     86  75  52  71  52  29  63  29  17    98  94  91  94  86  77  87  74  63    95  87  81  89  74  64  75  63  49
     94  88  76  86  74  59  72  57  52    89  77  67  76  58  50  57  52  25    83  70  54  65  58  26  53  21  13
     95  88  76  90  75  61  77  68  52    90  76  70  77  62  53  66  59  30    89  76  62  74  57  47  61  57  24
     78  67  58  59  57  23  52  29  16    71  59  30  58  26  15  23  13   6    93  86  75  86  74  56  70  52  40
     87  72  58  74  61  34  54  40  22    85  74  62  72  55  46  53  34  19    75  55  51  57  41  19  36  19   8
     64  51  20  47  21  11  24   9   4    88  73  60  73  59  41  54  45  20    75  53  50  55  40  20  43  22  11
     75  58  40  61  48  20  46  17   8    55  45  21  51  18   9  18   7   2    53  24  14  24  12   5  10   3   1
"""
"""The score of each set in tenths, in the order of the classes: 3 by 2 by 5 by 3 by 3, the last one running fastest."""
SCORES = tuple(int(tenths) for tenths in TENTHS.split())


def score(vector: str) -> float | None:
    """The score of a CVSS 4.0 vector, 0.0 to 10.0; None for anything else."""
    said = _read(vector)
    if said is None:
        return None
    if all(said[name] == "N" for name in (*HARMED[:3], *BEYOND)):
        return 0.0
    levels = _levels(said)
    mine, steps = _tenths(levels), []
    for number, level in enumerate(levels):
        below = [_tenths((*levels[:number], lower, *levels[number + 1 :])) for lower in BELOW[number].get(level, ())]
        if below:
            steps.append((mine - max(below)) * _depth(number, level, said))
    fall = sum(steps, Fraction(0)) / len(steps) if steps else Fraction(0)
    return math.floor(mine - fall + Fraction(1, 2)) / 10


def _read(vector: str) -> dict[str, str] | None:
    """What counts of each metric, the modified one where there is one; None where the vector is malformed."""
    head, *pairs = vector.strip().split("/")
    given: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition(":")
        if name in given or not _known(name, value):
            return None
        given[name] = value
    if head != HEAD or not BASE.keys() <= given.keys():
        return None
    said = {name: value for name, value in given.items() if value != "X"}
    return {name: said.get(f"M{name}", said.get(name, values[0])) for name, values in ORDER.items()}


def _known(name: str, value: str) -> bool:
    if name == "U":
        return value in URGENCY
    return len(value) == 1 and (value in BASE.get(name, "") or (name in OPTIONAL and value in f"X{OPTIONAL[name]}"))


def _levels(said: Mapping[str, str]) -> tuple[int, ...]:
    """The level in each class (tables 24 to 30); 0 is the worst."""
    easy = [said["AV"] == "N", said["PR"] == "N", said["UI"] == "N"]
    exploited = 0 if all(easy) else 1 if any(easy) and said["AV"] != "P" else 2
    high = [said[name] == "H" for name in ("VC", "VI", "VA")]
    harmed = 0 if high[0] and high[1] else 1 if any(high) else 2
    needed = any(said[need] == "H" and there for need, there in zip(("CR", "IR", "AR"), high, strict=True))
    people = "S" in (said["SI"], said["SA"])
    beyond = 0 if people else 1 if "H" in (said["SC"], said["SI"], said["SA"]) else 2
    joined = 4 if harmed == 2 else 2 * harmed + (0 if needed else 1)
    return exploited, int((said["AC"], said["AT"]) != ("L", "N")), joined, beyond, ORDER["E"].index(said["E"])


def _tenths(levels: tuple[int, ...]) -> int:
    place = 0
    for level, (_, kinds) in zip(levels, CLASSES, strict=True):
        place = place * len(kinds) + level
    return SCORES[place]


def _depth(number: int, level: int, said: Mapping[str, str]) -> Fraction:
    """How far down its level the vector is, 0 to 1: from the first worst vector that is nowhere milder than it."""
    metrics, kinds = CLASSES[number]
    deep, worst = kinds[level]
    for each in worst:
        away = [ORDER[m].index(said[m]) - ORDER[m].index(value) for m, value in zip(metrics, each, strict=True)]
        if min(away) >= 0:
            return Fraction(sum(away), deep)
    raise AssertionError(f"no worst vector of level {level} is as bad as {said}")  # the tables leave no such vector
