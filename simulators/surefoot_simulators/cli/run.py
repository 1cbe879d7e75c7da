"""`surefoot sim run`: play scenarios and say whether what they expect is so."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import signal
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surefoot_server.cli.params import Whole
from surefoot_server.cli.terminal import Terminal, json_option, pass_terminal
from surefoot_shared import wire as coding
from surefoot_shared.errors import ConfigError, NotFound
from surefoot_simulators.cli.live import Live

if TYPE_CHECKING:
    from surefoot_simulators.world.recording import Recording

NOT_SO = 6
"""As for a gate that failed."""
ELSEWHERE = "Make its folder, or choose another place."
FIRST = "Check the path; docs/simulator.md shows how a scenario is written, simulators/scenarios holds some."
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("scenarios", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--seed", type=Whole(0, 2**31), help="Instead of the scenario's own; the same seed, the same run.")
@click.option("--jobs", type=Whole(1, 64), default=1, show_default=True, help="Scenarios that are played at a time.")
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    help="Seconds of the fleet in one second, at most; 1 is real time. [default: as fast as can be]",
)
@click.option("--wire", is_flag=True, help="Let every message pass a real mosquitto; the outcome is the same.")
@click.option("--junit", type=FILE, help="Write the expectations as JUnit XML.")
@click.option("--markdown", type=FILE, help="Write a summary for the page of a CI job.")
@click.option("--report", type=FILE, help="Write one HTML page with the fleet over time, phases and the story.")
@click.option("--record", type=FILE, help="Write everything that happened, as JSON; of one scenario.")
@json_option
@pass_terminal
def run(
    terminal: Terminal,
    scenarios: tuple[Path, ...],
    seed: int | None,
    jobs: int,
    speed: float | None,
    wire: bool,
    junit: Path | None,
    markdown: Path | None,
    report: Path | None,
    record: Path | None,
) -> int:
    """Play SCENARIOS (TOML files, or folders of them) in virtual time; exits with 6 where an expectation is not so.

    Devices are real agent cores, the server is the real one without its sockets (its broker is real with
    --wire). docs/simulator.md describes the files.

    \b
    Example:
      surefoot sim run simulators/scenarios --junit sim.xml --markdown sim.md
    """
    from surefoot_simulators.world.outputs import to_junit, to_markdown, to_text  # the server's libraries cost a second
    from surefoot_simulators.world.recording import to_json

    given = files(scenarios)
    if record is not None and len(given) != 1:
        raise click.UsageError("--record takes one scenario.")
    if speed is not None and not math.isfinite(speed):
        raise click.UsageError(f"--speed {speed} is no pace; give a number above 0, or leave it out for no limit.")
    for path in (junit, markdown, report, record):
        if path is not None:
            try_to_write(path)
    recordings = []
    if speed is not None and jobs > 1:
        raise click.UsageError("--speed plays one scenario after the other; leave out --jobs.")
    live = Live(terminal, len(given))
    with like_ctrl_c(), contextlib.closing(played(live, given, seed, jobs, wire, speed)) as playing:
        try:
            for recording in playing:
                recordings.append(recording)
                live.say(to_text(recording))
        finally:
            live.clear()
    paths = [str(path) for path in given]
    for path, text in ((junit, to_junit(recordings, paths)), (markdown, to_markdown(recordings))):
        if path is not None:
            write(path, text.encode())
    if report is not None:
        from surefoot_simulators.world.report import to_html

        write(report, to_html(recordings).encode())
    if record is not None:
        write(record, to_json(recordings[0]))
    terminal.data([summary(recording) for recording in recordings], "")
    return 0 if all(recording.passed for recording in recordings) else NOT_SO


def played(
    live: Live, given: Sequence[Path], seed: int | None, jobs: int, wire: bool, speed: float | None
) -> Generator[Recording, None, None]:
    """In the order of the files, all of which are read before the first is played."""
    from surefoot_simulators.world import side_by_side
    from surefoot_simulators.world.glance import watcher
    from surefoot_simulators.world.run import run as play
    from surefoot_simulators.world.scenario import read

    scenarios = [read(path) for path in given]
    if jobs > 1 and len(given) > 1:
        yield from side_by_side.play(given, seed, jobs, wire=wire, tell=live.show if live.wanted else None)
        return
    for scenario in scenarios:
        watch = watcher(functools.partial(live.show, scenario.name), speed) if live.wanted else None
        recording = play(scenario, seed, watch, wire=wire, speed=speed)
        live.show(scenario.name, None)
        yield recording


@contextlib.contextmanager
def like_ctrl_c() -> Iterator[None]:
    """SIGTERM, and a terminal that goes away, end it the way Ctrl-C does: by way of every `finally`."""
    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:  # nohup has SIGHUP ignored, and it stays so
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def files(given: Sequence[Path]) -> list[Path]:
    """Each file once, and of a folder every scenario in it; raises NotFound where there is none, and ConfigError where
    two are called alike, since reports tell them apart by their names."""
    found = [file for path in given for file in (sorted(path.glob("*.toml")) if path.is_dir() else [path])]
    found = list({file.resolve(): file for file in found}.values())
    missing = [path for path in found if not path.is_file()]
    if missing or not found:
        if not missing and given[0].is_dir():
            raise NotFound("not_found", f"{given[0]} is a folder without any scenario, a .toml file.", FIRST)
        raise NotFound("not_found", f"There is no scenario at {(missing or list(given))[0]}.", FIRST)
    by_name = {file.stem: file for file in found}
    for file in found:
        if by_name[file.stem] is not file:
            both = f"{file} and {by_name[file.stem]}"
            raise ConfigError("config_invalid", f"Two scenarios have the same name: {both}.", "Rename one of them.")
    return found


def summary(recording: Recording) -> dict[str, coding.Json]:
    """What `--json` shows of a run; `--record` has all of it."""
    return {
        "scenario": recording.scenario,
        "promise": recording.promise,
        "seed": recording.seed,
        "passed": recording.passed,
        "seconds": recording.seconds,
        "devices": len(recording.devices),
        "digest": recording.digest,
        "expectations": coding.to_json(recording.expectations),
        "faults": coding.to_json(recording.faults),
        "counts": coding.to_json(recording.counts),
        "unplayed": coding.to_json(recording.unplayed),
    }


def try_to_write(path: Path) -> None:
    """Before anything is played: hours of it would be lost. Leaves nothing; raises ConfigError naming the file."""
    if path.exists():
        if not os.access(path, os.W_OK):
            raise ConfigError("config_invalid", f"{path} cannot be written: Permission denied.", ELSEWHERE)
        return
    write(path, b"")
    path.unlink()


def write(path: Path, raw: bytes) -> None:
    """Raises ConfigError naming the file."""
    try:
        path.write_bytes(raw)
    except OSError as error:
        raise ConfigError("config_invalid", f"{path} cannot be written: {error.strerror}.", ELSEWHERE) from error
