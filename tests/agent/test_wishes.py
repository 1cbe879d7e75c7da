"""What a verification child says, and that saying it takes none of the agent's other parts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from surefoot_agent import ports, wishes
from surefoot_agent.wishes import Decision, Refusal
from surefoot_shared import wire
from surefoot_shared.notes import MetadataVersions


def test_a_decision_comes_back_from_the_child_as_it_was() -> None:
    refusal = Refusal("a-1", "app", 3, "wrong_hardware", "It is for another board.")
    said = Decision((), (refusal,), 9, MetadataVersions(1, 2, 3, 4), MetadataVersions(1, 9), "2030-01-01T00:00:00Z")

    assert wire.decode(Decision, wire.encode(said)) == said


def test_the_ports_name_the_very_same_values() -> None:
    assert (ports.Wish, ports.Refusal, ports.Decision) == (wishes.Wish, wishes.Refusal, wishes.Decision)


@pytest.mark.slow
def test_the_child_loads_neither_the_other_ports_nor_the_guard() -> None:
    code = (
        "import sys, surefoot_agent.trust_child; "
        "print([name for name in ('ports', 'guard', 'comparison') if f'surefoot_agent.{name}' in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"
