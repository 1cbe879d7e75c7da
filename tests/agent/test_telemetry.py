from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_agent.application import Application
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.telemetry import LIMIT_SAMPLES, NAME_LIMIT, NodeTelemetry
from surefoot_shared.messages import Sample
from surefoot_shared.metrics import METRICS
from surefoot_shared.status import SlotName
from tests.agent.apps import SERVING, until
from tests.agent.trees import install, release

METRICS_TEXT = """camera_fps 9.5
counts_total{direction="in"} 3
counts_total{direction="out"} 4
build_info{version="1"} 1
latency_bucket{le="1"} 5
broken NaN
"""


class Node:
    def __init__(self, root: Path) -> None:
        self.folder, self.now = root / "app", 0.0
        self.slots = DirectorySlots(self.folder)
        SymlinkBoot(self.folder)
        self.application = Application(self.folder, self.slots)
        self.telemetry = NodeTelemetry(root, self.application, root / "extra.prom", clock=lambda: self.now)

    def start(self, page: str = METRICS_TEXT) -> None:
        (self.folder / "data" / "metrics").write_text(page)
        files = {"bin/app": SERVING}
        manifest = release(files, "1.0", ["bin/app"], ("bin/app",))
        install(self.slots, SlotName.A, manifest, files)
        self.application.start(SlotName.A, manifest)
        until(lambda: "serving" in self.application.log_tail(), "the application to serve")

    def sample(self) -> Sequence[Sample]:
        return self.telemetry.sample("app", "d" * 64, SlotName.A)


def values(samples: Sequence[Sample]) -> Mapping[str, float]:
    return {s.name: s.value for s in samples}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.application.stop()


def test_without_an_application_node_and_agent_are_measured(node: Node) -> None:
    found = values(node.sample())

    assert {
        "node_memory_available_bytes",
        "node_disk_free_bytes",
        "node_uptime_s",
        "agent_memory_bytes",
    } <= found.keys()
    assert found.keys() <= METRICS.keys()
    assert all(value > 0 for value in found.values())


def test_every_sample_is_marked_with_a_utc_time(node: Node) -> None:
    at = datetime.fromisoformat(node.sample()[0].at)

    assert at.utcoffset() is not None
    assert abs((datetime.now(timezone.utc) - at).total_seconds()) < 60


def test_rates_begin_with_the_second_call(node: Node) -> None:
    first = values(node.sample())
    sum(n * n for n in range(2_000_000))
    node.now = 10.0

    second = values(node.sample())

    assert "agent_cpu_ratio" not in first
    assert 0 < second["agent_cpu_ratio"] < 1
    assert 0 <= second.get("node_cpu_ratio", 0.5) <= 1


@pytest.mark.slow
def test_the_applications_samples_carry_its_release_and_slot_and_the_nodes_do_not(node: Node) -> None:
    node.start()

    samples = node.sample()

    of_release = {s.name for s in samples if (s.component, s.digest, s.slot) == ("app", "d" * 64, SlotName.A)}
    of_node = {s.name for s in samples if (s.component, s.digest, s.slot) == (None, None, None)}
    assert {"camera_fps", "memory_bytes"} <= of_release
    assert of_node == {s.name for s in samples if s.name.startswith(("node_", "agent_", "soc_"))}


@pytest.mark.slow
def test_series_of_one_name_carry_their_labels_and_buckets_are_left_out(node: Node) -> None:
    node.start()

    found = values(node.sample())

    assert found["camera_fps"] == 9.5
    assert (found["counts_total{direction=in}"], found["counts_total{direction=out}"]) == (3.0, 4.0)
    assert found["build_info"] == 1.0
    assert "latency_bucket" not in str(found)
    assert "broken" not in found


@pytest.mark.slow
def test_a_chatty_application_is_cut_to_the_limit(node: Node) -> None:
    node.start("".join(f'chatty{{n="{n:0300d}"}} {n}\n' for n in range(1000)) + "camera_fps 1\n")

    samples = [s for s in node.sample() if s.component == "app"]

    assert len(samples) <= LIMIT_SAMPLES + 2
    assert max(len(s.name) for s in samples) <= NAME_LIMIT


@pytest.mark.slow
def test_a_restarted_application_gives_no_rate_across_the_restart(node: Node) -> None:
    node.start()
    node.sample()
    node.now = 1.0
    before = values(node.sample())
    node.start()
    node.now = 2.0

    assert "cpu_ratio" in before
    assert "cpu_ratio" not in values(node.sample())


@pytest.mark.slow
def test_an_endpoint_that_does_not_answer_costs_only_its_own_samples(node: Node) -> None:
    node.start()
    node.application.metrics_port = 1

    found = values(node.sample())

    assert "camera_fps" not in found
    assert "memory_bytes" in found


def test_a_text_file_serves_applications_without_an_endpoint(node: Node, tmp_path: Path) -> None:
    (tmp_path / "extra.prom").write_text("camera_fps 7\n")

    assert values(node.sample())["camera_fps"] == 7.0


def test_the_agent_is_not_counted_by_threads(node: Node) -> None:
    leave = threading.Event()
    threads = [threading.Thread(target=leave.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    found = values(node.sample())
    leave.set()

    assert found["agent_memory_bytes"] < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.slow
def test_what_the_kernel_measures_outweighs_what_the_application_claims(node: Node) -> None:
    node.start("memory_bytes 1\n")

    assert values(node.sample())["memory_bytes"] > 1_000_000
