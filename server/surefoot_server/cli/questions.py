"""`surefoot device doctor` and `logs`: ask a device, wait for its answer, show it.

Promises: a device's answer is shown as text, no escape sequence of it reaches the terminal; exit 7 where it does not
answer in time, which an offline device never does; 1 where it answers that it cannot.
"""

from __future__ import annotations

import time

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import DURATION, NAME, path
from surefoot_server.cli.terminal import Terminal, json_option, pass_terminal
from surefoot_server.cli.watch import TIMED_OUT
from surefoot_shared import wire

POLL_S = 0.5
FAILED = 1
timeout_option = click.option(
    "--timeout", type=DURATION, default="90s", show_default=True, help="Stop waiting after this long and exit with 7."
)


@click.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@timeout_option
@json_option
@pass_terminal
def doctor(terminal: Terminal, device_id: str, timeout: float) -> int:
    """Ask a device which of its credentials or links fails, and whether it can update and go back.

    \b
    Example:
      surefoot device doctor cam-17
    """
    return _ask(terminal, device_id, "doctor", 1, timeout)


@click.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@click.option(
    "--lines", type=click.IntRange(1, 5000), default=200, show_default=True, help="So many of the last lines."
)
@timeout_option
@json_option
@pass_terminal
def logs(terminal: Terminal, device_id: str, lines: int, timeout: float) -> int:
    """Ask a device for the last lines of its application's log.

    \b
    Example:
      surefoot device logs cam-17 --lines 50
    """
    return _ask(terminal, device_id, "logs", lines, timeout)


def _ask(terminal: Terminal, device_id: str, kind: str, lines: int, timeout_s: float) -> int:
    deadline = time.monotonic() + timeout_s
    with terminal.api() as api:
        raw = api.post(path("devices", device_id, "requests"), {"kind": kind, "lines": lines})
        asked = wire.from_json(shown.Question, raw)
        while asked.answered_at is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
            raw = api.get(path("devices", device_id, "requests", asked.id))
            asked = wire.from_json(shown.Question, raw)
    if asked.answered_at is None:
        words = f"{device_id} did not answer within {timeout_s:g} s; is it online? `surefoot device show {device_id}`"
        terminal.data(raw, words)
        return TIMED_OUT
    terminal.data(raw, shown.plain(asked.text))
    return 0 if asked.ok else FAILED
