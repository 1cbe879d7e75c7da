"""A module that writes whole roots: it fails, or its host or machine dies at each call; the old or the new root runs.

Mender's own `rootfs-image` of client 4 and later is in no Debian package. Where a machine has it, or
SUREFOOT_ROOTFS_IMAGE names it, it goes through the same table, unmodified; else there is ours (`rootfs_image.sh`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.modules.board import Board
from tests.agent.modules.world import STOCK

pytestmark = pytest.mark.needs("fw_printenv", "fw_setenv", "jq")

OWN = Path(__file__).with_name("rootfs_image.sh")
THEIRS = Path(os.environ.get("SUREFOOT_ROOTFS_IMAGE", STOCK / "rootfs-image"))
MODULES = [OWN, *([THEIRS] if THEIRS.exists() else [])]

THERE = [
    "ProvidePayloadFileSizes",
    "DownloadWithFileSizes",
    "ArtifactInstall",
    "NeedsArtifactReboot",
    "ArtifactVerifyReboot",
]
KEPT = ["ArtifactCommit", "Cleanup"]
BACK = [
    "SupportsRollback",
    "ArtifactRollback",
    "NeedsArtifactReboot",
    "ArtifactVerifyRollbackReboot",
    "ArtifactFailure",
    "Cleanup",
]
DEATHS = ("kill", "late", "lost")
"""Of the host before and after the module's work, and of the whole machine after it."""

Fault = tuple[str, ...]


def ends() -> Iterator[tuple[Fault, str]]:
    """Each fault, and which root runs in the end."""
    for kind in ("fail", *DEATHS):
        yield from (((f"{kind} {state}",), "old") for state in [*THERE, "ArtifactCommit"])
        yield ((f"{kind} Cleanup",), "new")
        yield from ((("fail ArtifactCommit", f"{kind} {state}"), "old") for state in BACK)


@pytest.fixture(params=MODULES, ids=lambda path: path.name)
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Board:
    made = Board(tmp_path / "world", request.param, named=request.param is OWN)
    assert made.enter("A", proved=True) == ""
    assert made.runs() == "old"
    made.calls.unlink()
    return made


def update(board: Board) -> str:
    """As an agent updates: the new root is entered and committed, or the old one entered again."""
    error = board.enter("B") or board.commit("B")
    if error:
        assert board.enter("A", proved=True) == ""
    return error


def settled(board: Board) -> tuple[str, str, str]:
    """Which root runs after one more restart, what the environment says of it, and what counts as installed."""
    board.start()
    state = board.host().state()
    assert state.attempt is None
    return board.runs(), board.variables()["upgrade_available"], state.installed


def test_a_root_is_written_entered_by_a_restart_proved_and_committed(board: Board) -> None:
    before = board.variables()["mender_boot_part"]

    assert board.enter("B") == ""
    assert (board.runs(), board.variables()["upgrade_available"], board.host().runs()) == ("new", "1", "B")
    assert board.commit("B") == ""

    assert board.called() == [*THERE, *KEPT]
    assert settled(board) == ("new", "0", "B")
    assert board.root(before) == "old", "the way back is left as it was"


def test_a_verdict_against_it_goes_back_by_the_module_and_a_restart(board: Board) -> None:
    board.enter("B")

    assert board.enter("A", proved=True) == ""

    assert board.called() == [*THERE, *BACK]
    assert settled(board) == ("old", "0", "A")


def test_a_root_that_never_starts_is_left_by_the_bootloader_and_found_out(board: Board) -> None:
    board.never_starts.write_text("new")

    assert update(board) == "module_failed"
    assert settled(board) == ("old", "0", "A")


def test_a_power_cut_on_trial_goes_back_and_what_went_back_is_not_committed(board: Board) -> None:
    board.enter("B")
    board.start()
    assert board.runs() == "old"

    assert board.commit("B") == "module_failed"
    assert board.enter("A", proved=True) == ""
    assert settled(board) == ("old", "0", "A")


def test_an_environment_that_the_bootloader_does_not_write_stops_it_before_anything_is_written(board: Board) -> None:
    without = {name: value for name, value in board.variables().items() if name != "mender_saveenv_canary"}
    board.medium.write(without)
    roots = [board.root(part) for part in "23"]

    assert update(board) == "module_failed"
    assert [board.root(part) for part in "23"] == roots
    assert board.variables() == without


def test_a_root_that_the_environment_does_not_name_stops_it_before_anything_is_written(board: Board) -> None:
    roots = [board.root(part) for part in "23"]
    (board.folder / "booted").write_text("2" if (board.folder / "booted").read_text() == "3" else "3")

    assert board.enter("B") == "module_failed"
    assert [board.root(part) for part in "23"] == roots


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_old_or_the_new_root_runs_whatever_fails_or_dies(board: Board) -> None:
    told = []
    for fault, root in ends():
        board.faults(*fault)
        error = update(board)
        found = settled(board)
        assert found == (root, "0", "A" if root == "old" else "B"), (fault, board.called())
        assert bool(error) is (root == "old"), fault
        assert not (board.folder / "state/module/tree").exists()
        told.append(f"{' + '.join(fault)}: {root} root")
        if root == "new":
            assert board.enter("A", proved=True) == ""
        board.calls.unlink(missing_ok=True)
    print("\n" + "\n".join(told))
