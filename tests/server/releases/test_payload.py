"""A tree that nobody on the device could start is refused when it is built."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from surefoot_server.releases.payload import refuse_unfit
from surefoot_shared.errors import Invalid
from surefoot_shared.release import TreeFile


def tree(blobs: Path, files: dict[str, bytes], executable: tuple[str, ...] = ()) -> list[TreeFile]:
    made = []
    for path, content in files.items():
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        made.append(TreeFile(path, 0o755 if path in executable else 0o644, len(content), digest))
    return made


def taken(component: str, files: list[TreeFile], blobs: Path) -> bool:
    refuse_unfit(component, files, blobs)
    return True


PAYLOAD = json.dumps({"type": "deb", "name": "counting-1.8", "files": ["count.deb"]}).encode()


def test_a_tree_for_nobody_special_is_taken(tmp_path: Path) -> None:
    assert taken("app", tree(tmp_path, {"bin/app": b"x", "one.raucb": b"y"}), tmp_path)


@pytest.mark.parametrize(
    ("component", "files", "words"),
    [
        ("deb", {"module.json": b"{"}, "module.json cannot be read"),
        ("deb", {"module.json": b"[]"}, "module.json cannot be read"),
        ("rootfs", {"a.raucb": b"x", "b.raucb": b"y"}, "2 RAUC bundles"),
        ("agent", {"bin/surefoot-agent": b"x"}, "needs the executable bin/python3"),
        ("agent", {"bin/python3": b"x"}, "needs the executable bin/python3"),
    ],
)
def test_what_the_device_could_not_use_is_named(
    tmp_path: Path, component: str, files: dict[str, bytes], words: str
) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        refuse_unfit(component, tree(tmp_path, files), tmp_path)

    assert caught.value.hint


def test_a_payload_whose_file_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="names count"):
        refuse_unfit("deb", tree(tmp_path, {"module.json": PAYLOAD}), tmp_path)

    refuse_unfit("deb", tree(tmp_path, {"module.json": PAYLOAD, "payload/count.deb": b"d"}), tmp_path)


def test_an_agent_with_its_interpreter_is_taken(tmp_path: Path) -> None:
    assert taken("agent", tree(tmp_path, {"bin/python3": b"x"}, ("bin/python3",)), tmp_path)
