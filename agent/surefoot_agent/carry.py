"""What happens to the data in an update, step by step: kept, migrated, and carried back where the update did not hold.

Promises: the order of DESIGN §5: the old application is stopped, the data are copied, migrated, then the new one is
started; on the way back the new one is stopped, the data go back, then the old one is started. Only commands of sealed
slots are run. Each step is recorded before the next begins and is repeated after a death: a forward migration may run
twice, a backward one never does: where it was cut off, or fails, the copy is put back. Irreversible migrations run
only after the commit. Between an older and a newer release it is always the newer one's commands that lead: down by
its `backward`, also where an operator orders a committed release back. Whoever calls is an agent in one piece, or the
privileged half of one in two, which knows the move from its own trial record.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from surefoot_agent.data import SLOWEST_COPY_BYTES_PER_S, DataFolder, Irreversible, Kept, Phase
from surefoot_agent.migrations import Migration
from surefoot_agent.ports import ApplicationControl, BootControl, Slots
from surefoot_agent.record import Record
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import DataHandling, Manifest
from surefoot_shared.status import SlotName

log = logging.getLogger(__name__)
REFUSED = ("data_irreversible", "data_not_kept")
"""Kinds that mean the device does not take a release because of its data."""


class Bearer(Protocol):
    """The hands of whoever carries: those through which data, slots and application of one component are touched."""

    @property
    def component_dir(self) -> Path: ...
    @property
    def boot(self) -> BootControl: ...
    @property
    def slots(self) -> Slots: ...
    @property
    def application(self) -> ApplicationControl: ...
    @property
    def data(self) -> DataFolder: ...
    @property
    def migrate(self) -> Callable[[Migration], None]: ...


@dataclass(frozen=True)
class Move:
    """Of which attempt, and from which slot to which; None where an attempt chose none yet."""

    assignment: str
    attempt: int
    slot: SlotName | None
    previous: SlotName | None


class Carrier(Protocol):
    """Who carries: this module, or the privileged half, which believes nothing but its own trial record."""

    def there(self, hands: Bearer, move: Move | None) -> None: ...
    def back(self, hands: Bearer, move: Move | None) -> None: ...
    def commit(self, hands: Bearer, move: Move | None) -> None: ...
    def finish(self, hands: Bearer) -> None: ...


@dataclass(frozen=True)
class Command:
    """One migration of a release and the slot that holds it. A release without `data` has none."""

    kind: str
    slot: SlotName
    manifest: Manifest
    handling: DataHandling
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Way:
    """What an update from one release to another does with the data."""

    copies: bool = False
    there: Command | None = None
    back: Command | None = None

    def timeouts_s(self) -> float:
        return sum(command.handling.timeout_s for command in (self.there, self.back) if command is not None)


def way(old: Manifest | None, new: Manifest, previous: SlotName, slot: SlotName) -> Way:
    """Return what has to be done; pure. The newer of the two releases knows both forms of the data."""
    if old is not None and old.counter > new.counter:
        there = _command("backward", previous, old)
        copies = any(m.data is not None and m.data.snapshot for m in (old, new))
        return Way(copies or there is not None, there)
    if new.data is None:
        return Way()
    return Way(new.data.snapshot, _command("forward", slot, new), _command("backward", slot, new))


def _command(kind: str, slot: SlotName, manifest: Manifest) -> Command | None:
    handling = manifest.data
    if handling is None:
        return None
    argv = {"forward": handling.forward, "backward": handling.backward, "irreversible": handling.irreversible}[kind]
    return Command(kind, slot, manifest, handling, argv) if argv else None


def move_of(record: Record) -> Move | None:
    """The attempt of a record, None where it has none."""
    wish = record.wish
    return Move(wish.assignment, record.attempt, record.slot, record.previous) if wish is not None else None


def is_there(kept: Kept | None, planned: Way) -> bool:
    """Say whether the data are as the new release needs them, by the record of this attempt (None: there is none)."""
    if not planned.copies:
        return True
    return kept is not None and kept.phase is Phase.KEPT and (planned.there is None or kept.migrated)


def is_away(kept: Kept | None) -> bool:
    """Say whether the data of this attempt are those of the new release, or were on their way back."""
    return kept is not None and kept.phase in (Phase.KEPT, Phase.GOING_BACK)


def refuse_older(kept: Kept | None, counter: int, version: str) -> None:
    """Raise InstallFailed(data_irreversible) where a release changed the data for good and this one is older."""
    if kept is not None and counter < kept.floor:
        raise InstallFailed("data_irreversible", f"A newer release changed the data for good; {version} is too old.")


def check_room(hands: Bearer, manifest: Manifest, slot: SlotName) -> None:
    """Raise InstallFailed where the copy would not fit; best before the fetch."""
    if way(hands.slots.installed(slot.other), manifest, slot.other, slot).copies:
        hands.data.room()


def seconds(hands: Bearer, move: Move | None) -> float:
    """Return how long the data may take, there and back: the guard must wait as long."""
    planned = _way(hands, move) if move else Way()
    copying_s = hands.data.size_bytes() / SLOWEST_COPY_BYTES_PER_S if planned.copies else 0.0
    return planned.timeouts_s() + copying_s


def at_most_s(hands: Bearer) -> float:
    """Return how long the data of another component of a set may take, whichever way it goes."""
    handled = [m.data for slot in SlotName if (m := hands.slots.installed(slot)) is not None and m.data is not None]
    copying_s = hands.data.size_bytes() / SLOWEST_COPY_BYTES_PER_S if handled else 0.0
    return copying_s + sum(2 * data.timeout_s for data in handled)


def there(hands: Bearer, move: Move | None) -> None:
    """Copy and migrate before the new release is started; returns at once where that was done. Raises InstallFailed."""
    planned = _way(hands, move) if move else Way()
    if move is None or not planned.copies:
        return  # and nothing migrates: a command is never run without a copy
    hands.application.stop()
    kept = hands.data.of(move.assignment, move.attempt) or hands.data.keep(_fresh(hands, move))
    if planned.there is not None and not kept.migrated:
        _run(hands, kept, planned.there)
        hands.data.change(kept, migrated=True)


def back(hands: Bearer, move: Move | None) -> None:
    """Bring the data back before the old release is started; nothing where they never left. Raises InstallFailed."""
    kept = hands.data.of(move.assignment, move.attempt) if move else None
    if kept is not None and kept.phase is Phase.GONE_BACK:
        hands.data.drop()  # again, where a death came between
    if move is None or kept is None or not is_away(kept):
        return
    hands.application.stop()
    command = _way(hands, move).back
    if command is not None and kept.migrated and kept.phase is Phase.KEPT and _went_back(hands, kept, command):
        return
    hands.data.restore(kept)


def commit(hands: Bearer, move: Move | None) -> None:
    """The new release holds: the copy is not needed any more. After the verdict; what is irreversible comes later."""
    assert move is not None  # the machine commits what it armed
    assert move.slot is not None
    manifest, kept = hands.slots.installed(move.slot), hands.data.of(move.assignment, move.attempt)
    pending = manifest is not None and manifest.data is not None and bool(manifest.data.irreversible)
    if kept is None and not pending:
        return
    kept = kept or _fresh(hands, move)
    if kept.phase is not Phase.COMMITTED:
        left = Irreversible.PENDING if pending else Irreversible.NONE
        digest = hands.slots.digest(move.slot) or ""
        hands.data.change(kept, phase=Phase.COMMITTED, irreversible=left, digest=digest)
    hands.data.drop()


def unfinished(hands: Bearer) -> bool:
    """Say whether the committed release has an irreversible migration that was not done yet."""
    kept = hands.data.kept()
    waits = kept is not None and kept.irreversible in (Irreversible.PENDING, Irreversible.BEGUN)
    return waits and kept is not None and hands.slots.digest(hands.boot.current()) == kept.digest


def finish(hands: Bearer) -> None:
    """Run the irreversible migration of the committed release, beside it. Raises InstallFailed: try again later."""
    kept, slot = hands.data.kept(), hands.boot.current()
    manifest = hands.slots.installed(slot)
    command = _command("irreversible", slot, manifest) if manifest else None
    if kept is None or command is None or not unfinished(hands):
        return
    kept = hands.data.change(kept, irreversible=Irreversible.BEGUN, floor=command.manifest.counter)
    _run(hands, kept, command)
    hands.data.change(kept, irreversible=Irreversible.DONE)


def _went_back(hands: Bearer, kept: Kept, command: Command) -> bool:
    kept = hands.data.change(kept, phase=Phase.GOING_BACK)
    try:
        _run(hands, kept, command)
    except InstallFailed as error:
        log.warning("backward_migration_failed error=%s", error)
        return False
    hands.data.change(kept, phase=Phase.GONE_BACK)
    hands.data.drop()
    return True


def _way(hands: Bearer, move: Move) -> Way:
    assert move.slot is not None  # both were chosen by preflight
    assert move.previous is not None
    new = hands.slots.installed(move.slot)
    return way(hands.slots.installed(move.previous), new, move.previous, move.slot) if new else Way()


def _fresh(hands: Bearer, move: Move) -> Kept:
    assert move.slot is not None  # an attempt that was armed has both
    assert move.previous is not None
    old, new, last = hands.slots.installed(move.previous), hands.slots.installed(move.slot), hands.data.kept()
    of, to = (release.version if release else "" for release in (old, new))
    fresh = Kept(move.assignment, move.attempt, Phase.KEPT, of, to)
    if last is None:
        return fresh
    return replace(fresh, irreversible=last.irreversible, digest=last.digest, floor=last.floor)


def _run(hands: Bearer, kept: Kept, command: Command) -> None:
    """To its end, and what it wrote to the medium: the record that follows must not outlive it in a power cut."""
    hands.migrate(_migration(hands, kept, command))
    os.sync()


def _migration(hands: Bearer, kept: Kept, command: Command) -> Migration:
    manifest, tree = command.manifest, hands.slots.path(command.slot).resolve()
    spec = hands.application.spec(command.slot, manifest)
    assert spec is not None  # only a tree has commands, and a tree has an application to start
    ends = (kept.from_version, kept.to_version)
    if command.kind == "backward" and manifest.version == kept.to_version:
        ends = (kept.to_version, kept.from_version)  # the way back of an update that did not hold
    versions = {"SUREFOOT_FROM": ends[0], "SUREFOOT_TO": ends[1], "SUREFOOT_MIGRATION": command.kind}
    return Migration(
        kind=command.kind,
        argv=(str(tree / command.argv[0]), *command.argv[1:]),
        cwd=str(tree),
        env={**spec.env, **versions},
        user=spec.user,
        timeout_s=command.handling.timeout_s,
        component_dir=hands.component_dir,
    )
