"""What `check` and `status` ask the privileged half: of a board that it alone may look at.

Promises: reads only, and waits for a helper that is down no longer than a person would; that it does not answer is a
finding like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_agent.components import ComponentSettings
from surefoot_agent.config import Settings
from surefoot_agent.finding import Finding
from surefoot_agent.privileged.proxies import Line, PrivilegedBoot
from surefoot_agent.privileged.talk import Verb
from surefoot_shared.errors import SurefootError
from surefoot_shared.status import SlotName, SlotState

PATIENCE_S = 3.0
"""A helper that died is started again within two."""


@dataclass(frozen=True)
class Board:
    """What the other half said of a component that is entered by a restart of the machine."""

    findings: tuple[Finding, ...]
    current: str | None = None
    states: Mapping[str, str] = field(default_factory=lambda: {slot.value: SlotState.EMPTY.value for slot in SlotName})


def helper_of(settings: Settings, component: ComponentSettings) -> Finding:
    """Whether the privileged half answers for a component whose folder can be read without it."""
    try:
        line_to(settings, component).ask(Verb.BOOT)
    except SurefootError as error:
        return Finding("helper", False, error.message, error.hint)
    return Finding("helper", True, "The privileged half answers.")


def line_to(settings: Settings, component: ComponentSettings) -> Line:
    return Line(Path(settings.helper_socket), component.name, PATIENCE_S)


def board_of(settings: Settings, component: ComponentSettings) -> Board:
    """Ask once; where nobody answers, that is what is found."""
    line = line_to(settings, component)
    try:
        findings = line.ask(Verb.EXAMINE).findings
        if not all(finding.ok for finding in findings if finding.name == "boot"):
            return Board(findings)
        boot = PrivilegedBoot(line)
        states = {slot.value: boot.state(slot).value for slot in SlotName}
        return Board(findings, boot.current().value, states)
    except SurefootError as error:
        return Board((Finding("boot", False, error.message, error.hint),))
