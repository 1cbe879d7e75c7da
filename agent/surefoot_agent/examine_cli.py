"""`surefoot-agent check` and `doctor`: examine this node, one line a finding; exit 1 where one is not well.

Promises: both are safe beside a running agent; `check` says whether the node can update and go back, `doctor` whether
it can reach its server and which side refuses. Where an agent runs, doctor asks the broker over its connection.
Settings that are wrong end both with 2, and are a finding of the JSON answer too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from surefoot_agent import readiness
from surefoot_agent.config import Settings, load
from surefoot_agent.doctor import examine
from surefoot_agent.node import findings_text
from surefoot_agent.orders import Verb, ask
from surefoot_agent.readiness import Finding
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Conflict, SurefootError, Unreachable
from surefoot_shared.trust.clock import parse_time
from surefoot_shared.trust.floors import FloorStore


def check(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    return _tell(readiness.check(settings, _clock_floor_s(settings), arguments.read_slots), arguments.json)


def doctor(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    return _tell(examine(settings, agents_link(settings)), arguments.json)


def agents_link(settings: Settings) -> Callable[[float], float] | None:
    """The way to ask the broker over the connection of the agent that runs here; None where none runs."""
    socket = settings.state_dir / "agent.sock"
    if not _answers(socket):
        return None

    def round_trip(timeout_s: float) -> float:
        try:
            return float(str(ask(socket, Verb.UPLINK)["took_s"]))
        except Conflict as error:
            raise Unreachable(error.kind, error.message, error.hint) from error

    return round_trip


def _settings(arguments: argparse.Namespace) -> Settings:
    """What is to be examined. Settings that are wrong are a finding too, for a program that reads the answer."""
    try:
        return load(arguments.config)
    except ConfigError as error:
        if arguments.json:
            _tell((Finding("settings", False, error.message, error.hint),), as_json=True)
        raise


def _tell(findings: tuple[Finding, ...], as_json: bool) -> int:
    print(json.dumps(wire.to_json(findings)) if as_json else findings_text(findings))
    return 0 if all(finding.ok for finding in findings) else 1


def _answers(socket: Path) -> bool:
    try:
        ask(socket, Verb.STATUS)
    except Unreachable:
        return False
    except SurefootError:
        pass  # it answers, if only that it is busy
    return True


def _clock_floor_s(settings: Settings) -> float:
    try:
        at = parse_time(FloorStore(settings.state_dir / "trust").load().time)
    except (SurefootError, OSError):
        return 0.0
    return at.timestamp() if at else 0.0
