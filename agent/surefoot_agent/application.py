"""The application is owned: started from its slot in its own session, known by pid and start time, proved by /proc.

Promises: what `running` returns is alive, is the very process that was recorded, and its executable (or, for a script,
the script behind the interpreter) and working directory are inside its slot. An agent that was killed adopts what it
finds, as nothing depends on being the parent. Orphans of an earlier release are stopped before a start. The log is
bounded to two files. Refuses to restart an application of a slot that the link has left.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from surefoot_agent import durable, guard, processes
from surefoot_agent.ports import Running, Slots
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Application as Start
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName

log = logging.getLogger(__name__)
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TAIL_BYTES = 64 * 1024
"""Enough for the last lines of a report, whatever the application writes."""

PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST_PORT = 15_000
"""Above what services of a device use."""
PORT_TRIES = 100


class Application:
    """ApplicationControl port of one component; every start and stop holds the trial lock, as the guard does."""

    def __init__(
        self,
        component_dir: Path,
        slots: Slots,
        app_env: Mapping[str, str] | None = None,
        metrics_port: int = 0,
        restart_delay_s: float = 1.0,
        restart_delay_max_s: float = 60.0,
        log_limit_bytes: int = 4 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
        app_socket: Path | None = None,
        user: str = "",
        cgroup: bool = False,
        frames: Path | None = None,
    ) -> None:
        """`app_socket` is where the agent listens to it; `user` and `cgroup` as in guard.AppSpec.

        `frames` is where the live application may serve its frames to a shadow.
        """
        self._folder = component_dir
        self._slots = slots
        self._app_env = dict(app_env or {})
        self._log_limit_bytes = log_limit_bytes
        self._socket, self._user, self._cgroup = app_socket or component_dir.resolve() / "app.sock", user, cgroup
        self._frames = frames or component_dir.resolve() / "frames"
        self._delay = _Delay(restart_delay_s, restart_delay_max_s, clock)
        durable.make_folder(component_dir / "data")
        self.restarts = 0
        """Deaths since the last start that `tend` answered with a restart."""
        self.metrics_port = metrics_port or _kept_port(component_dir)

    def spec(self, slot: SlotName, manifest: Manifest) -> guard.AppSpec:
        """How to start this slot's application, complete: the trial record keeps it as the guard's way back."""
        start, tree = _start(manifest), self._slots.path(slot).resolve()
        folder = self._folder.resolve()
        env = {
            "PATH": DEFAULT_PATH,
            "LANG": "C.UTF-8",
            **self._app_env,
            "SUREFOOT_SLOT": slot.value,
            "SUREFOOT_RELEASE": manifest.version,
            "SUREFOOT_DATA": str(folder / "data"),
            "SUREFOOT_SOCKET": str(self._socket),
            "SUREFOOT_FRAMES": str(self._frames),
            "SUREFOOT_METRICS_PORT": str(self.metrics_port),
        }
        argv = (str(tree / start.argv[0]), *start.argv[1:])
        return guard.AppSpec(
            slot=slot.value,
            argv=argv,
            cwd=str(tree),
            env=env,
            log=str(folder / "app.log"),
            user=self._user,
            cgroup=self._cgroup,
        )

    def start(self, slot: SlotName, manifest: Manifest | None) -> Running:
        """Stop whatever runs, start this slot. Raises InstallFailed(boot_failed) where it cannot be executed."""
        if manifest is None:
            raise InstallFailed("boot_failed", f"Slot {slot.value} holds no release, so nothing can be started.")
        with guard.trial_lock(self._folder):
            guard.stop_application(self._folder, self._stop_s())
            record = self._spawn(slot, manifest)
        self._delay.reset()
        self.restarts = 0
        return processes.running(record, record.argv[0], record.cwd)

    def stop(self) -> None:
        """Stop the application and its strays; `tend` does not bring it back."""
        with guard.trial_lock(self._folder):
            guard.stop_application(self._folder, self._stop_s())
            durable.remove(self._folder / "app.json")

    def running(self) -> Running | None:
        record = guard.load_application(self._folder)
        if record is None or record.slot not in ("A", "B") or not guard.process_alive(record):
            return None
        return processes.proved(record, self._slots.path(SlotName(record.slot)))

    def tend(self) -> None:
        """Restart a dead application once its delay is over; keep the log within its bound."""
        self.bound_log()
        record = guard.recorded_application(self._folder)
        if record is not None and guard.process_alive(record):  # as nearly always: one file read, one process asked
            self._delay.lives(record.start_id)
            return
        record = guard.load_application(self._folder)
        if record is None:
            return
        if guard.process_alive(record):
            self._delay.lives(record.start_id)
            self._keep(record)
        elif self._delay.over():
            self._restart()

    def bound_log(self) -> None:
        """Keep the log's end beside it and truncate: the application appends to the open file, so a rename fails.

        Frees room without needing any: where the copy does not fit, memory keeps a shorter end of it.
        """
        path, kept = self._folder / "app.log", self._folder / "app.log.1"
        with contextlib.suppress(OSError):  # no log yet, or a medium that refuses all: the next second tries again
            if path.stat().st_size <= self._log_limit_bytes:
                return
            try:
                _copy_end(path, kept, self._log_limit_bytes)
            except OSError:
                _hold_end(path, kept)
            else:
                os.truncate(path, 0)

    def log_tail(self, lines: int = 40) -> str:
        return tail_of(self._folder / "app.log", lines)

    def endpoint(self) -> Mapping[str, str]:
        return {"metrics_port": str(self.metrics_port)}

    def _keep(self, record: guard.AppRecord) -> None:
        """Write down what a full disk kept from being recorded when it was started."""
        if guard.recorded_application(self._folder) != record:
            with guard.trial_lock(self._folder):
                if guard.process_alive(record):
                    guard.keep_application(self._folder, record)

    def _restart(self) -> None:
        with guard.trial_lock(self._folder):
            record = guard.load_application(self._folder)  # again under the lock: the guard may have gone back
            if record is None or guard.process_alive(record) or guard.current_slot(self._folder) != record.slot:
                return
            slot = SlotName(record.slot)
            manifest = self._slots.installed(slot)
            if manifest is None or manifest.application is None:
                return
            guard.stop_application(self._folder, self._stop_s())
            self._delay.used()
            self.restarts += 1
            try:
                self._spawn(slot, manifest)
            except InstallFailed as error:  # the delay grows and the next tend tries again
                log.warning("application_restart_failed slot=%s kind=%s", slot.value, error.kind)

    def _spawn(self, slot: SlotName, manifest: Manifest) -> guard.AppRecord:
        try:
            return guard.spawn_application(self._folder, self.spec(slot, manifest))
        except OSError as error:
            message = f"The application of slot {slot.value} cannot be started: {error.strerror or error}."
            raise InstallFailed("boot_failed", message) from error

    def _stop_s(self) -> float:
        record = guard.load_application(self._folder)
        manifest = self._slots.installed(SlotName(record.slot)) if record and record.slot in ("A", "B") else None
        return manifest.application.stop_s if manifest and manifest.application else 5.0


class _Delay:
    """Restart back-off: doubles with each death, forgotten once the application has lived as long as the longest."""

    def __init__(self, first_s: float, longest_s: float, clock: Callable[[], float]) -> None:
        self._first_s, self._longest_s, self._clock = first_s, longest_s, clock
        self.reset()

    def reset(self) -> None:
        self._deaths = 0
        self._try_at: float | None = None
        self._alive: tuple[str, float] | None = None

    def lives(self, start_id: str) -> None:
        if self._alive is None or self._alive[0] != start_id:
            self._alive = (start_id, self._clock())
        elif self._clock() - self._alive[1] >= self._longest_s:
            self._deaths = 0

    def over(self) -> bool:
        """True once the wait since this death was noticed is over."""
        if self._try_at is None:
            self._try_at = self._clock() + min(self._first_s * 2.0**self._deaths, self._longest_s)
            self._deaths = min(self._deaths + 1, 30)
        return self._clock() >= self._try_at

    def used(self) -> None:
        self._try_at = None


def _start(manifest: Manifest) -> Start:
    if manifest.application is None:
        raise InstallFailed("boot_failed", f"Release {manifest.version} names no application to start.")
    return manifest.application


def _kept_port(component_dir: Path) -> int:
    """Pick a free port once; the application keeps it over restarts and releases, so that checks find it."""
    if (kept := port_kept(component_dir)) is not None:
        return kept
    port = _free_port()
    guard.write_file(component_dir / "metrics_port", str(port).encode())
    return port


def port_kept(component_dir: Path) -> int | None:
    """The port that was picked before; None where none was, or what is there is no port. Raises OSError."""
    try:
        port = int((component_dir / "metrics_port").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return port if 0 < port < 1 << 16 else None


def _free_port() -> int:
    """A free port below those the kernel gives to connections: one of these would sit on a kept port some day."""
    try:
        highest = int(PORT_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        highest = LOWEST_PORT
    for _ in range(PORT_TRIES):
        port = LOWEST_PORT + secrets.randbelow(highest - LOWEST_PORT) if highest > LOWEST_PORT + PORT_TRIES else 0
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise InstallFailed("boot_failed", "There is no free port for the application's metrics.")


def _copy_end(log: Path, kept: Path, most_bytes: int) -> None:
    """Copy the last bytes of a log that goes on growing: never more than asked for, in small pieces."""
    with log.open("rb") as old, kept.open("wb") as new:
        old.seek(max(0, os.fstat(old.fileno()).st_size - most_bytes))
        left = most_bytes
        while left and (piece := old.read(min(left, TAIL_BYTES))):
            new.write(piece)
            left -= len(piece)


def _hold_end(log: Path, kept: Path) -> None:
    """Empty a log whose copy does not fit; what memory held of it is written once there is room. Raises OSError."""
    end = b""
    with contextlib.suppress(OSError):  # what cannot be read must go all the same
        kept.unlink(missing_ok=True)  # half a copy, which took the last of the room
    with contextlib.suppress(OSError):
        end = _end_of(log)
    os.truncate(log, 0)
    with contextlib.suppress(OSError):  # the application may have filled the disk again
        kept.write_bytes(end)


def tail_of(log: Path, lines: int) -> str:
    """The last lines of a log; bytes that are no text are shown as replaced."""
    try:
        text = _end_of(log).decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _end_of(log: Path) -> bytes:
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
        return file.read(TAIL_BYTES)
