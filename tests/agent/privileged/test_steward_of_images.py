"""An agent that was fully taken over sits at the other end of the line of a board with image slots."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from unittest import mock

import pytest

from surefoot_agent.privileged import steward
from surefoot_agent.privileged.talk import Gone, Request, Verb, Wire
from surefoot_agent.trial import Verdict
from surefoot_shared import wire
from surefoot_shared.errors import Conflict, InstallFailed, SurefootError, UntrustedRelease
from surefoot_shared.image import IMAGE_LIMIT_BYTES
from surefoot_shared.status import SlotName, SlotState
from tests.agent.images import BLOCK, fill
from tests.agent.privileged.image_rig import ImageRig

A, B = SlotName.A, SlotName.B
CONTENT = b"".join(bytes([number + 10]) * BLOCK for number in range(8))


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(SurefootError) as caught:
        act()
    return caught.value.kind


def test_an_update_of_the_root_goes_through_and_raises_the_floors(board: ImageRig) -> None:
    made = board.publish(CONTENT, "1.1", 101)
    board.prepare(made)
    board.arm()
    board.enter(B)
    boot, slots, trials, root = board.proxies()

    with trials.lock():
        boot.commit(B)
        trials.decide("a-1", 1, Verdict.HEALTHY)

    running = root.running()
    assert running is not None
    assert running.slot is B
    assert (boot.current(), boot.state(B), slots.digest(B)) == (B, SlotState.GOOD, made.digest)
    assert board.devices[B].read_bytes()[: len(CONTENT)] == CONTENT
    assert board.vault.floors().counter == {"app": 101}


def test_a_root_that_is_not_healthy_is_left_by_a_restart(board: ImageRig) -> None:
    board.prepare(board.publish(CONTENT, "1.1", 101))
    board.arm()
    board.enter(B)
    boot, _, trials, _ = board.proxies()

    with trials.lock():
        trials.decide("a-1", 1, Verdict.UNHEALTHY, "health_failed")
        boot.set_primary(A)
        boot.set_state(B, SlotState.BAD)
    board.enter(A)
    with trials.lock():
        trials.finish("a-1", 1)

    assert (board.boot.current(), board.boot.state(A), board.boot.state(B)) == (A, SlotState.GOOD, SlotState.BAD)


def test_the_slot_is_marked_bad_before_its_first_byte_whatever_the_agent_leaves_out(board: ImageRig) -> None:
    board.boot.set_state(B, SlotState.GOOD)
    made = board.publish(CONTENT, "1.1", 101)

    board.proxies()[1].begin(B, made.manifest, made.raw)

    assert board.boot.state(B) is SlotState.BAD
    assert board.devices[B].read_bytes()[:BLOCK] == bytes(BLOCK)


def test_an_image_that_nobody_signed_is_not_written(board: ImageRig) -> None:
    made = board.unsigned(CONTENT, "6.6", 666)
    before = board.devices[B].read_bytes()

    with pytest.raises(UntrustedRelease) as caught:
        board.prepare(made)

    assert (caught.value.kind, board.devices[B].read_bytes()) == ("not_released", before)


def test_the_running_root_is_neither_written_nor_emptied_nor_marked(board: ImageRig) -> None:
    made, before = board.publish(CONTENT, "1.1", 101), board.devices[A].read_bytes()
    boot, slots, _, _ = board.proxies()

    kinds = {
        refused(act)
        for act in (
            lambda: slots.begin(A, made.manifest, made.raw),
            lambda: slots.clear(A),
            lambda: slots.seal(A),
            lambda: boot.set_state(A, SlotState.BAD),
        )
    }

    assert kinds == {"conflict"}
    assert (board.devices[A].read_bytes(), board.slots.digest(A)) == (before, board.old.digest)


@pytest.mark.parametrize("lie", [b"\0", b"junk" * BLOCK, bytes(64 * BLOCK)])
def test_bytes_other_than_the_signed_ones_never_reach_the_device(board: ImageRig, lie: bytes) -> None:
    made = board.publish(CONTENT, "1.1", 101)
    slots = board.proxies()[1]
    slots.begin(B, made.manifest, made.raw)
    wiped = board.devices[B].read_bytes()

    for piece in slots.missing(B):
        with pytest.raises(SurefootError):
            slots.write(B, piece, lambda offset: [lie])

    assert board.devices[B].read_bytes() == wiped
    assert refused(lambda: slots.seal(B)) == "slot_corrupt"
    assert refused(board.arm) == "conflict"


def test_no_piece_leads_out_of_the_image_or_onto_the_other_slot(board: ImageRig) -> None:
    """A request names a chunk of the signed index; where it lies is the index's word, never the agent's."""
    made = board.publish(CONTENT, "1.1", 101)
    slots = board.proxies()[1]
    slots.begin(B, made.manifest, made.raw)
    piece, before = slots.missing(B)[0], {slot: path.read_bytes() for slot, path in board.devices.items()}
    plain = wire.to_json(Request(Verb.WRITE, "app", slot=B, piece=piece))
    assert isinstance(plain, dict)

    for chunk in (-1, 1 << 20):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(board.path))
            line = Wire(connection)
            line.send(wire.encode({**plain, "piece": {**plain["piece"], "chunk": chunk}}))  # type: ignore[dict-item]
            with suppress(Gone, OSError):  # hung up on, or answered
                line.send(b"x" * BLOCK)
                line.send(b"")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass

    assert {slot: path.read_bytes() for slot, path in board.devices.items()} == before


def test_an_image_that_was_only_half_written_is_on_no_trial(board: ImageRig) -> None:
    made = board.publish(CONTENT, "1.1", 101)
    slots = board.proxies()[1]
    slots.begin(B, made.manifest, made.raw)
    first, *_ = slots.missing(B)
    slots.write(B, first, lambda offset: made.source(first, offset))

    assert refused(board.arm) == "conflict"
    assert board.boot.primary() is A


def test_a_slot_that_does_not_read_back_is_not_armed(board: ImageRig) -> None:
    made = board.publish(CONTENT, "1.1", 101)
    slots = board.proxies()[1]
    fill(slots, B, made)
    with board.devices[B].open("r+b") as device:
        device.seek(3 * BLOCK)
        device.write(b"rot")

    assert refused(lambda: slots.seal(B)) == "slot_corrupt"
    assert refused(board.arm) == "conflict"


def test_what_is_armed_is_not_written_any_more(board: ImageRig) -> None:
    made, other = board.publish(CONTENT, "1.1", 101), board.publish(CONTENT[::-1], "1.2", 102)
    board.prepare(made)
    board.arm()
    slots, before = board.proxies()[1], board.devices[B].read_bytes()
    piece = board.slots.missing(B)[0] if board.slots.installed(B) is None else None

    assert refused(lambda: slots.begin(B, other.manifest, other.raw)) == "conflict"
    assert refused(lambda: slots.clear(B)) == "conflict"
    assert piece is None  # it is whole, so there is none that could be written
    assert board.devices[B].read_bytes() == before


@pytest.mark.parametrize("verdict", [Verdict.HEALTHY, Verdict.UNHEALTHY])
def test_a_verdict_alone_does_not_open_the_way_back_for_writing(board: ImageRig, verdict: Verdict) -> None:
    """The bootloader still counts the starts of what it tries, and goes to the other root by itself."""
    other = board.publish(CONTENT[::-1], "1.2", 102)
    board.prepare(board.publish(CONTENT, "1.1", 101))
    board.arm()
    board.enter(B)
    boot, slots, trials, _ = board.proxies()
    trials.decide("a-1", 1, verdict)
    trials.finish("a-1", 1)

    for act in (
        lambda: slots.begin(A, other.manifest, other.raw),
        lambda: slots.clear(A),
        lambda: boot.set_state(A, SlotState.BAD),
    ):
        assert refused(act) == "conflict"

    assert (board.slots.digest(A), board.boot.state(A)) == (board.old.digest, SlotState.GOOD)
    for _ in range(3):
        board.boot.restart()
    assert board.boot.current() is A


def test_a_root_that_was_half_written_is_not_entered_as_the_way_back_of_an_old_trial(board: ImageRig) -> None:
    other = board.publish(CONTENT[::-1], "1.2", 102)
    board.prepare(board.publish(CONTENT, "1.1", 101))
    board.arm()
    board.enter(B)
    boot, slots, trials, root = board.proxies()
    boot.set_primary(B)
    trials.decide("a-1", 1, Verdict.UNHEALTHY)
    trials.finish("a-1", 1)
    slots.begin(A, other.manifest, other.raw)

    assert refused(lambda: boot.set_primary(A)) == "conflict"
    assert refused(lambda: boot.set_state(A, SlotState.GOOD)) == "conflict"
    assert refused(lambda: root.start(A, None)) == "conflict"
    assert (board.boot.primary(), board.boot.state(A)) == (B, SlotState.BAD)


def test_a_slot_that_is_emptied_is_not_called_good_any_more(board: ImageRig) -> None:
    board.prepare(board.publish(CONTENT, "1.1", 101))
    board.boot.set_state(B, SlotState.GOOD)

    board.proxies()[1].clear(B)

    assert board.boot.state(B) is SlotState.BAD


def test_no_slot_is_called_good_while_it_is_being_written(board: ImageRig) -> None:
    """A slot that holds a whole release until the first byte changes would pass as what it was."""
    made, other = board.publish(CONTENT, "1.1", 101), board.publish(CONTENT[::-1], "1.2", 102)
    board.prepare(made)
    board.arm()
    board.enter(B)
    boot, slots, trials, _ = board.proxies()
    boot.commit(B)
    trials.decide("a-1", 1, Verdict.HEALTHY)
    boot.set_primary(A)
    board.enter(A)
    marked = list[str]()
    compare = board.slots._found

    def meanwhile(*given: object) -> object:
        asking = threading.Thread(target=lambda: marked.append(refused(lambda: boot.set_state(B, SlotState.GOOD))))
        asking.start()
        asking.join()
        return compare(*given)  # type: ignore[arg-type]

    with mock.patch.object(steward, "WRITER_S", 0.1), mock.patch.object(board.slots, "_found", meanwhile):
        slots.begin(B, other.manifest, other.raw)

    assert marked == ["busy"]
    assert (board.boot.state(B), board.slots.digest(B)) == (SlotState.BAD, None)


def test_the_machine_is_not_restarted_for_nothing(board: ImageRig) -> None:
    board.prepare(board.publish(CONTENT, "1.1", 101))
    root = board.proxies()[3]

    for slot in SlotName:
        with pytest.raises(Conflict):
            root.start(slot, None)

    assert board.restarts == []


def test_the_way_back_of_a_root_is_the_helpers_word(board: ImageRig) -> None:
    board.prepare(board.publish(CONTENT, "1.1", 101))
    _, _, trials, _ = board.proxies()

    held = trials.arm(board.trial())

    assert (held.machine, held.previous, held.starts, held.fallback) == (True, "A", 0, None)
    assert held.restart
    assert held.armed_boot_id != "mine"


def test_a_trial_that_is_armed_again_after_a_death_keeps_its_switch(board: ImageRig) -> None:
    board.prepare(board.publish(CONTENT, "1.1", 101))
    boot, _, trials, _ = board.proxies()

    for _ in range(2):
        with trials.lock():
            trials.arm(board.trial())
            boot.set_state(B, SlotState.BAD)
            boot.arm_trial(B)

    assert (boot.primary(), boot.current(), boot.state(B)) == (B, A, SlotState.BAD)


def test_a_committed_root_gives_its_sign_of_life_though_a_floor_rose_above_it(board: ImageRig) -> None:
    board.slots.clear(A)  # as of a slot that another agent filled

    board.proxies()[0].commit(A)

    assert board.boot.commits[-1] is A


def test_whether_a_release_fits_is_asked_and_changes_nothing(board: ImageRig) -> None:
    slots = board.proxies()[1]

    assert refused(lambda: slots.room(IMAGE_LIMIT_BYTES, 1, B)) == "no_space"
    slots.room(BLOCK, 1, B)

    assert board.boot.state(B) is SlotState.EMPTY


def test_folders_are_not_read_by_the_verb_for_images(board: ImageRig) -> None:
    with pytest.raises(InstallFailed):
        board.line.ask(Verb.READ, slot=B, begin=0, size_bytes=10)
