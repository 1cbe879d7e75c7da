"""A shadow on a simulated device: the agent's own control decides, what it sees and takes is played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_agent.comparison import Over, Start
from surefoot_agent.shadow import Shadow
from surefoot_shared.errors import InstallFailed
from surefoot_shared.messages import ShadowTerms
from surefoot_shared.release import Manifest, Probation, digest_of, manifest_bytes
from surefoot_shared.status import SlotName
from surefoot_simulators.device.application import Process
from surefoot_simulators.device.board import Board
from surefoot_simulators.device.boot import Kind, make_boot
from surefoot_simulators.device.conduct import GOOD, Conduct, Scenery
from surefoot_simulators.device.pair import SimPair
from surefoot_simulators.device.slots import SimSlots
from tests.agent.trees import release

FILES = {"run": b"#!/bin/sh\n"}
KEY = ("a-1", 1)
TERMS = ShadowTerms(for_s=60, min_fps_permille=900, min_memory_permille=100)


class Bench:
    """1.0 lives in A, 1.1 is staged in B and behaves as given."""

    def __init__(self, folder: Path, conduct: Conduct = GOOD) -> None:
        self.now = 0.0
        board = Board("cam-1", lambda: self.now, datetime(2030, 1, 1, tzinfo=timezone.utc))
        slots = SimSlots(folder, board)
        self.manifests = {slot: self._fill(slots, slot, v) for slot, v in ((SlotName.A, "1.0"), (SlotName.B, "1.1"))}
        boot = make_boot(Kind.LINK, folder, board)
        boot.commit(SlotName.A)
        of = lambda version: conduct if version == "1.1" else GOOD  # noqa: E731
        self.live = Process(board, slots, boot, of)
        self.live.start(SlotName.A, self.manifests[SlotName.A])
        self.pair = SimPair(board, self.live, of, self._figures)
        self.shadow = Shadow(folder, slots, self.pair, board.monotonic)

    def _figures(self, conduct: Conduct, up_s: float) -> Mapping[str, float]:
        return Scenery(1).figures("cam-1", "hue", conduct, self.now, up_s)

    def _fill(self, slots: SimSlots, slot: SlotName, version: str) -> Manifest:
        manifest = replace(release(FILES, version, ("run",), ("run",)), probation=Probation(20.0, 2, 4.0))
        slots.begin(slot, manifest, manifest_bytes(manifest))
        contents = {digest_of(content): content for content in FILES.values()}
        for piece in slots.missing(slot):
            slots.write(slot, piece, lambda offset, content=contents[piece.sha256]: [content[offset:]])  # type: ignore[misc]
        slots.seal(slot)
        return manifest

    def over(self) -> Over:
        """Look each two seconds until it is over."""
        for _ in range(200):
            self.now += 2.0
            said = self.shadow.step(KEY, TERMS, SlotName.B, self.manifests[SlotName.B])
            if isinstance(said, Over):
                return said
        raise AssertionError("it never ended")

    def told(self) -> Mapping[str, float]:
        return {sample.name: sample.value for sample in self.shadow.samples("now", "app")}


def test_a_good_release_agrees_costs_nothing_and_ends_at_its_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    over, told = bench.over(), bench.told()

    assert over.reason is None
    assert told["shadow_agreement_ratio"] == pytest.approx(1.0)
    assert told["shadow_latency_ratio"] == pytest.approx(1.0)
    assert told["shadow_fps_cost_ratio"] < 0.05
    assert not bench.pair.alive()
    assert bench.live.version() == "1.0"


def test_what_it_counts_and_how_slow_it_is_shows_in_the_comparison(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Conduct(counts_ratio=0.75, latency_ratio=1.6, live_fps_ratio=0.95))

    assert bench.over().reason is None
    told = bench.told()

    assert told["shadow_agreement_ratio"] == pytest.approx(0.75, abs=0.01)
    assert told["shadow_latency_ratio"] == pytest.approx(1.6, abs=0.01)
    assert 0.0 < told["shadow_fps_cost_ratio"] < 0.1


@pytest.mark.parametrize(
    ("conduct", "reason"),
    [
        (Conduct(live_fps_ratio=0.5), "shadow_harmed"),
        (Conduct(memory_bytes_per_h=400e9), "shadow_harmed"),
        (Conduct(crash_after_s=30.0), "shadow_died"),
    ],
)
def test_one_that_harms_or_dies_is_ended_and_the_live_one_has_its_frames_again(
    tmp_path: Path, conduct: Conduct, reason: str
) -> None:
    bench = Bench(tmp_path, conduct)

    assert bench.over().reason == reason
    assert not bench.pair.alive()
    assert bench.pair.measured()["camera_fps"] == bench._figures(GOOD, bench.live.uptime_s())["camera_fps"]


def test_one_that_does_not_start_is_said_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Conduct(starts=False))

    with pytest.raises(InstallFailed, match=r"1\.1 does not start"):
        bench.over()


def test_a_shadow_takes_from_the_live_one_only_while_it_runs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Conduct(live_fps_ratio=0.5, live_latency_ratio=2.0))
    before = bench.pair.measured()

    bench.pair.start(SlotName.B, bench.manifests[SlotName.B])
    during = bench.pair.measured()
    bench.pair.stop()

    assert during["camera_fps"] == before["camera_fps"] / 2
    assert during["inference_p95_s"] == before["inference_p95_s"] * 2
    assert bench.pair.measured() == before
    assert bench.pair.shadow() == (None, {})


def test_the_first_look_at_a_live_one_that_is_known_starts_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    said = None
    while not isinstance(said, Start):
        bench.now += 2.0
        assert not bench.pair.alive()
        said = bench.shadow.step(KEY, TERMS, SlotName.B, bench.manifests[SlotName.B])

    assert bench.pair.alive()
