"""docs/operators-guide.md is executed: its commands in the order of an operator's day, against a real server."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from surefoot_server.db import utc_now
from surefoot_shared.identity import generate_key, public_to_pem
from tests.house.blocks import Block, blocks, commands
from tests.server.cli.conftest import Operator
from tests.server.conftest import PASSPHRASE
from tests.server.findings.bills import REQUESTS, bill, record, statement
from tests.server.rig import Rig, hello, runs

PAGE = "docs/operators-guide.md"
DAY = (
    "surefoot keys init keys",
    "surefoot enrol-token create",
    "surefoot release build camera --component app --version 1.1",
    "surefoot device assign cam-17",
    "surefoot cohort create vietnam",
    "surefoot release build camera --component app --version 1.2",
    "surefoot release evidence",
    "surefoot channel create dev",
    "surefoot device flag cam-17",
    "surefoot export",
    "surefoot drill run",
    "surefoot device why",
    "surefoot keys renew",
)
"""How the blocks begin, in the order in which they are executed."""
ANSWERS: Mapping[str, tuple[int, ...]] = {
    "surefoot rollout status r1 -w": (7,),
    "surefoot drill run": (5,),
    "surefoot drill show d1": (3,),
    "surefoot channel ready production": (6,),
    "surefoot release promote app/1.1 --to production": (6,),
    "surefoot diff -f fleet.yaml": (1,),
    "surefoot apply -f fleet.yaml --prune 2": (5,),
    "surefoot release scan app/1.2": (6,),
}
"""Where the answer is not 0 in this small world: nothing has baked, nobody is in the lab, nobody waits for hours."""
ON_THE_DEVICE = ("surefoot-agent status", "surefoot-agent check")
"""These are about the machine of a device; the README's walk runs them on one."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def executed() -> list[Block]:
    listed = commands(PAGE)
    return [block for begins in DAY for block in listed if block.text.startswith(begins)]


@pytest.fixture
def world(surefoot: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Files and devices that the guide speaks of."""
    here, secret = tmp_path / "here", tmp_path / "passphrase"
    here.mkdir()
    monkeypatch.chdir(here)
    secret.touch(0o600)
    secret.write_bytes(PASSPHRASE)
    monkeypatch.setenv("SUREFOOT_PASSPHRASE_FILE", str(secret))
    (here / "camera" / "bin").mkdir(parents=True)
    program = here / "camera" / "bin" / "camera"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (here / "camera-1.1").mkdir()
    for name, begins in (("release.toml", "# release.toml"), ("canary.yaml", "# canary.yaml")):
        (here / name).write_text(next(b.text for b in blocks(PAGE) if b.text.startswith(begins)))
    (here / "production.yaml").write_text("{baked: {for: 24h, devices: 5}, tests: [night-count], acceptance: 1}")
    (here / "bill.cdx.json").write_bytes(bill(REQUESTS))
    (here / "PyPI-all.zip").write_text(json.dumps([record(aliases=["CVE-2026-1234"]), record("GHSA-2")]))
    surefoot.rig.release("app/1.0")
    device(surefoot.rig, "cam-17", "rpi5", site="hanoi-1")
    device(surefoot.rig, "cam-30", "jetson-orin", country="VN", site="saigon-1")
    device(surefoot.rig, "cam-40", "rpi5", channel="dev", site="hanoi-2")
    return surefoot


def device(rig: Rig, name: str, hw: str, **attributes: str) -> None:
    now = utc_now()
    with rig.db.write() as session:
        pem = public_to_pem(generate_key().public_key()).decode()
        rig.devices.register(session, name, hw, pem, now, attributes=attributes)
        rig.devices.hello(session, hello(name, 1, hw=hw, components=(runs("app/1.0"),)), now)


def the_servers_keys(surefoot: Operator) -> None:
    shutil.rmtree("keys", ignore_errors=True)
    shutil.copytree(surefoot.rig.keys, "keys")


def a_statement(_surefoot: Operator) -> None:
    digest = hashlib.sha256(Path("out-1.2/manifest.json").read_bytes()).hexdigest()
    Path("provenance.json").write_text(json.dumps(statement(digest)))


def the_fleet_of_the_guide(_surefoot: Operator) -> None:
    Path("fleet.yaml").write_text(next(b.text for b in blocks(PAGE) if b.label == "yaml fleet"))


BEFORE: Mapping[str, Callable[[Operator], None]] = {
    "surefoot release sign out-1.1": the_servers_keys,
    "surefoot release attest": a_statement,
    "surefoot diff": the_fleet_of_the_guide,
}
"""What is made between two commands, by a pipeline or an editor."""


def test_the_guide_is_what_happens(world: Operator, tmp_path: Path) -> None:
    found = executed()
    assert len(found) == len(DAY)

    wrong = [said for block in found for line in block.commands if (said := _run(world, line, tmp_path))]

    assert wrong == []


def _run(surefoot: Operator, line: str, tmp_path: Path) -> str:
    """Run one line; what was not as the guide says, or nothing."""
    line = re.sub(r"\s+#.*", "", line).replace("/media/stick", str(tmp_path)).replace("/var/lib", str(tmp_path))
    if line in ON_THE_DEVICE:
        return ""
    for begins, prepare in BEFORE.items():
        if line.startswith(begins):
            prepare(surefoot)
    wanted = next((codes for begins, codes in ANSWERS.items() if line.startswith(begins)), (0,))
    for part in line.split(" && ") if "(" not in line else [line]:
        code, said = _part(surefoot, part)
        if code not in wanted:
            return f"{part}: {code}: {said}"
    return ""


def _part(surefoot: Operator, part: str) -> tuple[int, str]:
    head, _, target = part.partition(" > ")
    words = shlex.split(head)
    if words[0] != "surefoot" or "&&" in part:
        return _by_the_shell(part.split(" && ", 1)[-1] if _own(surefoot, part) else part)
    more = ["--timeout", "1s"] if words[-1] == "-w" and words[1] == "rollout" else []
    said = surefoot(*words[1:], *more, answer="y\n")
    if target:
        Path(target.strip()).write_text(said.out)
    return said.code, said.err


def _own(surefoot: Operator, part: str) -> bool:
    """A line of ours that goes on in the shell: its first part is run here."""
    head = part.split(" && ", 1)[0]
    if not head.startswith("surefoot ") or "&&" not in part:
        return False
    assert surefoot(*shlex.split(head)[1:], answer="y\n").code == 0
    return True


def _by_the_shell(line: str) -> tuple[int, str]:
    said = subprocess.run(["sh", "-ec", line], capture_output=True, text=True, check=False, timeout=30)
    return said.returncode, said.stderr
