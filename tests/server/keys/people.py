"""A fleet whose offline keys are with several people, each with a folder, a passphrase and a copy of repository/."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from surefoot_server.keys.init import KeyPlan, init_keys
from surefoot_server.keys.layout import KeyFolder
from surefoot_server.keys.quorum import parse_quorums
from surefoot_server.keys.signers import KeyRing
from tests.server.keys.fleet import NOW, PASSPHRASE

NAMES = ("first", "second", "third")


@dataclass(frozen=True)
class People:
    """`main` is the keys folder of the first; every person has a stick with keys and a machine with the repository."""

    folder: Path

    @property
    def main(self) -> Path:
        return self.folder / "keys"

    def stick(self, name: str) -> Path:
        return self.folder / "sticks" / name

    def machine(self, name: str) -> Path:
        """Another machine: it has what is public of the keys folder, and nothing of a key."""
        made = self.folder / "machines" / name / "keys"
        if not made.exists():
            shutil.copytree(KeyFolder(self.main).repository, KeyFolder(made).repository)
        return made

    def ring(self, name: str, machine: Path | None = None, only: str | None = None) -> KeyRing:
        return KeyRing(machine or self.main, PASSPHRASE, offline=(self.stick(name),), only=only)


def gathered(folder: Path, *thresholds: str, now: datetime = NOW, components: tuple[str, ...] = ("app",)) -> People:
    """Two of three everywhere, unless it is said otherwise: each person has the n-th key of every role."""
    people = People(folder)
    sticks = tuple(people.stick(name) for name in NAMES)
    quorums = parse_quorums(thresholds or ("root=2/3", "targets=2/3", "release=2/3"))
    init_keys(people.main, PASSPHRASE, now, components=components, plan=KeyPlan(quorums, sticks))
    return people
