"""What is shown: every event, the fleet in numbers, and the table of promises last, with or without a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from surefoot_simulators.demo.seen import Finding, SeenDevice, SeenPhase, SeenRollout
from surefoot_simulators.demo.view import LineView, LiveView, open_view, sum_up

FLEET = {
    "cam-01": SeenDevice("cam-01", "rpi5", True, "1.1", "d", "B", "probation"),
    "cam-02": SeenDevice("cam-02", "x86-box", True, "1.0", "d", "A", "idle"),
    "cam-03": SeenDevice("cam-03", "x86-box", False, None, None, None, "idle", "identity_conflict"),
}
ROLLOUT = SeenRollout("r1", "1.1", "running", "", (SeenPhase("canary", "offering", 3, "2 of 3 [wait]"),))


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, height=60)


def text_of(target: Console) -> str:
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


def test_the_fleet_is_summed_up_in_the_words_of_the_api() -> None:
    assert sum_up(FLEET) == "2 online; 1 run 1.0, 1 run 1.1, 1 run nothing; 1 probation"


def test_without_a_terminal_each_thing_is_a_line() -> None:
    target = console(False)
    view = open_view(target)
    view.act(2, 5, "1.1 goes out")
    view.say("cam-01 [switched]")
    view.fleet(FLEET, ROLLOUT)
    view.close()

    assert isinstance(view, LineView)
    assert "act 2 of 5: 1.1 goes out" in text_of(target)
    assert "cam-01 [switched]" in text_of(target)
    assert "rollout of 1.1 running: canary offering" in text_of(target)


def test_an_unchanged_fleet_is_not_repeated_at_once() -> None:
    target = console(False)
    view = LineView(target)

    for _ in range(5):
        view.fleet(FLEET, None)

    assert text_of(target).count("fleet:") == 1


def test_on_a_terminal_the_picture_has_the_act_every_device_and_the_phases() -> None:
    target = console(True)
    view = open_view(target)
    assert isinstance(view, LiveView)
    view.act(2, 5, "1.1 goes out")
    view.fleet(FLEET, ROLLOUT)
    plain = console(False)
    plain.print(view.render())
    view.close()

    picture = text_of(plain)

    assert all(word in picture for word in ("cam-01", "cam-02", "cam-03", "probation", "identity_conflict"))
    assert "rollout of 1.1: running" in picture
    assert "2 of 3 [wait]" in picture
    assert "act 2 of 5: 1.1 goes out" in picture


def test_the_closing_table_says_kept_and_broken_in_words() -> None:
    target = console(False)

    LineView(target).findings([Finding("One", "12 of 12", True), Finding("Two", "none [x]", False)], 12.0)

    assert "kept" in text_of(target)
    assert "BROKEN" in text_of(target)
    assert "none [x]" in text_of(target)


def test_the_live_view_ends_with_the_table_and_its_events_stay_readable() -> None:
    target = console(True)
    view = LiveView(target)
    view.say("cam-01 switched")

    view.findings([Finding("One", "12 of 12", True)], 12.0)

    assert text_of(target).index("cam-01 switched") < text_of(target).rindex("12 of 12")
