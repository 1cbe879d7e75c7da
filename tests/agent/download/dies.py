"""A process that downloads into a slot and says how much memory it took; tests kill it, or ask.

`python -m tests.agent.download.dies ROOT URL MANIFEST PACK…`: MANIFEST is a file, each PACK the JSON of an offer.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from surefoot_agent.download.beside import Beside
from surefoot_agent.download.http import HttpDownloader
from surefoot_agent.download.spool import Spool
from surefoot_agent.download.unpack import Unpacker
from surefoot_agent.ports import Wish
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared import wire
from surefoot_shared.messages import Lease, Pack, Source
from surefoot_shared.release import digest_of, note_of, parse_manifest
from surefoot_shared.status import Intent, SlotName


def main(root: Path, url: str, manifest_file: Path, *packs: str) -> None:
    raw = manifest_file.read_bytes()
    manifest = parse_manifest(raw)
    slots = DirectorySlots(root / "app")
    slots.begin(SlotName.B, manifest, raw)
    unpacker = Unpacker()
    downloader = HttpDownloader(slots, None, beside=Beside(Spool(root / "fetch"), unpacker))
    wish = Wish("a-1", manifest.component, 1, Intent.UPDATE, digest_of(raw), len(raw), note_of(manifest))
    offers = tuple(wire.decode(Pack, offer.encode()) for offer in packs)
    lease = Lease("a-1", (Source(url, ""),), 3600.0, packs=offers, encodings=("zstd",))
    downloader.fill(wish, manifest, SlotName.B, lease, lambda *_: None, lambda: False)
    slots.seal(SlotName.B)
    status = Path("/proc/self/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"agent_mib": own / 1024, "child_mib": child / 1024}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
