"""The table that boot.cmd and its port are both held to."""

from __future__ import annotations

import json
from pathlib import Path

UBOOT = Path(__file__).parents[3] / "packaging/uboot"
CASES = json.loads((UBOOT / "cases.json").read_text(encoding="utf-8"))
NAMES = [case["case"] for case in CASES]
