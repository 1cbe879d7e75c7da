from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot_agent.slots import progress
from surefoot_agent.slots.progress import Progress


@given(st.lists(st.booleans(), min_size=1, max_size=60))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_was_stored_is_loaded(tmp_path: Path, there: list[bool]) -> None:
    known = Progress("d", bytearray(there))
    file = tmp_path / "B.progress"

    progress.store(file, known)

    assert progress.load(file, "d", len(there)) == known


def test_a_person_can_read_it(tmp_path: Path) -> None:
    progress.store(tmp_path / "p", Progress("d", bytearray([1, 1, 0, 1])))

    assert json.loads((tmp_path / "p").read_text()) == {"digest": "d", "runs": [[0, 2], [3, 1]]}


def test_of_another_release_nothing_is_known(tmp_path: Path) -> None:
    progress.store(tmp_path / "p", Progress("d", bytearray([1])))

    assert progress.load(tmp_path / "p", "e", 1) is None


def test_it_is_whole_when_every_block_is_there() -> None:
    known = Progress.none("d", 2)
    known.set(0)
    assert (known.whole, known.has(0), known.has(1)) == (False, True, False)

    known.set(1)
    assert known.whole
    known.set(0, False)
    assert not known.whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "\x00",
        '{"digest": "d"}',
        '{"digest": "d", "runs": 3}',
        '{"digest": "d", "runs": [1]}',
        '{"digest": "d", "runs": [[0]]}',
        '{"digest": "d", "runs": [["a", "b"]]}',
        '{"digest": "d", "runs": [[-1, 2]]}',
        '{"digest": "d", "runs": [[0, 0]]}',
        '{"digest": "d", "runs": [[3, 2]]}',
        '{"digest": "d", "runs": [[0.5, 1]]}',
        '{"digest": "d", "runs": [[0, 999999999999]]}',
    ],
)
def test_what_cannot_be_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "p").write_text(text)

    assert progress.load(tmp_path / "p", "d", 4) is None


def test_what_was_forgotten_is_gone(tmp_path: Path) -> None:
    progress.store(tmp_path / "p", Progress("d", bytearray([1])))

    progress.forget(tmp_path / "p")
    progress.forget(tmp_path / "p")

    assert progress.load(tmp_path / "p", "d", 1) is None
