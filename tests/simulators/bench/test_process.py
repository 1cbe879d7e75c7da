"""What /proc says of a process whose cost is known."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from surefoot_simulators.bench.process import children, cpu_percent, cpu_s, rss_mib, together


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def _python(started: list[subprocess.Popen[bytes]], code: str) -> int:
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    started.append(process)
    assert process.stdout is not None
    process.stdout.readline()  # the program says when it is ready
    return process.pid


def test_memory_that_a_process_touches_is_counted(started: list[subprocess.Popen[bytes]]) -> None:
    small = _python(started, "print(flush=True); input()")
    large = _python(started, "b = b'x' * (64 << 20); print(flush=True); input()")

    assert 60 < rss_mib(large) - rss_mib(small) < 70


def test_a_busy_process_costs_what_it_gets_of_a_core_and_a_sleeping_one_nothing(
    started: list[subprocess.Popen[bytes]],
) -> None:
    busy = _python(started, "print(flush=True)\nwhile True: pass")
    asleep = _python(started, "import time; print(flush=True); time.sleep(60)")

    used = cpu_percent({"busy": busy, "asleep": asleep}, over_s=0.5)

    assert 3 < used["busy"] < 120, "how much it gets depends on who else wants the core"
    assert used["asleep"] < 3


def test_a_process_name_with_spaces_and_brackets_does_not_shift_the_numbers(
    started: list[subprocess.Popen[bytes]],
) -> None:
    code = "open('/proc/self/comm', 'w').write('a) b (c'); print(flush=True); input()"

    assert 0 <= cpu_s(_python(started, code)) < 5


def test_a_process_that_is_gone_is_an_error_not_a_zero(started: list[subprocess.Popen[bytes]]) -> None:
    pid = _python(started, "print(flush=True)")
    started[0].wait()

    with pytest.raises((FileNotFoundError, ProcessLookupError)):
        rss_mib(pid)


def test_children_are_found_by_their_parent(started: list[subprocess.Popen[bytes]]) -> None:
    pid = _python(started, "print(flush=True); input()")

    assert pid in children(os.getpid())


def test_the_memory_of_a_process_and_its_children_is_that_of_one_moment(started: list[subprocess.Popen[bytes]]) -> None:
    own = rss_mib(os.getpid())
    with together(every_s=0.01) as memory:
        _python(started, "b = b'x' * (64 << 20); print(flush=True); input()")
        memory.look()
        started.pop().communicate(b"\n")  # gone before the next one comes
        _python(started, "b = b'x' * (32 << 20); print(flush=True); input()")
        memory.look()

    assert 64 < memory.peak_mib - own < 96
