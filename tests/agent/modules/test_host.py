"""Every stock module, unmodified: it fails or its host is killed at every call, and the device has the old or the new.

The programs that modules call (dpkg, rpm, docker) are small stand-ins that remember what they were told to install.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_agent.modules.flow import Order
from surefoot_agent.modules.host import State
from tests.agent.modules.world import STOCK, World, executable

INSTALL = """#!/bin/sh
for last; do :; done
cat "$last" > "$WORLD/seen.part" && mv "$WORLD/seen.part" "$WORLD/seen"
"""
DOCKER = """#!/bin/sh
touch "$WORLD/seen"
case "$1" in
    ps) cat "$WORLD/seen" ;;
    stop) : > "$WORLD/seen" ;;
    run) for last; do :; done; echo "$last" > "$WORLD/seen" ;;
    start) shift; for name; do echo "$name"; done > "$WORLD/seen" ;;
esac
"""
REPORT = '#!/bin/sh\nprintf "%s" {} > "$WORLD/seen"\n'


def packed(text: str) -> str:
    """A tar of one file, as text that write_text keeps byte for byte: ASCII and zeros."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("seen")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    return raw.getvalue().decode("ascii")


def fill(world: World) -> None:
    """Give the old slot A, the new slot B, and the tools that the module calls."""
    for tool in ("dpkg", "rpm"):
        executable(world.bin / tool, INSTALL)
    executable(world.bin / "docker", DOCKER)
    target = str(world.folder / "target")
    for slot, text in (("A", "old"), ("B", "new")):
        files: dict[str, str] = {
            "single-file": {"dest_dir": target, "filename": "seen", "seen": text},
            "directory": {"dest_dir": target, "update.tar": packed(text)},
            "script": {"do.sh": REPORT.format(text)},
            "deb": {"x.deb": text},
            "rpm": {"x.rpm": text},
            "docker": {},
        }[world.kind]
        world.payload(slot, f"release-{text}", files, f'{{"containers": ["{text}"]}}' if world.kind == "docker" else "")


def seen(world: World) -> str:
    places = [world.folder / "target/seen", world.folder / "seen"]
    return next((place.read_text().strip() for place in places if place.exists()), "")


def update(world: World) -> str:
    """As an agent updates: the old one stands, the new one is entered and committed, or the old one entered again."""
    error = world.enter("B") or world.commit("B")
    if error:
        assert world.enter("A", proved=True) == ""
    return error


FORWARD = ["Download", "ArtifactInstall", "NeedsArtifactReboot", "ArtifactCommit", "Cleanup"]
BACK = ["SupportsRollback", "ArtifactRollback", "ArtifactFailure", "Cleanup"]


def faults() -> Iterator[tuple[str, ...]]:
    yield ()
    for kind in ("fail", "kill", "late"):
        yield from ((f"{kind} {state}",) for state in FORWARD)
        yield from (("fail ArtifactCommit", f"{kind} {state}") for state in BACK)


@pytest.mark.slow
@pytest.mark.needs("/usr/share/mender/modules/v3/single-file", "jq")
@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("single-file", Order.V3),
        *((kind, Order.V4) for kind in ("single-file", "directory", "script", "deb", "rpm", "docker")),
    ],
)
def test_a_stock_module_leaves_the_old_or_the_new_whatever_fails_or_dies(
    tmp_path: Path, kind: str, order: Order
) -> None:
    ends = {}
    for number, chosen in enumerate(faults()):
        world = World(tmp_path / str(number), kind, STOCK / kind, order)
        fill(world)
        assert world.enter("A", proved=True) == ""
        world.calls.unlink()
        world.faults(*chosen)
        error = update(world)
        state = world.host().state()
        ends[chosen] = (error, seen(world))
        assert seen(world) == ("old" if error else "new"), (chosen, world.called())
        assert (state.attempt, state.installed) == (None, "A" if error else "B"), chosen
        assert not (world.folder / "state/module/tree").exists()
    assert {end for chosen, end in ends.items() if chosen in [(), ("fail Cleanup",), ("kill Cleanup",)]} == {
        ("", "new")
    }
    assert ends["fail ArtifactInstall",] == ("module_failed", "old")
    print("\n" + "\n".join(f"{kind} {order.value} {' + '.join(c) or 'ok'}: {end}" for c, end in ends.items()))


RESTARTS = """#!/bin/sh
case "$1" in
    NeedsArtifactReboot) echo {} ;;
    SupportsRollback) echo Yes ;;
    ArtifactInstall) cat "$2/files/x" > "$WORLD/next" ;;
    ArtifactReboot|ArtifactRollbackReboot) [ {} = Yes ] && kill -9 $(ps -o ppid= $PPID) ;;
    ArtifactVerifyReboot) cp "$WORLD/next" "$WORLD/seen" ;;
    ArtifactRollback) echo old > "$WORLD/next" ;;
    ArtifactVerifyRollbackReboot) cp "$WORLD/next" "$WORLD/seen" ;;
esac
exit 0
"""


@pytest.fixture
def restarting(tmp_path: Path) -> Callable[[str], World]:
    def make(word: str) -> World:
        program = executable(tmp_path / "own", RESTARTS.format(word, word))
        world = World(tmp_path / "world", "own", program)
        for slot, text in (("A", "old"), ("B", "new")):
            world.payload(slot, text, {"x": text})
        assert world.enter("A", proved=True) == ""
        return world

    return make


@pytest.mark.parametrize("word", ["Yes", "Automatic"])
def test_a_restart_by_the_module_or_by_us_is_gone_through_and_proved_afterwards(
    restarting: Callable[[str], World], word: str
) -> None:
    world = restarting(word)

    assert update(world) == ""
    assert seen(world) == "new"
    assert "ArtifactVerifyReboot" in world.called()


@pytest.mark.parametrize("word", ["Yes", "Automatic"])
def test_going_back_restarts_as_well(restarting: Callable[[str], World], word: str) -> None:
    world = restarting(word)
    world.enter("B")

    assert world.enter("A", proved=True) == ""
    assert seen(world) == "old"
    assert world.called()[-3:] == ["ArtifactVerifyRollbackReboot", "ArtifactFailure", "Cleanup"]
    assert ("ArtifactRollbackReboot" in world.called()) is (word == "Yes")


def test_a_machine_that_was_left_between_two_states_is_restarted_once_before_the_old_payload_is_installed_anew(
    restarting: Callable[[str], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, deaths = restarting("Automatic"), list[int]()
    monkeypatch.setattr(world, "died", lambda: deaths.append(len(world.called())))
    world.faults("fail ArtifactCommit", "fail ArtifactRollback")
    before = len(world.called())

    assert update(world) == "module_failed"

    there, anew = world.called().index("Cleanup", before) + 1, len(world.called())
    assert len(deaths) == 3
    assert deaths[0] < there == deaths[1] < deaths[2] < anew
    assert (seen(world), world.host().state().installed) == ("old", "A")


def test_on_trial_nothing_is_committed_and_the_start_is_a_new_one(restarting: Callable[[str], World]) -> None:
    world = restarting("No")
    entered = world.host().state().entered
    world.enter("B")

    assert world.host().runs() == "B"
    assert world.host().state().installed == "A"
    assert world.host().state().entered == entered + 1
    assert world.called().count("ArtifactCommit") == 1


def test_entering_what_runs_calls_nothing(restarting: Callable[[str], World]) -> None:
    world = restarting("No")
    before = world.called()

    assert world.enter("A", proved=True) == ""
    assert world.called() == before


def test_a_module_that_is_not_there_is_named_and_nothing_is_installed(restarting: Callable[[str], World]) -> None:
    world = restarting("No")
    (world.folder / "modules/own").unlink()

    assert world.enter("B") == "module_failed"
    ended = world.host().state().ended
    assert ended is not None
    assert "own" in ended.reason
    assert world.host().state().installed == "A"


def test_a_payload_that_failed_may_be_tried_again(restarting: Callable[[str], World]) -> None:
    world = restarting("No")
    world.faults("fail ArtifactInstall")
    assert world.enter("B") == "module_failed"
    world.faults()

    assert world.enter("B") == ""
    assert world.host().runs() == "B"


def test_a_device_that_ran_nothing_goes_back_to_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, "own", executable(tmp_path / "own", RESTARTS.format("No", "No")))
    world.payload("B", "new", {"x": "new"})
    world.enter("B")

    world.host().leave()

    assert world.host().state() == State(entered=1, ended=world.host().state().ended)
