"""Payload pipes: every way in which a module may read them, or leave them, ends soon and with the right word."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from surefoot_agent.modules.streams import Abandoned, Feed

READ_ALL = """
while true; do
    line=$(cat stream-next); [ -n "$line" ] || exit 0
    echo "$line" >> lines; file=${line%% *}; cat "$file" > "got-$(basename "$file")"
done
"""
SOON_S = 20.0
"""Far less than the minutes for which a host may hang that waits in the open of a pipe."""


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    tree, files = tmp_path / "tree", tmp_path / "files"
    (tree / "streams").mkdir(parents=True)
    files.mkdir()
    (files / "large").write_bytes(bytes(range(256)) * 8192)
    (files / "empty").write_bytes(b"")
    return Feed(tree, {"large": files / "large", "empty": files / "empty"})


def serve(feed: Feed, script: str, within_s: float = 60.0, ahead: bool = False) -> tuple[bool, int]:
    """Return whether the module read anything, and its exit code."""
    feed.prepare(ahead)
    process = subprocess.Popen(["sh", "-c", script], cwd=feed.tree)
    try:
        return feed.serve(process, time.monotonic() + within_s), process.wait(SOON_S)
    finally:
        process.kill()
        process.wait()
        feed.remove()


@pytest.mark.parametrize("ahead", [False, True])
def test_a_module_that_reads_gets_every_byte_of_every_file_in_order(feed: Feed, ahead: bool) -> None:
    assert serve(feed, READ_ALL, ahead=ahead) == (True, 0)
    for name, source in feed.sources.items():
        assert (feed.tree / f"got-{name}").read_bytes() == source.read_bytes()
    assert (feed.tree / "lines").read_text().splitlines() == ["streams/large", "streams/empty"]
    assert list((feed.tree / "streams").iterdir()) == []


def test_with_sizes_each_line_says_how_large_the_file_is(feed: Feed) -> None:
    sized = Feed(feed.tree, feed.sources, sized=True)

    assert serve(sized, READ_ALL) == (True, 0)
    assert (feed.tree / "lines").read_text().splitlines() == ["streams/large 2097152", "streams/empty 0"]


@pytest.mark.parametrize("script", ["exit 0", "exit 1", "sleep 0.2; exit 1"])
def test_a_module_that_never_opens_a_pipe_is_not_waited_for(feed: Feed, script: str) -> None:
    for _ in range(20 if script == "exit 1" else 1):
        began = time.monotonic()
        read, _ = serve(feed, script)
        assert not read
        assert time.monotonic() - began < SOON_S


@pytest.mark.parametrize(
    "script",
    [
        "cat stream-next >/dev/null; exit 1",
        "cat stream-next >/dev/null; head -c 10 streams/large >/dev/null; exit 0",
        "cat stream-next >/dev/null; cat streams/large >/dev/null; exit 0",
        "cat stream-next >/dev/null; exec 3< streams/large; kill -9 $$",
    ],
)
def test_a_module_that_ends_or_stops_reading_halfway_is_an_error_at_once(feed: Feed, script: str) -> None:
    began = time.monotonic()

    with pytest.raises(Abandoned):
        serve(feed, script)
    assert time.monotonic() - began < SOON_S


def test_a_module_that_opens_a_pipe_and_reads_nothing_is_given_up_at_its_time(feed: Feed) -> None:
    with pytest.raises(Abandoned):
        serve(feed, "cat stream-next >/dev/null; exec 3< streams/large; sleep 60", within_s=0.5)
