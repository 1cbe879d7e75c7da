"""What bootloaders decide at a start, as pure functions: Surefoot's boot.cmd, RAUC's example script, Mender's U-Boot.

Promises: `surefoot` decides what packaging/uboot/boot.cmd decides in every case of packaging/uboot/cases.json, which
the script itself is held to as well. Each function takes the variables that it finds and the slots whose kernel can be
started, and returns where the start ends and what it leaves behind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

LIMIT = "8"
"""Starts of a committed slot without a sign of life, hexadecimal, where `surefoot_limit` is not set."""
SLOTS = ("A", "B")


@dataclass(frozen=True)
class Start:
    """`entered` is None where nothing started and the machine resets."""

    entered: str | None
    variables: Mapping[str, str]
    written: int = 0
    """Writes to the medium that this start took."""


Flow = Callable[["Mapping[str, str] | None", Collection[str]], Start]


def surefoot(found: Mapping[str, str] | None, kernels: Collection[str]) -> Start:
    """Decide as boot.cmd does. A kernel that is not in `kernels` cannot be loaded."""
    fresh = found is None
    env = _normal(dict(found) if found is not None else {"surefoot_canary": "1"})
    trial, now, dirty, fell = False, env["surefoot_slot"], False, False
    if env.get("surefoot_try"):
        dirty, left = True, int(env["surefoot_left"], 16)
        if left > 0:
            trial, now = True, env["surefoot_try"]
            env["surefoot_left"] = f"{left - 1:x}"
        else:
            _condemn(env, env.pop("surefoot_try"))
    if not trial and int(env["surefoot_limit"], 16) > 0:
        if int(env["surefoot_starts"], 16) < int(env["surefoot_limit"], 16):
            env["surefoot_starts"], dirty = f"{int(env['surefoot_starts'], 16) + 1:x}", True
        else:
            fell = _fall(env, kernels)
    if not trial and not fell and now not in kernels:
        fell = _fall(env, kernels)
    now = env["surefoot_slot"] if fell else now
    written = 2 * fresh + int(dirty or fell)
    left_behind = env if written else dict(found or {})
    return Start(now if now in kernels else None, left_behind, written)


def _normal(env: dict[str, str]) -> dict[str, str]:
    if env.get("surefoot_slot") not in SLOTS:
        env["surefoot_slot"] = "A"
    if env.get("surefoot_try") not in SLOTS:
        env.pop("surefoot_try", None)
    return {"surefoot_left": "0", "surefoot_starts": "0", "surefoot_limit": LIMIT, **env}


def _condemn(env: dict[str, str], slot: str) -> None:
    env["surefoot_failed"], env[f"surefoot_{slot.lower()}"] = slot, "bad"


def _fall(env: dict[str, str], kernels: Collection[str]) -> bool:
    """Leave the committed slot for the other one, where that is good and starts."""
    slot = env["surefoot_slot"]
    other = "B" if slot == "A" else "A"
    if env.get(f"surefoot_{other.lower()}") != "good" or other not in kernels:
        return False
    _condemn(env, slot)
    env.update(surefoot_slot=other, surefoot_starts="0")
    return True


def rauc(found: Mapping[str, str] | None, kernels: Collection[str], names: tuple[str, str] = SLOTS) -> Start:
    """Decide as RAUC's example script: the first of BOOT_ORDER with starts left, else three for all and a reset."""
    full = {f"BOOT_{name}_LEFT": "3" for name in names}
    env = {"BOOT_ORDER": " ".join(names), **full, **(found or {})}
    for slot in env["BOOT_ORDER"].split():
        left = int(env.get(f"BOOT_{slot}_LEFT") or "0", 16)
        if left > 0:
            env[f"BOOT_{slot}_LEFT"] = f"{left - 1:x}"
            return Start(slot if slot in kernels else None, env, 1)
    return Start(None, {**env, **full}, 1)


def mender(found: Mapping[str, str] | None, kernels: Collection[str], parts: tuple[str, str] = ("2", "3")) -> Start:
    """Decide as Mender's U-Boot does: bootcount above bootlimit while an upgrade is available goes to the other."""
    env = {"mender_boot_part": parts[0], "upgrade_available": "0", "bootcount": "0", "bootlimit": "1", **(found or {})}
    written, upgrading = 2 * (found is None), env["upgrade_available"] == "1"
    count = int(env["bootcount"]) + 1 if upgrading else 1
    if upgrading:
        env["bootcount"], written = str(count), written + 1
    limit = int(env["bootlimit"])
    if limit and count > limit:
        other = parts[1] if env["mender_boot_part"] == parts[0] else parts[0]
        env.update(mender_boot_part=other, mender_boot_part_hex=f"{int(other):x}", upgrade_available="0")
        written += 1
    part = env["mender_boot_part"]
    return Start(part if part in kernels else None, env if written else dict(found or {}), written)
