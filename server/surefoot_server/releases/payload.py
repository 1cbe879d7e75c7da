"""What a tree must hold for whoever starts it on the device, told when it is built and not by the first device.

Promises: pure but for the blobs it reads; a tree that is for nobody special is never refused. Refuses a `module.json`
that no module could be given, more than one RAUC bundle, and an agent without its interpreter.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from surefoot_shared import module, wire
from surefoot_shared.errors import Invalid, SurefootError
from surefoot_shared.release import TreeFile

AGENT, INTERPRETER = "agent", "bin/python3"
"""The component that the agent itself is, and what its launcher starts (docs/self-update.md)."""
BUNDLE = ".raucb"


def refuse_unfit(component: str | None, files: Collection[TreeFile], blobs: Path) -> None:
    """Raise Invalid naming what is wrong; `blobs` holds the contents by their sha256."""
    by_path = {file.path: file for file in files}
    if module.NAME in by_path:
        _refuse_module(by_path[module.NAME], by_path.keys(), blobs)
    bundles = sorted(path for path in by_path if path.endswith(BUNDLE))
    if len(bundles) > 1:
        why = f"The folder holds {len(bundles)} RAUC bundles ({', '.join(bundles[:3])}); a release is one of them."
        raise Invalid("malformed", why, "Build a release of each.")
    starts = by_path.get(INTERPRETER)
    if component == AGENT and (starts is None or starts.mode != 0o755):
        why = f"An agent's release needs the executable {INTERPRETER}: its launcher starts nothing else."
        raise Invalid("malformed", why, "docs/self-update.md shows how such an environment is made.")


def _refuse_module(told: TreeFile, paths: Collection[str], blobs: Path) -> None:
    hint = "docs/modules.md shows what it must hold; `surefoot release unpack` makes it of a Mender artifact."
    try:
        payload = wire.decode(module.Payload, (blobs / told.sha256).read_bytes(), module.LIMIT_BYTES)
    except SurefootError as error:
        raise Invalid("malformed", f"{module.NAME} cannot be read: {error.message}", hint) from error
    missing = next((name for name in payload.files if f"{module.FOLDER}/{name}" not in paths), None)
    if missing is not None:
        raise Invalid("malformed", f"{module.NAME} names {missing}, which is not in {module.FOLDER}/.", hint)
