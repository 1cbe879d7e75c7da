"""`python -m surefoot_simulators.bench [NAME…] [--record]`: measure, show a table, write build/bench.json.

Promises: exits 0 when everything asked for was measured, whether or not a goal was reached (the figures say that), 1
when a measurement failed, 2 for an unknown name. The work folder is removed afterwards and kept where one failed.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from rich.console import Console

from surefoot_shared.errors import SurefootError
from surefoot_simulators.bench.figures import Figure, as_json, as_table, record
from surefoot_simulators.bench.registry import BENCHMARKS, Benchmark


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(argv)
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    console = Console()
    figures, failed = measure({n: BENCHMARKS[n] for n in given.names or BENCHMARKS}, console)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(as_json(figures))
    show(console, figures, given.out)
    if given.record and figures:
        record(figures, given.page, date.today(), machine_name())
    return 1 if failed else 0


def measure(chosen: dict[str, Benchmark], console: Console) -> tuple[list[Figure], bool]:
    """Run each benchmark in a fresh folder; a failing one is reported and does not stop the others."""
    figures: list[Figure] = []
    failed = False
    for name, benchmark in chosen.items():
        work = Path(tempfile.mkdtemp(prefix=f"surefoot-bench-{name}-"))
        console.print(f"{name}: {benchmark.about}")
        try:
            figures += benchmark.measure(work, lambda line: console.print(f"  {line}", style="dim", markup=False))
        except (SurefootError, OSError, TimeoutError) as error:
            console.print(f"  failed: {error} (kept: {work})", style="bold red", markup=False)
            failed = True
            continue
        shutil.rmtree(work, ignore_errors=True)
    return figures, failed


def show(console: Console, figures: Sequence[Figure], out: Path) -> None:
    if figures:
        console.print(as_table(figures))
    for figure in figures:
        if figure.note:
            console.print(f"{figure.name}: {figure.note}", style="dim", markup=False)
    console.print(f"Written: {out}", markup=False)


def machine_name() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m surefoot_simulators.bench",
        description="Measure Surefoot on this machine beside its peers.",
        epilog="example: python -m surefoot_simulators.bench idle",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"), help="the list of figures as JSON")
    parser.add_argument("--record", action="store_true", help="append the figures to the page, with the date")
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks.md"), help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
