"""Twelve nodes of three hardware types: enrolled through the real command, started and stopped together.

Promises: each node has its own folder, identity, ports and street; enrolment installs the first release, so a device
runs from its first minute; `stop` leaves no process of any node behind.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from surefoot_simulators.demo.disk import DeviceOnDisk
from surefoot_simulators.demo.node import Node, NodeSpec, environment
from surefoot_simulators.demo.ports import free_ports
from surefoot_simulators.demo.server import CommandFailed, program

HARDWARE = ("jetson-orin", "rpi5", "x86-box")
ENROL_LIMIT_S = 60.0
AT_ONCE = 3
"""Enrolments side by side: each is a second of one core; more only make the first ones slower."""


class Fleet:
    """The nodes by their ids, in the order of their numbers."""

    def __init__(self, folder: Path, count: int, settings: Mapping[str, float]) -> None:
        self.nodes: dict[str, Node] = {}
        for number, port in enumerate(free_ports(count), 1):
            name = f"cam-{number:02d}"
            own = {**settings, "metrics_port": port}
            spec = NodeSpec(name, HARDWARE[(number - 1) % len(HARDWARE)], folder / name, number, own)
            self.nodes[name] = Node(spec)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def hardware(self) -> dict[str, str]:
        return {name: node.spec.hw for name, node in self.nodes.items()}

    def enrol(
        self, server_url: str, bootstrap: Path, token: str, first_release: Path, done: Callable[[str], None]
    ) -> None:
        """Enrol every node with the first release; `done` hears each name. Raises CommandFailed."""

        def one(node: Node) -> None:
            enrol(node, server_url, bootstrap, token, first_release)
            done(node.spec.device)

        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            list(pool.map(one, self))
        finally:
            pool.shutdown(cancel_futures=True)  # an interrupt does not wait for those that have not begun

    def start(self) -> None:
        for node in self:
            node.start()

    def stop(self) -> None:
        """Stop all nodes, all at once."""
        for node in self:
            node.request_stop()
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(Node.stop, self))

    def look(self) -> dict[str, DeviceOnDisk]:
        """Inspect every disk."""
        return {name: node.look() for name, node in self.nodes.items()}


def enrol(node: Node, server_url: str, bootstrap: Path, token: str, first_release: Path | None) -> None:
    """Run `surefoot-agent enrol` for one node; raises CommandFailed with its last line."""
    token_file = node.spec.folder / "enrol.token"
    token_file.touch(0o600)
    token_file.write_text(token)
    words: Sequence[str] = (
        *("enrol", "--server", server_url, "--bootstrap", str(bootstrap), "--token-file", str(token_file)),
        *("--device", node.spec.device, "--hw", node.spec.hw, "--state-dir", str(node.spec.state_dir)),
        *(("--release", str(first_release)) if first_release is not None else ()),
    )
    done = subprocess.run(
        [program("surefoot-agent"), *words],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ENROL_LIMIT_S,
        check=False,
    )
    token_file.unlink()
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise CommandFailed(f"{node.spec.device} could not enrol: {said[-1] if said else done.returncode}")
