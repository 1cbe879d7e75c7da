"""What signed metadata say: the same on the way back, and read by a child that loads no other message."""

from __future__ import annotations

import subprocess
import sys

import pytest

from surefoot_shared import wire
from surefoot_shared.notes import AssignmentNote, JointSet, ShadowTerms
from surefoot_shared.status import Intent


def test_a_note_comes_back_as_it_was_written() -> None:
    joint = JointSet("s-1", (("model", "a" * 64), ("app", "b" * 64)))
    note = AssignmentNote("cam-1", "a-1", "app", 7, Intent.UPDATE, joint=joint, shadow=ShadowTerms(60, 900, 100))

    assert wire.decode(AssignmentNote, wire.encode(note)) == note


def test_shares_are_signed_as_whole_numbers() -> None:
    terms = ShadowTerms(60, min_fps_permille=900, min_memory_permille=125)

    assert (terms.min_fps_ratio, terms.min_memory_ratio) == (0.9, 0.125)


@pytest.mark.slow
def test_whoever_reads_notes_loads_no_other_message() -> None:
    code = "import sys; from surefoot_shared.trust import versions; print('surefoot_shared.messages' in sys.modules)"

    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "False"
