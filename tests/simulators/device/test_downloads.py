"""A download takes its time, notices a line that broke, and tries wrong bytes a second time."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import ports
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.messages import Lease, Source
from surefoot_shared.release import digest_of, manifest_bytes
from surefoot_shared.status import SlotName
from surefoot_simulators.device.downloads import SimDownloader
from surefoot_simulators.device.link import Network, SimLink
from surefoot_simulators.world.events import EventQueue
from tests.agent.test_ports import methods
from tests.agent.trees import release
from tests.simulators.device.test_application import Place
from tests.simulators.device.test_link import Broker

B = SlotName.B
FILES = {"run": b"new" * 10, "part": b"p" * 100}
LEASE = Lease("a-1", (Source("https://x/", "t"),), 600.0)


class Line(Place):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.link = SimLink("cam-1", Broker(), EventQueue().later, random.Random(1))
        self.naps: list[float] = []
        self.cut_after = 1000
        self.blobs = {digest_of(content): content for content in FILES.values()}
        self.loader = SimDownloader(self.board, self.link, self.slots, self.blobs, self.nap, lambda size: size * 10_000)
        self.new = release(FILES, "1.1", ("run",))
        self.slots.begin(B, self.new, manifest_bytes(self.new))

    def nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.t += seconds
        if len(self.naps) == self.cut_after:
            self.link.cut()

    def fill(self, lease: Lease = LEASE, stopped: bool = False) -> None:
        wish: ports.Wish = None  # type: ignore[assignment]  # what is to be fetched is in the slot
        self.loader.fill(wish, self.new, B, lease, lambda _done, _total: None, lambda: stopped)


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def test_it_has_every_method_of_its_port() -> None:
    assert methods(ports.Downloader).keys() <= methods(SimDownloader).keys()


def test_it_takes_as_long_as_the_slower_of_line_and_lease_allows(line: Line) -> None:
    line.link.network = Network(rate_bytes_per_s=100_000)
    line.fill()
    slow = sum(line.naps)

    assert slow == pytest.approx(sum(map(len, FILES.values())) * 10_000 / 100_000)
    assert line.loader.fetched_bytes == pytest.approx(sum(map(len, FILES.values())) * 10_000)
    line.slots.seal(B)


def test_a_line_that_breaks_is_told_and_what_came_stays(line: Line) -> None:
    line.cut_after = 2
    with pytest.raises(Unreachable):
        line.fill()
    left = len(line.slots.missing(B))

    line.link.mend()
    line.fill()

    assert left == 1
    line.slots.seal(B)


def test_a_lease_that_ends_and_a_stop_end_it(line: Line) -> None:
    with pytest.raises(Unreachable) as ended:
        line.fill(replace(LEASE, valid_s=0.01))
    with pytest.raises(Unreachable):
        line.fill(stopped=True)

    assert ended.value.kind == "lease_expired"


def test_wrong_bytes_are_fetched_again_and_given_up_after_the_second_source(line: Line) -> None:
    line.loader.corrupt = 1
    line.fill()
    line.slots.seal(B)

    line.slots.begin(B, line.new, manifest_bytes(line.new))
    line.slots.clear(B)
    line.slots.begin(B, line.new, manifest_bytes(line.new))
    line.loader.corrupt = 100
    with pytest.raises(InstallFailed) as caught:
        line.fill()
    assert caught.value.kind == "artifact_corrupt"


def test_bytes_over_a_metered_line_are_counted(line: Line) -> None:
    line.link.network = Network(metered=True)
    line.fill()

    assert line.link.metered_bytes == pytest.approx(line.loader.fetched_bytes)
