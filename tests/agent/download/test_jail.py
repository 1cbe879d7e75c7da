"""What a sealed process can still do, tried by a real one on this machine's kernel."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys

import pytest

from surefoot_agent import confine
from surefoot_agent.download import jail

ATTEMPTS = """
import os, socket, sys
from surefoot_agent.download import jail
file = os.open(sys.argv[1], os.O_RDWR)
attempts = {
    "open": lambda: open("/etc/passwd"),
    "socket": lambda: socket.socket(socket.AF_UNIX),
    "internet": lambda: socket.socket(socket.AF_INET),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: os.kill(os.getppid(), 0),
    "unlink": lambda: os.unlink(sys.argv[1]),
    "write to a file": lambda: os.write(file, b"x"),
    "memory": lambda: bytearray(64 << 20),
}
jail.seal(16 << 20, 5)
done = []
for name, attempt in attempts.items():
    try:
        attempt()
        done.append(name)
    except (OSError, MemoryError):
        pass
sys.stdout.write(repr((done, os.pread(file, 4, 0))))
sys.stdout.flush()
os._exit(0)
"""
LOOP = """
from surefoot_agent.download import jail
jail.seal(16 << 20, 1)
while True:
    pass
"""


def run(program: str, *argv: str) -> subprocess.CompletedProcess[str]:
    quiet = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    command = [sys.executable, "-I", "-c", quiet + program, *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_nothing_is_left_but_to_read_what_is_open_and_to_compute(tmp_path: object) -> None:
    file = f"{tmp_path}/given"
    with open(file, "w") as writer:
        writer.write("given")

    assert run(ATTEMPTS, file).stdout == "([], b'give')"


@pytest.mark.slow
def test_a_loop_without_end_is_ended() -> None:
    assert run(LOOP).returncode == -signal.SIGXCPU


def test_another_processor_than_those_listed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confine.os, "uname", lambda: type("Name", (), {"machine": "riscv64"}))

    with pytest.raises(OSError, match="riscv64"):
        jail.name()


@pytest.mark.parametrize("processor", jail.CALLS)
def test_only_listed_calls_of_the_own_abi_get_through(processor: str) -> None:
    def verdict(number: int, audit: int) -> int:
        lines = [struct.unpack("HBBI", raw) for raw in _eights(jail.program_for(processor))]
        facts, at, held = {confine.NUMBER_AT: number, confine.ARCH_AT: audit}, 0, 0
        while True:
            code, yes, no, value = lines[at]
            if code == confine.RETURN:
                return value
            held = facts[value] if code == confine.LOAD else held
            at += 1 + (0 if code == confine.LOAD else yes if held == value else no)

    own = confine.ABIS[processor]
    allowed = {number for number in range(600) if verdict(number, own.audit) == confine.ALLOW}
    assert allowed == set(jail.CALLS[processor])
    assert own.socket not in allowed
    assert not allowed & set(own.denied)
    assert verdict(jail.CALLS[processor][0], own.audit ^ 1) == jail.EPERM


def _eights(program: bytes) -> list[bytes]:
    return [program[at : at + 8] for at in range(0, len(program), 8)]
