"""Recreate: where there is no room for two releases, the one that runs is given up before the new one is fetched.

Promises: it happens by a signed assignment that allows it and by nothing else, and only where the new release would fit
then; that it is about to happen is in the journal before the first file goes, and a death in between is carried on to
the end. From then on the device is one that never had a release: it cannot go back by itself, and what runs after a
failure is fetched again. Refuses what cannot be carried: a set, and data whose newer form only the lost release knows.
"""

from __future__ import annotations

from surefoot_agent import events as e
from surefoot_agent import sight
from surefoot_agent.ports import OnlyPlace, Wish
from surefoot_agent.record import Record
from surefoot_agent.sight import Hands
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import Ability, SlotName, SlotState


def room_or_place(hands: Hands, wish: Wish, slot: SlotName) -> e.Event:
    """Say where the release will have room: beside the one that runs, or in its place. Raises InstallFailed."""
    size_bytes, inodes = wish.note.installed_size_bytes, wish.note.inodes
    try:
        hands.slots.room(size_bytes, inodes, slot)
    except InstallFailed as error:
        if error.kind != "no_space" or not _allowed(hands, wish, slot.other):
            raise
        assert isinstance(hands.slots, OnlyPlace)  # what announces the ability has such slots
        hands.slots.room_for_one(size_bytes, inodes)
        return e.RoomForOne(slot, slot.other)
    return e.CheckPassed(slot, slot.other)


def vacate(hands: Hands, record: Record) -> e.Event:
    """Stop what runs and empty its slot: no application first, then no mark that calls it good, then no files.

    Under the trial lock, so that nobody starts it in between; the seal is the first file to go.
    """
    assert record.previous is not None  # chosen by preflight
    with hands.trials.lock():
        hands.application.stop()
        hands.boot.set_state(record.previous, SlotState.BAD)
        hands.slots.clear(record.previous)
        hands.boot.set_state(record.previous, SlotState.EMPTY)
    return e.Vacated()


def never_had_one(hands: Hands, record: Record) -> bool:
    """Nothing of ours is committed, says boot control too; what another agent left is ours to go back to."""
    good = any(hands.boot.state(slot) is SlotState.GOOD for slot in SlotName)
    return record.committed is None and (not good or sight.adopted(hands))


def first_install(hands: Hands, record: Record, previous: SlotName) -> bool:
    """The way back leads to a device that runs nothing, as it did before; preflight refused every other empty slot."""
    return record.committed is None and hands.slots.installed(previous) is None


def _allowed(hands: Hands, wish: Wish, previous: SlotName) -> bool:
    old = hands.slots.installed(previous)
    if not wish.recreate or wish.joint is not None or old is None or Ability.RECREATE not in hands.abilities:
        return False
    if old.data is not None and old.counter > wish.note.counter:
        hint = "Make room for two releases, or publish the old one anew with a higher counter."
        message = f"There is no room for two releases, and only {old.version} can lead its data back."
        raise InstallFailed("no_space", message, hint)
    return True
