"""Read what a slot holds for an Update Module, and refuse what no module could be given."""

from __future__ import annotations

from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed, SurefootError
from surefoot_shared.module import FOLDER, LIMIT_BYTES, NAME, Payload


def read_payload(tree: Path) -> Payload:
    """Read a slot's `module.json`; raises InstallFailed(module_invalid)."""
    try:
        raw = (tree / NAME).read_bytes()
        payload = wire.decode(Payload, raw, LIMIT_BYTES)
    except FileNotFoundError as error:
        raise _invalid(f"The release holds no {NAME}, so no module can install it.") from error
    except SurefootError as error:
        raise _invalid(f"{NAME} cannot be read: {error.message}") from error
    missing = next((name for name in payload.files if not (tree / FOLDER / name).is_file()), None)
    if missing is not None:
        raise _invalid(f"{NAME} names {missing}, which is not in {FOLDER}/.")
    return payload


def _invalid(message: str) -> InstallFailed:
    return InstallFailed("module_invalid", message, "Build the release anew; docs/modules.md shows what it must hold.")
