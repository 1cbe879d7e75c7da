"""Show the demonstration while it runs: live tables where there is a terminal, lines where there is none.

Promises: never silent for more than a few seconds; the last thing shown is the table of promises. Shows what it is
given and decides nothing. Words and states are the ones of API and command line; colour is never the only sign.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from surefoot_simulators.demo.seen import Finding, SeenDevice, SeenRollout

QUIET_S = 5.0
"""Where there is no terminal, the fleet is summed up at least this often."""
STYLES = {"committed": "green", "failed": "red", "reverting": "yellow", "probation": "cyan", "succeeded": "green"}


class View(Protocol):
    def act(self, number: int, of: int, title: str) -> None: ...
    def say(self, text: str) -> None: ...
    def fleet(self, devices: Mapping[str, SeenDevice], rollout: SeenRollout | None) -> None: ...
    def findings(self, findings: Sequence[Finding], elapsed_s: float) -> None: ...
    def close(self) -> None: ...


def open_view(console: Console) -> View:
    """A live view on a terminal, else one line for each thing that happens."""
    return LiveView(console) if console.is_terminal else LineView(console)


class LineView:
    """One line for each act and event, and a summary of the fleet every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console, self._began_s = console, time.monotonic()
        self._summed_up_s = 0.0
        self._last = ""

    def act(self, number: int, of: int, title: str) -> None:
        self._line(f"act {number} of {of}: {title}")

    def say(self, text: str) -> None:
        self._line(f"  {text}")

    def fleet(self, devices: Mapping[str, SeenDevice], rollout: SeenRollout | None) -> None:
        text, now_s = f"  fleet: {sum_up(devices)}{_phases_text(rollout)}", time.monotonic()
        if text != self._last or now_s - self._summed_up_s >= QUIET_S:
            self._last, self._summed_up_s = text, now_s
            self._line(text)

    def findings(self, findings: Sequence[Finding], elapsed_s: float) -> None:
        print_findings(self._console, findings, elapsed_s)

    def close(self) -> None:
        """Nothing is held open."""

    def _line(self, text: str) -> None:
        self._console.print(
            f"{time.monotonic() - self._began_s:6.1f} s  {text}", markup=False, highlight=False, soft_wrap=True
        )


class LiveView:
    """Tables that are redrawn in place at the bottom; events scroll away above them and stay readable."""

    def __init__(self, console: Console) -> None:
        self._console, self._began_s = console, time.monotonic()
        self._lock = threading.Lock()
        self._title = "starting"
        self._devices: Mapping[str, SeenDevice] = {}
        self._rollout: SeenRollout | None = None
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=4, transient=True)
        self._live.start()

    def act(self, number: int, of: int, title: str) -> None:
        with self._lock:
            self._title = f"act {number} of {of}: {title}"
        self.say(self._title)

    def say(self, text: str) -> None:
        at_s = time.monotonic() - self._began_s
        self._console.print(f"{at_s:6.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)

    def fleet(self, devices: Mapping[str, SeenDevice], rollout: SeenRollout | None) -> None:
        with self._lock:
            self._devices, self._rollout = devices, rollout

    def findings(self, findings: Sequence[Finding], elapsed_s: float) -> None:
        self.close()
        print_findings(self._console, findings, elapsed_s)

    def close(self) -> None:
        self._live.stop()

    def render(self) -> Group:
        """Build the whole picture from what is known now."""
        with self._lock:
            elapsed_s = time.monotonic() - self._began_s
            head = Text(f"{elapsed_s:5.0f} s  {self._title}  ({sum_up(self._devices)})", style="bold")
            parts: list[RenderableType] = [head, _devices_table(self._devices)]
            if self._rollout is not None:
                parts.append(_rollout_table(self._rollout))
        return Group(*parts)


def sum_up(devices: Mapping[str, SeenDevice]) -> str:
    """`12 online; 9 run 1.0, 3 run 1.1; 3 probation`."""
    online = sum(device.online for device in devices.values())
    versions = Counter(device.version or "nothing" for device in devices.values())
    states = Counter(device.state for device in devices.values() if device.state != "idle")
    runs = ", ".join(f"{count} run {version}" for version, count in sorted(versions.items()))
    busy = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return "; ".join(part for part in (f"{online} online", runs, busy) if part)


def print_findings(console: Console, findings: Sequence[Finding], elapsed_s: float) -> None:
    """The closing table; a broken promise says so in words."""
    table = Table(title=f"Promised and seen, after {elapsed_s:.0f} s", title_justify="left", show_lines=True)
    table.add_column("", width=6)
    table.add_column("promised", ratio=2)
    table.add_column("seen", ratio=3)
    for finding in findings:
        mark = "[green]kept[/]" if finding.kept else "[bold red]BROKEN[/]"
        table.add_row(mark, escape(finding.promised), escape(finding.seen))
    console.print(table)


def _devices_table(devices: Mapping[str, SeenDevice]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("device", "hardware", "runs", "slot", "state", ""):
        table.add_column(name)
    for device in devices.values():
        style = STYLES.get(device.state, "dim" if device.state == "idle" else "cyan")
        note = device.attention or ("" if device.online else "offline")
        table.add_row(
            device.id, device.hw, device.version or "-", device.slot or "-", f"[{style}]{device.state}[/]", escape(note)
        )
    return table


def _rollout_table(rollout: SeenRollout) -> Table:
    style = STYLES.get(rollout.state, "")
    table = Table(box=None, pad_edge=False, title=f"rollout of {rollout.version}: {rollout.state}", title_style=style)
    table.title_justify = "left"
    for name in ("phase", "devices", "state", "reason"):
        table.add_column(name, overflow="ellipsis", no_wrap=name == "reason")
    for phase in rollout.phases:
        table.add_row(phase.name, str(phase.members), phase.state, escape(phase.reason))
    return table


def _phases_text(rollout: SeenRollout | None) -> str:
    if rollout is None:
        return ""
    phases = ", ".join(f"{phase.name} {phase.state}" for phase in rollout.phases)
    return f" | rollout of {rollout.version} {rollout.state}: {phases}"
