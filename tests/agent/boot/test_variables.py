"""The three sets as pure functions; on real media, with their bootloaders, see test_uboot and test_crashes."""

from __future__ import annotations

import pytest

from surefoot_agent.boot.variables import Env, Mender, Names, Rauc, Surefoot, Variables
from surefoot_agent.ports import BootTrial
from surefoot_shared.status import SlotName, SlotState

A, B = SlotName.A, SlotName.B
GOOD, BAD, EMPTY = SlotState.GOOD, SlotState.BAD, SlotState.EMPTY

OWN = {"surefoot_canary": "1", "surefoot_slot": "A"}
RAUC = {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}
MENDER = {"mender_boot_part": "2", "upgrade_available": "0", "bootcount": "0", "bootlimit": "1"}


def after(env: Env, changes: Env) -> dict[str, str]:
    return {name: value for name, value in {**env, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("variables", "env"),
    [
        (Surefoot(), {}),
        (Surefoot(), {"surefoot_slot": "A"}),
        (Surefoot(), {**OWN, "surefoot_slot": "C"}),
        (Rauc(), {}),
        (Rauc(), {"BOOT_ORDER": ""}),
        (Rauc(), {"BOOT_ORDER": "A C"}),
        (Rauc(), OWN),
        (Mender(), {}),
        (Mender(), {"mender_boot_part": "7"}),
        (Mender(), {**MENDER, "mender_check_saveenv_canary": "1"}),
    ],
)
def test_an_environment_that_the_set_did_not_write_is_a_problem(variables: Variables, env: Env) -> None:
    assert variables.problem(env)


@pytest.mark.parametrize(
    ("variables", "env"),
    [
        (Surefoot(), OWN),
        (Rauc(), RAUC),
        (Rauc(), {"BOOT_ORDER": "B"}),
        (Mender(), MENDER),
        (Mender(), {**MENDER, "mender_check_saveenv_canary": "1", "mender_saveenv_canary": "1"}),
    ],
)
def test_an_environment_of_the_set_is_none(variables: Variables, env: Env) -> None:
    assert variables.problem(env) is None


@pytest.mark.parametrize(
    ("more", "primary"),
    [
        ({}, A),
        ({"surefoot_slot": "B"}, B),
        ({"surefoot_try": "B", "surefoot_left": "1"}, B),
        ({"surefoot_try": "B", "surefoot_left": "0"}, A),
        ({"surefoot_try": "B"}, A),
        ({"surefoot_try": "B", "surefoot_left": "junk"}, A),
        ({"surefoot_starts": "8", "surefoot_b": "good"}, B),
        ({"surefoot_starts": "8", "surefoot_b": "bad"}, A),
        ({"surefoot_starts": "8", "surefoot_b": "good", "surefoot_limit": "0"}, A),
        ({"surefoot_starts": "a", "surefoot_b": "good", "surefoot_limit": "b"}, A),
    ],
)
def test_what_the_boot_script_enters_next(more: Env, primary: SlotName) -> None:
    assert Surefoot().primary({**OWN, **more}) is primary


@pytest.mark.parametrize(
    ("more", "primary"),
    [
        ({}, A),
        ({"BOOT_ORDER": "B A"}, B),
        ({"BOOT_A_LEFT": "0"}, B),
        ({"BOOT_ORDER": "B A", "BOOT_B_LEFT": "0", "BOOT_A_LEFT": "0"}, B),
        ({"BOOT_ORDER": "B"}, B),
    ],
)
def test_what_raucs_script_enters_next(more: Env, primary: SlotName) -> None:
    assert Rauc().primary({**RAUC, **more}) is primary


def test_a_count_that_raucs_script_would_fill_in_is_filled_in() -> None:
    assert Rauc().primary({"BOOT_ORDER": "B A"}) is B


@pytest.mark.parametrize(
    ("more", "primary", "left"),
    [
        ({"mender_boot_part": "3", "upgrade_available": "1"}, B, 1),
        ({"mender_boot_part": "3", "upgrade_available": "1", "bootcount": "1"}, A, 0),
        ({"mender_boot_part": "3", "upgrade_available": "1", "bootcount": "9"}, A, 0),
        ({"mender_boot_part": "3", "upgrade_available": "1", "bootlimit": "0"}, B, None),
    ],
)
def test_what_menders_u_boot_enters_next(more: Env, primary: SlotName, left: int | None) -> None:
    env = {**MENDER, **more}

    assert (Mender().primary(env), Mender().trial(env)) == (primary, BootTrial(B, left))


def test_rauc_keeps_a_slot_that_was_marked_bad_out_of_its_order() -> None:
    env = after(RAUC, Rauc().marked(RAUC, B, BAD))

    assert (env["BOOT_ORDER"], env["BOOT_B_LEFT"]) == ("A", "0")


@pytest.mark.parametrize("slot", [A, B])
def test_raucs_order_is_never_emptied_for_an_empty_one_resets_for_ever(slot: SlotName) -> None:
    env: dict[str, str] = dict(RAUC)
    for each in (slot, slot.other, slot):
        env = after(env, Rauc().marked(env, each, BAD))

    assert env["BOOT_ORDER"]
    assert Rauc().primary(env) is A


def test_rauc_arms_with_a_way_back_even_where_none_was_left() -> None:
    env = after({"BOOT_ORDER": "A", "BOOT_A_LEFT": "0"}, Rauc().armed({"BOOT_ORDER": "A", "BOOT_A_LEFT": "0"}, B))

    assert (env["BOOT_ORDER"], env["BOOT_A_LEFT"], env["BOOT_B_LEFT"]) == ("B A", "3", "3")


def test_a_device_that_rauc_updated_last_says_what_rauc_would() -> None:
    env = {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "0", "BOOT_B_LEFT": "3"}

    assert (Rauc().primary(env), Rauc().state(env, A), Rauc().state(env, B)) == (B, BAD, GOOD)


def test_a_device_that_mender_updated_last_says_what_mender_would() -> None:
    env = {**MENDER, "mender_boot_part": "3"}

    assert (Mender().state(env, A), Mender().state(env, B)) == (BAD, GOOD)
    on_trial = {**env, "upgrade_available": "1"}
    assert (Mender().state(on_trial, A), Mender().state(on_trial, B)) == (GOOD, BAD)


def test_mender_gets_both_spellings_of_the_part() -> None:
    changes = Mender(Names("2", "12")).armed(MENDER, B)

    assert (changes["mender_boot_part"], changes["mender_boot_part_hex"]) == ("12", "c")


def test_mender_is_not_said_to_obey_marks() -> None:
    assert [kind.capabilities().obeys_marks for kind in (Surefoot(), Rauc(), Mender())] == [True, True, False]


@pytest.mark.parametrize(("variables", "env"), [(Surefoot(), OWN), (Rauc(), RAUC), (Mender(), MENDER)])
def test_a_mark_that_nobody_wrote_counts_as_bad(variables: Variables, env: Env) -> None:
    assert variables.state({**env, "surefoot_b": "sparkling"}, B) is BAD


@pytest.mark.parametrize(("variables", "env"), [(Surefoot(), OWN), (Rauc(), RAUC), (Mender(), MENDER)])
def test_the_number_of_starts_is_the_one_that_was_set(variables: Variables, env: Env) -> None:
    five = type(variables)(tries=5)  # type: ignore[call-arg]  # each set is a dataclass with it

    armed = after(env, five.armed(env, B))

    assert (five.trial(armed).tries_left, five.capabilities().tries) == (5, 5)


def test_an_empty_mark_takes_a_trial_back_and_a_good_one_does_not() -> None:
    armed = after(OWN, Surefoot().armed(OWN, B))

    assert Surefoot().trial(after(armed, Surefoot().marked(armed, B, EMPTY))).slot is None
    assert Surefoot().trial(after(armed, Surefoot().marked(armed, B, GOOD))).slot is B
