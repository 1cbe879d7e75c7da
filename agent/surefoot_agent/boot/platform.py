"""Is this board really able to enter the other slot, and to come back by itself? Facts first, then a pure judgement.

Promises: reads only; each finding says what is wrong and what to do. It concerns components whose switch needs a
restart of the machine: there a kernel that panics or hangs must reset, the bootloader must count, and nobody else may
call a slot good before its health was seen.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.boot import boards, cmdline
from surefoot_agent.boot.environment import Environment
from surefoot_agent.boot.select import boot_of, files_of
from surefoot_agent.components import ComponentSettings
from surefoot_agent.finding import Finding
from surefoot_agent.ports import BootControl, BootTrial
from surefoot_shared.errors import SurefootError
from surefoot_shared.status import SlotName, SlotState

MARKERS = (
    "greenboot-grub2-set-success.service",
    "mender-client.service",
    "mender-updated.service",
    "mender.service",
    "nv_update_verifier.service",
    "rauc-mark-good.service",
    "systemd-bless-boot.service",
)
"""Units that mark the running slot good, or commit it, on their own judgement: mostly that userspace was reached."""
UNIT_FOLDERS = tuple(f"{root}/systemd/system" for root in ("etc", "run", "usr/lib", "lib"))
NAMES = (
    *("boot", "copies", "autoboot", "roots", "redundancy", "loader", "order"),
    *("panic", "init", "watchdog", "mark_good"),
)
"""Findings of this module."""
GENERATED = ("run/systemd/generator", "run/systemd/generator.early", "run/systemd/generator.late")


@dataclass(frozen=True)
class Answers:
    """What boot control says."""

    current: SlotName
    primary: SlotName
    trial: BootTrial
    states: Mapping[str, SlotState]


@dataclass(frozen=True)
class BootFacts:
    answers: Answers | None
    problem: str | None
    """Why boot control does not answer."""
    hint: str
    copies: int | None
    """Copies of the bootloader's environment that are found; None where there is no such thing."""
    panic_argument: str | None
    panic_s: int | None
    """What the running kernel does after a panic, 0 for nothing; None where it cannot be read."""
    watchdogs: Mapping[str, str | None]
    """State of each watchdog, None where the kernel does not show it."""
    markers: Sequence[str]
    own: tuple[Finding, ...] = ()
    """What this kind of board alone asks for."""
    init: str | None = None
    """`init=` of the kernel's command line."""
    early: bool = True
    """Whether something says that a watchdog runs before Linux takes it over, where the bootloader alone counts."""

    @property
    def current(self) -> str | None:
        return self.answers.current.value if self.answers else None

    @property
    def states(self) -> Mapping[str, str]:
        """The marks of both slots; nothing is known of them where boot control does not answer."""
        known = self.answers.states if self.answers else {}
        return {slot.value: known.get(slot.value, SlotState.EMPTY).value for slot in SlotName}


def findings(facts: BootFacts) -> tuple[Finding, ...]:
    """One finding for each question, in the order in which an integrator would mend them."""
    copies = () if facts.copies is None else (_copies(facts.copies),)
    return (_answers(facts), *copies, *facts.own, _panic(facts), _init(facts), _watchdog(facts), _markers(facts))


def _answers(facts: BootFacts) -> Finding:
    found = facts.answers
    if found is None:
        return Finding("boot", False, facts.problem or "Boot control does not answer.", facts.hint)
    entered = f"Slot {found.current.value} runs, {found.primary.value} is entered next"
    if found.trial.slot is not None:
        return Finding("boot", True, f"{entered}; {found.trial.slot.value} is on trial.")
    if found.primary is not found.current:
        return Finding("boot", False, f"{entered}, and nobody ordered it.", "Restart, or assign a release anew.")
    if found.trial.gave_up is not None:
        return Finding("boot", True, f"{entered}. The bootloader left slot {found.trial.gave_up.value} by itself.")
    return Finding("boot", True, f"{entered}.")


def _copies(copies: int) -> Finding:
    hint = "Let U-Boot keep a redundant environment and list both copies in fw_env.config; GRUB: make both boot_files."
    if copies == 0:
        return Finding("copies", False, "No copy of the bootloader's state is found, so none can be relied on.", hint)
    if copies < 2:
        return Finding("copies", False, "One torn write would lose the bootloader's state: it has one copy.", hint)
    return Finding("copies", True, "The bootloader's state has two copies.")


def _panic(facts: BootFacts) -> Finding:
    if (facts.panic_argument or "0") != "0":
        return Finding("panic", True, f"A kernel that panics resets (panic={facts.panic_argument}).")
    if facts.panic_s:
        return Finding("panic", True, "A kernel that panics resets, from when its setting was made.")
    hint = "Put panic=5 on the kernel's command line: a panic must end in a reset, or nothing leads back."
    return Finding("panic", False, "A kernel that panics stays where it is.", hint)


def _init(facts: BootFacts) -> Finding:
    if facts.init:
        return Finding("init", True, f"A slot without an init ends in a panic, and so in a reset (init={facts.init}).")
    hint = (
        "Put init=/sbin/init on the kernel's command line: without it the kernel tries a shell, which nothing resets."
    )
    return Finding("init", False, "A slot whose init is missing may end in a shell.", hint)


def _watchdog(facts: BootFacts) -> Finding:
    if not facts.watchdogs:
        hint = "Enable the board's watchdog in the kernel: a machine that hangs must be reset."
        return Finding("watchdog", False, "There is no watchdog.", hint)
    names = ", ".join(sorted(facts.watchdogs))
    states = set(facts.watchdogs.values())
    if "active" in states:
        late = (
            ""
            if facts.early
            else (
                " Nothing says that it runs before the first program opens it: let the bootloader start it, or put "
                "watchdog.open_timeout=120 on the kernel's command line."
            )
        )
        return Finding("watchdog", True, f"A watchdog is armed ({names}).{late}")
    if None in states:
        return Finding(
            "watchdog", True, f"There is a watchdog ({names}); this kernel does not show whether it is armed."
        )
    hint = "Set RuntimeWatchdogSec= in /etc/systemd/system.conf, within what the bootloader arms."
    return Finding("watchdog", False, f"No watchdog is armed ({names}).", hint)


def _markers(facts: BootFacts) -> Finding:
    if facts.markers:
        hint = f"systemctl mask {' '.join(facts.markers)}; on a Jetson install packaging/jetson, which defers the unit."
        message = f"Others would call a slot good before its health was seen: {', '.join(facts.markers)}."
        return Finding("mark_good", False, message, hint)
    return Finding("mark_good", True, "Nobody else calls a slot good.")


def observe(component: ComponentSettings, folder: Path, root: Path = Path("/")) -> BootFacts:
    """Read everything once; `root` is where proc, sys and the units are."""
    answers, problem, hint = None, None, ""
    try:
        answers = _asked(boot_of(component, folder))
    except SurefootError as error:
        problem, hint = error.message, error.hint
    except OSError as error:
        problem, hint = f"{error.strerror or error}.", "Run this as root: the bootloader's state is root's."
    return BootFacts(
        answers=answers,
        problem=problem,
        hint=hint,
        copies=_copies_of(component),
        panic_argument=_argument(root / "proc/cmdline", "panic"),
        panic_s=_panic_s(root / "proc/sys/kernel/panic"),
        watchdogs=_watchdogs(root / "sys/class/watchdog"),
        markers=enabled(root, MARKERS, folder),
        own=boards.demands(component, root),
        init=_argument(root / "proc/cmdline", "init"),
        early=component.boot != "uboot" or _argument(root / "proc/cmdline", "watchdog.open_timeout") is not None,
    )


def _asked(boot: BootControl) -> Answers:
    return Answers(boot.current(), boot.primary(), boot.trial(), {slot.value: boot.state(slot) for slot in SlotName})


def _copies_of(component: ComponentSettings) -> int | None:
    if component.boot == "uboot":
        with suppress(SurefootError):
            return Environment(component.boot_config).copies()
        return 0
    if component.boot == "grub" and component.boot_variables == "mender":
        from surefoot_agent.boot.mender_grub import MenderGrubEnvironment, Pair

        first, second = files_of(component)
        with suppress(OSError):
            return MenderGrubEnvironment((Pair.within(first), Pair.within(second))).copies()
        return 0
    if component.boot == "grub":
        return sum(_is_block(file) for file in files_of(component))
    return None


def _is_block(file: Path) -> bool:
    """An empty or cut file is no copy: GRUB reads nothing from it."""
    from surefoot_agent.boot.grub import SIGNATURE

    with suppress(OSError):
        return file.read_bytes().startswith(SIGNATURE)
    return False


def _argument(file: Path, key: str) -> str | None:
    with suppress(OSError):
        values = cmdline.arguments(file.read_text(encoding="utf-8", errors="replace"), key)
        return values[-1] if values else None
    return None


def _panic_s(file: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(file.read_text())
    return None


def _watchdogs(folder: Path) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    with suppress(OSError):
        for each in folder.iterdir():
            found[each.name] = None
            with suppress(OSError):
                found[each.name] = (each / "state").read_text().strip()
    return found


def enabled(root: Path, units: Sequence[str], folder: Path | None = None) -> tuple[str, ...]:
    """Return those units that systemd would start by itself, and that nobody masked or deferred.

    `folder` is the component's, whose trial a drop-in must ask about.
    """
    folders = [root / folder for folder in (*UNIT_FOLDERS, *GENERATED)]
    wanted = {
        link.name
        for folder in folders
        for kind in ("wants", "requires")
        for link in folder.glob(f"*.{kind}/*.service")
        if link.name in units
    }
    return tuple(sorted(unit for unit in wanted if not _masked(root, unit) and not _deferred(root, unit, folder)))


def _deferred(root: Path, unit: str, folder: Path | None) -> bool:
    """A drop-in of ours asks, each time, whether a slot on trial runs: packaging/jetson."""
    drop_ins = [root / folder / f"{unit}.d/surefoot.conf" for folder in UNIT_FOLDERS]
    return any(_asks(root, file, folder) for file in drop_ins if file.is_file())


def _asks(root: Path, drop_in: Path, folder: Path | None) -> bool:
    """A condition whose program is missing makes the unit fail each time, and the firmware leaves a good slot."""
    lines = [line for line in drop_in.read_text().splitlines() if line.startswith("ExecCondition=/")]
    asked = [line.removeprefix("ExecCondition=/").split() for line in lines]
    ours = folder is None or all(words[1:] == [str(folder / "on_trial")] for words in asked)
    return bool(asked) and ours and all(os.access(root / words[0], os.X_OK) for words in asked)


def _masked(root: Path, unit: str) -> bool:
    """A unit is masked by a link to /dev/null, or an empty file, in /etc or /run."""
    for folder in ("etc/systemd/system", "run/systemd/system"):
        file = root / folder / unit
        if file.is_symlink() and str(file.readlink()) == "/dev/null":
            return True
        if file.is_file() and file.stat().st_size == 0:
            return True
    return False
