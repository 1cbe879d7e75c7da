"""What a confined command can and cannot do, tried by a real one on this machine's kernel."""

from __future__ import annotations

import ast
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent import confine
from surefoot_agent.confine import ABIS, ALLOW, DENY, NOT_FOUND, REFUSED, Abi, abi, program_for

PYTHON = os.path.realpath(sys.executable)
SOCKETS = """
import socket
made = []
for family, kind in ((1, 1), (2, 1), (2, 2), (10, 1), (16, 3), (17, 3)):
    try:
        socket.socket(family, kind).close()
        made.append(family)
    except PermissionError:
        pass
print(made)
"""
CALLS = """
import ctypes, os
library = ctypes.CDLL(None, use_errno=True)
def tried(number):
    library.syscall(number, 0, 0, 0, 0, 0, 0)
    return ctypes.get_errno()
print([tried(number) for number in NUMBERS])
"""


def confined(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", confine.__file__, *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_no_socket_but_a_local_one_can_be_made() -> None:
    assert confined(PYTHON, "-I", "-c", SOCKETS).stdout == "[1]\n"


def test_what_it_starts_is_confined_too() -> None:
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', {SOCKETS!r}])"

    assert confined(PYTHON, "-I", "-c", inner).stdout == "[1]\n"


def test_other_processes_and_ways_around_the_filter_are_closed() -> None:
    numbers = repr(abi().denied)

    said = confined(PYTHON, "-I", "-c", CALLS.replace("NUMBERS", numbers)).stdout

    assert said == f"{[13] * len(abi().denied)}\n"


def test_it_gains_no_rights_and_leaves_no_core() -> None:
    said = confined("/bin/sh", "-c", "grep NoNewPrivs /proc/self/status; ulimit -c").stdout

    assert said.split() == ["NoNewPrivs:", "1", "0"]


def test_its_exit_code_is_the_commands() -> None:
    assert confined("/bin/sh", "-c", "exit 7").returncode == 7


def test_a_command_that_cannot_be_executed_is_told_by_its_code(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")

    assert confined(str(tmp_path / "missing")).returncode == NOT_FOUND
    assert confined(str(tmp_path / "text")).returncode == REFUSED
    assert confined().returncode == REFUSED


def test_a_kernel_that_takes_no_filter_runs_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> None:
        raise OSError(22, "the kernel takes no filter: Invalid argument")

    monkeypatch.setattr(confine, "confine", refused)
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("it was run"))

    assert confine.main(["/bin/true"]) == REFUSED
    assert "takes no filter" in capsys.readouterr().err


def test_the_processors_of_cameras_are_known_and_others_refused() -> None:
    assert abi("aarch64", 8) is ABIS["aarch64"]
    assert abi("aarch64", 4) is abi("armv7l", 4) is ABIS["arm"]
    for machine, width in (("riscv64", 8), ("x86_64", 4), ("i686", 4)):
        with pytest.raises(OSError, match="no filter"):
            abi(machine, width)


def runs(program: bytes, arch: int, number: int, argument: int) -> int:
    """A machine for the few instructions that the filter has; jumps lead forward, so it ends."""
    lines = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
    held = {confine.ARCH_AT: arch, confine.NUMBER_AT: number, confine.FIRST_ARGUMENT_AT: argument}
    at = value = 0
    while True:
        code, yes, no, constant = lines[at]
        at += 1
        if code == confine.RETURN:
            return int(constant)
        if code == confine.LOAD:
            value = held[constant]
        else:
            holds = value == constant if code == confine.EQUAL else value >= constant
            at += yes if holds else no


def each() -> Iterator[tuple[Abi, bytes]]:
    for known in ABIS.values():
        yield known, program_for(known)


def test_on_every_processor_the_filter_lets_only_local_sockets_and_ordinary_calls_through() -> None:
    for known, program in each():
        assert runs(program, known.audit, known.socket, 1) == ALLOW
        assert all(runs(program, known.audit, known.socket, family) == DENY for family in (0, 2, 10, 16, 17))
        assert all(runs(program, known.audit, number, 0) == DENY for number in known.denied)
        others = set(range(500)) - {known.socket, *known.denied}
        assert all(runs(program, known.audit, number, 2) == ALLOW for number in others)


def test_calls_of_another_abi_are_denied_whatever_they_are() -> None:
    for known, program in each():
        for other in [one.audit for one in ABIS.values() if one is not known] + [0x40000003]:
            assert runs(program, other, 0, 0) == DENY
        assert runs(program, known.audit, confine.X32_CALLS | 41, 1) == DENY


def test_it_imports_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(confine.__file__).read_text())
    named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}

    assert {name.partition(".")[0] for name in named} <= sys.stdlib_module_names
