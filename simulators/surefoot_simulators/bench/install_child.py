"""`python -m surefoot_simulators.bench.install_child RELEASE STATE SLOT_A SLOT_B`: one install as the agent does it.

With `in-two-halves` as one more word the helper of STATE writes, see `halves`.

Promises: the agent's own slots and downloader, from a release folder as on a USB stick, into slot B; nothing is
simulated. Prints one JSON object: seconds of begin and fill up to the last sync, seconds of the seal with its
read-back, and the memory at the peak beside that before. A process of its own, so that the memory is the agent's alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from surefoot_agent.download.http import HttpDownloader
from surefoot_agent.download.local import source_of
from surefoot_agent.ports import Slots, Wish
from surefoot_agent.slots.image import ImageSlots
from surefoot_shared.errors import InstallFailed
from surefoot_shared.messages import Lease
from surefoot_shared.release import digest_of, note_of, parse_manifest
from surefoot_shared.status import Intent, SlotName

ENDLESS_S = 3600.0
IN_TWO_HALVES = "in-two-halves"


def main(argv: Sequence[str]) -> int:
    release, state, slot_a, slot_b = map(Path, argv[:4])
    devices = {SlotName.A: slot_a, SlotName.B: slot_b}
    print(json.dumps(install(release, state, devices, halves=argv[4:] == [IN_TWO_HALVES])))
    return 0


def install(release: Path, state: Path, devices: dict[SlotName, Path], *, halves: bool = False) -> dict[str, float]:
    """Install the release folder into slot B; raises InstallFailed. In two halves the seal holds the last sync."""
    raw = (release / "manifest.json").read_bytes()
    manifest, source = parse_manifest(raw), source_of(release)
    if source is None:
        raise InstallFailed("artifact_missing", f"{release} is no release folder.")
    wish = Wish("bench", manifest.component, 1, Intent.UPDATE, digest_of(raw), len(raw), note_of(manifest))
    lease = Lease("bench", (source,), ENDLESS_S)
    slots = _helpers(state, manifest.component, devices) if halves else ImageSlots(state, devices)
    downloader = HttpDownloader(slots, None)
    before = memory_mib("VmRSS")
    began = time.monotonic()
    slots.begin(SlotName.B, manifest, raw)
    downloader.fill(wish, manifest, SlotName.B, lease, lambda have, total: None, lambda: False)
    if isinstance(slots, ImageSlots):
        slots.sync(SlotName.B)
    filled = time.monotonic()
    slots.seal(SlotName.B)
    sealed = time.monotonic()
    return {"fill_s": filled - began, "seal_s": sealed - filled, "before_mib": before, "peak_mib": memory_mib()}


def _helpers(state: Path, component: str, devices: dict[SlotName, Path]) -> Slots:
    from surefoot_simulators.bench.halves import agents_slots  # what signs is loaded with it, which no agent does

    return agents_slots(state, component, devices)


def memory_mib(of: str = "VmHWM") -> float:
    """Resident memory at its peak, or now (VmRSS); getrusage would tell that of whoever started this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{of}:"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
