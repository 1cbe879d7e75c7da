"""Bring the old release back where the agent gave no verdict in time: one file, standard library only, its own process.

Promises: acts only under `trial.lock` and only after it has read the verdict again under that lock, so a commit in
progress is never undone; every step may be repeated and is finished by the next guard or agent where this one dies.
Refuses: to import anything of Surefoot (it must work when the agent cannot even be imported), to believe a wall clock
(budgets are CLOCK_MONOTONIC, restarts are told by the kernel's boot_id), and to kill what it has not proved to be the
application by pid and start time. A root filesystem goes back by the commands that its trial record holds since it was
armed: boot control's own, then a restart of the machine. Where an application of a committed slot is dead and no agent
starts it (it cannot start itself), the guard does; a shadow that no agent watches it stops. The first half is the
primitives that the agent shares, each written once; one file is all that may be needed.
Run: python3 -I guard.py --component-dir DIR [--once]
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import functools
import json
import os
import pwd
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MAGIC = b"SFR1"
_HEAD = struct.Struct(">4sQI")  # magic, generation, length; a CRC-32 over head and body follows the body
LOCK_WAIT_S = 10.0  # a holder needs a few fsyncs and one application stop; the guard ends one that is frozen for longer

CMDLINE = Path("/proc/cmdline")  # where the kernel shows from which slot the bootloader started it
RESTART_WAIT_S = 150.0  # systemd gives every service 90 s to stop before it kills it and goes on
BACK_BOOTS = 3  # restarts into one new root before it is left in place: a machine that restarts for ever is of no use
COMMAND_S = 30.0  # boot control writes a few bytes, and init takes an order at once
ALONE_S, HUNG_S = 20.0, 180.0  # longer than an agent takes to start, or waits between restarts of the application
DATA, DATA_BEFORE, DATA_ASIDE = "data", "data.before", "data.aside"
"""In the component's folder: the application's data, those of before the trial, and what a reverted release left."""
SHADOW = "shadow"  # in the component's folder: of a release which runs beside the live one while an agent watches both
JOINT = "joint"  # folder beside the components' that holds the one verdict of those that are activated together
LAST_WORDS, LAST_WORDS_BYTES = "last_words", 8 * 1024  # end of the log of a release that was left


class Locked(Exception):
    """Somebody else held the trial lock for longer than the caller would wait."""


@dataclasses.dataclass(frozen=True)
class AppSpec:
    """How to start the application of one slot. `env` is the whole environment, `log` takes stdout and stderr.

    `user`: whose it runs as, empty for the caller's own; `cgroup`: in one of its own, where cgroup v2 can be written.
    """

    slot: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    log: str
    user: str = ""
    cgroup: bool = False


@dataclasses.dataclass(frozen=True)
class AppRecord:
    """The process behind `app.json`. pid alone proves nothing: start_ticks and boot_id make it this very process."""

    start_id: str
    pid: int
    start_ticks: int
    boot_id: str
    slot: str
    argv: tuple[str, ...]
    cwd: str
    cgroup: str = ""


def load_record(folder: Path, name: str) -> dict[str, object] | None:
    """Return the newest whole generation of `name`.0 and `name`.1, or None where there is none."""
    whole = [g for g in (_load_generation(folder / f"{name}.{i}") for i in (0, 1)) if g is not None]
    return max(whole, key=lambda g: g[0])[1] if whole else None


def save_record(folder: Path, name: str, value: Mapping[str, object]) -> None:
    """Write the next generation over the older file; durable when it returns, and the newer file is never touched."""
    found = [_load_generation(folder / f"{name}.{i}") for i in (0, 1)]
    generations = [g[0] if g else 0 for g in found]
    older = 0 if generations[0] <= generations[1] else 1
    _write_synced(folder / f"{name}.{older}", encode_frame(max(generations) + 1, value))


def load_trial(component_dir: Path) -> dict[str, object] | None:
    """Return the trial of a component; where it belongs to a set, with the one verdict of the set."""
    trial = load_record(component_dir, "trial")
    joint = load_record(component_dir.parent / JOINT, "trial") if trial and trial.get("set") else None
    if trial is None or joint is None or joint.get("set") != trial["set"] or joint.get("verdict") is None:
        return trial
    return {**trial, "verdict": joint["verdict"], "reason": joint.get("reason")}


def decide_set(component_dir: Path, name: object, verdict: str | None, reason: str | None) -> dict[str, object]:
    """Write the one verdict of a set unless there is one; return the record that holds. No verdict: begin the set."""
    folder = component_dir.parent / JOINT
    folder.mkdir(exist_ok=True)
    with _lock_or_free(folder, LOCK_WAIT_S):  # inside the component's trial lock, which is held: always in this order
        joint = load_record(folder, "trial")
        if joint is None or joint["set"] != name:
            joint = {"set": name, "verdict": None, "reason": None, "v": 1}
        elif joint["verdict"] is not None or verdict is None:
            return joint
        joint.update(verdict=verdict, reason=reason)
        save_record(folder, "trial", joint)
        return joint


def encode_frame(generation: int, value: Mapping[str, object]) -> bytes:
    body = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    framed = _HEAD.pack(MAGIC, generation, len(body)) + body
    return framed + struct.pack(">I", zlib.crc32(framed))


def decode_frame(raw: bytes) -> tuple[int, dict[str, object]] | None:
    """Return (generation, value) of a whole frame, None for anything else."""
    try:
        magic, generation, length = _HEAD.unpack_from(raw)
        end = _HEAD.size + length
        whole = magic == MAGIC and raw[end:] == struct.pack(">I", zlib.crc32(raw[:end]))
        value = json.loads(raw[_HEAD.size : end]) if whole else None
    except (struct.error, ValueError, RecursionError):
        return None
    return (generation, value) if isinstance(value, dict) else None


def _load_generation(path: Path) -> tuple[int, dict[str, object]] | None:
    with contextlib.suppress(FileNotFoundError):
        return decode_frame(path.read_bytes())
    return None


def write_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace a file whole: temporary, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    _write_synced(temporary, data, mode)
    os.replace(temporary, path)
    fsync_folder(path.parent)


def _write_synced(path: Path, data: bytes, mode: int = 0o644) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


_held = threading.local()


@contextlib.contextmanager
def trial_lock(component_dir: Path, wait_s: float | None = None) -> Iterator[None]:
    """Hold `trial.lock` of a component; nested use in one thread is one hold. Raises Locked after `wait_s`."""
    mine: set[str] = _held.__dict__.setdefault("mine", set())
    key = os.path.realpath(component_dir)
    if key in mine:
        yield
        return
    fd = _open_lock(component_dir / "trial.lock", component_dir)
    try:
        _take_lock(fd, wait_s)
        mine.add(key)
        yield
    finally:
        mine.discard(key)
        os.close(fd)  # the lock goes with the descriptor


def _open_lock(path: Path, instead: Path | None = None) -> int:
    """Open for a lock; where the disk became read-only and the file is missing, what is there `instead`."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path if path.exists() else instead or path, os.O_RDONLY | os.O_CLOEXEC)


def _take_lock(fd: int, wait_s: float | None) -> None:
    until = None if wait_s is None else time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if until is None else fcntl.LOCK_NB))
            break
        except BlockingIOError:
            if until is not None and time.monotonic() >= until:
                raise Locked from None
        time.sleep(0.02)
    with contextlib.suppress(OSError):  # a disk that takes no writes: the lock holds all the same
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {start_ticks(os.getpid())}".encode(), 0)  # whom to end, should it freeze in here


def current_slot(component_dir: Path) -> str | None:
    """Return the slot that `current` points to, None where the link is missing or points elsewhere."""
    with contextlib.suppress(OSError):
        return {"slots/A": "A", "slots/B": "B"}.get(os.readlink(component_dir / "current"))
    return None


def point_current(component_dir: Path, slot: str) -> None:
    """Flip `current` to a slot: a rename over the link, then fsync of the folder; whole or not at all."""
    temporary = component_dir / "current.tmp"
    temporary.unlink(missing_ok=True)
    os.symlink(f"slots/{slot}", temporary)
    os.replace(temporary, component_dir / "current")
    fsync_folder(component_dir)


def slot_states(component_dir: Path) -> dict[str, str]:
    """Return what boot control says of A and B: good, bad or empty."""
    stored = load_record(component_dir, "boot") or {}
    return {slot: str(stored.get(slot, "empty")) for slot in ("A", "B")}


def set_slot_state(component_dir: Path, slot: str, state: str) -> None:
    states = slot_states(component_dir)
    if states[slot] != state:
        save_record(component_dir, "boot", {**states, slot: state})


@functools.cache  # asked several times a second, and nobody outlives a boot
def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """Return the start time of a live process in clock ticks since boot; None for a dead one or a zombie."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()  # a name may hold anything
        return None if fields[0] in (b"Z", b"X") else int(fields[19])
    return None


def spawn_application(component_dir: Path, spec: AppSpec) -> AppRecord:
    """Start the application in a session of its own and write `app.json`. Hold the trial lock during a trial.

    By the marks in its environment a process whose record could not be written is found, and not started again.
    """
    start_id = uuid.uuid4().hex
    env = {**spec.env, "SUREFOOT_START_ID": start_id, "SUREFOOT_COMPONENT_DIR": os.path.realpath(component_dir)}
    given: dict[str, Any] = {"cwd": spec.cwd, "env": env, "start_new_session": True, **identity_of(spec.user)}
    log = _open_log(spec.log)
    try:
        process = subprocess.Popen(spec.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **given)
    finally:
        os.close(log)
    record = AppRecord(start_id, process.pid, start_ticks(process.pid) or 0, boot_id(), spec.slot, spec.argv, spec.cwd)
    process.returncode = 0  # it outlives us: we reap it by pid, the object must not wait or warn
    if spec.cgroup:
        record = dataclasses.replace(record, cgroup=_move_to_cgroup(component_dir, spec.slot, process.pid))
    keep_application(component_dir, record)
    told = {**dataclasses.asdict(spec), "env": dict(spec.env), "argv": list(spec.argv)}
    if load_record(component_dir, "start") != told:
        with contextlib.suppress(OSError):  # what the guard knows of it; a full disk keeps what it knew before
            save_record(component_dir, "start", told)
    return record


def keep_application(component_dir: Path, record: AppRecord) -> None:
    """Write `app.json` where the disk lets us; until it does, the process is known by its mark."""
    try:
        write_file(component_dir / "app.json", json.dumps(dataclasses.asdict(record), sort_keys=True).encode())
    except OSError as error:
        _say("application_not_recorded", pid=record.pid, error=str(error))


def _open_log(path: str) -> int:
    with contextlib.suppress(OSError):  # a disk that takes no log must not keep the application from running
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def identity_of(user: str) -> dict[str, object]:
    """What makes Popen give up the caller's identity, supplementary groups too; raises OSError for an unknown user."""
    if not user:
        return {}
    try:
        known = pwd.getpwnam(user)
    except KeyError:
        raise OSError(f"There is no user {user!r} to run the application as") from None
    return {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": os.getgrouplist(user, known.pw_gid)}


def _move_to_cgroup(component_dir: Path, slot: str, started: int) -> str:
    """Move what was just started, and what it started since, into a cgroup below ours; return its path or nothing."""
    try:
        own = next(x for x in Path("/proc/self/cgroup").read_text().splitlines() if x.startswith("0::"))[4:]
        mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
        root = next(m[4] for m in mounts if m[m.index("-") + 1] == "cgroup2")
        name = f"application-{zlib.crc32(os.fsencode(os.path.realpath(component_dir))):08x}-{slot}"
        cgroup = Path(root) / own / name
        cgroup.mkdir(exist_ok=True)
        moving = [started]  # by its number: its mark cannot be read in the moment of its start
        while moving:  # a child that was forked meanwhile carries the mark, and is moved in the next round
            for pid in moving:
                with contextlib.suppress(ProcessLookupError):
                    (cgroup / "cgroup.procs").write_text(str(pid))
            inside = set(map(int, (cgroup / "cgroup.procs").read_text().split()))
            moving = [pid for pid in application_pids(component_dir) if pid not in inside]
    except (OSError, StopIteration, ValueError):
        return ""  # cgroup v2 cannot be written: the process group and the mark say what belongs to it
    return str(cgroup)


def load_application(component_dir: Path) -> AppRecord | None:
    """Return the process in `app.json`, or the live one that took its place unrecorded; None where there is neither."""
    recorded = recorded_application(component_dir)
    if recorded is not None and process_alive(recorded):
        return recorded
    return _unrecorded(component_dir, recorded.start_id if recorded else "") or recorded


def _unrecorded(component_dir: Path, recorded: str) -> AppRecord | None:
    """The first process of a start that could not be written down; what is left of the recorded start is none."""
    found = []
    for pid in application_pids(component_dir):
        marks, argv, cwd = first_process(pid)
        ticks, start_id, slot = start_ticks(pid), marks.get("SUREFOOT_START_ID", ""), marks.get("SUREFOOT_SLOT", "")
        if ticks is not None and slot and start_id not in ("", recorded):
            found.append(AppRecord(start_id, pid, ticks, boot_id(), slot, argv, cwd))
    return min(found, key=lambda record: record.start_ticks, default=None)


def first_process(pid: int) -> tuple[dict[str, str], tuple[str, ...], str]:
    """Marks, command and folder of the first process of a start; no marks for what it started, or for a stranger."""
    try:
        if os.getsid(pid) != pid:
            return {}, (), ""
        environ, command = ((Path(f"/proc/{pid}") / name).read_bytes().split(b"\0") for name in ("environ", "cmdline"))
        marks = dict(os.fsdecode(pair).split("=", 1) for pair in environ if pair.startswith(b"SUREFOOT_"))
        return marks, tuple(map(os.fsdecode, command[:-1])), os.readlink(f"/proc/{pid}/cwd")
    except (OSError, ValueError):
        return {}, (), ""


def recorded_application(component_dir: Path) -> AppRecord | None:
    """Return the record in `app.json`, None where there is none or it cannot be read."""
    try:
        value = json.loads((component_dir / "app.json").read_bytes())
        known = {field.name: str(field.type) for field in dataclasses.fields(AppRecord)}
        stored = {name: value[name] for name in known.keys() & value}  # a newer agent may have stored more
        record = AppRecord(**{**stored, "argv": tuple(value["argv"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        return None
    kinds = {"str": str, "int": int, "tuple[str, ...]": tuple}
    sound = all(isinstance(getattr(record, name), kinds[kind]) for name, kind in known.items())
    return record if sound and record.pid >> 31 == 0 else None


def process_alive(record: AppRecord) -> bool:
    """Say whether this very process still runs: pid, start time and boot all match, and it is no zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(record.pid, os.WNOHANG)  # a dead child of ours stays a zombie until somebody asks
    return record.boot_id == boot_id() and start_ticks(record.pid) == record.start_ticks


def application_pids(component_dir: Path) -> list[int]:
    """Return every process that was started as, or by, this component's application: strays and orphans too."""
    mark = b"SUREFOOT_COMPONENT_DIR=" + os.fsencode(os.path.realpath(component_dir))
    pids = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0") and start_ticks(int(entry)):
                    pids.append(int(entry))
    return pids


def stop_process(record: AppRecord, stop_s: float) -> None:
    """SIGTERM to the application's process group, SIGKILL after `stop_s`; returns when the process is gone."""
    for number, wait_s in ((signal.SIGTERM, stop_s), (signal.SIGKILL, 10.0)):
        if not process_alive(record):
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(record.pid, number)
            os.killpg(record.pid, signal.SIGCONT)  # a stopped process cannot obey SIGTERM
        until = time.monotonic() + wait_s
        while process_alive(record) and time.monotonic() < until:
            time.sleep(0.02)


def stop_application(component_dir: Path, stop_s: float) -> None:
    """Stop the recorded application, then kill whatever else carries its mark."""
    record = load_application(component_dir)
    if record is not None:
        stop_process(record, stop_s)
        with contextlib.suppress(OSError):  # a kernel before 5.14 has no cgroup.kill: the mark finds them too
            (Path(record.cgroup) / "cgroup.kill").write_text("1") if record.cgroup else None
    for pid in application_pids(component_dir):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if record is not None and record.cgroup:
        with contextlib.suppress(OSError):  # still dying, or never made: the next start finds and uses it
            os.rmdir(record.cgroup)


def restore_data(component_dir: Path, assignment: str, attempt: int) -> bool:
    """Put the data back as they were before this attempt; what was recorded since goes to `data.aside`.

    Hold the trial lock; the application does not run. Repeatable. Returns whether there was anything to put back.
    """
    kept = load_record(component_dir, "data") or {}
    asked = (kept.get("assignment"), kept.get("attempt")) == (assignment, attempt)
    if not asked or kept.get("phase") not in ("kept", "going_back"):
        return False
    data, before, aside = (component_dir / name for name in (DATA, DATA_BEFORE, DATA_ASIDE))
    if before.is_dir():
        with contextlib.suppress(OSError):
            os.rmdir(data)  # an empty one, made by whoever started between the two renames below
        if data.exists():
            shutil.rmtree(aside, ignore_errors=True)
            os.replace(data, aside)
        os.replace(before, data)
        fsync_folder(component_dir)
    save_record(component_dir, "data", {**kept, "phase": "restored"})
    return True


# --- the guard itself -------------------------------------------------------------------------------------------------
def must_act(trial: Mapping[str, object], now_monotonic_s: float) -> bool:
    """Say whether the trial's budget is gone without a verdict, or a way back was begun and not finished."""
    if trial["verdict"] == "healthy" or trial.get("finished"):
        return False
    over = now_monotonic_s >= _number(trial, "deadline_monotonic") or _spent(trial)
    return trial["verdict"] == "guard" or over  # an agent's own verdict is its own to act on, while it has time


def look(component_dir: Path) -> bool:
    """Look at the trial once; bring the old release back where that is due. Return whether it did."""
    trial = load_trial(component_dir)
    if trial is None or not (must_act(trial, time.monotonic()) or _in_another_boot(trial)):
        return False
    with _lock_or_free(component_dir, _number(trial, "lock_wait_s")):
        trial = load_trial(component_dir)  # again: whoever held the lock may have decided
        if trial is not None and _in_another_boot(trial):
            trial = _one_start_more(trial)
            save_record(component_dir, "trial", trial)
        if trial is None or not must_act(trial, time.monotonic()):
            return False
        go_back(component_dir, trial)
        after = load_record(component_dir, "trial") or {}
        return bool(after.get("finished")) and not after.get("stays")


def go_back(component_dir: Path, trial: Mapping[str, object]) -> bool:
    """Verdict first, then link, slot state, application: the next look finishes it. False: the set is committed."""
    trial = dict(trial)
    if trial["verdict"] is None:
        keep_last_words(component_dir)
        trial.update(verdict="guard", reason="too_many_tries" if _spent(trial) else "no_verdict")
        if trial.get("set"):
            held = decide_set(component_dir, trial["set"], "guard", str(trial["reason"]))
            if held["verdict"] == "healthy":
                return False
            trial.update(verdict=held["verdict"], reason=held["reason"])
        save_record(component_dir, "trial", trial)
    if trial.get("machine"):
        _restart_into_previous(component_dir, trial)
        return True
    new, previous = str(trial["slot"]), str(trial["previous"])
    point_current(component_dir, previous)
    set_slot_state(component_dir, new, "bad")
    running = load_application(component_dir)
    if running is None or running.slot != previous or not process_alive(running):
        stop_application(component_dir, 2.0)
        restore_data(component_dir, str(trial["assignment"]), int(_number(trial, "attempt")))
        if isinstance(fallback := trial["fallback"], dict):
            spawn_application(component_dir, _spec(fallback))
    save_record(component_dir, "trial", {**trial, "finished": True})
    return True


def stand_in(component_dir: Path, dead_since: float | None, now: float) -> float | None:
    """Start a committed slot's application that died unasked and that no agent starts; return since when it is dead."""
    trial = load_record(component_dir, "trial") or {"finished": True}
    settled = trial.get("finished") or trial.get("verdict") == "healthy"  # an open trial is for `look`
    if not settled or not _died(component_dir):
        return None
    since = now if dead_since is None else dead_since
    if now - since < (HUNG_S if _agent_lives(component_dir) else ALONE_S):
        return since
    with trial_lock(component_dir, LOCK_WAIT_S):
        told = load_record(component_dir, "start") or {}
        if told and told["slot"] == current_slot(component_dir) and _died(component_dir):
            stop_application(component_dir, 0.0)
            spawn_application(component_dir, _spec(told))
            _say("stood_in", slot=told["slot"])
    return None


def _died(component_dir: Path) -> bool:
    """Say whether nothing runs of what was started; a record that cannot be read is no order to stop, as none is."""
    found = load_application(component_dir)
    return not process_alive(found) if found else (component_dir / "app.json").exists()


def quiet(component_dir: Path) -> None:
    """Stop a shadow that no agent watches: nobody would see what it costs the live release."""
    beside = component_dir / SHADOW
    if not (beside / "app.json").exists() or _agent_lives(component_dir):
        return
    with trial_lock(beside, LOCK_WAIT_S):
        stop_application(beside, 2.0)
        (beside / "app.json").unlink(missing_ok=True)
        _say("shadow_stopped", component_dir=str(component_dir))


def _agent_lives(component_dir: Path) -> bool:
    """It holds a lock beside the component's folder for as long as it runs."""
    try:
        with (component_dir.parent / "agent.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except OSError as error:
        return isinstance(error, BlockingIOError)


def _spec(told: Mapping[str, Any]) -> AppSpec:
    return AppSpec(**{**told, "argv": tuple(told["argv"])})


def _restart_into_previous(component_dir: Path, trial: dict[str, object]) -> None:
    """Boot control's commands, then a restart; repeated, harder each time, until the old root is what runs."""
    asked, mark = trial.get("back_boot_id"), trial.get("previous_mark")
    there = mark in CMDLINE.read_text(errors="replace").split() if mark else asked not in (None, boot_id())
    again = asked == boot_id()
    if again and time.monotonic() - _number(trial, "back_monotonic") < RESTART_WAIT_S:
        return  # init stops what runs
    boots = int(_number(trial, "back_boots") if "back_boots" in trial else 0) + (0 if again else 1)
    if boots > BACK_BOOTS and not there:
        _say("stays", why="the bootloader enters the new slot again and again: its commit was issued", boots=boots)
        save_record(component_dir, "trial", {**trial, "finished": True, "stays": True})
        return
    obeyed = _led_back(trial)
    if there and obeyed:  # also where the switch was armed and its restart never came: the next start is an old one
        save_record(component_dir, "trial", {**trial, "finished": True})
        return
    times = int(_number(trial, "back_tries")) + 1 if again else 1
    now = {"back_boot_id": boot_id(), "back_monotonic": time.monotonic(), "back_tries": times, "back_boots": boots}
    save_record(component_dir, "trial", {**trial, **now})
    if there:
        return  # nothing to leave; the command is tried again later
    restarts = _commands(trial, "restart")
    _say("restarting_machine", times=times)
    _run(restarts[min(times, len(restarts)) - 1])


def _led_back(trial: Mapping[str, object]) -> bool:
    """Give boot control's commands, each repeatable; say whether all of them took."""
    obeyed = True
    for argv in _commands(trial, "back"):
        try:
            _run(argv)
        except (OSError, subprocess.SubprocessError) as error:
            _say("boot_control_failed", error=str(error))  # a bootloader that counts tries leads back by itself
            obeyed = False
    return obeyed


def _commands(trial: Mapping[str, object], key: str) -> list[list[str]]:
    found = trial.get(key)
    return [[str(word) for word in argv] for argv in found if isinstance(argv, list)] if isinstance(found, list) else []


def _run(argv: list[str]) -> None:
    """Run a fixed command of the trial record: no shell, an environment of our own, bounded."""
    env, none = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, subprocess.DEVNULL
    subprocess.run(argv, env=env, stdin=none, stdout=2, timeout=COMMAND_S, check=True, cwd="/")


def keep_last_words(component_dir: Path) -> None:
    """Keep the end of the application's log for the report: the old release goes on in the same file."""
    (component_dir / LAST_WORDS).unlink(missing_ok=True)  # of an earlier trial
    with contextlib.suppress(OSError), open(component_dir / "app.log", "rb") as log:  # no log or a full disk: go back
        log.seek(max(0, os.fstat(log.fileno()).st_size - LAST_WORDS_BYTES))
        write_file(component_dir / LAST_WORDS, log.read(LAST_WORDS_BYTES))


def _in_another_boot(trial: Mapping[str, object]) -> bool:
    """A deadline means nothing in it, nor that an agent condemned the release: it may not come to act on that."""
    undone = trial["verdict"] in (None, "unhealthy") and not trial.get("finished")
    return undone and trial["deadline_boot_id"] != boot_id()


def _one_start_more(trial: Mapping[str, object]) -> dict[str, object]:
    starts, until = int(_number(trial, "starts")) + 1, time.monotonic() + _number(trial, "budget_s")
    return {**trial, "starts": starts, "deadline_monotonic": until, "deadline_boot_id": boot_id()}


def _spent(trial: Mapping[str, object]) -> bool:
    return _number(trial, "starts") > _number(trial, "max_starts")


def _number(trial: Mapping[str, object], key: str) -> float:
    value = trial.get(key)
    return float(value) if isinstance(value, (int, float)) else LOCK_WAIT_S


@contextlib.contextmanager
def _lock_or_free(component_dir: Path, wait_s: float) -> Iterator[None]:
    """Take the lock; end a holder that froze inside it (SIGKILL reaches a stopped process), then take it."""
    path = component_dir / "trial.lock"
    before = _holder(path)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(trial_lock(component_dir, wait_s))
        except Locked:
            held = _holder(path)
            if held is not None and held == before and held[1] == start_ticks(held[0]):
                _say("lock_holder_ended", pid=held[0])
                os.kill(held[0], signal.SIGKILL)
            stack.enter_context(trial_lock(component_dir, wait_s))
        yield


def _holder(lock: Path) -> tuple[int, int] | None:
    """Pid and start time of whom a lock names; None where it names nobody, or what it holds cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        pid, ticks = map(int, lock.read_bytes().split())
        return pid, ticks
    return None


@contextlib.contextmanager
def _trying() -> Iterator[None]:
    """A full disk, a slow holder, a file that nobody foresaw: the other steps go on, the next look repeats this one."""
    try:
        yield
    except Exception as error:  # whatever it is: nobody comes after the guard
        _say("trying_again", error=f"{type(error).__name__}: {error}")


def _say(event: str, **facts: object) -> None:
    with contextlib.suppress(OSError):  # whoever read it may be gone
        print(json.dumps({"guard": event, **facts}), file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    import argparse  # the agent, which uses this file as a module, need not hold it

    parser = argparse.ArgumentParser(prog="guard", description="Bring the old release back where no verdict came.")
    parser.add_argument("--component-dir", type=Path, required=True)
    parser.add_argument("--poll-s", type=float, default=0.5)
    parser.add_argument("--once", action="store_true", help="look once and leave")
    given = parser.parse_args(argv)
    try:
        fcntl.flock(_open_lock(given.component_dir / "guard.lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say("already_running", component_dir=str(given.component_dir))
        return 5
    except OSError as error:
        if not given.component_dir.is_dir():
            raise
        _say("guard_lock_not_made", error=str(error))  # a second guard does no harm: both act under trial.lock
    dead_since: float | None = None
    while True:
        with _trying():
            if look(given.component_dir):
                _say("went_back", component_dir=str(given.component_dir))
        with _trying():
            dead_since = stand_in(given.component_dir, dead_since, time.monotonic())
        with _trying():
            quiet(given.component_dir)
        if given.once:
            return 0
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(given.poll_s)


if __name__ == "__main__":
    sys.exit(main())
