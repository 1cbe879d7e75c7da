"""What an Update Module is given to install: a file in the release's tree, with one home for build and device.

    {"v": 1, "type": "single-file", "name": "counting-1.8", "files": ["dest_dir", "filename", "count"], "meta": "{}"}

`files` stand in `payload/`, in the order in which the module is given them; `meta` is the text of the module's own
meta-data. All of it is signed, as every file of a tree is. Refuses names that could lead out of their folders.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

NAME = "module.json"
FOLDER = "payload"
LIMIT_BYTES = 1024 * 1024
TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Payload:
    """`type` names the module. `header_info` and `type_info` are an artifact's own JSON; empty: made from the rest."""

    type: str
    name: str
    files: tuple[str, ...] = ()
    group: str = ""
    meta: str = ""
    header_info: str = ""
    type_info: str = ""
    v: int = 1

    def __post_init__(self) -> None:
        if not TYPE.fullmatch(self.type):
            raise ValueError(f"type {self.type!r} is not the name of a module")
        wrong = next((name for name in self.files if not _plain(name)), None)
        if wrong is not None or len(set(self.files)) != len(self.files):
            raise ValueError(f"files: {wrong!r} is no plain file name" if wrong else "files: a name stands there twice")
        if not self.name or "\n" in self.name + self.group:
            raise ValueError("name and group are one line each, and name is not empty")

    def headers(self) -> Mapping[str, str]:
        """The texts of the `header` folder."""
        info = {
            "payloads": [{"type": self.type}],
            "artifact_provides": {"artifact_name": self.name},
            "artifact_depends": {},
        }
        return {
            "artifact_name": self.name,
            "artifact_group": self.group,
            "payload_type": self.type,
            "header-info": self.header_info or json.dumps(info),
            "type-info": self.type_info or json.dumps({"type": self.type}),
            "meta-data": self.meta,
        }


def _plain(name: str) -> bool:
    return bool(name) and name not in (".", "..") and "/" not in name and all(ord(c) >= 32 for c in name)
