"""Is a systemd unit active, for so long, without restarting again and again? Read with `systemctl show`, judged purely.

Promises: the command line is fixed, the unit's name stands behind `--`; nothing is started or stopped. Times are
monotonic, as systemd gives them, so a wrong clock does not matter. Where systemd does not run, the look fails and says
so: nothing was proved. Source: man 1 systemctl, man 5 org.freedesktop.systemd1.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from surefoot_agent.health.scene import Finding, Memory
from surefoot_shared.release import HealthCheck

BOOTED = Path("/run/systemd/system")
"""Exists exactly where systemd is the init, as sd_booted(3) says."""
PROPERTIES = "LoadState,ActiveState,SubState,NRestarts,ActiveEnterTimestampMonotonic"


def look(check: HealthCheck, memory: Memory) -> Finding:
    systemctl = shutil.which("systemctl")
    if systemctl is None or not BOOTED.is_dir():
        return Finding(False, "this machine does not run systemd, so its units prove nothing")
    command = [systemctl, "show", f"--property={PROPERTIES}", "--", str(check.params["unit"])]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=check.timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding(False, f"systemctl gave no answer within {check.timeout_s:g} s")
    if done.returncode != 0:
        return Finding(False, f"systemctl ends with {done.returncode}", output=done.stderr.decode(errors="replace"))
    shown = parse(done.stdout.decode(errors="replace"))
    first = memory.first_restarts(check.name, _number(shown, "NRestarts"))
    return judge(check, shown, time.clock_gettime(time.CLOCK_MONOTONIC), first)


def parse(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def judge(check: HealthCheck, shown: Mapping[str, str], now_s: float, first_restarts: float) -> Finding:
    """Judge what systemd shows; `first_restarts` is NRestarts at the first look."""
    unit = str(check.params["unit"])
    if shown.get("LoadState") != "loaded":
        return Finding(False, f"{unit} is {shown.get('LoadState') or 'unknown to systemd'}")
    active_s = max(0.0, now_s - _number(shown, "ActiveEnterTimestampMonotonic") / 1e6)
    restarts = max(0.0, _number(shown, "NRestarts") - first_restarts)
    measured = {"active_s": active_s, "restarts": restarts}
    state = f"{shown.get('ActiveState', '')} ({shown.get('SubState', '')})"
    if shown.get("ActiveState") != "active":
        return Finding(False, f"{unit} is {state}", measured)
    if restarts > float(check.params.get("max_restarts", 0.0)):
        allowed = float(check.params.get("max_restarts", 0.0))
        return Finding(False, f"{unit} restarted {restarts:.0f} times, {allowed:.0f} allowed", measured)
    if active_s < float(check.params.get("active_s", 0.0)):
        wanted = float(check.params["active_s"])
        return Finding(False, f"{unit} is active for {active_s:.1f} s, {wanted:g} s are required", measured)
    return Finding(True, f"{unit} is {state} for {active_s:.0f} s", measured)


def _number(shown: Mapping[str, str], name: str) -> float:
    text = shown.get(name, "")
    return float(text) if text.isdigit() else 0.0
