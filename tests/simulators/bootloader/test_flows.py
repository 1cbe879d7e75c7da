from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from surefoot_simulators.bootloader.flows import Flow, mender, rauc, surefoot
from tests.simulators.bootloader.cases import CASES, NAMES

AB = ("A", "B")


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_port_of_the_boot_script_decides_as_the_table_says(case: Mapping[str, object]) -> None:
    found, kernels = case["finds"], case["kernels"]

    start = surefoot(found, kernels)  # type: ignore[arg-type]  # the table's types

    assert (start.entered, start.variables) == (case["enters"], case["leaves"])


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_nothing_is_written_where_nothing_changes(case: Mapping[str, object]) -> None:
    start = surefoot(case["finds"], case["kernels"])  # type: ignore[arg-type]

    assert (start.written == 0) == (start.variables == case["finds"])


def test_two_slots_that_cannot_start_never_take_turns() -> None:
    found: Mapping[str, str] = {"surefoot_slot": "A", "surefoot_a": "good", "surefoot_b": "good", "surefoot_limit": "2"}
    writes = []

    for _ in range(20):
        start = surefoot(found, ())
        found = start.variables
        writes.append(start.written)

    assert sum(writes) == 2
    assert writes[-1] == 0


def play(flow: Flow, env: Mapping[str, str], kernels: Sequence[str], starts: int) -> list[str | None]:
    entered = []
    for _ in range(starts):
        start = flow(env, kernels)
        env = start.variables
        entered.append(start.entered)
    return entered


def test_rauc_counts_every_start_and_fills_up_when_nothing_is_left() -> None:
    env = {"BOOT_ORDER": "B A", "BOOT_B_LEFT": "2", "BOOT_A_LEFT": "1"}

    assert play(rauc, env, AB, 6) == ["B", "B", "A", None, "B", "B"]


def test_rauc_never_enters_what_is_not_in_its_order() -> None:
    assert play(rauc, {"BOOT_ORDER": "A", "BOOT_A_LEFT": "1", "BOOT_B_LEFT": "3"}, AB, 3) == ["A", None, "A"]


def test_mender_counts_only_while_an_upgrade_is_available_and_then_goes_to_the_other_part() -> None:
    env = {"mender_boot_part": "3", "upgrade_available": "1", "bootcount": "0", "bootlimit": "2"}

    assert play(mender, env, ("2", "3"), 4) == ["3", "3", "2", "2"]


def test_mender_without_a_limit_never_goes_back() -> None:
    env = {"mender_boot_part": "3", "upgrade_available": "1", "bootcount": "0", "bootlimit": "0"}

    assert play(mender, env, ("2", "3"), 9) == ["3"] * 9
