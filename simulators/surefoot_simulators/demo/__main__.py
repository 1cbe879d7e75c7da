"""`python -m surefoot_simulators.demo`: play the story, show it, print what was promised and what was seen.

Exit code 0 only if every promise was seen; 1 where one was broken; 130 on interrupt. All processes are ended and,
unless `--keep` names a folder, all files removed. `--stay` leaves server and fleet running until Ctrl-C and says where
they are.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from surefoot_simulators.demo.server import CommandFailed
from surefoot_simulators.demo.story import Story, kept
from surefoot_simulators.demo.view import View, open_view


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m surefoot_simulators.demo",
        description="Update twelve real agents on this machine, with mishaps, and check every promise.",
        epilog="Example: make demo STAY=1",
    )
    parser.add_argument("--stay", action="store_true", help="keep server and fleet running until Ctrl-C")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in DIR, which must be empty, and keep it")
    given = parser.parse_args(arguments)
    # SIGTERM, and a terminal that goes away, end it the way Ctrl-C does: by way of every `finally`.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # SIGINT too: a shell's background job ignores it
        signal.signal(number, signal.default_int_handler)
    console = Console()
    try:
        with _folder(given.keep) as folder:
            return play(folder, console, stay=given.stay)
    except KeyboardInterrupt:
        console.print("interrupted; every process is ended", highlight=False)
        return 130
    except (CommandFailed, FileExistsError) as error:
        print(f"The demonstration cannot start: {error}", file=sys.stderr)
        return 1


def play(folder: Path, console: Console, *, stay: bool) -> int:
    """Play in `folder`; return the exit code."""
    view = open_view(console)
    story = Story(folder, view)
    try:
        findings = story.play()
        view.findings(findings, story.elapsed_s)
        if stay:
            _stay(story, view, console)
        return 0 if kept(findings) else 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave processes behind
        view.close()
        story.close()


def _stay(story: Story, view: View, console: Console) -> None:
    """Wait for Ctrl-C, which is a good end here."""
    view.close()
    console.print(f"Console: {story.server.url}   token: {story.server.token_file}", markup=False, highlight=False)
    console.print(f"Files:   {story.folder}   Ctrl-C ends it.", markup=False, highlight=False)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            signal.pause()


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """A fresh temporary folder that is removed afterwards, or the one to keep."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="surefoot-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        raise FileExistsError(f"{keep} is not empty")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()


if __name__ == "__main__":
    sys.exit(main())
