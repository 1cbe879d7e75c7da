"""Run one command of a release with less than its user may do: no network, no way into other processes, no new rights.

Promises: needs no root and no namespaces, so it works inside the agent's own unit; fails closed: where the kernel
takes no filter, or the processor is none of those below, nothing is run (exit code 126). Enforced by the kernel on the
command and all it starts: sockets other than local ones cannot be made, other processes cannot be traced, read or
robbed of descriptors, set-uid programs give nothing, no core dumps. Not enforced here: what the user may read and write
on disk. A program of its own, standard library only: `python3 -I confine.py COMMAND …`.
Sources: seccomp(2), include/uapi/linux/{seccomp,filter,audit}.h.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

REFUSED, NOT_FOUND = 126, 127
"""Exit codes as shells have them: could not be confined or executed; does not exist."""
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER_MODE = 22, 38, 2
ALLOW, DENY = 0x7FFF0000, 0x00050000 | 13
"""SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EACCES."""
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
"""BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JGE|K, BPF_RET|K."""
NUMBER_AT, ARCH_AT, FIRST_ARGUMENT_AT = 0, 4, 16
AF_UNIX = 1
X32_CALLS = 0x40000000
OPEN_FILES = 1024


@dataclass(frozen=True)
class Abi:
    """System calls of one processor: `socket` is looked at, `denied` are refused outright."""

    audit: int
    socket: int
    denied: tuple[int, ...]


IO_URING, PIDFD_GETFD = 425, 438
"""The same everywhere. io_uring makes sockets past the filter."""
ABIS: Mapping[str, Abi] = {
    "x86_64": Abi(0xC000003E, 41, (101, 310, 311, IO_URING, PIDFD_GETFD)),
    "aarch64": Abi(0xC00000B7, 198, (117, 270, 271, IO_URING, PIDFD_GETFD)),
    "arm": Abi(0x40000028, 281, (26, 376, 377, IO_URING, PIDFD_GETFD)),
}
"""`denied` begins with ptrace, process_vm_readv, process_vm_writev."""


def main(argv: Sequence[str]) -> int:
    """Confine this process and become the command; returns only where that failed."""
    if not argv:
        print("confine: no command is given", file=sys.stderr)
        return REFUSED
    try:
        confine()
    except OSError as error:
        print(f"confine: {error.strerror or error}", file=sys.stderr)
        return REFUSED
    try:
        os.execv(argv[0], list(argv))  # noqa: S606 -- this is its purpose: no shell, no search path
    except OSError as error:
        print(f"confine: {argv[0]}: {error.strerror}", file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else REFUSED


def confine() -> None:
    """Give up what a migration does not need, for good. Raises OSError."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    filter_calls(program_for(abi()))


def filter_calls(program: bytes) -> None:
    """Have the kernel judge every call of this process and its children by the program, for good. Raises OSError."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    code = ctypes.create_string_buffer(program, len(program))
    size = struct.calcsize("HP")
    head = ctypes.create_string_buffer(struct.pack("HP", len(program) // 8, ctypes.addressof(code)), size)
    _prctl(PR_SET_SECCOMP, FILTER_MODE, ctypes.addressof(head))


def abi(machine: str | None = None, pointer_bytes: int = struct.calcsize("P")) -> Abi:
    """Return what this very program speaks: a 32-bit one on a 64-bit kernel counts as 32 bit. Raises OSError."""
    machine = os.uname().machine if machine is None else machine
    name = "arm" if machine.startswith("arm") or (machine == "aarch64" and pointer_bytes == 4) else machine
    if name not in ABIS or (name == "x86_64" and pointer_bytes != 8):
        raise OSError(f"no filter is known for {machine} with {8 * pointer_bytes} bits")
    return ABIS[name]


def program_for(abi: Abi) -> bytes:
    """Return the filter: another ABI than our own is denied, and so is every call that leads out."""
    refused = abi.denied
    lines = [
        (LOAD, 0, 0, ARCH_AT),
        (EQUAL, 1, 0, abi.audit),
        (RETURN, 0, 0, DENY),
        (LOAD, 0, 0, NUMBER_AT),
        (AT_LEAST, len(refused) + 3, 0, X32_CALLS),
        *((EQUAL, len(refused) + 2 - place, 0, number) for place, number in enumerate(refused)),
        (EQUAL, 0, 3, abi.socket),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
        (EQUAL, 1, 0, AF_UNIX),
        (RETURN, 0, 0, DENY),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _prctl(option: int, value: int, pointer: int = 0) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_ulong(value), ctypes.c_ulong(pointer), ctypes.c_ulong(0), ctypes.c_ulong(0))
    if library.prctl(ctypes.c_int(option), *arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"the kernel takes no filter: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
