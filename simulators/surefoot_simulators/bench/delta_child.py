"""`python -m surefoot_simulators.bench.delta_child RELEASE STATE SLOT`: one update as the agent does it.

Promises: the agent's own slots, downloader, spool and unpacking child; nothing is simulated. Takes the lease as JSON
from standard input, prints one JSON object: seconds from the first byte to the sealed slot, and the memory at the peak
of this process, of the one that unpacks, and of both together at one moment. A process of its own, so that the memory
is the agent's alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from surefoot_agent.acceptance import proved_manifest
from surefoot_agent.download.beside import Beside
from surefoot_agent.download.http import HttpDownloader
from surefoot_agent.download.spool import Spool
from surefoot_agent.download.unpack import Unpacker
from surefoot_agent.ports import Slots, Wish
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.slots.image import ImageSlots
from surefoot_shared import wire
from surefoot_shared.messages import Lease
from surefoot_shared.release import SlotKind, digest_of, note_of, parse_manifest
from surefoot_shared.status import Intent, SlotName
from surefoot_simulators.bench.install_child import memory_mib
from surefoot_simulators.bench.process import together

LEASE_LIMIT_BYTES = 1 << 20
LOOK_S = 0.01
"""Between two looks at the memory: a base of some MiB takes longer than that to be read and patched."""


def main(argv: Sequence[str]) -> int:
    release, state, slot = Path(argv[0]), Path(argv[1]), SlotName(argv[2])
    lease = wire.decode(Lease, sys.stdin.buffer.read(), LEASE_LIMIT_BYTES)
    print(json.dumps(update(release, state, slot, lease)))
    return 0


def update(release: Path, state: Path, slot: SlotName, lease: Lease) -> dict[str, float]:
    """Fetch the manifest, fill and seal a slot; raises what the agent's own parts raise."""
    signed = (release / "manifest.json").read_bytes()
    note = note_of(parse_manifest(signed))
    wish = Wish("bench", note.component, 1, Intent.UPDATE, digest_of(signed), len(signed), note)
    del signed  # a device knows it from its bundle
    devices = {name: state / name.value for name in SlotName}
    slots: Slots = DirectorySlots(state) if note.slot is SlotKind.TREE else ImageSlots(state, devices)
    unpacker = Unpacker()
    beside = Beside(Spool(state / "fetch"), unpacker)
    downloader = HttpDownloader(slots, None, beside=beside)
    with together(LOOK_S) as memory:
        began = time.monotonic()
        raw = downloader.manifest(wish, lease)
        manifest = proved_manifest(wish, raw, slots.installed(slot.other))
        slots.begin(slot, manifest, raw)
        del raw
        downloader.fill(wish, manifest, slot, lease, lambda have, total: None, lambda: False)
        filled = time.monotonic()
        slots.seal(slot)
        sealed = time.monotonic()
    return {
        "fill_s": filled - began,
        "seal_s": sealed - filled,
        "peak_mib": memory_mib(),
        "child_mib": unpacker.peak_bytes / (1 << 20),  # getrusage would count what it shared with us before its exec
        "together_mib": memory.peak_mib,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
