"""module.json is read strictly: whatever could lead a module out of its folders is no payload."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot_agent.modules.payload import read_payload
from surefoot_shared.errors import InstallFailed


@pytest.mark.parametrize(
    "told",
    [
        {"type": "../sh", "name": "n"},
        {"type": "", "name": "n"},
        {"type": "t", "name": ""},
        {"type": "t", "name": "two\nlines"},
        {"type": "t", "name": "n", "files": ["../../etc/passwd"]},
        {"type": "t", "name": "n", "files": [".."]},
        {"type": "t", "name": "n", "files": ["a", "a"]},
        {"type": "t", "name": "n", "files": ["missing"]},
        {"type": "t"},
        [],
    ],
)
def test_anything_else_is_refused(tmp_path: Path, told: object) -> None:
    (tmp_path / "payload").mkdir()
    (tmp_path / "payload/a").write_text("")
    (tmp_path / "module.json").write_text(json.dumps(told))

    with pytest.raises(InstallFailed) as raised:
        read_payload(tmp_path)
    assert raised.value.kind == "module_invalid"


def test_a_release_without_one_says_so(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed, match=r"module\.json"):
        read_payload(tmp_path)
