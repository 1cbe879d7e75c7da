"""What Mender's scripts for GRUB decide at a start, on the very files: two blocks, each beside its lock.

Promises: a block that is not whole is restored from the other as far as those scripts restore it, a trial is entered
once, and every write is made in its place, as GRUB's `save_env` does, which leaves alone what it cannot read. Only a
bootloader that is played needs this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.boot.grub import parse
from surefoot_agent.boot.mender_grub import Pair

BLOCK_BYTES = 1024
HEAD = b"# GRUB Environment Block\n"
SAVED = ("bootcount", "mender_boot_part", "upgrade_available")
"""What those scripts load, save and restore; whatever else a block holds stays in it."""


def encode(variables: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}={value}\n" for name, value in variables.items()).encode()
    if len(HEAD + lines) > BLOCK_BYTES:
        raise ValueError(f"{len(HEAD + lines)} bytes do not fit into a block of {BLOCK_BYTES}")
    return (HEAD + lines).ljust(BLOCK_BYTES, b"#")


@dataclass(frozen=True)
class MenderGrub:
    """Both pairs and the two parts, of which the first is entered where nobody can say."""

    pairs: tuple[Pair, Pair]
    parts: tuple[str, str] = ("2", "3")

    def format(self) -> None:
        """Make both pairs as Mender's image build does."""
        for pair in self.pairs:
            pair.env.write_bytes(
                encode({"bootcount": "0", "mender_boot_part": self.parts[0], "upgrade_available": "0"})
            )
            pair.lock.write_bytes(encode({"editing": "0"}))

    def start(self) -> str:
        """Return the part that is entered."""
        found = dict[str, str]()
        second, first = (self._locked(pair) for pair in reversed(self.pairs))
        if second:
            self._restore(found, self.pairs[0], self.pairs[1])
        elif first:
            self._restore(found, self.pairs[1], self.pairs[0])
        found.update(self._load(self.pairs[0].env, SAVED))
        part = found.get("mender_boot_part", "")
        if part not in self.parts:
            return self.parts[0]
        if found.get("upgrade_available") != "1":
            return part
        if found.get("bootcount") == "0":
            found["bootcount"] = "1"
        else:
            part = self.parts[1] if part == self.parts[0] else self.parts[0]
            found.update(mender_boot_part=part, upgrade_available="0", bootcount="0")
        for pair in reversed(self.pairs):
            _save(pair.lock, {"editing": "1"})
            _save(pair.env, found)
            _save(pair.lock, {"editing": "0"})
        return part

    def _restore(self, found: dict[str, str], good: Pair, torn: Pair) -> None:
        found.update(self._load(good.env, SAVED))
        _save(torn.env, found)
        _save(torn.lock, {"editing": "0"})

    def _locked(self, pair: Pair) -> bool:
        return self._load(pair.lock, ("editing",)).get("editing") != "0"

    def _load(self, file: Path, names: Iterable[str]) -> dict[str, str]:
        block = file.read_bytes()
        found = parse(block) if len(block) == BLOCK_BYTES else {}
        return {name: found[name] for name in names if name in found}


def _save(file: Path, variables: Mapping[str, str]) -> None:
    block = file.read_bytes()
    if len(block) != BLOCK_BYTES or not block.startswith(HEAD):
        return
    with file.open("r+b") as written:
        written.write(encode({**parse(block), **variables}))
