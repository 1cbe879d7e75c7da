"""The application as the device runs it: its pages, its freeze, its light load, and its quick and quiet end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from surefoot_simulators.camera.app import run
from surefoot_simulators.camera.settings import Settings, write_settings
from surefoot_simulators.camera.tree import Faults, write_camera_tree


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
        return str(answer.read().decode())


def metric(port: int, name: str) -> float:
    return float(next(li.split()[1] for li in fetch(port, "/metrics").splitlines() if li.split()[0] == name))


def wait_until(true: object, limit_s: float = 20.0) -> None:
    """Ask again and again, until the answer is yes or the limit is over."""
    assert callable(true)
    until_s = time.monotonic() + limit_s
    while True:
        try:
            if true():
                return
        except (OSError, StopIteration):
            pass  # not listening yet
        assert time.monotonic() < until_s, "waited in vain"
        time.sleep(0.05)


@contextmanager
def started(tree: Path, port: int, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run the tree's own script with nothing but a PATH, as a device does."""
    process = subprocess.Popen(
        [str(tree / "bin" / "camera-app")],
        cwd=tree,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SUREFOOT_METRICS_PORT": str(port)}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_runs_in_a_thread_serves_both_pages_and_stops_when_asked(tmp_path: Path) -> None:
    write_settings(tmp_path, Settings("1.1", fps=60.0))
    port, stop = free_port(), threading.Event()
    thread = threading.Thread(target=run, args=(tmp_path, {"SUREFOOT_METRICS_PORT": str(port)}, stop))
    thread.start()

    wait_until(lambda: fetch(port, "/healthz") == "ok\n" and metric(port, "camera_frames_processed_total") > 10)
    stop.set()
    thread.join(5.0)

    assert not thread.is_alive()
    with pytest.raises(urllib.error.URLError):
        fetch(port, "/healthz")


def test_an_unknown_page_is_404_with_a_hint(tmp_path: Path) -> None:
    write_settings(tmp_path, Settings("1.1", fps=60.0))
    port, stop = free_port(), threading.Event()
    thread = threading.Thread(target=run, args=(tmp_path, {"SUREFOOT_METRICS_PORT": str(port)}, stop))
    thread.start()
    wait_until(lambda: fetch(port, "/healthz"))

    with pytest.raises(urllib.error.HTTPError) as error:
        fetch(port, "/")
    stop.set()
    thread.join(5.0)

    assert error.value.code == 404
    assert b"/metrics" in error.value.read()


def test_a_taken_port_is_refused_before_any_frame(tmp_path: Path) -> None:
    write_settings(tmp_path, Settings("1.1"))
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()

        with pytest.raises(OSError):
            run(tmp_path, {"SUREFOOT_METRICS_PORT": str(holder.getsockname()[1])}, threading.Event())


@pytest.mark.slow
def test_a_release_tree_runs_at_its_rate_and_ends_within_a_second_of_sigterm(tmp_path: Path) -> None:
    write_camera_tree(tmp_path / "tree", "1.1")
    port = free_port()
    with started(tmp_path / "tree", port, SUREFOOT_HW="rpi5") as process:
        wait_until(lambda: metric(port, "camera_frames_processed_total") >= 40)
        fps = metric(port, "camera_fps")
        process.terminate()
        out, err = process.communicate(timeout=1.0)

    assert 9.0 <= fps <= 11.0
    assert (process.returncode, err) == (0, "")
    assert "camera-app 1.1 on rpi5" in out


@pytest.mark.slow
def test_it_leaves_its_slot_as_it_found_it(tmp_path: Path) -> None:
    write_camera_tree(tmp_path / "tree", "1.1")
    before = sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "tree").rglob("*"))
    port = free_port()
    with started(tmp_path / "tree", port):
        wait_until(lambda: fetch(port, "/healthz") == "ok\n")

    assert sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "tree").rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize(("hw", "freezes"), [("rpi5", True), ("jetson-orin", False)])
def test_the_faulty_release_freezes_on_its_hardware_only_and_looks_alive_otherwise(
    tmp_path: Path, hw: str, freezes: bool
) -> None:
    write_camera_tree(tmp_path / "tree", "1.2", Faults(freeze_after_s=2.0, freeze_on_hw="rpi5"))
    port = free_port()
    with started(tmp_path / "tree", port, SUREFOOT_HW=hw):
        wait_until(lambda: metric(port, "camera_frames_processed_total") >= 45)
        frozen, fps, age_s = (
            metric(port, n) for n in ("camera_frozen_frames_total", "camera_fps", "camera_frame_age_s")
        )

    assert (frozen > 15) is freezes
    assert fps > 8.0
    assert age_s < 0.5


@pytest.mark.slow
def test_it_sleeps_between_frames(tmp_path: Path) -> None:
    write_camera_tree(tmp_path / "tree", "1.1")
    port = free_port()
    with started(tmp_path / "tree", port) as process:
        wait_until(lambda: metric(port, "camera_frames_processed_total") >= 40)
        before = cpu_s(process.pid), metric(port, "camera_frames_processed_total")
        wait_until(lambda: metric(port, "camera_frames_processed_total") >= before[1] + 60)
        frames = metric(port, "camera_frames_processed_total") - before[1]
        used_s = cpu_s(process.pid) - before[0]

    assert used_s / (frames / 10.0) < 0.5  # 1 % of a quiet core; one that never sleeps takes a whole one


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_a_broken_setting_ends_the_start_with_one_line(tmp_path: Path) -> None:
    write_camera_tree(tmp_path / "tree", "1.1")
    (tmp_path / "tree" / "settings.json").write_text('{"version": "1.1", "fsp": 10}')
    with started(tmp_path / "tree", free_port()) as process:
        _, err = process.communicate(timeout=20)

    assert process.returncode == 2
    assert err == "camera-app cannot start: ValueError: settings.json: unknown key fsp\n"


def with_streams(folder: Path, streams: int, **faults: float) -> Path:
    write_camera_tree(folder, "1.1", Faults(**faults), streams)  # type: ignore[arg-type]  # whole numbers where due
    return folder


@pytest.mark.slow
def test_one_dead_camera_of_three_shows_no_frames_and_the_others_do(tmp_path: Path) -> None:
    tree, port = with_streams(tmp_path / "tree", 3, dead_stream=1), free_port()

    with started(tree, port):
        wait_until(lambda: metric(port, 'camera_frames_processed_total{stream="2"}') > 2)
        wait_until(lambda: metric(port, 'camera_frames_processed_total{stream="0"}') > 2)
        dead = metric(port, 'camera_fps{stream="1"}')

    assert dead == 0


@pytest.mark.slow
def test_a_camera_that_goes_black_counts_its_black_frames(tmp_path: Path) -> None:
    tree, port = with_streams(tmp_path / "tree", 1, black_after_s=0.1), free_port()

    with started(tree, port):
        wait_until(lambda: metric(port, "camera_black_frames_total") > 1)
        assert metric(port, "camera_black_frames_total") < metric(port, "camera_frames_processed_total")


def post(port: int, path: str) -> int:
    question = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=b"", method="POST")
    with urllib.request.urlopen(question, timeout=2) as answer:
        return int(answer.status)


@pytest.mark.slow
def test_a_pipeline_that_was_stopped_and_started_goes_on_delivering(tmp_path: Path) -> None:
    tree, port = with_streams(tmp_path / "tree", 1), free_port()

    with started(tree, port):
        wait_until(lambda: metric(port, "camera_frames_processed_total") > 0)
        assert post(port, "/restart") == 202
        wait_until(lambda: metric(port, "camera_restarts_total") == 1)
        frames = metric(port, "camera_frames_processed_total")
        wait_until(lambda: metric(port, "camera_frames_processed_total") > frames)
        assert metric(port, "camera_black_frames_total") == 0


@pytest.mark.slow
def test_a_driver_that_survives_no_restart_delivers_nothing_afterwards(tmp_path: Path) -> None:
    tree, port = with_streams(tmp_path / "tree", 1, restarts_survived=0), free_port()

    with started(tree, port):
        wait_until(lambda: metric(port, "camera_frames_processed_total") > 0)
        post(port, "/restart")
        wait_until(lambda: metric(port, "camera_restarts_total") == 1)
        wait_until(lambda: metric(port, "camera_fps") == 0)
