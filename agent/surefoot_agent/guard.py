"""Bring the old release back where the agent gave no verdict in time: one file, standard library only, its own process.

Promises: acts only under `trial.lock` and only after it has read the verdict again under that lock, so a commit in
progress is never undone; every step may be repeated and is finished by the next guard or agent where this one dies.
Refuses: to import anything of Surefoot (it must work when the agent cannot even be imported), to believe a wall clock
(budgets are CLOCK_MONOTONIC, restarts are told by the kernel's boot_id), and to kill what it has not proved to be the
application by pid and start time. A root filesystem goes back by the commands that its trial record holds since it was
armed: boot control's own, then a restart of the machine. The first half is the primitives that the agent shares, each
written once; it is long because one file is all that may be needed.
Run: python3 -I guard.py --component-dir DIR [--once]
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
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

MAGIC = b"SFR1"
_HEAD = struct.Struct(">4sQI")
"""Magic, generation, length; a CRC-32 over head and body follows the body."""
LOCK_WAIT_S = 10.0
"""A holder of trial.lock needs a few fsyncs and one application stop; the guard ends one that is frozen for longer."""

RESTART_WAIT_S = 150.0
"""systemd gives every service 90 s to stop before it kills it and goes on."""
COMMAND_S = 30.0
"""Boot control writes a few bytes, and init takes an order at once."""


DATA, DATA_BEFORE, DATA_ASIDE = "data", "data.before", "data.aside"
"""In the component's folder: the application's data, those of before the trial, and what a reverted release left."""
JOINT = "joint"
"""Folder beside the components' that holds the one verdict of components that are activated together."""
LAST_WORDS = "last_words"
"""File in the component's folder: end of the log of a release that the guard left."""
LAST_WORDS_BYTES = 8 * 1024


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
    if trial is None or joint is None or joint["set"] != trial["set"] or joint["verdict"] is None:
        return trial
    return {**trial, "verdict": joint["verdict"], "reason": joint["reason"]}


def decide_set(component_dir: Path, name: object, verdict: str | None, reason: str | None) -> dict[str, object]:
    """Write the one verdict of a set unless there is one; return the record that holds. `verdict` None: begin the set.

    Hold the component's trial lock: the set's own lock is taken inside it, always in this order.
    """
    folder = component_dir.parent / JOINT
    folder.mkdir(exist_ok=True)
    with _lock_or_free(folder, LOCK_WAIT_S):
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
    if len(raw) < _HEAD.size + 4:
        return None
    magic, generation, length = _HEAD.unpack_from(raw)
    end = _HEAD.size + length
    if magic != MAGIC or len(raw) != end + 4 or struct.unpack_from(">I", raw, end)[0] != zlib.crc32(raw[:end]):
        return None
    value = json.loads(raw[_HEAD.size : end])
    return (generation, value) if isinstance(value, dict) else None


def _load_generation(path: Path) -> tuple[int, dict[str, object]] | None:
    try:
        return decode_frame(path.read_bytes())
    except FileNotFoundError:
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
    """A rename is durable only once its folder is."""
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
    fd = os.open(component_dir / "trial.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take_lock(fd, wait_s)
        mine.add(key)
        yield
    finally:
        mine.discard(key)
        os.close(fd)  # the lock goes with the descriptor


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
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()} {start_ticks(os.getpid())}".encode(), 0)  # whom to end, should it freeze in here


def current_slot(component_dir: Path) -> str | None:
    """Return the slot that `current` points to, None where the link is missing or points elsewhere."""
    try:
        target = os.readlink(component_dir / "current")
    except (FileNotFoundError, OSError):
        return None
    name = os.path.basename(target)
    return name if target == f"slots/{name}" and name in ("A", "B") else None


def point_current(component_dir: Path, slot: str) -> None:
    """Flip `current` to a slot: a rename over the link, then fsync of the folder; whole or not at all."""
    temporary = component_dir / "current.tmp"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
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


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """Return the start time of a live process in clock ticks since boot; None for a dead one or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return None if fields[0] in ("Z", "X") else int(fields[19])


def spawn_application(component_dir: Path, spec: AppSpec) -> AppRecord:
    """Start the application in a session of its own and write `app.json`. Hold the trial lock during a trial.

    The environment carries SUREFOOT_START_ID and SUREFOOT_COMPONENT_DIR, so a process whose record was never
    written (the power went between the two) is still found by `application_pids`.
    """
    start_id = uuid.uuid4().hex
    env = {**spec.env, "SUREFOOT_START_ID": start_id, "SUREFOOT_COMPONENT_DIR": os.path.realpath(component_dir)}
    log = os.open(spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        process = subprocess.Popen(
            spec.argv,
            cwd=spec.cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **identity_of(spec.user),  # type: ignore[call-overload]
        )
    finally:
        os.close(log)
    record = AppRecord(start_id, process.pid, start_ticks(process.pid) or 0, boot_id(), spec.slot, spec.argv, spec.cwd)
    process.returncode = 0  # it outlives us: we reap it by pid, the object must not wait or warn
    if spec.cgroup:
        record = dataclasses.replace(record, cgroup=_move_to_cgroup(component_dir, spec.slot))
    write_file(component_dir / "app.json", json.dumps(dataclasses.asdict(record), sort_keys=True).encode())
    return record


def identity_of(user: str) -> dict[str, object]:
    """What makes Popen give up the caller's identity, supplementary groups too; raises OSError for an unknown user."""
    if not user:
        return {}
    try:
        known = pwd.getpwnam(user)
    except KeyError:
        raise OSError(f"There is no user {user!r} to run the application as") from None
    return {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": os.getgrouplist(user, known.pw_gid)}


def _move_to_cgroup(component_dir: Path, slot: str) -> str:
    """Move what was just started, and whatever it has started since, into a cgroup below ours; return its path.

    The empty path where cgroup v2 cannot be written: the process group and the mark then say what belongs to it.
    """
    try:
        own = next(x for x in Path("/proc/self/cgroup").read_text().splitlines() if x.startswith("0::"))[4:]
        mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
        root = next(m[4] for m in mounts if m[m.index("-") + 1] == "cgroup2")
        name = f"application-{zlib.crc32(os.fsencode(os.path.realpath(component_dir))):08x}-{slot}"
        cgroup = Path(root) / own / name
        cgroup.mkdir(exist_ok=True)
        outside = True
        while outside:  # a child that was forked meanwhile carries the mark, and is moved in the next round
            inside = set(map(int, (cgroup / "cgroup.procs").read_text().split()))
            outside = bool(moving := [pid for pid in application_pids(component_dir) if pid not in inside])
            for pid in moving:
                with contextlib.suppress(ProcessLookupError):
                    (cgroup / "cgroup.procs").write_text(str(pid))
    except (OSError, StopIteration, ValueError):
        return ""
    return str(cgroup)


def load_application(component_dir: Path) -> AppRecord | None:
    """Return the record in `app.json`, None where there is none or it cannot be read."""
    try:
        value = json.loads((component_dir / "app.json").read_bytes())
        known = {field.name for field in dataclasses.fields(AppRecord)}  # a newer agent may have stored more
        return AppRecord(**{k: v for k, v in value.items() if k in known} | {"argv": tuple(value["argv"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


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

    Hold the trial lock; the application does not run. Repeatable: `data.before` is there until its last step. Returns
    whether there was anything to put back.
    """
    kept = load_record(component_dir, "data")
    if kept is None or (kept.get("assignment"), kept.get("attempt")) != (assignment, attempt):
        return False
    if kept.get("phase") not in ("kept", "going_back"):
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
        return bool((load_record(component_dir, "trial") or {}).get("finished"))


def go_back(component_dir: Path, trial: Mapping[str, object]) -> bool:
    """Verdict first, then link, slot state and application: a death in between is finished by whoever looks next.

    Return False, and change nothing, where the set it belongs to was committed a moment before.
    """
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
        fallback = trial["fallback"]
        if isinstance(fallback, dict):
            spec = {**fallback, "argv": tuple(fallback["argv"])}
            spawn_application(component_dir, AppSpec(**spec))
    save_record(component_dir, "trial", {**trial, "finished": True})
    return True


def _restart_into_previous(component_dir: Path, trial: dict[str, object]) -> None:
    """Boot control's commands, then a restart; repeated, harder each time, until the old root is what runs."""
    asked, mark = trial.get("back_boot_id"), trial.get("previous_mark")
    there = mark in Path("/proc/cmdline").read_text().split() if mark else asked not in (None, boot_id())
    if there:
        save_record(component_dir, "trial", {**trial, "finished": True})
        return
    again = asked == boot_id()
    if again and time.monotonic() - _number(trial, "back_monotonic") < RESTART_WAIT_S:
        return  # init stops what runs
    for argv in _commands(trial, "back"):
        try:
            _run(argv)
        except (OSError, subprocess.SubprocessError) as error:
            _say("boot_control_failed", error=str(error))  # a bootloader that counts tries leads back by itself
    times = int(_number(trial, "back_tries")) + 1 if again else 1
    asked_now = {"back_boot_id": boot_id(), "back_monotonic": time.monotonic(), "back_tries": times}
    save_record(component_dir, "trial", {**trial, **asked_now})
    restarts = _commands(trial, "restart")
    _say("restarting_machine", times=times)
    _run(restarts[min(times, len(restarts)) - 1])


def _commands(trial: Mapping[str, object], key: str) -> list[list[str]]:
    found = trial.get(key)
    return [[str(word) for word in argv] for argv in found if isinstance(argv, list)] if isinstance(found, list) else []


def _run(argv: list[str]) -> None:
    """Run a fixed command of the trial record: no shell, an environment of our own, bounded."""
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=2, timeout=COMMAND_S, check=True, cwd="/")


def keep_last_words(component_dir: Path) -> None:
    """Keep the end of the application's log for the report: the old release goes on in the same file."""
    with contextlib.suppress(FileNotFoundError):
        (component_dir / LAST_WORDS).unlink()  # of an earlier trial
    with contextlib.suppress(OSError), open(component_dir / "app.log", "rb") as log:  # no log or a full disk: go back
        log.seek(max(0, os.fstat(log.fileno()).st_size - LAST_WORDS_BYTES))
        write_file(component_dir / LAST_WORDS, log.read(LAST_WORDS_BYTES))


def _in_another_boot(trial: Mapping[str, object]) -> bool:
    """The machine was started anew while the trial was open: its deadline means nothing in this boot."""
    return trial["verdict"] is None and trial["deadline_boot_id"] != boot_id()


def _one_start_more(trial: Mapping[str, object]) -> dict[str, object]:
    deadline = time.monotonic() + _number(trial, "budget_s")
    starts = int(_number(trial, "starts")) + 1
    return {**trial, "starts": starts, "deadline_monotonic": deadline, "deadline_boot_id": boot_id()}


def _spent(trial: Mapping[str, object]) -> bool:
    return _number(trial, "starts") > _number(trial, "max_starts")


def _number(trial: Mapping[str, object], key: str) -> float:
    value = trial.get(key)
    return float(value) if isinstance(value, (int, float)) else LOCK_WAIT_S


@contextlib.contextmanager
def _lock_or_free(component_dir: Path, wait_s: float) -> Iterator[None]:
    """Take the lock; end a holder that froze inside it (SIGKILL reaches a stopped process), then take it."""
    path = component_dir / "trial.lock"
    holder = path.read_text() if path.exists() else ""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(trial_lock(component_dir, wait_s))
        except Locked:
            pid, _, ticks = path.read_text().partition(" ")
            if holder == f"{pid} {ticks}" and ticks == str(start_ticks(int(pid))):
                _say("lock_holder_ended", pid=pid)
                os.kill(int(pid), signal.SIGKILL)
            stack.enter_context(trial_lock(component_dir, wait_s))
        yield


def _say(event: str, **facts: object) -> None:
    print(json.dumps({"guard": event, **facts}), file=sys.stderr, flush=True)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="guard", description="Bring the old release back where no verdict came.")
    parser.add_argument("--component-dir", type=Path, required=True)
    parser.add_argument("--poll-s", type=float, default=0.5)
    parser.add_argument("--once", action="store_true", help="look once and leave")
    given = parser.parse_args(argv)
    fd = os.open(given.component_dir / "guard.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say("already_running", component_dir=str(given.component_dir))
        return 5
    while True:
        try:
            if look(given.component_dir):
                _say("went_back", component_dir=str(given.component_dir))
        except (OSError, Locked, subprocess.SubprocessError) as error:
            _say("trying_again", error=str(error))  # a full disk or a slow holder: the next look repeats every step
        if given.once:
            return 0
        _reap()
        time.sleep(given.poll_s)


if __name__ == "__main__":
    sys.exit(main())
