"""The server of the demonstration, and its operator: both through the real command line, as separate processes.

Promises: what an operator would type is what runs (`surefoot up`, `keys`, `release`, `cohort`, `rollout`); ports are
free ones on loopback; a command that fails raises CommandFailed with its own last words, unless a failure is asked for.
Refuses to call into the server's code.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_shared.wire import Json
from surefoot_simulators.demo.api import Api
from surefoot_simulators.demo.node import COMPONENT, environment
from surefoot_simulators.demo.ports import free_ports
from surefoot_simulators.demo.unit import Unit

COMMAND_LIMIT_S = 60.0
START_LIMIT_S = 40.0
"""The server is up within three seconds alone; on two busy cores with other tests it may take ten times that."""


class CommandFailed(Exception):
    """A command of the operator ended with another code than 0; its text is the command's last line."""


@dataclass(frozen=True)
class Ports:
    """Where one server listens."""

    device: int
    api: int
    mqtt: int

    @classmethod
    def free(cls) -> Ports:
        return cls(*free_ports(3))


@dataclass(frozen=True)
class Answer:
    """How a command ended: exit code and both streams."""

    code: int
    out: str
    err: str


class Operator:
    """A person at a terminal: runs `surefoot …` and reads what it says."""

    def __init__(self, folder: Path, api_port: int, token_file: Path) -> None:
        self.keys = folder / "keys"
        self._passphrase = folder / "passphrase"
        self._passphrase.parent.mkdir(parents=True, exist_ok=True)
        if not self._passphrase.exists():
            self._passphrase.touch(0o600)
            self._passphrase.write_text(secrets.token_hex(16))
        self._env = environment(
            {
                "SUREFOOT_SERVER": f"http://127.0.0.1:{api_port}",
                "SUREFOOT_TOKEN_FILE": str(token_file),
                "SUREFOOT_PASSPHRASE_FILE": str(self._passphrase),
                "NO_COLOR": "1",
            }
        )

    def run(self, *words: str) -> str:
        """Run a command and return its standard output; raises CommandFailed."""
        answer = self.attempt(*words)
        if answer.code != 0:
            said = (answer.err.strip() or answer.out.strip()).splitlines()
            raise CommandFailed(f"surefoot {' '.join(words)} ended with {answer.code}: {said[-1] if said else ''}")
        return answer.out

    def run_json(self, *words: str) -> Json:
        parsed: Json = json.loads(self.run("--json", *words))
        return parsed

    def attempt(self, *words: str) -> Answer:
        """Run a command whose failure is an answer too."""
        done = subprocess.run(
            [program("surefoot"), *words],
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def build(self, tree: Path, recipe: Path, out: Path, version: str, counter: int, hw: Sequence[str]) -> None:
        self.run(
            *("release", "build", str(tree), "--component", COMPONENT, "--version", version, "--counter", str(counter)),
            *("--hw", ",".join(hw), "--recipe", str(recipe), "-o", str(out)),
        )

    def sign(self, out: Path) -> None:
        self.run("release", "sign", str(out), "--keys", str(self.keys))

    def publish(self, out: Path) -> None:
        self.run("release", "publish", str(out))

    def cohort(self, name: str, expression: str) -> None:
        self.run("cohort", "create", name, expression)

    def start_rollout(self, version: str, cohort: str, policy: Path) -> str:
        """Start a rollout and return its id."""
        release = f"{COMPONENT}/{version}"
        made = self.run_json(
            "rollout", "start", "--release", release, "--cohort", cohort, "--policy", str(policy), "--yes"
        )
        assert isinstance(made, dict)  # the command's documented answer
        return str(made["id"])

    def enrolment_token(self, uses: int) -> str:
        made = self.run_json("enrol-token", "create", "--uses", str(uses))
        assert isinstance(made, dict)  # the command's documented answer
        return str(made["token"])


class Server:
    """`surefoot up` as a process that can be stopped and started again on the same data and ports."""

    def __init__(self, folder: Path, keys: Path, ports: Ports) -> None:
        self.data, self.ports = folder / "server", ports
        self.url = f"http://127.0.0.1:{ports.api}"
        self.device_url = f"https://localhost:{ports.device}"
        self.api = Api(self.url, self.token_file, COMPONENT)
        self.log = folder / "server.log"
        self.unit = Unit("server", self.command(keys), environment(), self.log, restart_s=None)

    @property
    def token_file(self) -> Path:
        return self.data / "secrets" / "operator.token"

    def command(self, keys: Path) -> list[str]:
        ports = self.ports
        return [
            *(program("surefoot"), "up", "--data", str(self.data), "--keys", str(keys)),
            *("--device-port", str(ports.device), "--api-port", str(ports.api), "--mqtt-port", str(ports.mqtt)),
        ]

    def start(self) -> None:
        """Start it and wait until every role says it is well; raises CommandFailed with its last line."""
        self.unit.start()
        until_s = time.monotonic() + START_LIMIT_S
        while not self.api.healthy():
            ended = self.unit.exits and not self.unit.alive
            if ended or time.monotonic() > until_s:
                raise CommandFailed(f"the server did not start: {last_line(self.log)}")
            time.sleep(0.1)

    def stop(self) -> None:
        self.unit.stop(10.0)
        self.unit.exits.clear()

    def kill(self) -> None:
        """End it with SIGKILL, its broker with it; `start` brings it back on the same data."""
        self.unit.kill()
        self.stop()


def program(name: str) -> str:
    """Return the path of a command that was installed with this Python."""
    path = Path(sys.executable).parent / name
    if not os.access(path, os.X_OK):
        raise CommandFailed(f"{path} is missing: install the package first (make does it)")
    return str(path)


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"
