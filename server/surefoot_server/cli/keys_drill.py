"""`surefoot keys drill`: the rehearsal as a table of what a fleet would have seen; exits with 8 if a defence failed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surefoot_server.cli.terminal import Terminal, columns, count, json_option, pass_terminal, utc_now
from surefoot_shared import wire

if TYPE_CHECKING:
    from surefoot_server.keys.drill import Scene

DEFENCE_FAILED = 8


@click.command()
@json_option
@pass_terminal
def drill(terminal: Terminal) -> int:
    """Rehearse rotation, loss, theft and expiry in a scratch fleet; no key of yours is touched.

    \b
    Example:
      surefoot keys drill
    """
    from surefoot_server.keys.drill import run_drill

    with tempfile.TemporaryDirectory(prefix="surefoot-drill-") as folder:
        scenes = run_drill(Path(folder), utc_now(), lambda scene: terminal.say(f"{_mark(scene)}  {scene.name}"))
    failed = [scene for scene in scenes if not scene.held]
    value = [
        {"name": s.name, "happens": s.happens, "seen": s.seen, "expected": s.expected, "held": s.held} for s in scenes
    ]
    rows = [(s.name, s.happens, s.seen, "yes" if s.held else f"NO, expected: {s.expected}") for s in scenes]
    table = columns(("SCENE", "WHAT HAPPENS", "WHAT A DEVICE DOES", "HELD"), rows)
    after = f"{count(len(failed), 'defence')} failed." if failed else "Every defence held."
    terminal.data(wire.to_json({"held": not failed, "scenes": value}), f"{table}\n\n{after}")
    return DEFENCE_FAILED if failed else 0


def _mark(scene: Scene) -> str:
    return "held  " if scene.held else "FAILED"
