"""Is this node able to update and to revert? Facts are read once, then judged by a pure function.

Promises: changes nothing but a probe file that it removes; every finding says what is wrong and what to do; all are
reported, not only the first. Refuses to repair: `surefoot-agent check` is safe to run beside a running agent.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from surefoot_agent import guard, processes, vigil
from surefoot_agent.application import port_kept
from surefoot_agent.boot import adopt, platform
from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings, components_of
from surefoot_agent.finding import Finding as Finding
from surefoot_agent.health import local, probation
from surefoot_agent.health.local import folders_of
from surefoot_agent.identity import CA_FILE, DEVICE_FACTS, PAIR, pair_of
from surefoot_agent.journal import read_facts
from surefoot_agent.ports import Suite
from surefoot_agent.slots import demands, standing
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.slots.select import Place, slots_of
from surefoot_shared.errors import InstallFailed, Invalid, SurefootError
from surefoot_shared.status import SlotName

if TYPE_CHECKING:
    from surefoot_agent.privileged.inquiry import Board

IDENTITY_FILES = (f"{PAIR}.key", f"{PAIR}.crt", CA_FILE, DEVICE_FACTS)
Value = TypeVar("Value")
GUARD_TIMEOUT_S = 30.0
"""Python starts in a second or two on the slowest board, and in many more while that is busy."""
OF_COMPONENT = frozenset(
    {"journal", "current", "slots", "read", "room", "guard", "port", *platform.NAMES, *demands.NAMES}
)
"""Findings about one component; the others are about the node."""
CLOCK_SLACK_S = 60.0
"""NTP may step back a little between the last signed time and now."""


@dataclass(frozen=True)
class Facts:
    """What was seen. Texts named `…_problem` are None where nothing is wrong; times are seconds since 1970."""

    identity: Mapping[str, int | None]
    """Mode of each identity file, None for a missing one."""
    state_problem: str | None
    current: str | None
    states: Mapping[str, str]
    releases: Mapping[str, str | None]
    """Version of the sealed release in each slot."""
    room_problem: str | None
    clock_s: float
    clock_floor_s: float
    guard_problem: str | None
    port_problem: str | None
    journal_problem: str | None = None
    budget_problem: str | None = None
    guard_active: bool | None = True
    """Whether a guard process holds its lock; None where that cannot be said."""
    agent_active: bool | None = True
    """Whether an agent holds the state folder's."""
    adopted: Mapping[str, str] = field(default_factory=dict)
    """What an agent that was here before ours called the contents of the slots."""
    programs_problem: str | None = None
    on_trial: str | None = None
    """The slot that is tried now."""
    demands: tuple[Finding, ...] = ()
    """What this kind of component alone asks for."""
    read: Mapping[str, str | None] = field(default_factory=dict)
    """What is wrong with the bytes of each slot that was read back, None for nothing; empty where none was."""
    boot: platform.BootFacts | None = None
    """What a bootloader says, for a component whose switch needs a restart of the machine; None for a link."""
    linked: bool = True
    """Whether a link says which slot runs; else the privileged half looked at the board, and `demands` has it."""


def check(settings: Settings, clock_floor_s: float = 0.0, read: bool = False) -> tuple[Finding, ...]:
    """Look at this node and judge it. `clock_floor_s` is the newest signed time that was ever verified here.

    `read`: every byte of what the slots hold is read from the medium, which takes as long as an installation.
    Where there are several components, what concerns one of them is named COMPONENT.FINDING.
    """
    found = [(each.name, judge(observe(settings, each, clock_floor_s, read))) for each in components_of(settings)]
    if len(found) == 1:
        return found[0][1]
    of_node = tuple(finding for finding in found[0][1] if finding.name not in OF_COMPONENT)
    of_each = [
        replace(finding, name=f"{name}.{finding.name}")
        for name, findings in found
        for finding in findings
        if finding.name in OF_COMPONENT
    ]
    return (*of_node, *of_each)


def judge(facts: Facts) -> tuple[Finding, ...]:
    """One finding for each question, in the order in which an operator would mend them."""
    return (
        _identity(facts),
        _key(facts),
        _of_problem("state", facts.state_problem, "The state folder takes writes.", "Check its disk and its owner."),
        _of_problem("journal", facts.journal_problem, "The journal can be read.", "Replace the device's storage."),
        *(platform.findings(facts.boot) if facts.boot else (_link(facts),) if facts.linked else ()),
        standing.finding(facts.states, facts.releases, facts.adopted, facts.current, facts.on_trial),
        *facts.demands,
        *((_read(facts.read),) if facts.read else ()),
        _of_problem("room", facts.room_problem, "A second copy has room.", "Free space on the data partition."),
        _clock(facts),
        _agent(facts),
        _guard(facts),
        _of_problem("programs", facts.programs_problem, "Every check program of this device can run.", _PROGRAM_HINT),
        _of_problem(
            "budget", facts.budget_problem, "A probation and this device's own checks fit the guard.", _BUDGET_HINT
        ),
        _of_problem("port", facts.port_problem, "The metrics port is free or the application's.", _PORT_HINT),
    )


_PROGRAM_HINT = (
    "chmod it (755, of root or the agent's user), or take it out of the folder: updates are refused until then."
)
_BUDGET_HINT = "Raise guard_budget_s, lower check_timeout_s, or take programs out of the check folders."
_PORT_HINT = "Stop the program that holds it, or set metrics_port."


def _agent(facts: Facts) -> Finding:
    if facts.agent_active is False and None not in facts.identity.values():
        hint = "systemctl enable --now surefoot-agent; what it says when it ends is in journalctl -u surefoot-agent."
        return Finding("agent", False, "No agent runs on this node.", hint)
    words = {True: "An agent runs.", False: "No agent runs yet.", None: "Whether an agent runs cannot be seen."}
    return Finding("agent", True, words[facts.agent_active])


def _guard(facts: Facts) -> Finding:
    if facts.guard_problem is not None:
        return Finding("guard", False, facts.guard_problem, "Install the agent again, with its python3.")
    if facts.guard_active is False and None not in facts.identity.values():
        hint = "systemctl enable --now surefoot-guard@COMPONENT: without it an agent that dies brings nothing back."
        return Finding("guard", False, "The guard can run, and none watches this component.", hint)
    return Finding("guard", True, "The guard can run." + (" One watches this component." if facts.guard_active else ""))


def _read(read: Mapping[str, str | None]) -> Finding:
    wrong = [f"{slot}: {problem}" for slot, problem in sorted(read.items()) if problem is not None]
    if wrong:
        return Finding(
            "read", False, " ".join(wrong), "Assign another release: it is written into the slot that does not run."
        )
    return Finding("read", True, f"What slots {', '.join(sorted(read))} hold reads back as it was signed.")


def _identity(facts: Facts) -> Finding:
    missing = [name for name, mode in facts.identity.items() if mode is None]
    if missing:
        return Finding("identity", False, f"Missing: {', '.join(missing)}.", "Run `surefoot-agent enrol`.")
    return Finding("identity", True, "The device is enrolled.")


def _key(facts: Facts) -> Finding:
    mode = facts.identity.get("device.key")
    if mode is not None and mode & 0o077:
        return Finding("key", False, f"Others may read the device key (mode {mode:o}).", "chmod 600 it.")
    return Finding("key", mode is not None, "The key is private." if mode is not None else "There is no key.")


def _link(facts: Facts) -> Finding:
    if facts.current is None:
        hint = "Point `current` in the component's folder to slots/A or slots/B."
        return Finding("current", False, "The link does not point to a slot.", hint)
    return Finding("current", True, f"The link points to slot {facts.current}.")


def _clock(facts: Facts) -> Finding:
    behind_s = facts.clock_floor_s - facts.clock_s
    if behind_s > CLOCK_SLACK_S:
        hint = "Start time synchronisation; until then TLS may refuse certificates as not yet valid."
        return Finding("clock", False, f"The clock is {behind_s:.0f} s behind the last signed time.", hint)
    return Finding("clock", True, "The clock is not behind the last signed time.")


def _of_problem(name: str, problem: str | None, fine: str, hint: str) -> Finding:
    return Finding(name, True, fine) if problem is None else Finding(name, False, problem, hint)


def observe(settings: Settings, component: ComponentSettings, clock_floor_s: float = 0.0, read: bool = False) -> Facts:
    """Read everything once."""
    folder = settings.component_dir(component.name)
    linked, split = component.boot == "symlink", bool(settings.helper_socket)
    boot = None if linked or split else platform.observe(component, folder)
    board = _board(settings, component) if split else None
    shown = None if linked else board or boot
    return Facts(
        identity=_identity_modes(settings.state_dir / "identity"),
        state_problem=_problem(lambda: _probe_write(settings.state_dir)),
        current=shown.current if shown else guard.current_slot(folder),
        states=shown.states if shown else _read_or({}, lambda: guard.slot_states(folder)),
        releases=_releases(folder),
        room_problem=_problem(lambda: _probe_room(folder, settings)),
        clock_s=time.time(),
        clock_floor_s=clock_floor_s,
        guard_problem=_problem(_probe_guard),
        port_problem=_problem(lambda: _probe_port(folder, settings, component)),
        journal_problem=_problem(lambda: _probe_journal(settings.state_dir, component.name))
        or _problem(lambda: _probe_records(folder)),
        budget_problem=_problem(lambda: _probe_budget(folder, settings, component)),
        guard_active=vigil.guard_runs(folder),
        agent_active=vigil.agent_runs(settings.state_dir),
        adopted={slot.value: name for slot, name in adopt.releases(folder).items()},
        on_trial=_read_or(None, lambda: _on_trial(folder)),
        demands=board.findings if board else demands.findings(component),
        programs_problem=_problem(lambda: local.refuse_unrunnable(folders_of(settings).checks())),
        read=_read_back(component, folder) if read else {},
        boot=boot,
        linked=linked,
    )


def _board(settings: Settings, component: ComponentSettings) -> Board:
    from surefoot_agent.privileged import inquiry  # most devices are whole

    if component.boot == "symlink":
        return inquiry.Board((inquiry.helper_of(settings, component),))
    return inquiry.board_of(settings, component)


def _problem(probe: Callable[[], None]) -> str | None:
    try:
        probe()
    except SurefootError as error:
        return error.message
    except OSError as error:
        return f"{error.strerror or error}."  # without the number and the path of a probe
    except subprocess.SubprocessError as error:
        return f"{error}."
    return None


def _identity_modes(folder: Path) -> Mapping[str, int | None]:
    """The modes of the files of the identity; those of the pair in use under the names of the first pair."""
    try:
        pair = pair_of(json.loads((folder / DEVICE_FACTS).read_bytes()))
    except (OSError, ValueError):
        pair = PAIR
    own = {f"{PAIR}.key": f"{pair}.key", f"{PAIR}.crt": f"{pair}.crt"}
    return {name: _mode(folder / own.get(name, name)) for name in IDENTITY_FILES}


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _probe_write(state_dir: Path) -> None:
    probe = state_dir / f"probe.{os.getpid()}"
    try:
        guard.write_file(probe, b"x" * 4096)
    finally:
        for left in (probe, *state_dir.glob(f"{probe.name}.*.tmp")):  # a full disk leaves the temporary file
            left.unlink(missing_ok=True)


def _probe_journal(state_dir: Path, component: str) -> None:
    try:
        read_facts(state_dir / "journal.db", component)
    except (sqlite3.Error, Invalid) as error:
        raise OSError(f"The journal cannot be read: {error}") from error


def _probe_records(folder: Path) -> None:
    """What agent and guard keep beside the journal; torn or missing is no problem, what cannot be read is."""
    for name in ("boot", "trial", "data"):
        try:
            guard.load_record(folder, name)
        except OSError as error:
            raise OSError(f"{error.filename} cannot be read: {error.strerror}") from error


def _read_or(instead: Value, read: Callable[[], Value]) -> Value:
    """What is read; where the disk refuses, which a finding of its own says, the rest is told all the same."""
    try:
        return read()
    except OSError:
        return instead


def _on_trial(folder: Path) -> str | None:
    """It is marked bad until its health was seen, by us and on purpose."""
    trial = guard.load_trial(folder) or {}
    open_still = "slot" in trial and trial.get("verdict") is None and not trial.get("finished")
    return str(trial["slot"]) if open_still else None


def _read_back(component: ComponentSettings, folder: Path) -> Mapping[str, str | None]:
    """Read what sealed slots hold from the medium, beside a running agent: nothing is marked, sealed or unsealed."""
    slots = slots_of(component, Place(folder))
    return {
        slot.value: slots.problem(slot)
        for slot in SlotName
        if isinstance(slots, (DirectorySlots, ImageSlots)) and slots.installed(slot) is not None
    }


def _releases(folder: Path) -> Mapping[str, str | None]:
    if not (folder / "slots").is_dir():
        return {slot.value: None for slot in SlotName}
    slots = DirectorySlots(folder, make=False)
    found = {slot.value: slots.installed(slot) for slot in SlotName}
    return {slot: manifest.version if manifest else None for slot, manifest in found.items()}


def _probe_room(folder: Path, settings: Settings) -> None:
    """The other slot must take a release as large as the one that runs."""
    current = guard.current_slot(folder)
    if current is None or not (folder / "slots").is_dir():
        return
    slots = DirectorySlots(folder, settings.reserve_bytes, settings.reserve_inodes, make=False)
    manifest = slots.installed(SlotName(current))
    if manifest is not None:
        slots.room(manifest.installed_size_bytes, manifest.inodes, SlotName(current).other)


def _probe_budget(folder: Path, settings: Settings, component: ComponentSettings) -> None:
    """A release like the one that runs must be able to prove itself before the guard goes back."""
    current = guard.current_slot(folder)
    if current is None or not (folder / "slots").is_dir():
        return
    manifest = DirectorySlots(folder, make=False).installed(SlotName(current))
    if manifest is None:
        return
    needed_s = probation.needed_s(Suite(manifest, (*manifest.checks, *folders_of(settings).checks())))
    if needed_s > component.guard_budget_s:
        raise OSError(
            f"A probation like that of the running release, with this device's own checks, may take "
            f"{needed_s:g} s; the guard waits {component.guard_budget_s:g} s"
        )


def _probe_guard() -> None:
    """The guard must run alone: isolated, so without the agent's packages."""
    command = [sys.executable, "-I", str(guard.__file__), "--help"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GUARD_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"The guard does not say within {GUARD_TIMEOUT_S:g} s that it can run") from error
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OSError(f"The guard ends with {done.returncode}: {last}")


def _probe_port(folder: Path, settings: Settings, component: ComponentSettings) -> None:
    port = component.metrics_port or port_kept(folder) or 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            with suppress(InstallFailed):  # the other half is away, which a finding of its own says
                if not processes.listens(port, _pids(folder, settings, component)):
                    raise OSError(f"Port {port} is held by another program") from error


def _pids(folder: Path, settings: Settings, component: ComponentSettings) -> Sequence[int]:
    """The application's processes; where they are another user's, the privileged half sees them."""
    if not settings.helper_socket:
        return guard.application_pids(folder)
    from surefoot_agent.privileged.inquiry import line_to
    from surefoot_agent.privileged.proxies import PrivilegedApplication

    return PrivilegedApplication(folder, line_to(settings, component)).pids()
