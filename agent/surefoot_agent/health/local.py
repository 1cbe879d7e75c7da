"""The checks that belong to the device, not to a release: greenboot's folders, our own, and the uplink.

A folder `required.d` decides, a folder `wanted.d` is reported. Its programs run one after the other by name, as
greenboot runs them, each with its own timeout, without a shell and as the agent's user; every one runs though one
failed. They need no signature, because whoever may write there owns the device: so a program or folder that others may
write is not run, and fails. What failed before the update too does not fail the release.
Promises: no release can name such a check: a manifest has no way to build one.
Source: field notes on greenboot (folders, names in greenboot.conf, what its users stumbled over).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from surefoot_agent.config import Settings
from surefoot_agent.health import programs
from surefoot_agent.health.scene import Finding
from surefoot_agent.ports import CheckResult
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import CheckKind, HealthCheck
from surefoot_shared.status import Check

GREENBOOT = (Path("/usr/lib/greenboot/check"), Path("/etc/greenboot/check"))
GREENBOOT_CONF = Path("/etc/greenboot/greenboot.conf")
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
REQUIRED, WANTED = "required.d", "wanted.d"
_DISABLED = re.compile(r"^\s*DISABLED_HEALTHCHECKS=\(([^)]*)\)", re.MULTILINE)
_LEFTOVERS = ("~", ".bak", ".swp", ".dpkg-old", ".dpkg-new", ".dpkg-dist", ".rpmsave", ".rpmnew")


@dataclass(frozen=True)
class DeviceCheck(HealthCheck):
    """A check of the device's own configuration. It must pass once, not several times in a row.

    `programs` is what a folder holds. `window_s`, where there is one, is how long after the switch it may take to hold;
    until then no failure decides.
    """

    programs: tuple[Path, ...] = ()
    each_s: float = 10.0
    window_s: float | None = None

    def __post_init__(self) -> None:
        """Names are those of folders, and a folder may take longer than a check of a release may."""


@dataclass(frozen=True)
class Folders:
    """Where the device keeps checks, and how long each program may take. `greenboot` holds its check folders."""

    own: Path
    greenboot: tuple[Path, ...] = GREENBOOT
    greenboot_conf: Path = GREENBOOT_CONF
    each_s: float = 10.0
    interval_s: float = 60.0

    def checks(self) -> tuple[DeviceCheck, ...]:
        """One check for all required programs, one for all wanted ones; none where there is no program."""
        return tuple(
            DeviceCheck(
                name=f"device/{folder}",
                kind=CheckKind.COMMAND,
                required=folder == REQUIRED,
                interval_s=self.interval_s,
                timeout_s=self.each_s * len(found),
                programs=found,
                each_s=self.each_s,
            )
            for folder in (REQUIRED, WANTED)
            if (found := tuple(self._programs(folder)))
        )

    def _programs(self, folder: str) -> Iterable[Path]:
        disabled = _disabled(self.greenboot_conf) if self.greenboot else frozenset()
        for root in self.greenboot:
            yield from (p for p in _files(root / folder) if p.suffix == ".sh" and p.name not in disabled)
        yield from _files(self.own / folder)


def folders_of(settings: Settings) -> Folders:
    """Where this device keeps checks of its own, as it is configured."""
    greenboot = GREENBOOT if settings.greenboot == "on" else ()
    return Folders(settings.check_dir, greenboot, each_s=settings.check_timeout_s, interval_s=settings.check_interval_s)


def refuse_unrunnable(checks: Iterable[HealthCheck]) -> None:
    """Raise InstallFailed(check_not_run) where a required program of the device could judge no release.

    It failed before the update too, so it would be excused for ever, and protect nothing.
    """
    required = (check for check in checks if isinstance(check, DeviceCheck) and check.required)
    for program in (program for check in required for program in check.programs):
        problem = _exposed(program)
        if problem:
            raise InstallFailed("check_not_run", f"The required check program {program} cannot run: {problem}.")


def look(check: DeviceCheck) -> Finding:
    """Run the programs of a folder in order; every one runs, though one failed."""
    results = tuple(_result(check, program) for program in check.programs)
    broken = {r.name: r.message for r in results if r.result is Check.FAIL}
    words = "; ".join(f"{name}: {message}" for name, message in broken.items())
    return Finding(
        not broken,
        words or f"{len(results)} programs passed",
        {"failed": float(len(broken)), "programs": float(len(results))},
        broken=broken,
        results=results,
    )


def _result(check: DeviceCheck, program: Path) -> CheckResult:
    found = _run(program, check.each_s)
    verdict = Check.PASS if found.good else Check.FAIL
    took_s = found.measured.get("took_s", 0.0)
    return CheckResult(
        str(program), check.required, verdict, found.message, found.measured, took_s, found.output[-1024:]
    )


def _run(program: Path, timeout_s: float) -> Finding:
    problem = _exposed(program)
    if problem:
        return Finding(False, f"it is not run: {problem}")
    try:
        return programs.finding(programs.run([str(program)], Path("/"), ENV, timeout_s), program.name, timeout_s)
    except OSError as error:
        return Finding(False, f"it cannot be run: {error.strerror}")


def _exposed(program: Path) -> str:
    """Why a program is not to be trusted; empty where only root and the agent's own user can change it."""
    try:
        for path in (program, program.parent):
            seen = path.stat()
            if seen.st_uid not in (0, os.geteuid()):
                return f"{path} belongs to another user"
            if seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return f"{path} can be written by others"
    except OSError as error:
        return str(error.strerror)
    return "" if os.access(program, os.X_OK) else "it is not executable"


def _files(folder: Path) -> Sequence[Path]:
    """Programs by name; hidden files and what editors and packages leave behind are none."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except OSError:
        return ()
    return [folder / name for name in names if not name.startswith(".") and not name.endswith(_LEFTOVERS)]


def _disabled(conf: Path) -> frozenset[str]:
    """The names that greenboot's own configuration switches off."""
    try:
        found = _DISABLED.findall(conf.read_text(errors="replace"))
    except OSError:
        return frozenset()
    return frozenset(re.split(r"[\s\"']+", found[-1])) - {""} if found else frozenset()


def excused(results: Sequence[CheckResult], failed_before: Mapping[str, bool]) -> tuple[CheckResult, ...]:
    """Mark the programs that failed before the update too: the release did not break them."""
    return tuple(
        replace(r, result=Check.UNKNOWN, message=f"{r.message}; it failed before the update too")
        if r.result is Check.FAIL and failed_before.get(r.name)
        else r
        for r in results
    )
