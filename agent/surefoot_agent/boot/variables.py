"""What a bootloader's variables mean: Surefoot's own, RAUC's and Mender's, as pure functions.

Promises: each act is one set of changes, so that it can be one transaction; whatever a set does not change is left as
it is. A value of None removes the variable. The marks good, bad and empty and the slot on trial are kept in variables
of ours beside RAUC's and Mender's, which have no words for them; where ours are missing (another agent wrote last) the
others' say what they can. Refuses to guess: an environment that this set did not write is a `problem`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from surefoot_agent.ports import BootTrial, Capabilities, Counts
from surefoot_shared.status import SlotName, SlotState

Env = Mapping[str, str]
Changes = Mapping[str, "str | None"]

MARKS = {SlotName.A: "surefoot_a", SlotName.B: "surefoot_b"}
TRY = "surefoot_try"
STARTS_OF_A_COMMITTED_SLOT = 8
"""What boot.cmd takes for `surefoot_limit` where it is not set."""


@dataclass(frozen=True)
class Names:
    """What the slots are called in the environment and on the kernel's command line."""

    a: str
    b: str

    @property
    def both(self) -> tuple[str, str]:
        return self.a, self.b

    def of(self, slot: SlotName) -> str:
        return self.a if slot is SlotName.A else self.b

    def slot(self, name: str | None) -> SlotName | None:
        return {self.a: SlotName.A, self.b: SlotName.B}.get(name or "")


class Variables(Protocol):
    """One set of variables; `tries` are the starts that one arming grants."""

    def problem(self, env: Env) -> str | None:
        """Say what shows that this environment is not the one that the bootloader reads; None where nothing does."""

    def primary(self, env: Env) -> SlotName: ...
    def trial(self, env: Env) -> BootTrial: ...
    def state(self, env: Env, slot: SlotName) -> SlotState: ...
    def entered(self, env: Env, slot: SlotName, mark: SlotState | None = None) -> Changes:
        """The changes that enter `slot` from now on, no trial; with the mark that it gets in the same transaction."""

    def armed(self, env: Env, slot: SlotName) -> Changes: ...
    def marked(self, env: Env, slot: SlotName, state: SlotState) -> Changes: ...
    def given_up(self, slot: SlotName) -> tuple[str, str]:
        """The one variable, and its value, that takes every start from `slot` on trial; harmless without a trial."""

    def capabilities(self) -> Capabilities: ...


@dataclass(frozen=True)
class Surefoot:
    """The variables of packaging/uboot/boot.cmd. Numbers are hexadecimal, as U-Boot's setexpr has them."""

    names: Names = Names("A", "B")
    tries: int = 3

    def problem(self, env: Env) -> str | None:
        if not env.get("surefoot_canary"):
            return "surefoot_canary is missing, which the boot script writes"
        if self.names.slot(env.get("surefoot_slot")) is None:
            return f"surefoot_slot is {env.get('surefoot_slot', '')!r}"
        return None

    def primary(self, env: Env) -> SlotName:
        trial, slot = self.trial(env), self._committed(env)
        if trial.slot is not None:
            return trial.slot if trial.tries_left else slot
        limit = _hex(env.get("surefoot_limit"), STARTS_OF_A_COMMITTED_SLOT)
        leaves = limit and _hex(env.get("surefoot_starts")) >= limit and self.state(env, slot.other) is SlotState.GOOD
        return slot.other if leaves else slot

    def trial(self, env: Env) -> BootTrial:
        slot = self.names.slot(env.get(TRY))
        left = _hex(env.get("surefoot_left")) if slot else None
        return BootTrial(slot, left, self.names.slot(env.get("surefoot_failed")))

    def state(self, env: Env, slot: SlotName) -> SlotState:
        return _mark(env, slot) or SlotState.EMPTY

    def entered(self, env: Env, slot: SlotName, mark: SlotState | None = None) -> Changes:
        ended = dict.fromkeys((TRY, "surefoot_left", "surefoot_failed", "surefoot_starts"))
        return {"surefoot_slot": self.names.of(slot), **ended, **_marking(slot, mark)}

    def armed(self, env: Env, slot: SlotName) -> Changes:
        return {TRY: self.names.of(slot), "surefoot_left": f"{self.tries:x}", "surefoot_failed": None}

    def marked(self, env: Env, slot: SlotName, state: SlotState) -> Changes:
        taken_back = state is not SlotState.GOOD and self.trial(env).slot is slot
        return {**_marking(slot, state), **({TRY: None, "surefoot_left": None} if taken_back else {})}

    def given_up(self, slot: SlotName) -> tuple[str, str]:
        return "surefoot_left", "0"

    def capabilities(self) -> Capabilities:
        return Capabilities(needs_restart=True, counts=Counts.EVERY_START, tries=self.tries)

    def _committed(self, env: Env) -> SlotName:
        return self.names.slot(env.get("surefoot_slot")) or SlotName.A  # as the boot script reads it


@dataclass(frozen=True)
class Rauc:
    """BOOT_ORDER and BOOT_x_LEFT: the first slot of the order with starts left is entered, and each start is counted.

    The committed slot is counted too: it needs its `commit` at every start. The last name never leaves the order, for
    an empty one resets for ever.
    """

    names: Names = Names("A", "B")
    tries: int = 3

    def problem(self, env: Env) -> str | None:
        order = self._order(env)
        if not order or None in order:
            return f"BOOT_ORDER is {env.get('BOOT_ORDER', '')!r}"
        return None

    def primary(self, env: Env) -> SlotName:
        order = self._slots(env)
        return next((slot for slot in order if self._left(env, slot)), order[0])  # none left: the script fills all up

    def trial(self, env: Env) -> BootTrial:
        slot = self.names.slot(env.get(TRY))
        if slot is None:
            return BootTrial()
        left = self._left(env, slot)
        armed = left and self._slots(env)[0] is slot
        return BootTrial(slot, left) if armed else BootTrial(gave_up=slot)

    def state(self, env: Env, slot: SlotName) -> SlotState:
        bootable = slot in self._slots(env) and self._left(env, slot)
        return _mark(env, slot) or (SlotState.GOOD if bootable else SlotState.BAD)

    def entered(self, env: Env, slot: SlotName, mark: SlotState | None = None) -> Changes:
        return {**self._first(env, slot), TRY: None, **_marking(slot, mark)}

    def armed(self, env: Env, slot: SlotName) -> Changes:
        return {**self._first(env, slot), **self._way_back(env, slot.other), TRY: self.names.of(slot)}

    def marked(self, env: Env, slot: SlotName, state: SlotState) -> Changes:
        order = self._slots(env)
        if state is SlotState.GOOD:
            back = [*order, slot] if slot not in order else order
            return {self._count(slot): f"{self.tries:x}", "BOOT_ORDER": self._text(back), **_marking(slot, state)}
        tried = self.names.slot(env.get(TRY))
        committed = tried.other if tried else order[0]
        if slot is committed or order == [slot]:
            return _marking(slot, state)  # a mark never moves what is entered; set_primary does
        rest = [other for other in order if other is not slot]
        taken_back = {TRY: None} if tried is slot else {}
        return {"BOOT_ORDER": self._text(rest), self._count(slot): "0", **taken_back, **_marking(slot, state)}

    def given_up(self, slot: SlotName) -> tuple[str, str]:
        return self._count(slot), "0"

    def capabilities(self) -> Capabilities:
        return Capabilities(needs_restart=True, counts=Counts.EVERY_START, tries=self.tries)

    def _first(self, env: Env, slot: SlotName) -> dict[str, str | None]:
        """Put `slot` before the other, which stays where it is good or the only way back."""
        rest = [other for other in self._slots(env) if other is not slot]
        return {"BOOT_ORDER": self._text([slot, *rest]), self._count(slot): f"{self.tries:x}"}

    def _way_back(self, env: Env, slot: SlotName) -> dict[str, str | None]:
        """A trial falls back to what is next in the order, with at least one start left."""
        missing = {"BOOT_ORDER": self._text([slot.other, slot])} if slot not in self._slots(env) else {}
        return {**missing, **({} if self._left(env, slot) else {self._count(slot): f"{self.tries:x}"})}

    def _order(self, env: Env) -> list[SlotName | None]:
        return [self.names.slot(name) for name in env.get("BOOT_ORDER", "").split()]

    def _slots(self, env: Env) -> list[SlotName]:
        return [slot for slot in self._order(env) if slot is not None]

    def _text(self, slots: list[SlotName]) -> str:
        return " ".join(self.names.of(slot) for slot in slots)

    def _count(self, slot: SlotName) -> str:
        return f"BOOT_{self.names.of(slot)}_LEFT"

    def _left(self, env: Env, slot: SlotName) -> int:
        return _hex(env.get(self._count(slot)), 3)  # RAUC's script takes a missing one for three


@dataclass(frozen=True)
class Mender:
    """mender_boot_part, and U-Boot's bootcount while upgrade_available is 1. Slots are partition numbers.

    U-Boot goes to the other part whatever is in it: it cannot know our marks. Numbers are decimal.
    """

    names: Names = Names("2", "3")
    tries: int = 3

    def problem(self, env: Env) -> str | None:
        if env.get("mender_check_saveenv_canary") == "1" and env.get("mender_saveenv_canary") != "1":
            return "mender_saveenv_canary is missing, which U-Boot writes"
        if self.names.slot(env.get("mender_boot_part")) is None:
            return f"mender_boot_part is {env.get('mender_boot_part', '')!r}"
        return None

    def primary(self, env: Env) -> SlotName:
        part = self._part(env)
        return part.other if self._upgrading(env) and self._left(env) == 0 else part

    def trial(self, env: Env) -> BootTrial:
        part = self._part(env)
        if self._upgrading(env):
            return BootTrial(part, self._left(env))
        tried = self.names.slot(env.get(TRY))
        return BootTrial(gave_up=tried if tried is not part else None)

    def state(self, env: Env, slot: SlotName) -> SlotState:
        committed = self._part(env).other if self._upgrading(env) else self._part(env)
        return _mark(env, slot) or (SlotState.GOOD if slot is committed else SlotState.BAD)

    def entered(self, env: Env, slot: SlotName, mark: SlotState | None = None) -> Changes:
        return {**self._going_to(slot), "upgrade_available": "0", "bootcount": "0", TRY: None, **_marking(slot, mark)}

    def armed(self, env: Env, slot: SlotName) -> Changes:
        counted = {"upgrade_available": "1", "bootcount": "0", "bootlimit": str(self.tries)}
        return {**self._going_to(slot), **counted, TRY: self.names.of(slot)}

    def marked(self, env: Env, slot: SlotName, state: SlotState) -> Changes:
        taken_back = state is not SlotState.GOOD and self.trial(env).slot is slot
        return {**(self.entered(env, slot.other) if taken_back else {}), **_marking(slot, state)}

    def given_up(self, slot: SlotName) -> tuple[str, str]:
        return "bootcount", "99"  # above every limit that can be set here; U-Boot counts it only while it upgrades

    def capabilities(self) -> Capabilities:
        return Capabilities(needs_restart=True, counts=Counts.EVERY_START, tries=self.tries, obeys_marks=False)

    def _going_to(self, slot: SlotName) -> dict[str, str | None]:
        number = self.names.of(slot)
        return {"mender_boot_part": number, "mender_boot_part_hex": f"{int(number):x}"}

    def _part(self, env: Env) -> SlotName:
        return self.names.slot(env.get("mender_boot_part")) or SlotName.A  # `problem` refused every other word before

    def _upgrading(self, env: Env) -> bool:
        return env.get("upgrade_available") == "1"

    def _left(self, env: Env) -> int | None:
        """Starts left; None where no limit is set, with which U-Boot never goes back."""
        limit = _decimal(env.get("bootlimit"))
        return max(0, limit - _decimal(env.get("bootcount"))) if limit else None


@dataclass(frozen=True)
class MenderGrub(Mender):
    """The same variables, read by Mender's scripts for GRUB: there `bootcount` is 0 or 1, so a trial is one start."""

    tries: int = 1

    def problem(self, env: Env) -> str | None:
        wrong = next((name for name in ("upgrade_available", "bootcount") if env.get(name) not in ("0", "1")), None)
        return super().problem(env) or (f"{wrong} is {env.get(wrong, '')!r}" if wrong else None)

    def armed(self, env: Env, slot: SlotName) -> Changes:
        return {**self._going_to(slot), "upgrade_available": "1", "bootcount": "0", TRY: self.names.of(slot)}

    def given_up(self, slot: SlotName) -> tuple[str, str]:
        return "bootcount", "1"  # any other number they take for a broken environment, and wait

    def capabilities(self) -> Capabilities:
        return Capabilities(True, Counts.EVERY_START, tries=1, one_shot=True, obeys_marks=False)

    def _going_to(self, slot: SlotName) -> dict[str, str | None]:
        return {"mender_boot_part": self.names.of(slot)}

    def _left(self, env: Env) -> int | None:
        return 0 if env.get("bootcount") == "1" else 1


def whose(env: Env) -> tuple[str, str] | None:
    """Return the variable that shows whose set an environment has, and what that set is called here."""
    marks = (("surefoot_canary", "surefoot"), ("BOOT_ORDER", "rauc"), ("mender_boot_part", "mender"))
    found = [(name, variables) for name, variables in marks if env.get(name)]
    return found[0] if len(found) == 1 else None


def _mark(env: Env, slot: SlotName) -> SlotState | None:
    word = env.get(MARKS[slot])
    if word is None:
        return None
    return SlotState(word) if word in {state.value for state in SlotState} else SlotState.BAD


def _marking(slot: SlotName, state: SlotState | None) -> dict[str, str | None]:
    return {MARKS[slot]: state.value} if state is not None else {}


def _hex(text: str | None, missing: int = 0) -> int:
    return _number(text, 16, missing)


def _decimal(text: str | None) -> int:
    return _number(text, 10, 0)


def _number(text: str | None, radix: int, missing: int) -> int:
    """A number as U-Boot reads it: nothing, or nonsense, is what a script takes for missing, or 0."""
    if not text:
        return missing
    try:
        return int(text, radix)
    except ValueError:
        return 0
