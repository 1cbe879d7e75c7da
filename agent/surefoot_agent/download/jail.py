"""What a process may still do that unpacks a stranger's bytes: read what it was given, compute, write to its pipe.

Promises: after `seal` no file can be opened, no socket made, no program or thread started, no process touched: the
kernel lets through the calls of `CALLS` and answers every other with EPERM; memory and time of the processor are
bounded, nothing but a pipe can be written. Needs no root. Fails closed: where no filter is known or the kernel takes
none, OSError is raised, and the device fetches only what needs no unpacking. Tried on x86_64; the numbers of the other
processors are those of their kernel headers. Sources: seccomp(2), asm/unistd.h.
"""

from __future__ import annotations

import resource
import struct
from collections.abc import Mapping, Sequence

from surefoot_agent import confine

EPERM = 0x00050000 | 1
"""SECCOMP_RET_ERRNO with EPERM."""
CPU_SLACK_S = 1
"""Between the soft limit, which ends the process, and the hard one, which nothing gets past."""

CALLS: Mapping[str, Sequence[int]] = {
    # read write close fstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn pread64 readv
    # writev sched_yield mremap madvise getpid exit gettimeofday getrusage sigaltstack gettid futex
    # restart_syscall clock_gettime exit_group newfstatat getrandom membarrier rseq
    "x86_64": (
        0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 20, 24, 25, 28, 39, 60, 96, 98, 131, 186, 202, 219,
        228, 231, 262, 318, 324, 334,
    ),
    "aarch64": (
        63, 64, 57, 80, 73, 62, 222, 226, 215, 214, 134, 135, 139, 67, 65, 66, 124, 216, 233, 172, 93, 169, 165,
        132, 178, 98, 128, 113, 94, 79, 278, 283, 293,
    ),
    # 32 bit: mmap2, _llseek, fstat64, fstatat64, and futex and clock_gettime with 64 bits of time besides
    "arm": (
        3, 4, 6, 197, 168, 19, 140, 192, 125, 91, 45, 174, 175, 173, 180, 145, 146, 158, 163, 220, 20, 1, 78, 77,
        186, 224, 240, 422, 0, 263, 403, 248, 327, 384, 389, 398,
    ),
}  # fmt: skip


def seal(memory_bytes: int, cpu_s: int) -> None:
    """Give up everything that is not needed any more, for good. `memory_bytes` come on top of what is mapped now."""
    mapped = _mapped_bytes()
    for limit, soft, hard in (
        (resource.RLIMIT_AS, mapped + memory_bytes, mapped + memory_bytes),
        (resource.RLIMIT_CPU, cpu_s, cpu_s + CPU_SLACK_S),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        _, most = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(limit, (soft, hard))
    confine.filter_calls(program_for(name()))


def name() -> str:
    """Return which row of CALLS is this program's. Raises OSError where there is none."""
    spoken = confine.abi()
    return next(each for each, abi in confine.ABIS.items() if abi is spoken)


def program_for(processor: str) -> bytes:
    """Return the filter: another ABI than our own is denied, and so is every call that is not listed."""
    calls = CALLS[processor]
    lines = [
        (confine.LOAD, 0, 0, confine.ARCH_AT),
        (confine.EQUAL, 1, 0, confine.ABIS[processor].audit),
        (confine.RETURN, 0, 0, EPERM),
        (confine.LOAD, 0, 0, confine.NUMBER_AT),
        *((confine.EQUAL, len(calls) - place, 0, number) for place, number in enumerate(calls)),
        (confine.RETURN, 0, 0, EPERM),
        (confine.RETURN, 0, 0, confine.ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _mapped_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
