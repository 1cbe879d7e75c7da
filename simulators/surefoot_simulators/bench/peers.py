"""The processes that the agent is measured beside: bare Python, its own libraries, and Debian's update daemons.

Promises: each peer is a real process, started for this run and stopped after it; one that is not installed is returned
by name with the way to install it, and never with a number from elsewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

SETTLE_S = 3.0
"""Imports are over by then, and the first garbage collection."""

SLEEP = "import time; time.sleep(3600)"
PYTHON = {
    "bare python3": [sys.executable, "-I", "-c", SLEEP],
    "python3 + paho + cryptography": [
        sys.executable,
        "-c",
        f"import paho.mqtt.client, ssl; from cryptography.hazmat.primitives.asymmetric import ec; {SLEEP}",
    ],
}
DEBIAN = {"mender 3.4 daemon": ("mender", "mender-client"), "rauc service": ("rauc", "rauc-service")}


@contextmanager
def running_peers(work: Path) -> Iterator[tuple[dict[str, int], list[str]]]:
    """Yield {name: pid} of the peers that run and sentences about those that could not; stops them at the end."""
    with ExitStack() as stack:
        pids = {name: stack.enter_context(started(argv, work, {})) for name, argv in PYTHON.items()}
        bus = stack.enter_context(private_bus(work))
        absent = []
        for name, (program, package) in DEBIAN.items():
            argv = _daemon(program, work)
            if argv is None:
                absent.append(f"{name} is not installed (apt-get install {package})")
                continue
            pids[name] = stack.enter_context(started(argv, work, bus))
        time.sleep(SETTLE_S)
        gone = [name for name, pid in pids.items() if not Path(f"/proc/{pid}/exe").exists()]
        absent += [f"{name} did not stay up (see {work})" for name in gone]
        yield {name: pid for name, pid in pids.items() if name not in gone}, absent


def _daemon(program: str, work: Path) -> list[str] | None:
    path = shutil.which(program)
    if path is None:
        return None
    return [path, *(_mender_arguments(work) if program == "mender" else _rauc_arguments(work))]


def _mender_arguments(work: Path) -> list[str]:
    """An idle daemon of a device that polls once a day; the server does not exist, as on a quiet site."""
    data, conf = work / "mender-data", work / "mender.conf"
    data.mkdir(exist_ok=True)
    conf.write_text(
        '{"ServerURL": "https://127.0.0.1:9", "UpdatePollIntervalSeconds": 86400, '
        '"InventoryPollIntervalSeconds": 86400, "RetryPollIntervalSeconds": 86400}'
    )
    (data / "device_type").write_text("device_type=x86-box\n")
    return ["--config", str(conf), "--data", str(data), "daemon"]


def _rauc_arguments(work: Path) -> list[str]:
    conf = work / "rauc.conf"
    slots = "".join(f"[slot.app.{n}]\ndevice={work}/rauc-{n}\ntype=raw\nbootname=app{n}\n" for n in (0, 1))
    for n in (0, 1):
        (work / f"rauc-{n}").touch()
    conf.write_text(f"[system]\ncompatible=x86-box\nbootloader=noop\nstatusfile={work}/rauc.status\n{slots}")
    return ["--conf", str(conf), "--override-boot-slot=app0", "service"]


@contextmanager
def private_bus(work: Path) -> Iterator[dict[str, str]]:
    """A private bus for RAUC, whose service ends at once without one; the machine's own bus is left alone."""
    if shutil.which("dbus-daemon") is None:
        yield {}
        return
    address = f"unix:path={work}/bus"
    with started(["dbus-daemon", "--session", "--nofork", f"--address={address}"], work, {}):
        yield {"DBUS_SESSION_BUS_ADDRESS": address, "DBUS_STARTER_BUS_TYPE": "session"}


@contextmanager
def started(argv: list[str], work: Path, environment: Mapping[str, str]) -> Iterator[int]:
    """Run a program until the block ends; what it says goes to `peers.log`."""
    with (work / "peers.log").open("ab") as log:
        process = subprocess.Popen(
            argv, stdout=log, stderr=log, start_new_session=True, env={**os.environ, **environment}
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
