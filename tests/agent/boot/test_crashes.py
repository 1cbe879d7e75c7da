"""Every write of every boot control is an instant to end the world at: before it, torn in its middle, and after it.

All are found by watching one undisturbed run; then each is tried. Whatever the instant, a boot control that knows only
what is left on the medium answers every question with what was true before or after the act, the machine starts, and
the act done again ends where it would have ended. A write that is not a point cannot be made: see watch.py.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from surefoot_agent import boot as boot_package
from surefoot_agent.boot.environment import Environment
from surefoot_agent.ports import BootControl, BootTrial
from surefoot_shared.status import SlotName, SlotState
from tests.agent.boot.benches import BENCHES, Bench
from tests.agent.boot.watch import Cut, Watch, watching

pytestmark = pytest.mark.needs("fw_printenv", "fw_setenv", "grub-editenv", "/usr/bin/efibootmgr")

A, B = SlotName.A, SlotName.B
SECTOR = 512

JOURNEY: tuple[tuple[str, Callable[[BootControl], None]], ...] = (
    ("provision", lambda boot: boot.commit(A)),
    ("begin to write B", lambda boot: boot.set_state(B, SlotState.BAD)),
    ("arm B", lambda boot: boot.arm_trial(B)),
    ("arm B again", lambda boot: boot.arm_trial(B)),
    ("enter", lambda boot: None),
    ("commit B", lambda boot: boot.commit(B)),
    ("enter", lambda boot: None),
    ("B came up", lambda boot: boot.commit(B)),
    ("begin to write A", lambda boot: boot.set_state(A, SlotState.BAD)),
    ("arm A", lambda boot: boot.arm_trial(A)),
    ("enter", lambda boot: None),
    ("back to B", lambda boot: boot.set_primary(B)),
    ("A failed", lambda boot: boot.set_state(A, SlotState.BAD)),
    ("enter", lambda boot: None),
    ("A is empty", lambda boot: boot.set_state(A, SlotState.EMPTY)),
)
"""A good update and a failed one, as the agent orders them; `enter` is a start of the machine."""

POINTS = {
    "symlink": 62,
    "surefoot": 31,
    "rauc": 32,
    "mender": 30,
    "script": 73,
    "grub": 62,
    "mender-grub": 151,
    "tryboot": 86,
    "jetson": 97,
    "efi": 63,
    "systemd-boot": 71,
}
"""Writes of the whole journey. A change here is a write more or less: look whether its order is still the right one."""

Folder = dict[str, "bytes | str"]


@dataclass(frozen=True)
class Answers:
    current: SlotName
    primary: SlotName
    trial: BootTrial
    states: tuple[SlotState, SlotState]


def ask(boot: BootControl) -> Answers:
    return Answers(boot.current(), boot.primary(), boot.trial(), (boot.state(A), boot.state(B)))


def kept(folder: Path) -> Folder:
    """Everything in a folder: bytes of files, targets of links."""
    return {path.name: f"->{path.readlink()}" if path.is_symlink() else path.read_bytes() for path in folder.iterdir()}


def put_back(folder: Path, content: Folder) -> None:
    """Make a folder what it was; files are written in place, so that they keep their modes."""
    for path in folder.iterdir():
        if path.name not in content or path.is_symlink():
            path.unlink()
    for name, what in content.items():
        if isinstance(what, str):
            (folder / name).symlink_to(what.removeprefix("->"))
        else:
            (folder / name).write_bytes(what)


def torn(before: bytes, after: bytes) -> Iterator[bytes]:
    """What a write may leave that did not end: part of a file that was cut short, or some sectors of a medium."""
    if len(before) != len(after) or len(after) % SECTOR:
        yield from (after[:length] for length in sorted({0, 1, len(after) // 2, max(len(after) - 1, 0)}))
        return
    changed = [at for at in range(0, len(after), SECTOR) if before[at : at + SECTOR] != after[at : at + SECTOR]]
    for some in (*[changed[:n] for n in range(1, len(changed))], *[changed[n:] for n in range(1, len(changed))]):
        mixed = bytearray(before)
        for at in some:
            mixed[at : at + SECTOR] = after[at : at + SECTOR]
        yield bytes(mixed)
    first = next(i for i in range(len(after)) if before[i] != after[i])
    last = next(i for i in reversed(range(len(after))) if before[i] != after[i])
    for middle in sorted({first + 1, first + 4, first + 5, (first + last) // 2, last}):
        yield after[:middle] + before[middle:]


@dataclass
class Step:
    """One act on one bench, undisturbed: the writes it took, and what each of them changed."""

    bench: Bench
    act: Callable[[BootControl], None]
    start: Folder
    before: Answers
    after: Answers
    trace: list[str]
    changed: list[tuple[int, str, bytes, bytes]]
    """(point, file, its bytes before and after the write)."""

    def watch(self, look: Callable[[int], None]) -> Watch:
        return Watch(self.bench.reads, look, self.bench.media)

    def die(self, look: Callable[[int], None]) -> None:
        """Do the act again from its start, until `look` ends the world."""
        put_back(self.bench.folder, self.start)
        boot = self.bench.open()
        with pytest.raises(Cut), watching(self.watch(look)):
            self.act(boot)

    def survives(self, where: str) -> None:
        left = kept(self.bench.folder)
        found = ask(self.bench.open())
        entered_next = [(answers.primary, answers.trial) for answers in (self.before, self.after)]
        assert (found.primary, found.trial) in entered_next, f"{where}: neither the old switch nor the new one"
        assert found.current in (self.before.current, self.after.current), where
        for slot, state in zip((0, 1), found.states, strict=True):
            assert state in (self.before.states[slot], self.after.states[slot]), where

        self.bench.enter()
        assert self.bench.open().current() is found.primary, f"{where}: another slot started than was said"

        put_back(self.bench.folder, left)
        boot = self.bench.open()
        self.act(boot)
        assert ask(boot) == self.after, f"{where}: done again it does not converge"


def undisturbed(bench: Bench, act: Callable[[BootControl], None]) -> Step:
    start, boot = kept(bench.folder), bench.open()
    before, seen = ask(boot), []

    with watching(Watch(bench.reads, lambda _: seen.append(kept(bench.folder)), bench.media)) as watch:
        act(boot)

    assert watch.unsynced == set(), "written, and not durable when the call returned"
    seen.append(kept(bench.folder))
    changed = [
        (point, name, was, now)
        for point, (old, new) in enumerate(itertools.pairwise(seen), 1)
        for name, now in new.items()
        if isinstance(now, bytes) and isinstance(was := old.get(name, b""), bytes) and was != now
        if not name.endswith(".lock") and name not in bench.of_others
    ]
    return Step(bench, act, start, before, ask(boot), watch.trace, changed)


def cut_at(wanted: int, first: Callable[[], object] = lambda: None) -> Callable[[int], None]:
    def look(point: int) -> None:
        if point == wanted:
            first()
            raise Cut

    return look


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", BENCHES)
def test_a_death_at_any_write_leaves_a_machine_that_starts_and_says_which_slot(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = BENCHES[kind](tmp_path)
    points = tears = 0

    for name, act in JOURNEY:
        step = undisturbed(bench, act)
        end = kept(tmp_path)
        for point, write in enumerate(step.trace, 1):
            step.die(cut_at(point))
            step.survives(f"{kind}: {name}: before {write} ({point} of {len(step.trace)})")
            points += 1
        for point, file, was, now in step.changed:
            for part in torn(was, now):
                step.die(cut_at(point, lambda f=file, p=part: (tmp_path / f).write_bytes(p)))  # type: ignore[misc]
                step.survives(f"{kind}: {name}: in the middle of {file}")
                tears += 1
        put_back(tmp_path, end)
        if name == "enter":
            bench.enter()

    with capsys.disabled():
        print(f"\n{kind}: {points} writes to die before, {tears} to die in the middle of", end=" ")
    assert points == POINTS[kind]
    assert tears >= 20


@pytest.mark.parametrize("kind", BENCHES)
def test_everything_is_durable_when_the_call_returns(kind: str, tmp_path: Path) -> None:
    bench = BENCHES[kind](tmp_path)

    for name, act in JOURNEY:
        step = undisturbed(bench, act)  # which asserts it
        assert step.trace or name == "enter", f"{name} is not even synced"
        if name == "enter":
            bench.enter()


def test_a_write_that_nobody_syncs_is_noticed(tmp_path: Path) -> None:
    bench = BENCHES["symlink"](tmp_path)

    with pytest.raises(AssertionError, match="not durable"):
        undisturbed(bench, lambda boot: (tmp_path / "stray").write_text("x") and None)


def test_every_way_to_write_is_a_point(tmp_path: Path) -> None:
    import os
    import subprocess

    (tmp_path / "old").touch()
    watch = Watch(lambda argv: False, lambda point: None)

    with watching(watch):
        (tmp_path / "file").write_text("x")
        os.symlink("a", tmp_path / "link")
        os.replace(tmp_path / "file", tmp_path / "moved")
        (tmp_path / "moved").unlink()
        (tmp_path / "folder").mkdir()
        os.truncate(tmp_path / "old", 0)
        subprocess.run(["true"], check=True)

    assert watch.trace == [
        "open file",
        "symlink link",
        "rename moved",
        "remove moved",
        "mkdir folder",
        "truncate old",
        "run true",
    ]


@pytest.mark.parametrize("kind", ["surefoot", "rauc", "mender"])
def test_a_switch_in_several_transactions_would_be_found(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, whole = BENCHES[kind](tmp_path), Environment.change
    bench.open().commit(A)
    bench.open().set_state(B, SlotState.BAD)

    def one_by_one(self: Environment, changes: Mapping[str, str | None]) -> None:
        for name in sorted(changes, reverse=True):
            whole(self, {name: changes[name]})

    monkeypatch.setattr(Environment, "change", one_by_one)
    step = undisturbed(bench, lambda boot: boot.arm_trial(B))

    def die_everywhere() -> None:
        for point in range(1, len(step.trace) + 1):
            step.die(cut_at(point))
            step.survives("in between")

    with pytest.raises(AssertionError, match="neither the old switch nor the new one"):
        die_everywhere()


WRITES_UNSEEN = {
    "ctypes",
    "mmap",
    "socket",
    "fcntl",
    "multiprocessing",
    "sendfile",
    "copy_file_range",
    "pwrite",
    "writev",
}
"""Ways to change the world that leave no trace in audit events, or write twice through one descriptor."""


def test_nothing_in_boot_control_writes_where_no_watch_can_see_it() -> None:
    for file in Path(boot_package.__file__).parent.glob("*.py"):
        names = {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
        names |= {
            alias.name
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
        assert not names & WRITES_UNSEEN, file.name
        assert "Popen" not in names or file.name == "tool.py", f"{file.name} runs programs past the one door"
