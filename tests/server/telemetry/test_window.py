"""Which batches are new, and what may be acknowledged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surefoot_server.telemetry.window import SPAN, Window, take


def test_a_number_is_new_once_in_any_order() -> None:
    window, fresh = take(Window(), [3, 1, 3, 2])
    again, none = take(window, [1, 2, 3])

    assert (fresh, none) == ([3, 1, 2], [])
    assert (window.top, again.acked) == (3, 3)


def test_gaps_are_allowed_because_devices_drop_their_oldest() -> None:
    assert take(Window(), [5, 900])[0].acked == 900


def test_the_past_of_before_windows_were_kept_is_stored() -> None:
    assert take(Window(acked=7, top=7, last=7), [6, 7, 8])[1] == [8]


def test_what_is_far_below_is_a_duplicate() -> None:
    window, _ = take(Window(), [SPAN + 10])

    assert take(window, [9, 11])[1] == [11]


def test_a_cut_holds_the_acknowledgement_until_a_step_back() -> None:
    window, _ = take(Window(), [1])
    window, _ = take(window, [3, 4], cut=True)
    held, _ = take(window, [5])
    anew, fresh = take(held, [2, 3])  # the device's round after its silence

    assert (window.acked, held.acked, anew.acked) == (1, 1, 3)
    assert fresh == [2]


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=8), st.randoms())
def test_nothing_that_was_cut_is_ever_acknowledged(rounds: list[tuple[int, bool]], random: object) -> None:
    """A device sends upwards from what is not acknowledged; each message is stored or cut; it ends with all stored."""
    choose = random.random  # type: ignore[attr-defined]
    window, stored, high = Window(), set[int](), 0
    for more, calm in rounds:
        high += more
        for number in range(window.acked + 1, high + 1):
            cut = not calm and choose() < 0.4
            window, _ = take(window, [] if cut else [number], cut=cut)
            stored |= set() if cut else {number}
            assert set(range(1, window.acked + 1)) <= stored
    for _ in range(3):
        for number in range(window.acked + 1, high + 1):
            window, _ = take(window, [number])
            stored.add(number)
    assert window.acked == high
