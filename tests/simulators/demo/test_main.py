"""The command: refuses a folder that holds something, and says how it is used."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from surefoot_simulators.demo.__main__ import main
from surefoot_simulators.demo.node import environment

SERVER_RUNS, AGENTS_RUN = re.compile("the server runs"), re.compile(r"fleet: [1-9]\d* online")


def test_a_folder_that_holds_something_is_refused_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").write_text("x")

    code = main(["--keep", str(tmp_path)])

    assert code == 1
    assert "is not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["precious"]


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    assert "make demo STAY=1" in capsys.readouterr().out


def test_an_unknown_option_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--fast"])

    assert ended.value.code == 2


def processes_of(folder: Path) -> list[int]:
    """Every live process that has the folder in its command line, environment or working directory."""
    mark, found = os.fsencode(folder), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            facts = (
                (entry / "cmdline").read_bytes()
                + (entry / "environ").read_bytes()
                + os.fsencode((entry / "cwd").readlink())
            )
        except OSError:
            continue
        if mark in facts:
            found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "at", "twice"),
    [(signal.SIGINT, SERVER_RUNS, False), (signal.SIGINT, AGENTS_RUN, True), (signal.SIGTERM, AGENTS_RUN, False)],
    ids=["while devices enrol", "twice", "terminated"],
)
def test_an_interrupt_ends_every_process_and_removes_every_file(
    tmp_path: Path, number: signal.Signals, at: re.Pattern[str], twice: bool
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "surefoot_simulators.demo"],
        env=environment({"TMPDIR": str(tmp_path)}),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if at.search(line):
            break

    os.killpg(process.pid, number)
    if twice:
        time.sleep(0.2)  # an impatient person
        os.killpg(process.pid, number)
    rest, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "every process is ended" in rest
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
